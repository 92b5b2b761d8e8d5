"""ALTI+: what source tokens and the target prefix contribute to each prediction, through all layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from xattn_widget.extraction.contributions.blocks import AttentionBlock, trace_blocks


def alti(model: Any, run: Callable[[], Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """What each source position and each token of the target prefix contribute to each state of the decoder.

    Every attention block (attention, the residual connection around it and the layer norm after it, if there is one) is
    linear in its inputs once its weights and the norm's scale are fixed: its output ``y_t`` is a sum of transformed
    vectors ``T_t(x_i)`` and of biases. The contribution of input ``i`` is ``max(0, |y_t| - |y_t - T_t(x_i)|)`` with L1
    norms, divided by the sum over all inputs. The residual state is one of the inputs. The contributions are multiplied
    through the layers of the encoder, then through the cross-attention and the self-attention of each decoder layer.
    Feed-forward parts act on each position alone and are left out, as in the paper. In a pre-norm layer the vectors are
    those before the next norm, as in the authors' code for such models.

    Args:
        model: the model, in evaluation mode; call this inside ``torch.no_grad``.
        run: runs the model's forward over one sentence pair, without a cache.

    Returns:
        ``[layers, 1, target, source]`` and ``[layers, 1, target, target]`` float32 on the CPU: the contributions of the
        source and of the tokens that the decoder has read, after each decoder layer. The two rows of a target position
        sum to 1 together. A speech model's source begins at the positions of its encoder.

    Raises:
        NotImplementedError: the model's layers are not in an order that this knows, or the transformed vectors do not
            add up to what a layer gave.

    Source: Ferrando et al. 2022.
    """
    encoder, decoder = trace_blocks(model, run)
    through_encoder: torch.Tensor | None = None
    for block in encoder:
        step = shares(block)
        through_encoder = step if through_encoder is None else step @ through_encoder
    assert through_encoder is not None
    source: torch.Tensor | None = None
    prefix: torch.Tensor | None = None
    layers = []
    for own, cross in decoder:
        of_cross = shares(cross)
        from_encoder, residual = of_cross[:, :-1], of_cross[:, -1:]
        through_self = residual * shares(own)
        if source is None or prefix is None:
            source, prefix = from_encoder @ through_encoder, through_self
        else:
            source = from_encoder @ through_encoder + through_self @ source
            prefix = through_self @ prefix
        layers.append((source, prefix))
    sources, prefixes = (torch.stack(parts)[:, None].float().cpu() for parts in zip(*layers, strict=True))
    return sources, prefixes


def shares(block: AttentionBlock) -> torch.Tensor:
    """The contributions of one attention block, whose rows sum to 1.

    Returns:
        ``[target, source]`` double for self-attention. For cross-attention ``[target, source + 1]``, where the residual
        state of the decoder comes last.
    """
    parts = []
    for vectors, output in block.pieces():
        distances = vectors.sub_(output[:, None]).abs_().sum(-1)
        closeness = (output.abs().sum(-1, keepdim=True) - distances).clamp(min=0).double()
        parts.append(closeness / closeness.sum(-1, keepdim=True))
    return torch.cat(parts)
