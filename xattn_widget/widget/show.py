"""The one call that shows a model's cross-attention in a notebook."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from transformers import PreTrainedModel

from xattn_widget.cross_attention import CrossAttention
from xattn_widget.extraction.extraction import extract
from xattn_widget.panel.held_windows import HeldWindows
from xattn_widget.panel.settings import VIEW_SETTINGS, check_view
from xattn_widget.record.contributed import ContributionKind
from xattn_widget.record.sinks import PositionSinks
from xattn_widget.scores import Score
from xattn_widget.widget.live_model import LiveModel
from xattn_widget.widget.reading import hold_windows
from xattn_widget.widget.widget import CrossAttentionWidget


def show_cross_attention(
    model: PreTrainedModel,
    tokenizer: Any,
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    scores: Sequence[str | Score | Callable[..., Any]] | None = None,
    truncation: bool = False,
    reference: Any = None,
    reference_words: bool = True,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
    contributions: Sequence[ContributionKind] = (),
    faithfulness: bool | int = False,
    prompt: str | Sequence[str] | None = None,
    sinks: PositionSinks | None = None,
    **view: Any,
) -> CrossAttentionWidget:
    """Show the cross-attention of a model on sentences, sounds or pictures, in a notebook.

    Without ``heads``, ``layer`` or ``head`` it opens with the set of heads that was saved with the model, each under
    its own reading. Without a set, it opens with the heads that are most likely to align, under the reading in which
    they do: by the calibration saved with the model (see :func:`save_calibration`) and by all sentences of this model
    that were shown before. Where they say too little, it opens with the mean of the last layer.

    Example:
        >>> from xattn_widget import load_demo, show_cross_attention
        >>> model, tokenizer = load_demo()
        >>> widget = show_cross_attention(model, tokenizer, "Ich habe das Buch gelesen.", words=True)
        >>> widget.heads = [(2, 6)]  # the panel that a cell shows follows

    Args:
        model: an encoder-decoder model of transformers, as loaded.
        tokenizer: the model's tokenizer; for a model of speech or of images, its processor.
        source: a sentence, or a list of them; for a speech model, a recording or a list of them, as :func:`extract`
            takes them. Of a long recording the first two windows are read; the next ones follow when they are needed.
        target: None to let the model generate; a sentence (or a list as long as ``source``) to read by teacher forcing.
        generation: keyword arguments of ``model.generate``; greedy when left out.
        scores: names of built-in scores, and your own scores; all built-in ones when left out.
        truncation: cut sentences that are longer than the model's positions, instead of raising an error.
        reference: word alignments, or true word times or boxes, to draw and to compare with: see
            :class:`CrossAttentionWidget`.
        reference_words: whether their numbers count words, or else tokens.
        target_tokenizer: the tokenizer of the targets if it is a different one, see :func:`extract`.
        forward: further arguments of the model's forward, see :func:`extract`. Experiments keep them.
        contributions: kinds of contributions to measure, see :func:`extract`. Each follows the sentence in the list:
            the picker "Target" of the panel switches between them and the attention, and "Compare" shows both.
        faithfulness: also measure how faithful attention is, see :func:`extract`: two more scores of heads, in the
            table of scores and for the grid.
        prompt: for a model of images, the text that goes with the image, see :func:`extract`. Experiments keep it.
        sinks: what the setting ``divide_sinks`` divides by, see :class:`CrossAttentionWidget`.
        view: initial settings of the panel, such as ``words=True``, ``orientation="rows"`` or ``layer=2``; see
            :class:`xattn_widget.panel.settings.View`.

    Returns:
        The widget; the last expression of a cell shows it.

    Raises:
        TypeError: an unknown view setting, or what :func:`extract` raises.
        ValueError: what :func:`extract` raises.
        NotImplementedError: what :func:`extract` raises.
    """
    for name in view.keys() & inspect.signature(extract).parameters.keys() - set(VIEW_SETTINGS):
        raise TypeError(
            f"{name!r} is not a view setting; extract takes it: CrossAttentionWidget(extract(model, tokenizer, source, "
            f"{name}={view[name]!r:.40}))"
        )
    check_view(view, inspect.signature(show_cross_attention).parameters)  # before the model runs
    found = extract(
        model,
        tokenizer,
        source,
        target,
        generation=generation,
        truncation=truncation,
        target_tokenizer=target_tokenizer,
        forward=forward,
        contributions=contributions,
        faithfulness=faithfulness,
        prompt=prompt,
    )
    records = hold_windows(found)
    live = LiveModel(model, tokenizer, generation, target_tokenizer=target_tokenizer)
    evidence = live.evidence(_first_records(records))
    return CrossAttentionWidget(
        records,
        scores=scores,
        reference=reference,
        reference_words=reference_words,
        live=live if live.is_live else None,
        evidence=evidence,
        head_set=live.head_set,
        sinks=sinks,
        **view,
    )


def _first_records(records: Any) -> list[CrossAttention]:
    """The records, and of each long recording that of its first window."""
    listed = [records] if isinstance(records, (CrossAttention, HeldWindows)) else records
    return [cast("CrossAttention", item.first) if isinstance(item, HeldWindows) else item for item in listed]
