"""From strings to records: one captured forward per batch over given or generated targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import torch
from transformers import PreTrainedModel

from xattn_widget.capturing.checks import unknown
from xattn_widget.capturing.recorder import capture_here
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.extraction.faithfulness import masked_count, masking_drops
from xattn_widget.extraction.importance import check_method, importance_sums
from xattn_widget.extraction.model_timing import model_timing
from xattn_widget.extraction.readers import reader_family, reader_records, refuse_for_readers
from xattn_widget.extraction.windows import window_records
from xattn_widget.inputs.arguments import continued
from xattn_widget.inputs.batches import Inputs, check_inputs, paired_batches
from xattn_widget.inputs.columns import ColumnLayout, check_share, find_layout
from xattn_widget.inputs.decoders import decoder_names
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.modalities import MelPadding
from xattn_widget.inputs.paired import PairedModel, pair_model
from xattn_widget.inputs.pairs import Pair, forward_inputs, predicted_logprobs
from xattn_widget.messages.mistakes import with_checked_arguments
from xattn_widget.record.contributed import ContributionKind, check_kinds
from xattn_widget.record.data import Reading
from xattn_widget.record.kept import KeptHeads, Selection
from xattn_widget.scores.inputs import ImportanceMethod


@overload
def extract(
    model: PreTrainedModel,
    tokenizer: Any,
    source: str,
    target: str | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    reading: Reading = "output",
    truncation: bool = False,
    value_norms: bool = False,
    importance: ImportanceMethod | None = None,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
    mel_padding: MelPadding | None = None,
    prompt: str | Sequence[str] | None = None,
    layers: int | Sequence[int] | slice | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
    dtype: torch.dtype | None = None,
    contributions: Sequence[ContributionKind] = (),
    faithfulness: bool | int = False,
) -> CrossAttention: ...


@overload
def extract(
    model: PreTrainedModel,
    tokenizer: Any,
    source: Sequence[str],
    target: Sequence[str] | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    reading: Reading = "output",
    truncation: bool = False,
    value_norms: bool = False,
    importance: ImportanceMethod | None = None,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
    mel_padding: MelPadding | None = None,
    prompt: str | Sequence[str] | None = None,
    layers: int | Sequence[int] | slice | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
    dtype: torch.dtype | None = None,
    contributions: Sequence[ContributionKind] = (),
    faithfulness: bool | int = False,
) -> list[CrossAttention]: ...


@overload
def extract(
    model: PreTrainedModel,
    tokenizer: Any,
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    reading: Reading = "output",
    truncation: bool = False,
    value_norms: bool = False,
    importance: ImportanceMethod | None = None,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
    mel_padding: MelPadding | None = None,
    prompt: str | Sequence[str] | None = None,
    layers: int | Sequence[int] | slice | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
    dtype: torch.dtype | None = None,
    contributions: Sequence[ContributionKind] = (),
    faithfulness: bool | int = False,
) -> Any: ...


@with_checked_arguments
def extract(
    model: PreTrainedModel,
    tokenizer: Any,
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    reading: Reading = "output",
    truncation: bool = False,
    value_norms: bool = False,
    importance: ImportanceMethod | None = None,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
    mel_padding: MelPadding | None = None,
    prompt: str | Sequence[str] | None = None,
    layers: int | Sequence[int] | slice | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
    dtype: torch.dtype | None = None,
    contributions: Sequence[ContributionKind] = (),
    faithfulness: bool | int = False,
) -> Any:
    """Cross-attention of every layer and head for sentences, sounds or images, with generated or given targets.

    The weights come from one teacher-forced forward over the final target and equal those of the decoding steps (with
    beams: along the returned hypothesis). The model runs in evaluation mode without gradient and is left as it was.

    Example:
        >>> from xattn_widget import extract, load_demo
        >>> model, tokenizer = load_demo()
        >>> record = extract(model, tokenizer, "Ich habe das Buch gelesen.")
        >>> record.weights.shape  # layers, heads, target, source
        torch.Size([3, 8, 6, 7])

    Args:
        model: an encoder-decoder model of transformers, as loaded, with any attention implementation.
        tokenizer: the model's tokenizer, with its source and target languages set if it has such settings. A tokenizer
            with two vocabularies (FSMT's, Marian's with ``separate_vocabs``) reads each side with the right one. For a
            model of speech or of images, its processor.
        source: a sentence, or a list of them. For a speech model, a recording or a list of them: the path or the bytes
            of a WAV, FLAC, OGG or MP3 file (which needs ``pip install 'xattn-widget[audio]'``), ``(samples, rate)``, a
            dictionary of ``datasets``, samples at the model's rate, or what the processor returns. Stereo is mixed down
            and other rates are resampled. For a model of images, a picture or a list of them: the path of a file, an
            image of Pillow, pixels as an array or a tensor, or what the processor returns. EXIF rotation is applied,
            and transparent pixels are put on white.
        target: None to let the model generate, or a sentence (a list as long as ``source``) for teacher forcing. The
            tokenizer of a speech model sets what comes before it, such as Whisper's language and task; if it names no
            language, a multilingual Whisper detects it.
        generation: keyword arguments of ``model.generate``, such as ``{"num_beams": 4}``; greedy by default. With
            ``num_return_sequences`` above 1 a record is the best hypothesis and has all of them in ``.hypotheses``.
            Arguments that the model's forward takes too, such as LED's ``global_attention_mask``, are also passed to
            the teacher-forced forward; ``decoder_input_ids`` are the first tokens of the target and label its first
            rows.
        batch_size: sentences per forward; it affects the result only by float noise.
        reading: label rows by the token written (``"output"``) or the token read (``"input"``).
        truncation: cut sentences that are longer than the model's positions instead of raising an error, and recordings
            to what one forward reads.
        value_norms: also keep the norms of the weighted values (see :attr:`Capture.value_norms`), for the score
            ``value_norm`` and for ``record.contributions()``. This doubles the memory.
        importance: measure how much the loss on each sentence depends on each head, by ``"gradient"`` or ``"ablation"``
            (see :func:`head_importance`), for the score ``importance``. Costs a backward pass, or a forward per head.
        target_tokenizer: the tokenizer of the targets if it is a different one (such as GPT-2's after BERT's).
        forward: further arguments of the model's forward, for given and for generated targets. A value is a number; an
            array with a row for each source, whose second axis follows the tokens if it is as long as the longest
            source (as ``tokenizer(sources, padding=True)`` returns it, padded on either side); a list with an array for
            each source, as long as its tokens; or a function of a source's token ids that returns such an array.
            Arguments called ``decoder_...`` follow the tokens that the decoder reads.
        mel_padding: how features of sound are padded to Whisper's 30 s: ``"model"`` (the default), as its feature
            extractor does, or ``"zeros"``, as openai-whisper does.
        prompt: for a model of images, the text that goes with the image, or a list with one for each: a task such as
            ``"<OCR>"``, a question, or how the target begins, such as Donut's ``"<s_cord-v2>"``. A prompt that the
            encoder reads has positions on the source axis; one that the target begins with is special there.
        layers: keep the weights of these layers alone: a list of layers, counted from 0, or a slice such as
            ``slice(4, None)``. By default the record keeps all.
        heads: keep the weights of these (layer, head) pairs alone. Heads keep the model's numbers everywhere: see
            :attr:`CrossAttention.kept_heads`.
        dtype: the number type of the weights (and of ``value_norms`` and ``end_row``): ``torch.float32`` (the default),
            ``torch.float16`` or ``torch.bfloat16``, which take half the memory. Scores and alignments are computed in
            float32 all the same.
        contributions: also measure what each source position contributes to each target position, by methods that need
            the model, for ``record.contributions(kind)``. Every kind works on one sentence at a time, so that batches
            change nothing, and costs more than the forward.

            - ``"value_zeroing"``: how much a decoder layer's state changes when the value of a source position is zero
              in that layer's cross-attention (Mohebbi et al. 2023); ``"value_zeroing_heads"``: in one head of it.
              Positions after the end of a sound are not zeroed and have 0.
            - ``"alti"``: ALTI+, contributions through the encoder, the cross-attention and the decoder, of the source
              and of the target prefix (Ferrando et al. 2022); see also ``record.source_contribution``.
            - ``"gradient"``: input x gradient of the target token's log-probability. One backward pass per target
              token.
        faithfulness: also measure how well attention agrees with what the predictions depend on, for the scores
            ``faithfulness`` and ``masking_drop``. True masks one source word at a time; a number masks so many. This
            measures ``"gradient"`` contributions too, and runs a forward for each set of masked words.

    Returns:
        A :class:`CrossAttention` for one source, a list of them for a list. Columns that are not tokens of the source,
        such as the prompts of MVP or of PEFT's prompt tuning, are special positions called ``[prompt 0]`` and so on.

        The positions of an image have their places in ``record.source.places``, in pixels of the original picture, and
        ``record.image`` keeps the picture. Class tokens and padding have no place and are special. Models in which
        latent queries read the image, such as BLIP-2, have these as rows, without a target.

        The positions of a sound have their times in ``record.source.places``, in seconds. Those after its end are
        special, and scores leave them out (see :meth:`CrossAttention.cropped`). A recording that is longer than the
        30 s of Whisper's forward gives a sequence of records, one for each window, that are made when they are asked
        for (:class:`WindowRecords`), and ``record.sound.offset`` says where the window begins.

    Raises:
        TypeError: the model is not a model of transformers, a sentence is not a string, something that is not a
            recording or an image, or an argument does not exist.
        FileNotFoundError: the file of a recording or an image does not exist.
        ValueError: a decoder-only model or one that reads something else, a tokenizer of another model, one tokenizer
            for two vocabularies, a sentence that is empty or longer than the model's positions, a recording that is
            empty, damaged, not finite, or too long for a given target, targets that do not match the sources,
            ``generation`` together with a given target, an argument that the forward does not take or that cannot be
            carried over, columns that cannot be distinguished from the source's tokens, layers or heads that the model
            does not have, both ``layers`` and ``heads``, an unknown kind of contributions, or a number of words to mask
            that is not positive.
        NotImplementedError: the layers of the model do not allow one of the contributions.
    """
    selection = Selection.read(layers, heads, dtype)
    kinds = check_kinds(contributions, and_gradient=faithfulness is not False)
    masked_words = 0 if faithfulness is False else masked_count(faithfulness)
    if importance is not None:
        check_method(importance)
    paired = pair_model(model, tokenizer, target_tokenizer, mel_padding)
    inputs = check_inputs(paired, source, target, generation, forward, batch_size, prompt)
    if (reader := reader_family(paired)) is not None:
        refuse_for_readers(
            reader,
            target=target,
            generation=generation,
            forward=forward,
            importance=importance,
            contributions=tuple(contributions),
            faithfulness=faithfulness,
        )
        read = reader_records(paired, inputs.items, inputs.batch_size, value_norms, selection)
        return read[0] if inputs.single else read

    def make(pairs: list[Pair]) -> list[CrossAttention]:
        made = read_pairs(paired, pairs, target is None, value_norms, selection)
        if importance is not None:
            made = [
                replace(record, importance={importance: (total / record.weights.shape[2]).float()})
                for record, total in zip(made, importance_sums(model, pairs, importance), strict=True)
            ]
        if kinds:
            from xattn_widget.extraction.contributions.measuring import measure_contributions

            measured = measure_contributions(model, pairs, made, kinds)
            if masked_words:
                drops = masking_drops(model, pairs, made, masked_words, inputs.batch_size)
                measured = [replace(part, masking_drop=drop) for part, drop in zip(measured, drops, strict=True)]
            made = [replace(record, contributed=parts) for record, parts in zip(made, measured, strict=True)]
        return [record.read_as(reading) for record in made]

    # A long recording whose target must be generated is transcribed window by window.
    in_windows = [target is None and not truncation and paired.source.is_long(item) for item in inputs.items]
    whole = [item for item, long in zip(inputs.items, in_windows, strict=True) if not long]
    records = _records(paired, inputs._replace(items=whole), truncation, make)
    found = [
        window_records(paired, item, inputs.extras, make) if long else next(records)
        for item, long in zip(inputs.items, in_windows, strict=True)
    ]
    return found[0] if inputs.single else found


def _records(
    paired: PairedModel, inputs: Inputs, truncation: bool, make: Callable[[list[Pair]], list[CrossAttention]]
) -> Iterator[CrossAttention]:
    """The records of all inputs, made at once; each of several hypotheses is in the record of the best."""
    records: list[CrossAttention] = []
    with evaluating(paired.model), torch.no_grad():
        for pairs, hypotheses in paired_batches(paired, inputs, truncation):
            found: list[CrossAttention] = []
            # With n hypotheses per sentence there are n times the rows: keep the size of the forward as requested.
            for start in range(0, len(pairs), inputs.batch_size):
                found += make(pairs[start : start + inputs.batch_size])
            for first in range(0, len(found), hypotheses):
                alternatives = tuple(found[first : first + hypotheses])
                best = alternatives[0]
                records.append(best if hypotheses == 1 else replace(best, hypotheses=alternatives))
    return iter(records)


def read_pairs(
    paired: PairedModel, pairs: list[Pair], generated: bool, value_norms: bool, selection: Selection
) -> list[CrossAttention]:
    """Run one captured forward over the pairs, and make a record of each."""
    model = paired.model
    axes = [pair.source.axis() for pair in pairs]
    hears = "audio" in axes[0].kinds
    inputs = forward_inputs(model, [_with_end(pair, paired) for pair in pairs] if hears else pairs)
    with capture_here(model, value_norms=value_norms, selection=selection) as captured:
        logits = model(**inputs, use_cache=False).logits
    layers = captured.cross_attentions
    grid = captured.grid()
    kept = selection.kept(*grid)
    norms = captured.value_norms if value_norms else None
    rows = inputs[decoder_names(model).ids].shape[1]
    if any(layer.shape[2] != rows for layer in layers) or logits.shape[1] != rows:
        raise unknown(
            f"gives cross-attention of {[layer.shape[2] for layer in layers]} rows and {logits.shape[1]} predictions "
            f"for a target of {rows} tokens",
            model,
            model.config,
        )
    layout = _layout(model, pairs, layers)
    timing = model_timing(model, *grid) if hears else None
    records = []
    for row, pair in enumerate(pairs):
        target = slice(len(pair.predicted))
        columns = layout.columns(len(pair.source), layers[0].shape[3])
        weights = _joined([layer[row, :, target, columns] for layer in layers], kept)
        source = layout.around(axes[row])
        end_row = None
        if hears and rows > len(pair.predicted):
            end_row = _joined([layer[row, :, len(pair.predicted), columns] for layer in layers], kept)
        record = CrossAttention(
            weights=weights,
            source=source,
            targets={
                "output": paired.target.axis(pair.predicted, pair.target_text, pair.prompt),
                "input": paired.target.axis(pair.read, pair.target_text, pair.prompt and pair.prompt + 1),
            },
            logprobs=predicted_logprobs(logits[row], pair).cpu(),
            generated=generated,
            sequence_score=pair.score,
            model=type(model).__name__,
            value_norms=None if norms is None else _joined([layer[row, :, target, columns] for layer in norms], kept),
            arguments=pair.arguments,
            sound=pair.source.sound,
            image=pair.source.image,
            prompt=pair.source.prompt,
            end_row=end_row,
            timing=timing,
            kept=kept,
        )
        sums = [layer[row, :, target].sum(-1, dtype=torch.float32).cpu() for layer in layers]
        check_share(weights.flatten(0, 1), torch.cat(sums), [layer for layer, _ in record.kept_heads])
        if hears:
            outside = weights.flatten(0, 1)[..., list(source.outside)].sum(-1, dtype=torch.float32)
            record = replace(record, outside=record.on_grid(outside))
        records.append(record)
    return records


def _joined(layers: list[torch.Tensor], kept: KeptHeads | None) -> torch.Tensor:
    """The ``[heads, ...]`` weights of each layer as one tensor on the CPU, whose first axes are those of a record."""
    layers = [layer.cpu() for layer in layers]
    return torch.stack(layers) if kept is None else torch.cat(layers).reshape(*kept.shape, *layers[0].shape[1:])


def _with_end(pair: Pair, paired: PairedModel) -> Pair:
    """The pair with a row more, in which the decoder has read the whole target, if the model has a position for it."""
    read = [*pair.read, pair.predicted[-1]]
    limit = paired.target.limit
    if limit is not None and len(read) > limit:
        return pair
    return pair._replace(read=read, arguments=continued(pair.arguments, len(read)))


def _layout(model: Any, pairs: list[Pair], layers: Sequence[torch.Tensor]) -> ColumnLayout:
    """The layout of the columns, found by another forward if there are more columns than source positions."""
    padded = max(len(pair.source) for pair in pairs)
    if all(layer.shape[3] == padded for layer in layers):
        return ColumnLayout()
    layout = find_layout(model, pairs[0])
    widths = sorted({layer.shape[3] for layer in layers})
    if widths != [padded + layout.extra]:
        raise ValueError(
            f"the cross-attention of this {type(model).__name__} has {widths[0]} columns over a batch of "
            f"{padded} tokens, and {layout.extra} more than tokens over one of its sentences: pass them one at a time "
            "(batch_size=1)"
        )
    return layout
