"""A vocabulary for each side: tokenizers with two vocabularies, and pairs of tokenizers."""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest
import torch
import transformers
from click.testing import CliRunner
from families import eager, marian_tokenizer, tiny, wordpiece_tokenizer
from family_sides import bert_and_gpt2, fsmt

from xattn_widget import extract, head_importance, score_corpus, show_corpus, show_cross_attention
from xattn_widget.cli import cli
from xattn_widget.corpus import corpus_info, grids

pytestmark = pytest.mark.usefixtures("single_thread")

GERMAN = ["Ich habe das Buch gelesen.", "Der Hund schläft unter dem Tisch."]
ENGLISH = ["I have read the book.", "The dog sleeps under the table."]
WORDS = [["I", "have", "read", "the", "book", "."], ["The", "dog", "sleeps", "under", "the", "table", "."]]


def assert_read_by_the_library(model, record, **inputs):
    read = torch.tensor([record.read_as("input").target.ids])
    with torch.no_grad():
        output = eager(model)(**inputs, decoder_input_ids=read, output_attentions=True, use_cache=False)
    torch.testing.assert_close(record.weights, torch.cat(output.cross_attentions), atol=1e-5, rtol=0)


# --- FSMT: one tokenizer with two vocabularies, or with one.


@pytest.fixture(scope="module", params=[True, False], ids=["two vocabularies", "one vocabulary"])
def translator(request, tmp_path_factory):
    return fsmt(tmp_path_factory.mktemp("fsmt"), separate=request.param)


def vocabulary(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def test_fsmt_reads_each_side_with_its_vocabulary(translator):
    model, tokenizer = translator
    pieces = {index: piece for piece, index in vocabulary(tokenizer.tgt_vocab_file).items()}
    records = extract(model, tokenizer, GERMAN, ENGLISH)
    for record, source, words in zip(records, GERMAN, WORDS, strict=True):
        assert list(record.source.ids) == tokenizer(source)["input_ids"]
        assert "".join(record.source_tokens).replace("</s>", "") == source.replace(" ", "")
        assert [word.text for word in record.target_words] == words
        assert [pieces[index].replace("</w>", "") for index in record.target.ids] == record.target_tokens
        assert record.target.ids[-1] == tokenizer.sep_token_id
        assert_read_by_the_library(model, record, **tokenizer(source, return_tensors="pt"))
    for record in extract(model, tokenizer, GERMAN, generation={"num_beams": 2}):
        assert [pieces[index].replace("</w>", "") for index in record.target.ids] == record.target_tokens


@pytest.mark.parametrize("statistics", [[], ["logprob_sum"]])
def test_fsmt_is_scored_whether_or_not_its_head_runs(translator, statistics):
    model, tokenizer = translator
    heads = []
    hook = model.model.decoder.output_projection.register_forward_hook(lambda *call: heads.append(call[2].shape))
    try:
        table = score_corpus(model, tokenizer, GERMAN, ENGLISH, ["entropy", "sink_mass"], statistics=statistics)
    finally:
        hook.remove()
    assert table["error"].to_pylist() == [None, None]
    for row, record in enumerate(extract(model, tokenizer, GERMAN, ENGLISH)):
        for score in ("entropy", "sink_mass"):
            np.testing.assert_allclose(grids(table, score)[row], record.score(score), atol=1e-5)
    shares_its_weight = model.get_output_embeddings().weight is model.model.decoder.output_projection.weight
    tried = 3  # forwards that tell what the model is like
    assert bool(heads[tried:]) == (bool(statistics) or not shares_its_weight)


def test_fsmt_in_experiments(translator):
    model, tokenizer = translator
    widget = show_cross_attention(model, tokenizer, GERMAN[0])
    assert [word.text for word in widget.set_target(ENGLISH[0]).target_words] == WORDS[0]
    assert widget.set_token(1, "the</w>").target_tokens[1] == "the"
    with pytest.raises(ValueError, match="the vocabulary has no token"):
        widget.set_token(1, "zzz</w>")


def test_generated_texts_are_those_of_the_target_vocabulary(translator):
    model, tokenizer = translator
    table = score_corpus(model, tokenizer, GERMAN, None, "entropy")
    assert table["error"].to_pylist() == [None, None]
    for text, record in zip(table["target"].to_pylist(), extract(model, tokenizer, GERMAN), strict=True):
        special = {"</s>", "<s>", "<pad>", "<unk>"}
        assert text.replace(" ", "") == "".join(label for label in record.target_tokens if label not in special)


# --- Marian and others.


def test_marians_special_and_added_tokens_have_the_ids_of_their_side(tmp_path):
    tokenizer = marian_tokenizer(tmp_path, separate=True)
    path = tmp_path / "target_vocab.json"
    pieces = list(vocabulary(path))
    reordered = ["<unk>", "<pad>", *(piece for piece in pieces if piece not in ("<unk>", "<pad>", "</s>")), "</s>"]
    path.write_text(json.dumps({piece: index for index, piece in enumerate(reordered)}))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        tokenizer = transformers.MarianTokenizer(
            source_spm=str(tmp_path / "source.spm"),
            target_spm=str(tmp_path / "target.spm"),
            vocab=str(tmp_path / "vocab.json"),
            target_vocab_file=str(path),
            separate_vocabs=True,
        )
    end = len(reordered) - 1
    sizes = {"vocab_size": len(tokenizer.encoder), "decoder_vocab_size": len(reordered)}
    apart = {"share_encoder_decoder_embeddings": False, "tie_word_embeddings": False}
    ids = {"pad_token_id": 1, "eos_token_id": end, "decoder_start_token_id": 1, "bos_token_id": None}
    model = tiny("marian", **sizes, **apart, **ids)
    record = extract(model, tokenizer, GERMAN[0], ENGLISH[0])
    assert record.source_tokens[-1] == record.target_tokens[-1] == "</s>"
    assert record.source.ids[-1] == tokenizer.eos_token_id != record.target.ids[-1] == end
    assert record.source_special.tolist() == [False] * (len(record.source) - 1) + [True]
    assert record.target_special.tolist() == [False] * (len(record.target) - 1) + [True]
    assert "".join(record.target_tokens).replace("␣", "") == ENGLISH[0].replace(" ", "") + "</s>"


class Switching(transformers.PreTrainedTokenizer):
    """Two vocabularies of whole words, one at a time; both ways, or only from words to ids."""

    def __init__(self, source, target, both_ways, **options):
        self.vocabularies, self.side, self.both_ways = {"source": source, "target": target}, "source", both_ways
        super().__init__(pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **options)

    @property
    def vocab_size(self):
        return len(self.get_vocab())

    def get_vocab(self):
        return dict(self.vocabularies[self.side])

    def _tokenize(self, text, **options):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.vocabularies[self.side].get(token, 2)

    def _convert_id_to_token(self, index):
        vocabulary = self.vocabularies[self.side if self.both_ways else "target"]
        return next((token for token, other in vocabulary.items() if other == index), "<unk>")

    def build_inputs_with_special_tokens(self, ids, others=None):
        return [*ids, self.eos_token_id]

    def convert_tokens_to_string(self, tokens):
        return " ".join(tokens)

    def _switch_to_target_mode(self):
        self.side = "target"

    def _switch_to_input_mode(self):
        self.side = "source"


def numbered(text):
    return {word: index for index, word in enumerate(dict.fromkeys(["<pad>", "</s>", "<unk>", *text.split()]))}


@pytest.mark.parametrize("both_ways", [True, False])
def test_a_tokenizer_that_switches_between_its_vocabularies(both_ways):
    source, target = numbered(" ".join(GERMAN)), numbered(" ".join(reversed(" ".join(ENGLISH).split())))
    tokenizer = Switching(source, target, both_ways)
    apart = {"share_encoder_decoder_embeddings": False, "tie_word_embeddings": False, "bos_token_id": None}
    sizes = {"vocab_size": len(source), "decoder_vocab_size": len(target)}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    model = tiny("marian", **sizes, **apart, **ids)
    record = extract(model, tokenizer, GERMAN[0], ENGLISH[0])
    assert record.source_tokens == [*GERMAN[0].split(), "</s>"]
    assert record.target_tokens == [*ENGLISH[0].split(), "</s>"]
    assert list(record.target.ids) == [target[word] for word in record.target_tokens]
    assert tokenizer.side == "source"
    table = score_corpus(model, tokenizer, GERMAN, ENGLISH, "entropy")
    np.testing.assert_allclose(grids(table, "entropy")[0], record.score("entropy"), atol=1e-5)


# --- Two tokenizers.


@pytest.fixture(scope="module")
def bert2gpt2():
    return bert_and_gpt2()


def test_two_tokenizers(bert2gpt2):
    model, source_tokenizer, target_tokenizer = bert2gpt2
    records = extract(model, source_tokenizer, GERMAN, ENGLISH, target_tokenizer=target_tokenizer)
    for record, source, target, words in zip(records, GERMAN, ENGLISH, WORDS, strict=True):
        assert list(record.source.ids) == source_tokenizer(source)["input_ids"]
        assert list(record.target.ids) == target_tokenizer(target)["input_ids"]
        assert [word.text for word in record.target_words] == words
        assert record.source_tokens[0] == "[CLS]"
        assert record.source_special.nonzero().flatten().tolist() == [0, len(record.source) - 1]
        assert not record.target_special.any()
        assert record.read_as("input").target_special.tolist() == [True] + [False] * (len(record.target) - 1)
        assert_read_by_the_library(model, record, **source_tokenizer(source, return_tensors="pt"))
        alone = extract(model, source_tokenizer, source, target, target_tokenizer=target_tokenizer)
        torch.testing.assert_close(alone.weights, record.weights, atol=1e-5, rtol=0)


def test_two_tokenizers_wherever_one_is_accepted(bert2gpt2):
    model, source_tokenizer, target_tokenizer = bert2gpt2
    pair, both = (model, source_tokenizer), {"target_tokenizer": target_tokenizer}
    records = extract(*pair, GERMAN, ENGLISH, **both)
    table = score_corpus(*pair, GERMAN, ENGLISH, ["entropy", "sink_mass"], **both)
    generated = score_corpus(*pair, GERMAN, None, "entropy", **both)
    texts = [
        target_tokenizer.decode(record.target.ids, skip_special_tokens=True)
        for record in extract(*pair, GERMAN, **both)
    ]
    assert generated["target"].to_pylist() == texts
    for row, record in enumerate(records):
        for score in ("entropy", "sink_mass"):
            np.testing.assert_allclose(grids(table, score)[row], record.score(score), atol=1e-5)
    for method in ("gradient", "ablation"):
        assert head_importance(*pair, GERMAN, ENGLISH, method=method, **both).shape == (3, 4)
    widget = show_cross_attention(*pair, GERMAN[0], **both)
    assert list(widget.set_target(ENGLISH[0]).target.ids) == target_tokenizer(ENGLISH[0])["input_ids"]
    token = target_tokenizer.convert_ids_to_tokens(records[0].target.ids)[1]
    assert widget.set_token(0, token).target.ids[0] == records[0].target.ids[1]
    view = show_corpus(table, *pair, **both)
    view.row = 0
    assert view.opened.records[0].target.ids in [record.target.ids for record in records]


def test_the_fingerprint_tells_target_tokenizers_apart(bert2gpt2):
    model, source_tokenizer, target_tokenizer = bert2gpt2
    other = copy.deepcopy(target_tokenizer)
    other.add_special_tokens({"pad_token": "the"})
    found = {
        corpus_info(score_corpus(model, source_tokenizer, GERMAN, ENGLISH, "entropy", target_tokenizer=target))["job"][
            "tokenizer"
        ]
        for target in (target_tokenizer, wordpiece_tokenizer())
    }
    assert len(found) == 2


def test_the_command_line_takes_two_tokenizers(bert2gpt2, tmp_path):
    model, source_tokenizer, target_tokenizer = bert2gpt2
    folders = tmp_path / "model", tmp_path / "target"
    model.save_pretrained(folders[0])
    source_tokenizer.save_pretrained(folders[0])
    target_tokenizer.save_pretrained(folders[1])
    pool, table, page = tmp_path / "pool.txt", tmp_path / "scored.parquet", tmp_path / "page.html"
    pool.write_text("\n".join(GERMAN), encoding="utf-8")
    options = ["--model", str(folders[0]), "--target-tokenizer", str(folders[1])]
    scored = CliRunner().invoke(cli, ["score", str(pool), *options, "--output", str(table), "--scores", "entropy"])
    assert scored.exit_code == 0, scored.output
    assert corpus_info(table)["scored"] == 2
    shown = CliRunner().invoke(cli, ["show", GERMAN[0], *options, "--target", ENGLISH[0], "--output", str(page)])
    assert shown.exit_code == 0, shown.output
    assert page.stat().st_size > 0
    refused = CliRunner().invoke(cli, ["show", GERMAN[0], *options[:2], "--output", str(page)])
    assert "target_tokenizer=" in str(refused.exception)


# --- What does not fit is refused, with the fix.


def test_one_tokenizer_for_two_vocabularies_is_refused(bert2gpt2):
    model, *tokenizers = bert2gpt2
    for tokenizer in tokenizers:
        with pytest.raises(ValueError, match=r"different vocabularies.*target_tokenizer="):
            extract(model, tokenizer, GERMAN[0], ENGLISH[0])
        with pytest.raises(ValueError, match=r"different vocabularies.*target_tokenizer="):
            score_corpus(model, tokenizer, GERMAN, ENGLISH)
        with pytest.raises(ValueError, match=r"different vocabularies.*target_tokenizer="):
            show_cross_attention(model, tokenizer, GERMAN[0])


def test_models_of_two_kinds_are_recognized_even_with_vocabularies_of_one_size(bert2gpt2):
    model, source_tokenizer, _ = bert2gpt2
    model = copy.deepcopy(model)
    model.decoder.resize_token_embeddings(model.encoder.get_input_embeddings().num_embeddings)
    with pytest.raises(ValueError, match=r"200 ids \(bert\) and its decoder 200 ids \(gpt2\)"):
        extract(model, source_tokenizer, GERMAN[0], ENGLISH[0])
    model.config.eos_token_id = model.config.pad_token_id = None
    record = extract(model, source_tokenizer, GERMAN[0], ENGLISH[0], target_tokenizer=source_tokenizer)
    assert list(record.target.ids) == source_tokenizer(ENGLISH[0])["input_ids"]


def test_tokenizers_in_the_wrong_places_are_refused(bert2gpt2):
    model, source_tokenizer, target_tokenizer = bert2gpt2
    with pytest.raises(ValueError, match=r"the source tokenizer .* has 320 tokens and the encoder .* embeds 200"):
        extract(model, target_tokenizer, GERMAN[0], ENGLISH[0], target_tokenizer=source_tokenizer)
    larger = copy.deepcopy(target_tokenizer)
    larger.add_tokens(["another"])
    with pytest.raises(ValueError, match=r"the target tokenizer .* has 321 tokens and the decoder .* embeds 320"):
        extract(model, source_tokenizer, GERMAN[0], ENGLISH[0], target_tokenizer=larger)
    with pytest.raises(TypeError, match="target_tokenizer must be a tokenizer of transformers, got str"):
        extract(model, source_tokenizer, GERMAN[0], ENGLISH[0], target_tokenizer="gpt2")


def test_a_target_tokenizer_with_two_vocabularies_is_refused(bert2gpt2, tmp_path):
    model, source_tokenizer, _ = bert2gpt2
    two = fsmt(tmp_path, separate=True).tokenizer
    with pytest.raises(ValueError, match=r"has two vocabularies.* pass a tokenizer with one"):
        extract(model, source_tokenizer, GERMAN[0], ENGLISH[0], target_tokenizer=two)


def test_a_model_with_two_vocabularies_refuses_a_tokenizer_with_one(tmp_path):
    tokenizer = marian_tokenizer(tmp_path, separate=False)
    sizes = {"vocab_size": len(tokenizer), "decoder_vocab_size": len(tokenizer) + 5}
    model = tiny("marian", **sizes, share_encoder_decoder_embeddings=False, tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"different vocabularies.*target_tokenizer="):
        extract(model, tokenizer, GERMAN[0], ENGLISH[0])


def test_the_sides_of_a_tokenizer_can_be_sent_to_a_worker(tmp_path):
    from xattn_widget.inputs.text.vocabularies import split_tokenizer

    tokenizer = marian_tokenizer(tmp_path, separate=True)
    sides = split_tokenizer(tokenizer)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        source, target = pickle.loads(pickle.dumps(sides))
    assert source(GERMAN[0])["input_ids"] == tokenizer(GERMAN[0])["input_ids"]
    assert target(text_target=ENGLISH[0])["input_ids"] == tokenizer(text_target=ENGLISH[0])["input_ids"]
