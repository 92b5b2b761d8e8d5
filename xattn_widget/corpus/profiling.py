"""Profile the heads of a model over a corpus: ``profile_heads``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from transformers import PreTrainedModel

from xattn_widget._version import __version__
from xattn_widget.alignment import HeadSet, best_head_set
from xattn_widget.alignment.aer import Corpus, read_links
from xattn_widget.corpus.aggregates import Aggregates, Text
from xattn_widget.corpus.job import ScoreLike
from xattn_widget.corpus.profiles import HeadProfile, make_profile
from xattn_widget.corpus.scoring import DEFAULT_SCORES, score_corpus
from xattn_widget.corpus.sources.mediums import RECORDINGS, what_rows_are
from xattn_widget.corpus.store.reading import read_batches, read_schema
from xattn_widget.corpus.store.tables import corpus_info
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.extraction.extraction import extract
from xattn_widget.messages.characters import brief
from xattn_widget.messages.mistakes import argument_hint
from xattn_widget.record.heads import check_whole
from xattn_widget.record.special import Special
from xattn_widget.scores import find_score
from xattn_widget.scores.redundancy import similarity_of_heads
from xattn_widget.scores.roles import LEAST_SHARES, ROLES, assign_roles

LEVELS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
# Rows of the scored table that are read at a time, and sentences whose attention is in memory at a time.
_ROWS, _SENTENCES = 1024, 16
# The most weights of the sentences that are drawn: 512 MB in float32.
_MOST_WEIGHTS = 2**27
_SEED = 0


def profile_heads(
    model: PreTrainedModel,
    tokenizer: Any,
    sources: Any,
    targets: Any = None,
    *,
    scores: Sequence[ScoreLike] | ScoreLike = DEFAULT_SCORES,
    special: Special = "keep",
    gold: Corpus | None = None,
    least_shares: Mapping[str, float] | None = None,
    drawn: int = 200,
    strongest: int = 10,
    output: str | PathLike[str] | None = None,
    **options: Any,
) -> HeadProfile:
    """What each head of a model does over a corpus: scores, role, strongest sentences, agreement with other heads.

    One pass of :func:`score_corpus`, on either engine, scores every sentence. Its table goes to a file, and is read in
    parts, so that memory does not grow with the corpus. Means, standard deviations and shares are exact; quantiles are
    exact up to 10,000 sentences, and beyond that those of 10,000 sentences drawn at random (fewer for a model with more
    than 200 heads or so). Agreement and the set of heads come from ``drawn`` sentences, whose attention is extracted in
    this process after the pass.

    **Roles.** A head has the role whose rule most rows of the corpus follow, if their share reaches the least share of
    the role, .5 by default and .35 for aligners. Otherwise it is ``"mixed"``. The rules of :mod:`xattn_widget.scores`
    look at whole rows, special tokens included, whatever ``special`` says. ``T`` and ``S`` are the numbers of rows and
    columns, both counted from 0:

    - ``"end of sentence"``, ``"language code"``, ``"punctuation"``: the largest weight is on such a token;
    - ``"same position"``, ``"previous position"``, ``"next position"``: it is on column ``floor((t + .5) S / T)``, or
      on the one before or after it;
    - ``"aligner (output)"``, ``"aligner (input)"``: it is on a token that is not special, and also the largest of its
      column among the rows of words; such a row counts as ``(1 - distance from the diagonal)^2``, where a row stands
      for the token written or for the token read;
    - ``"repeated token"``: it is on a token that occurs more than once in the source, other than punctuation;
    - ``"uniform"``: the entropy of the row is at least .9 of the largest possible one. Such a row follows no other
      rule.

    If shares are equal, the role earlier in this list wins. In languages with the same word order, an aligner and a
    head that looks at a position may do the same.

    Example:
        >>> from xattn_widget import load_demo, profile_heads
        >>> model, tokenizer = load_demo()
        >>> sentences = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"]
        >>> profile = profile_heads(model, tokenizer, sentences, progress=False)
        >>> profile.roles[0][6]
        'aligner (input)'

    Args:
        model: an encoder-decoder model of transformers.
        tokenizer: its tokenizer, or the processor of a model that reads sound or images.
        sources: sentences, recordings or pictures in any form that :func:`score_corpus` takes.
        targets: their targets, or a function that writes them; None to let the model generate them.
        scores: names of built-in scores, and your own scores.
        special: the policy for special tokens of these scores.
        gold: gold links of each sentence, in any form that :func:`best_alignment_heads` takes, to choose the set of
            heads with. They count the words that the package finds in the text. Targets must be given.
        least_shares: other least shares for some of the roles.
        drawn: how many sentences are drawn for agreement and the set of heads, fewer if they are very long (2^27
            weights in all); 0 for none. The same sentences are drawn in every call on a corpus.
        strongest: how many of the strongest sentences to keep for each score and head.
        output: a Parquet file or a URI for the table of :func:`score_corpus`, which also lets an interrupted call
            resume; by default a temporary file.
        options: further arguments of :func:`score_corpus`, such as ``engine="ray"``, ``source_column`` or
            ``generation``.

    Returns:
        The profile. For sound and pictures it has neither agreement nor a set of heads.

    Raises:
        TypeError: an unknown argument, or as :func:`score_corpus`.
        ValueError: no sentence could be scored, gold that does not fit, an unknown role, a number out of range, or as
            :func:`score_corpus`.
        Exception: as :func:`score_corpus`.

    Source: roles of heads as in Voita et al. 2019 and Clark et al. 2019, for cross-attention in this project's own
    form; the divergence between heads as in Clark et al. 2019.
    """
    _check_options(options)
    least = _least_shares(least_shares)
    drawn, strongest = check_whole(drawn, "drawn", 0), check_whole(strongest, "strongest")
    links = None if gold is None else read_links(gold, "gold").alignments
    given = [scores] if isinstance(scores, str) or callable(scores) else list(scores)
    found = [find_score(name_or_function) for name_or_function in given]
    asked = [*(score for score in found if score not in ROLES.values()), *ROLES.values()]
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        given_output = Path(folder) / "scored.parquet" if output is None else output
        path: Any = score_corpus(
            model, tokenizer, sources, targets, asked, special=special, output=given_output, **options
        )
        info = corpus_info(read_schema(path))
        if links is not None:
            _check_gold(len(links), info)
        aggregates = Aggregates(
            [score.name for score in asked],
            [score.direction for score in asked],
            (info["layers"], info["heads"]),
            strongest=strongest,
            drawn=drawn,
            seed=_SEED,
        )
        what = what_rows_are(info)
        for part in read_batches(path, _ROWS):
            aggregates.add(part)
            if what == RECORDINGS.name:  # becomes "window" with the first recording of more than one
                what = what_rows_are(info, part)
    if not aggregates.scored:
        raise ValueError(f"none of the {info['rows']} sentences could be scored: {', '.join(info['errors']) or 'none'}")
    columns = _columns(aggregates, least)
    content = {
        "version": __version__,
        "shape": [info["layers"], info["heads"]],
        "model": info["job"]["model"],
        "folder": info.get("folder"),
        "medium": info.get("medium"),
        "signatures": info["signatures"],
        "directions": {score.name: score.direction for score in asked},
        "descriptions": {score.name: score.description for score in asked},
        "levels": list(LEVELS),
        "least_shares": least,
        "what": what,
        "sentences": aggregates.scored,
        "failed": aggregates.rows - aggregates.scored,
        "quantile_sentences": aggregates.sampled,
        "texts": {
            str(row): [text.id, text.source, text.target, text.offset, text.prompt]
            for row, text in aggregates.texts.items()
        },
        "drawn": 0,
        "head_set": None,
    }
    texts = [] if "folder" in info else aggregates.drawn(_MOST_WEIGHTS)
    if texts:
        shared = {name: value for name, value in options.items() if name in ("target_tokenizer", "forward")}
        similarity, best = _compare(model, tokenizer, texts, links, shared)
        columns["agreement"] = pa.array(similarity.tolist(), pa.list_(pa.float64()))
        content |= {"drawn": len(texts), "head_set": None if best is None else best.describe()}
    return make_profile(columns, content)


def _columns(aggregates: Aggregates, least: Mapping[str, float]) -> dict[str, pa.Array]:
    """The columns of the profile, with a value for each head."""
    shares = np.stack([aggregates.by_row[score.name].means().ravel() for score in ROLES.values()])
    roles, of_role = assign_roles(shares, least)
    layers, heads = next(iter(aggregates.by_row.values())).mean.shape
    columns = {
        "layer": pa.array(np.repeat(np.arange(layers, dtype=np.int32), heads)),
        "head": pa.array(np.tile(np.arange(heads, dtype=np.int32), layers)),
        "role": pa.array(roles),
        "share": pa.array(of_role),
    }
    columns |= {score.name: pa.array(values) for score, values in zip(ROLES.values(), shares, strict=True)}
    for name in aggregates.scores:
        moments = aggregates.by_sentence[name]
        columns[f"{name}.mean"] = pa.array(moments.means().ravel())
        columns[f"{name}.std"] = pa.array(moments.deviations().ravel())
        quantiles = aggregates.quantiles(name, LEVELS).reshape(len(LEVELS), -1)
        columns[f"{name}.quantiles"] = pa.array(quantiles.T.tolist(), pa.list_(pa.float64()))
        values, rows = (part.reshape(len(part), -1).T.tolist() for part in aggregates.strongest(name))
        kept = [
            [{"row": row, "value": value} for value, row in zip(*head, strict=True) if row >= 0]
            for head in zip(values, rows, strict=True)
        ]
        columns[f"{name}.strongest"] = pa.array(
            kept, pa.list_(pa.struct([("row", pa.int64()), ("value", pa.float64())]))
        )
    return columns


def _compare(
    model: Any, tokenizer: Any, texts: Sequence[Text], gold: Sequence[Any] | None, options: Mapping[str, Any]
) -> tuple[Any, HeadSet | None]:
    """Mean similarity of the rows of each two heads ``[heads, heads]``, and the best set of heads."""
    records: list[CrossAttention] = []
    sums, rows = np.zeros(()), 0
    for first in range(0, len(texts), _SENTENCES):
        some = texts[first : first + _SENTENCES]
        sources, targets = [text.source or "" for text in some], [text.target or "" for text in some]
        for record in extract(model, tokenizer, sources, targets, batch_size=_SENTENCES, **options):
            sums = sums + similarity_of_heads(record.head_weights()).numpy()
            rows += record.weights.shape[2]
            records.append(record)
    known = [place for place, record in enumerate(records) if record.source.words and record.target.words]
    best = None
    if known:
        links = None if gold is None else [gold[texts[place].row] for place in known]
        best = best_head_set([records[place] for place in known], links)
    return sums / rows, best


def _least_shares(given: Mapping[str, float] | None) -> dict[str, float]:
    if not isinstance(given, Mapping | None):
        raise TypeError(f"least_shares must map roles to shares, such as {{'position': 0.6}}, got {brief(given)}")
    least = LEAST_SHARES | dict(given or {})
    for name, share in least.items():
        if name not in ROLES:
            raise ValueError(f"there is no role {name!r}; the roles are {', '.join(ROLES)}")
        if not 0 < share <= 1:
            raise ValueError(f"the least share of {name!r} must be above 0 and at most 1, got {share!r}")
    return least


def _check_options(options: Mapping[str, Any]) -> None:
    named = inspect.signature(profile_heads).parameters
    known = [name for name in (*named, *inspect.signature(score_corpus).parameters) if name != "options"]
    for name, value in options.items():
        if name not in known:
            raise TypeError(f"profile_heads has no argument {name!r}: {argument_hint(name, value, known)}")


def _check_gold(count: int, info: Mapping[str, Any]) -> None:
    if info["job"]["targets"] != "given":
        raise ValueError("gold links are about given targets: pass targets, or leave out gold")
    if count != info["rows"]:
        raise ValueError(f"there are {info['rows']} sentences and {count} gold alignments: give one of each")
