"""One call of a cross-attention module and its weights, computed as the model does or as the module returned them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from xattn_widget.capturing import families
from xattn_widget.capturing.checks import ROUNDING


@dataclass
class CrossAttentionCall:
    """One call of one cross-attention module, as listeners see it."""

    module: nn.Module

    def _probabilities(self) -> torch.Tensor:
        raise NotImplementedError

    @property
    def heads(self) -> int:
        """The number of heads, known before the weights are computed."""
        raise NotImplementedError

    @cached_property
    def weights(self) -> torch.Tensor:
        """Attention probabilities, ``[batch, heads, target, source]`` float32, detached."""
        with torch.no_grad():
            return self._probabilities().detach()

    @cached_property
    def weights_with_gradient(self) -> torch.Tensor:
        """The same with gradient, if the forward runs with gradient."""
        # Gradient checkpointing counts the tensors saved inside it, because it recomputes them later. No listener runs
        # during the recomputation, so these tensors are saved directly, without being counted.
        with torch.autograd.graph.saved_tensors_hooks(_unchanged, _unchanged):
            return self._probabilities()

    @property
    def values(self) -> torch.Tensor:
        """Value vectors before the output projection, ``[batch, heads, source, dimension]`` float32, detached.

        Raises:
            NotImplementedError: the module does not expose its values.
        """
        raise NotImplementedError

    @property
    def value_norms(self) -> torch.Tensor:
        """Norms of the weighted and projected values, ``[batch, heads, target, source]`` float32, detached.

        Raises:
            NotImplementedError: the module does not expose its values, or its heads have no separate projections.
        """
        raise NotImplementedError(
            f"{type(self.module).__name__} computes its attention itself and does not expose its values: "
            "value norms are unavailable"
        )

    @property
    def whole_rows(self) -> bool:
        """Whether rows sum to 1; False if they may sum to less because some of the attention goes elsewhere."""
        return True


@dataclass
class ComputedCall(CrossAttentionCall):
    """A call whose weights are computed from the arguments of the attention function, before dropout."""

    query: torch.Tensor  # [batch, heads, target, dimension]
    key: torch.Tensor  # [batch, key heads, source, dimension]
    value: torch.Tensor  # [batch, key heads, source, dimension]
    mask: Any  # in the form that the model's attention implementation takes
    scaling: float
    softcap: float | None
    position_bias: torch.Tensor | None  # [1 or batch, heads, target, source]
    rows: slice | None  # the rows of the target's tokens, if there are other queries too
    columns: slice | None  # the encoder's columns, if there are other keys too
    dropout: float

    @property
    def heads(self) -> int:
        """See :attr:`CrossAttentionCall.heads`."""
        return self.query.shape[1]

    def _probabilities(self) -> torch.Tensor:
        probabilities = self._every_probability()
        if self.rows is not None:
            probabilities = probabilities[:, :, self.rows]
        return probabilities if self.columns is None else probabilities[..., self.columns]

    @property
    def every_weight(self) -> torch.Tensor:
        """The weights of all queries and keys, detached."""
        if self.rows is None and self.columns is None:
            return self.weights
        with torch.no_grad():
            return self._every_probability()

    def _every_probability(self) -> torch.Tensor:
        with _without_autocast(self.query.device.type):
            key = self.key
            if key.shape[1] != self.query.shape[1]:
                key = key.repeat_interleave(self.query.shape[1] // key.shape[1], dim=1)
            logits = torch.matmul(self.query.float() * self.scaling, key.float().transpose(-1, -2))
            if self.softcap is not None:
                logits = torch.tanh(logits / self.softcap) * self.softcap
            if self.position_bias is not None:
                logits += self.position_bias[..., : key.shape[-2]]
            if self.mask is not None:
                logits = _apply_mask(logits, self.mask)
            if logits.requires_grad or logits.device.type != "cpu":
                probabilities = logits.softmax(dim=-1)
            else:  # in place: on a CPU, a second tensor of this size would add half the time
                probabilities = torch.softmax(logits, dim=-1, out=logits)
            return probabilities

    @property
    def value_norms(self) -> torch.Tensor:
        """See :attr:`Capture.value_norms`."""
        with torch.no_grad(), _without_autocast(self.query.device.type):
            heads, dimension = self.query.shape[1], self.value.shape[-1]
            projection = _projection_weight(self.module, heads * dimension, self.value).float()
            # [heads, dimension, dimension]: |v W| is the root of v (W W^T) v^T; no vector has the model's size.
            by_head = projection.reshape(-1, heads, dimension).permute(1, 2, 0)
            gram = by_head @ by_head.transpose(-1, -2)
            value = self.values
            norms = ((value @ gram) * value).sum(-1).clamp(min=0).sqrt()
            return self.weights * norms[..., None, :]

    @property
    def values(self) -> torch.Tensor:
        """See :attr:`CrossAttentionCall.values`."""
        value, heads = self.value.detach().float(), self.query.shape[1]
        if value.shape[1] != heads:
            value = value.repeat_interleave(heads // value.shape[1], dim=1)
        return value if self.columns is None else value[:, :, self.columns]

    @property
    def whole_rows(self) -> bool:
        """Whether all keys are the encoder's."""
        return self.columns is None


@dataclass
class ReturnedCall(CrossAttentionCall):
    """A call whose module returned its weights."""

    returned: torch.Tensor
    states: torch.Tensor | None  # [batch, source, ...], which the module attends to
    time_first: bool  # whether the first two axes of states are swapped

    @property
    def values(self) -> torch.Tensor:
        """See :attr:`CrossAttentionCall.values`."""
        projection = families.value_projection(self.module)
        if projection is None or self.states is None:
            raise NotImplementedError(
                f"{type(self.module).__name__} computes its attention itself and does not expose its values"
            )
        with torch.no_grad():
            values: torch.Tensor = projection(self.states.transpose(0, 1) if self.time_first else self.states).float()
        batch, heads, _, columns = self.returned.shape
        if values.dim() != 3 or tuple(values.shape[:2]) != (batch, columns) or values.shape[2] % heads:
            raise NotImplementedError(
                f"{type(self.module).__name__} attends to {columns} positions with {heads} heads, and its values have "
                f"the shape {list(values.shape)}: it is unclear which value belongs to which position and head"
            )
        return values.reshape(batch, columns, heads, -1).transpose(1, 2)

    @property
    def heads(self) -> int:
        """See :attr:`CrossAttentionCall.heads`."""
        return self.returned.shape[1]

    def _probabilities(self) -> torch.Tensor:
        rows = self.returned.float()
        if self.returned.dtype == torch.float32:
            return rows
        # Rounded to half precision they no longer sum to exactly 1. Larger differences are reported later.
        sums = rows.sum(dim=-1, keepdim=True)
        return torch.where((sums - 1).abs() < ROUNDING, rows / sums, rows)


def _projection_weight(module: nn.Module, width: int, like: torch.Tensor) -> torch.Tensor:
    """The matrix ``[model dimension, heads * dimension]`` of an attention module's output projection, without bias.

    ``like`` has the number type and the device of the projection's input.
    """
    projection = families.output_projection(module)
    if projection is None:
        raise NotImplementedError(
            f"{type(module).__name__} has no output projection of its own (its layer has one): value norms are "
            "unavailable"
        )
    problem = None
    taken = getattr(projection, "in_features", width)
    if norm := families.joint_norm(module):
        problem = f"normalizes the outputs of its heads together ({norm})"
    elif taken != width:
        problem = f"has an output projection of {taken} numbers, but its heads give {width}"
    if problem:
        raise NotImplementedError(f"{type(module).__name__} {problem}: value norms are unavailable")
    return linear_matrix(projection, width, like)


def linear_matrix(projection: nn.Module, width: int, like: torch.Tensor) -> torch.Tensor:
    """The matrix ``[outputs, width]`` of an affine module, without its bias.

    ``like`` has the number type and the device of the module's input.
    """
    if type(projection) is nn.Linear and not projection.weight.is_meta:
        return projection.weight
    # Whatever else it is (transposed, adapted, quantized, offloaded), it is affine: its outputs for the unit vectors
    # give the matrix.
    units = torch.eye(width, dtype=like.dtype, device=like.device)
    result: torch.Tensor = projection(units) - projection(torch.zeros_like(units[:1]))
    return result.T


def _without_autocast(device: str) -> AbstractContextManager[Any]:
    """Disable autocast if it is enabled: in half precision, rows do not sum to 1. Disabling it costs time."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def _unchanged(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _apply_mask(logits: torch.Tensor, mask: Any) -> torch.Tensor:
    """``logits`` with masked-out source positions at the lowest value, for every form of mask in use."""
    if hasattr(mask, "mask_mod"):  # flex attention's block mask: a function of batch, head, row and column
        from torch.nn.attention.flex_attention import create_mask  # it takes a second to load, and few models need it

        batch, heads, rows, columns = logits.shape
        mask = create_mask(mask.mask_mod, batch, heads, rows, columns, device=str(logits.device))
    if not isinstance(mask, torch.Tensor):
        raise TypeError(
            f"cross-attention got a mask of type {type(mask).__name__}, expected a tensor or a block mask: "
            "load the model with attn_implementation='sdpa' or 'eager'"
        )
    if mask.dim() == 2:  # flash attention's form: 1 for a token, 0 for padding
        mask = mask[:, None, None, :].bool()
    mask = mask[..., : logits.shape[-1]]
    if mask.dtype == torch.bool:
        return logits.masked_fill_(~mask, torch.finfo(logits.dtype).min)
    return logits.add_(mask)
