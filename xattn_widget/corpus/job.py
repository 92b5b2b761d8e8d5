"""What a corpus job computes: its scores and settings, checked before the first sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import torch

from xattn_widget._compat import attention_implementation
from xattn_widget.capturing.hooks import listening
from xattn_widget.corpus.fingerprints import (
    extractor_fingerprint,
    forward_fingerprint,
    generation_fingerprint,
    model_fingerprint,
    tokenizer_fingerprint,
    writer_fingerprint,
)
from xattn_widget.inputs.columns import ColumnLayout, find_layout
from xattn_widget.inputs.encoding_alone import encodes_alone
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.extras import Extras, check_shared, make_extras, with_greedy
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair, forward_inputs
from xattn_widget.inputs.sources import SourceSide
from xattn_widget.inputs.text.sides import Side
from xattn_widget.messages.hints import did_you_mean
from xattn_widget.messages.mistakes import check_generation
from xattn_widget.record.heads import check_whole
from xattn_widget.record.special import Policy, Special, read_policy
from xattn_widget.scores import Score, find_score
from xattn_widget.scores.checking import splits_by_layer
from xattn_widget.scores.inputs import INPUTS

# Statistics of the model's output distribution over a sentence's target, see ``score_corpus``.
STATISTICS = ("logprob_sum", "logprob_mean", "logprob_min", "margin", "output_entropy")
COLUMNS = (
    *("id", "source", "prompt", "recording", "window", "offset", "target", "source_length", "target_length", "error"),
    *STATISTICS,
)
ScoreLike = str | Score | Callable[..., Any]
Precision = Literal["model", "int8"]
# A function of the user that writes the target of each source, a text or token ids. What it returns is checked.
TargetWriter = Callable[[list[Any]], Any]
# What a model that reads a picture with a text is tried with.
TRIAL_PROMPT = "What is it?"


class Job(NamedTuple):
    """What is computed for each sentence.

    Attributes:
        scores: the scores of attention heads; each is a column.
        layered: for each score, whether it may be computed one layer at a time.
        statistics: names from ``STATISTICS``.
        special: the policy for special tokens.
        generation: arguments of ``model.generate``, or None if targets are given.
        forward: further arguments of the model's forward.
        extras: both, separated by whether ``generate`` or the forward takes them.
        layout: which columns of the cross-attention are the source's tokens.
        limits: the most source and target tokens, None without limit.
        batch_tokens: the most tokens of a forward, including padding.
        shape: ``(layers, heads)`` of the model's cross-attention.
        stop_on_error: raise at the first sentence that cannot be scored.
        with_ids: whether the rows have ids of their own.
        hears: whether the sources are sound, whose attention is cropped to the sound before it is scored.
        encodes_alone: whether sources are encoded by themselves, in other batches than their targets.
        sees: whether the sources are pictures.
        prompted: whether a text goes with each picture.
        precision: how the model's linear layers compute, see ``score_corpus``.
        write_targets: the function that writes the targets of sources, if one does.
    """

    scores: tuple[Score, ...]
    layered: tuple[bool, ...]
    statistics: tuple[str, ...]
    special: Policy
    generation: dict[str, Any] | None
    forward: dict[str, Any]
    extras: Extras
    layout: ColumnLayout
    limits: tuple[int | None, int | None]
    batch_tokens: int
    shape: tuple[int, int]
    stop_on_error: bool
    with_ids: bool
    hears: bool = False
    encodes_alone: bool = False
    sees: bool = False
    prompted: bool = False
    precision: Precision = "model"
    write_targets: TargetWriter | None = None

    @property
    def signatures(self) -> dict[str, str]:
        """The signature of each score by its name."""
        steps = ("crop",) if self.hears else ()
        return {score.name: score.signature(special=self.policy_of(score), steps=steps) for score in self.scores}

    def policy_of(self, score: Score) -> Policy:
        """The job's policy for special tokens; a score that can only keep them keeps them."""
        return Policy() if score.policies == ("keep",) else self.special


def make_job(
    paired: PairedModel,
    scores: Sequence[ScoreLike] | ScoreLike,
    *,
    statistics: Sequence[str] | str,
    special: Special,
    generation: Mapping[str, Any] | None,
    forward: Mapping[str, Any] | None,
    with_targets: bool,
    max_length: int | None,
    batch_tokens: int,
    stop_on_error: bool,
    with_ids: bool,
    precision: Precision = "model",
    prompted: bool = False,
    write_targets: TargetWriter | None = None,
) -> Job:
    """Check everything that can be checked without the corpus; see :func:`xattn_widget.score_corpus`."""
    model = paired.model
    given = [scores] if isinstance(scores, str) or callable(scores) else list(scores)
    resolved = tuple(find_score(name_or_function) for name_or_function in given)
    names = [score.name for score in resolved]
    for name in names:
        if names.count(name) > 1 or name in COLUMNS:
            raise ValueError(f"two columns would be called {name!r}: give the score another name (@score(name=...))")
    wanted = (statistics,) if isinstance(statistics, str) else tuple(statistics)
    for name in wanted:
        if name not in STATISTICS:
            raise ValueError(f"no statistic of the output is called {name!r}; {did_you_mean(name, STATISTICS)}")
    if not resolved and not wanted:
        raise ValueError("there is nothing to compute: name at least one score or statistic")
    if with_targets and generation is not None:
        how = "given" if write_targets is None else "written by a function"
        raise ValueError(f"generation has no use when targets are {how}: leave out one of the two")
    check_generation(generation)
    if with_targets:
        paired.target.check_alone()
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be one of {', '.join(map(repr, get_args(Precision)))}, got {precision!r}")
    extras = make_extras(model, generation, forward)
    check_shared(extras, "score_corpus")
    settings = with_greedy(generation or {})
    check_whole(batch_tokens, "batch_tokens")
    if max_length is not None:
        check_whole(max_length, "max_length")
    shape, layout = probe_model(paired, extras, prompted)
    policy = read_policy(special)
    layered = tuple(_check_score(score, policy, shape[1], paired.source) for score in resolved)
    return Job(
        resolved,
        layered,
        tuple(name for name in STATISTICS if name in wanted),
        policy,
        None if with_targets else settings,
        dict(forward or {}),
        extras,
        layout,
        (_limit(paired.source, max_length), _limit(paired.target, max_length)),
        batch_tokens,
        shape,
        stop_on_error,
        with_ids,
        paired.source.hears,
        _encodes_alone(paired, extras),
        paired.source.sees,
        prompted,
        precision,
        write_targets,
    )


def describe_job(job: Job, paired: PairedModel, window: int) -> dict[str, Any]:
    """Everything that must be equal for two runs to give the same numbers, as plain values to compare and store."""
    model, source, target = paired.model, paired.source.reader, paired.target.tokenizer
    how = attention_implementation(model.config)
    # Sampled targets depend on the other sentences of their batch.
    batches = {"tokens a batch": job.batch_tokens} if _samples(model, job.generation) else {}
    # Left out if empty, so that jobs of earlier versions, which lack it, can be resumed.
    forward = {"forward": forward_fingerprint(job.forward)} if job.forward else {}
    extractor = {}
    if job.hears or job.sees:
        name = "feature extractor" if job.hears else "image processor"
        extractor[name] = f"{type(source).__name__} {extractor_fingerprint(source)}"
        source = target
    return (
        batches
        | forward
        | extractor
        | _how_heard(job, paired)
        | {
            "model": f"{type(model).__name__} {model_fingerprint(model)}",
            "number type": f"{model.dtype}, {how} attention{_layers(job.precision)}",
            "tokenizer": f"{type(source).__name__} {tokenizer_fingerprint(source, target, reads=not job.sees)}",
            "scores": list(job.signatures.values()),
            "statistics": list(job.statistics),
            "targets": _origin_of_targets(job, model),
            "longest sentences": list(job.limits),
            "rows a window": window,
        }
    )


def _how_heard(job: Job, paired: PairedModel) -> dict[str, Any]:
    """How sounds are padded and what targets begin with, where it is not what every model does."""
    if not job.hears:
        return {}
    from xattn_widget.inputs.audio.sound_side import SoundSide
    from xattn_widget.inputs.audio.speech_target import PromptedTarget

    how = dict[str, Any]()
    if isinstance(paired.source, SoundSide) and paired.source.mel_padding != "model":
        how["mel padding"] = paired.source.mel_padding
    if isinstance(paired.target, PromptedTarget) and job.generation is None:
        how["prompt"] = paired.target.prompt
    return how


def _origin_of_targets(job: Job, model: Any) -> str:
    if job.generation is not None:
        return f"generated {generation_fingerprint(model, job.generation)}"
    return "given" if job.write_targets is None else f"written by {writer_fingerprint(job.write_targets)}"


def _layers(precision: Precision) -> str:
    return "" if precision == "model" else f", {precision} linear layers"


def _samples(model: Any, generation: Mapping[str, Any] | None) -> bool:
    if generation is None:
        return False
    config = generation.get("generation_config") or model.generation_config
    return bool(generation.get("do_sample", config.do_sample))


def _limit(side: Side | SourceSide, max_length: int | None) -> int | None:
    known = [limit for limit in (side.limit, max_length) if limit is not None]
    return min(known) if known else side.usual_limit


def probe_model(paired: PairedModel, extras: Extras, prompted: bool = False) -> tuple[tuple[int, int], ColumnLayout]:
    """``(layers, heads)`` of the cross-attention, and the layout of its columns, by a forward over a few tokens.

    Args:
        paired: the model.
        extras: further arguments of its forward.
        prompted: whether a text goes with each picture.

    Raises:
        ValueError: a model without cross-attention, or one that reads nothing without a prompt, and there is none.
    """
    model = paired.model
    seen: list[torch.Tensor] = []

    def run(values: dict[str, Any]) -> Pair:
        seen.clear()
        pair = _probe(paired, extras._replace(values=values), prompted)
        with listening(model, lambda call: seen.append(call.weights)):
            model(**forward_inputs(model, [pair]), use_cache=False)
        return pair

    # Functions made for real sentences may fail on such a short one, so they are called only if the model needs their
    # values. Arguments for the decoder do not affect the columns.
    values = {name: value for name, value in extras.values.items() if not name.startswith("decoder_")}
    plain = {name: value for name, value in values.items() if not callable(value)}
    with evaluating(model), torch.no_grad():
        try:
            pair = run(plain)
        except Exception:
            if plain == values:
                raise
            pair = run(values)
        whole = all(weights.shape[3] == len(pair.source) for weights in seen)
        layout = ColumnLayout() if whole else find_layout(model, pair)
    heads = {weights.shape[1] for weights in seen}
    if len(heads) != 1:
        raise ValueError(
            f"the layers of this {type(model).__name__} have different numbers of heads, {sorted(heads)}: a table has "
            "one grid of heads"
            if heads
            else f"{type(model).__name__} does not attend to an encoder: there is no cross-attention to score"
        )
    return (len(seen), heads.pop()), layout


def _encodes_alone(paired: PairedModel, extras: Extras) -> bool:
    """Whether the encoder may run by itself: its results are the same, and no argument belongs to its forward."""
    if not all(name.startswith("decoder_") for name in extras.values):
        return False
    with evaluating(paired.model), torch.no_grad():
        return encodes_alone(paired)


def _probe(paired: PairedModel, extras: Extras, prompted: bool) -> Pair:
    """A pair to try a model with, as short as possible: a target of one token."""
    source = paired.source.trial(TRIAL_PROMPT if prompted else None)
    target = paired.target.tokenizer.eos_token_id or 0
    [arguments] = extras.by_sentence(paired.model, [source], paired.padding_sides, [[target]])
    return Pair(source, [target], [target], arguments=arguments)


def job_policy(score: Score, special: Policy) -> Policy:
    """The policy under which a job computes a score: that of the job, unless the score can only keep special tokens."""
    return Policy() if score.policies == ("keep",) else special


def _check_score(score: Score, special: Policy, heads: int, source: SourceSide) -> bool:
    """Whether a score may be computed layer by layer; raises if a job cannot compute it at all."""
    score.signature(special=job_policy(score, special))  # an unknown policy raises here
    for name in score.needs:
        if INPUTS[name].outside_jobs:
            raise ValueError(f"{score.name} {INPUTS[name].outside_jobs}")
        reads = "sound" if source.hears else "images" if source.sees else "text"
        for needed, only in ((INPUTS[name].of_sound, "sound"), (INPUTS[name].of_image, "images")):
            if needed and reads != only:
                have = "only sound has" if only == "sound" else "only images have"
                raise ValueError(f"{score.name} needs {name}, which {have}, and this model reads {reads}: leave it out")
    return splits_by_layer(score, heads)
