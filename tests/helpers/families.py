"""Tiny models of each family and tokenizers trained on the spot, shared by the tests of several folders."""

from __future__ import annotations

import copy
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sentencepiece
import torch
import transformers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

_SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}
_BART: dict[str, Any] = {**_SIZES, "max_position_embeddings": 64, "forced_eos_token_id": None}
_T5: dict[str, Any] = {
    "vocab_size": 40,
    "d_model": 16,
    "d_kv": 4,
    "d_ff": 32,
    "num_layers": 2,
    "num_decoder_layers": 2,  # not more than num_layers, which the library uses for the size of its cache
    "num_heads": 4,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
}
_WHISPER: dict[str, Any] = {
    **_SIZES,
    "num_mel_bins": 8,
    "max_source_positions": 12,
    "max_target_positions": 32,
    "decoder_start_token_id": 3,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}


# These factors give sharp rows but keep float noise, which grows with the logits, well below 1e-5, the tolerance of the
# tests. T5 does not divide by the square root of the head size.
_SHARPER = {
    r"encoder_attn\.[qk]_proj\.weight$": 4,
    r"self_attn\.[qk]_proj\.weight$": 2,
    r"EncDecAttention\.[qk]\.weight$": 3,
}


# Arguments of generate: exactly six tokens, and the library's own attention weights of every step.
GREEDY = {"do_sample": False, "max_new_tokens": 6, "min_new_tokens": 6}
STEPS = {"return_dict_in_generate": True, "output_attentions": True}


class Family(NamedTuple):
    model: type
    config: type
    settings: dict[str, Any]


FAMILIES = {
    "marian": Family(transformers.MarianMTModel, transformers.MarianConfig, _BART),
    "bart": Family(transformers.BartForConditionalGeneration, transformers.BartConfig, _BART),
    "mbart": Family(transformers.MBartForConditionalGeneration, transformers.MBartConfig, _BART),
    "m2m_100": Family(transformers.M2M100ForConditionalGeneration, transformers.M2M100Config, _BART),
    "pegasus": Family(transformers.PegasusForConditionalGeneration, transformers.PegasusConfig, _BART),
    "t5": Family(transformers.T5ForConditionalGeneration, transformers.T5Config, _T5),
    "mt5": Family(transformers.MT5ForConditionalGeneration, transformers.MT5Config, _T5),
    "whisper": Family(transformers.WhisperForConditionalGeneration, transformers.WhisperConfig, _WHISPER),
}


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one torch thread: tensors this small gain nothing from more, which wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def tiny(name: str, *, seed: int = 0, **settings: Any) -> Any:
    """Return a random model of a family in evaluation mode, with weights that give attention far from uniform."""
    family = FAMILIES[name]
    model = family.model(family.config(**{**family.settings, **settings}))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.dim() == 2:
                parameter.normal_(std=0.15, generator=generator)
            for pattern, scale in _SHARPER.items():
                if re.search(pattern, parameter_name):
                    parameter.mul_(scale)
    return model.eval()


def eager(model: Any) -> Any:
    """Return a copy of the model on the library's eager path, the only one that returns weights."""
    twin = copy.deepcopy(model)
    twin.set_attn_implementation("eager")
    return twin


def batch(name: str, model: Any, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return inputs with three sources and three targets of different lengths, padded on the right."""
    generator = torch.Generator().manual_seed(seed)
    target, target_mask = _padded((4, 7, 2), model, generator)
    target[:, 0] = model.config.decoder_start_token_id
    inputs = {"decoder_input_ids": target, "decoder_attention_mask": target_mask}
    return {**sources(name, model, seed=seed), **inputs}


def sources(name: str, model: Any, *, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed + 1)
    if name == "whisper":
        frames = 2 * model.config.max_source_positions
        return {"input_features": torch.randn(3, model.config.num_mel_bins, frames, generator=generator)}
    ids, mask = _padded((9, 3, 6), model, generator)
    return {"input_ids": ids, "attention_mask": mask}


def _padded(lengths: tuple[int, ...], model: Any, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(4, model.config.vocab_size, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return ids.masked_fill(mask == 0, model.config.pad_token_id), mask


def eager_weights(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Return the library's own ``cross_attentions``, and assert that they are sharp: flat rows would hide mistakes."""
    with torch.no_grad():
        weights = tuple(eager(model)(**inputs, output_attentions=True).cross_attentions)
    assert all(float(layer.amax(-1).max()) > 0.5 for layer in weights)
    assert all(float(layer.amax(-1).min()) < 0.9 for layer in weights)
    return weights


def cross_attention_modules(model: nn.Module) -> list[nn.Module]:
    return [module for name, module in model.named_modules() if name.endswith(("encoder_attn", "EncDecAttention"))]


def state_of(model: nn.Module) -> list[Any]:
    """Return all that could be left behind: configs (identity and content), hooks, attributes, modes, the registry."""
    state: list[Any] = [sorted(ALL_ATTENTION_FUNCTIONS.keys())]
    for name, module in model.named_modules():
        config = getattr(module, "config", None)
        hooks = {key: list(value) for key, value in vars(module).items() if "hook" in key and isinstance(value, dict)}
        content = None if config is None else copy.deepcopy(vars(config))
        state.append((name, id(config), content, hooks, sorted(vars(module)), module.training))
    return state


# --- Tokenizers trained on these sentences.

SENTENCES = [
    "Ich habe das Buch gelesen.",
    "Wann stehst du morgen auf?",
    "Der Hund schläft unter dem Tisch.",
    "Größe zählt nicht, sagte die Köchin.",
    "Sie hat mir gesagt, dass sie keine Zeit hat.",
    "I have read the book.",
    "When do you get up tomorrow?",
    "The dog sleeps under the table.",
    "I don't think it costs 3.5 euros.",
    "She told me that she has no time.",
    "Le chien dort sous la table.",
    "漢字 и слова!",
]
# Every vocabulary gets all of these characters, even those that training would drop.
LETTERS = sorted(set("".join(SENTENCES)) - {" "})


# Marks a space as "▁" before a word. As in SentencePiece, no piece spans a letter and the punctuation after a word.
_SPACED = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex(r"[.,!?]+$"), "isolated")])


def _trained(model: Any, pre_tokenizer: Any, trainer: Any) -> dict[str, Any]:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    return dict(json.loads(tokenizer.to_str())["model"])


def _bpe(pre_tokenizer: Any, size: int, special: list[str], alphabet: list[str], **options: Any) -> dict[str, Any]:
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False, **options
    )
    trained = _trained(models.BPE(unk_token="<unk>", **options), pre_tokenizer, trainer)
    return {"vocab": trained["vocab"], "merges": [tuple(merge) for merge in trained["merges"]]}


def _unigram(special: list[str]) -> list[tuple[str, float]]:
    """Return pieces with scores. They come from a trained BPE, because the unigram trainer's vary between runs."""
    pieces = _bpe(_SPACED, 170, special, ["▁", *LETTERS])["vocab"]
    return [(piece, 0.0 if piece in special else -5 - index / 100) for piece, index in _in_order(pieces)]


def _in_order(vocabulary: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(vocabulary.items(), key=lambda item: item[1])


def byte_level_tokenizer() -> Any:
    """Return a tokenizer like BART's: bytes instead of characters, "Ġ" for a space."""
    pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    return transformers.BartTokenizer(**_bpe(pre_tokenizer, 320, special, pre_tokenizers.ByteLevel.alphabet()))


def byte_fallback_tokenizer() -> Any:
    """Return a BPE tokenizer like Llama's and Gemma's: unknown characters become bytes such as <0xE2>."""
    special = ["<pad>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trained = _bpe(_SPACED, 420, special, ["▁", *"abcdefghinorst.,'"])
    tokenizer = Tokenizer(models.BPE(**trained, unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def unigram_tokenizer() -> Any:
    """Return a tokenizer like T5's."""
    return transformers.T5Tokenizer(vocab=_unigram(["<pad>", "</s>", "<unk>"]), extra_ids=3)


def mbart_tokenizer() -> Any:
    """Return a tokenizer like mBART's: sentence, end of sentence, language code."""
    vocabulary = _unigram(["<s>", "<pad>", "</s>", "<unk>"])
    return transformers.MBartTokenizer(vocab=vocabulary, src_lang="de_DE", tgt_lang="en_XX")


def nllb_tokenizer() -> Any:
    """Return a tokenizer like NLLB's: language code, sentence, end of sentence."""
    return transformers.NllbTokenizer(
        **_bpe(_SPACED, 170, ["<s>", "<pad>", "</s>", "<unk>"], ["▁", *LETTERS]),
        src_lang="deu_Latn",
        tgt_lang="eng_Latn",
        extra_special_tokens=["deu_Latn", "eng_Latn"],
    )


def wordpiece_tokenizer() -> Any:
    """Return a tokenizer like BERT's: "##" before a piece inside a word."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=special, initial_alphabet=LETTERS, show_progress=False
    )
    trained = _trained(models.WordPiece(unk_token="[UNK]"), pre_tokenizers.BertPreTokenizer(), trainer)
    return transformers.BertTokenizer(vocab=trained["vocab"], do_lower_case=False)


def word_level_tokenizer() -> Any:
    """Return a tokenizer of whole words, without any mark."""
    vocabulary = {token: index for index, token in enumerate(["<unk>", "<pad>", "</s>", "Ich", "Menü", "gut", "."])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", eos_token="</s>"
    )


def word_end_tokenizer() -> Any:
    """Return a tokenizer with a vocabulary like FSMT's and CLIP's: "</w>" after the last piece of a word."""
    final_punctuation = pre_tokenizers.Split(Regex(r"[.,!?]+(?=\s|$)"), "isolated")  # as Moses does
    pre_tokenizer = pre_tokenizers.Sequence([final_punctuation, pre_tokenizers.WhitespaceSplit()])
    special = ["<pad>", "</s>", "<unk>"]
    trained = _bpe(pre_tokenizer, 220, special, LETTERS, end_of_word_suffix="</w>")
    tokenizer = Tokenizer(models.BPE(**trained, unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def _sentencepiece(folder: Path, side: str, sentences: list[str]) -> list[str]:
    """Write a SentencePiece model and return its vocabulary, with Marian's special tokens first."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences * 4),
        model_writer=model,
        vocab_size=130,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    (folder / f"{side}.spm").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.IdToPiece(index) for index in range(processor.GetPieceSize())]
    special = ["</s>", "<unk>", "<pad>"]
    return special + [piece for piece in pieces if piece not in {*special, "<s>"}]


def _write_vocabulary(path: Path, pieces: list[str]) -> str:
    path.write_text(json.dumps({piece: index for index, piece in enumerate(pieces)}), encoding="utf-8")
    return str(path)


def marian_tokenizer(folder: Path, *, separate: bool) -> Any:
    """Return a tokenizer like Marian's: two SentencePiece models, two vocabularies or one with >>fra<< and the like."""
    source = _sentencepiece(folder, "source", SENTENCES[:5])
    target = _sentencepiece(folder, "target", SENTENCES[5:])
    files: dict[str, Any] = {"source_spm": str(folder / "source.spm"), "target_spm": str(folder / "target.spm")}
    if separate:
        files["vocab"] = _write_vocabulary(folder / "vocab.json", source)
        files["target_vocab_file"] = _write_vocabulary(folder / "target_vocab.json", target)
    else:
        pieces = list(dict.fromkeys([*source, *target, ">>deu<<", ">>fra<<"]))
        files["vocab"] = _write_vocabulary(folder / "vocab.json", pieces)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        return transformers.MarianTokenizer(**files, separate_vocabs=separate)


class Pair(NamedTuple):
    """A tiny random model and its tokenizer."""

    model: Any
    tokenizer: Any


def m2m_tokenizer(folder: Path) -> Any:
    """Return a tokenizer like M2M100's: language codes such as __en__ are not in the vocabulary file."""
    pieces = _sentencepiece(folder, "both", SENTENCES)
    vocabulary = _write_vocabulary(folder / "vocab.json", ["<s>", *pieces])
    return transformers.M2M100Tokenizer(vocabulary, str(folder / "both.spm"), src_lang="de", tgt_lang="en")


def _fitted(name: str, tokenizer: Any, **settings: Any) -> Pair:
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = tiny(name, **{"vocab_size": len(tokenizer), **ids, **settings})
    model.generation_config.bad_words_ids = [[tokenizer.pad_token_id]]  # never predict padding, like Marian
    model.generation_config.max_new_tokens = 12
    return Pair(model, tokenizer)


def _separate_marian(folder: Path) -> Pair:
    tokenizer = marian_tokenizer(folder, separate=True)
    return _fitted(
        "marian",
        tokenizer,
        vocab_size=len(tokenizer.encoder),
        decoder_vocab_size=len(tokenizer.target_encoder),
        share_encoder_decoder_embeddings=False,
        tie_word_embeddings=False,
        decoder_start_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )


def _mbart(folder: Path) -> Pair:
    tokenizer = mbart_tokenizer()
    return _fitted("mbart", tokenizer, decoder_start_token_id=tokenizer.convert_tokens_to_ids("en_XX"))


# Models with their own tokenizers, named by what is special about them.
PAIRS: dict[str, Callable[[Path], Pair]] = {
    "byte-level BART": lambda folder: _fitted("bart", byte_level_tokenizer()),
    "unigram T5": lambda folder: _fitted("t5", unigram_tokenizer()),
    "mBART": _mbart,
    "NLLB": lambda folder: _fitted("m2m_100", nllb_tokenizer()),
    "Marian of two vocabularies": _separate_marian,
}
