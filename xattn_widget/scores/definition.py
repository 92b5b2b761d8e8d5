"""What a score is: a function of attention and masks, with a direction, parameters and a signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import torch

from xattn_widget._version import __version__
from xattn_widget.messages.hints import nearest
from xattn_widget.record.data import AttentionData
from xattn_widget.record.special import apply_policy, checked_policy
from xattn_widget.scores.signatures import code_hash, place, printed

Direction = Literal["higher", "lower"]
Scope = Literal["head", "layer", "model"]
Reduce = Literal["layers", "heads"]

MASK_ARGUMENTS = ("attention", "source_mask", "target_mask")
# What a score gets beside attention and masks where its function asks for it by name, and how to come by it.
INPUTS = {
    "source_special": "pass source_special, a bool for each source column (True = special)",
    "value_norms": "use extract(..., value_norms=True), or pass value_norms as capture(...).value_norms has them",
    "importance": "use extract(..., importance='gradient'), or pass {'gradient': head_importance(...)}",
}
RESERVED = ("special", "target_special", "reduce")


@dataclass(frozen=True)
class Score:
    """A score of attention heads; call it on tensors, or pass it to ``record.score`` and the widget.

    Attributes:
        function: ``fn(attention, source_mask, target_mask, **parameters) -> [..., layers, heads]``.
        name: what it is called in lists, tables and signatures.
        direction: which values rank best, ``"higher"`` or ``"lower"``.
        description: one line for people.
        batched: the function takes leading batch axes and honours the masks by itself. Otherwise it is called sentence
            by sentence with the kept rows and columns only, so that it may ignore the masks.
        numpy: the function takes and gives numpy arrays in place of tensors.
        scope: what the number of a head depends on: the ``"head"`` alone, all heads of its ``"layer"``, or the whole
            ``"model"``. A score may be computed on any part of the layers (and heads) that holds its scope.
    """

    function: Callable[..., Any]
    name: str
    direction: Direction = "higher"
    description: str = ""
    batched: bool = False
    numpy: bool = False
    scope: Scope = "head"

    @cached_property
    def _arguments(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.function).parameters.values())

    @property
    def parameters(self) -> dict[str, Any]:
        """The score's own parameters with their defaults."""
        return {
            parameter.name: None if parameter.default is parameter.empty else parameter.default
            for parameter in self._arguments[len(MASK_ARGUMENTS) :]
            if parameter.name not in INPUTS and parameter.kind is not parameter.VAR_KEYWORD
        }

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """What it takes beside attention and masks: of ``"source_special"``, ``"value_norms"``, ``"importance"``."""
        return tuple(name for name in INPUTS if name in {parameter.name for parameter in self._arguments})

    def missing(self, record: AttentionData) -> str | None:
        """What this score needs and the record does not hold, or None."""
        held = {"value_norms": record.value_norms is not None, "importance": bool(record.importance)}
        return next((name for name in self.needs if not held.get(name, True)), None)

    def __call__(
        self,
        attention: torch.Tensor,
        source_mask: torch.Tensor | None = None,
        target_mask: torch.Tensor | None = None,
        *,
        source_special: torch.Tensor | None = None,
        target_special: torch.Tensor | None = None,
        value_norms: torch.Tensor | None = None,
        importance: Mapping[str, torch.Tensor] | None = None,
        special: str | None = None,
        reduce: Reduce | None = None,
        **parameters: Any,
    ) -> torch.Tensor:
        """The score of each head.

        Args:
            attention: ``[..., layers, heads, target, source]``.
            source_mask: ``[..., source]`` bool, True for the columns that count; all when left out.
            target_mask: ``[..., target]`` bool, True for the rows that count; all when left out.
            source_special: ``[..., source]`` bool, True at special tokens; for scores and policies that ask for it.
            target_special: ``[..., target]`` bool, True at special tokens; for policies.
            value_norms: ``[..., layers, heads, target, source]``, for scores that ask for it.
            importance: ``[..., layers, heads]`` by method, for scores that ask for it.
            special: ``"keep"`` (the default), ``"drop"`` or ``"renormalize"`` special tokens.
            reduce: the mean over ``"layers"`` (``[..., heads]``) or ``"heads"`` (``[..., layers]``); NaN where
                one value is.
            parameters: the score's own parameters.

        Returns:
            ``[..., layers, heads]`` float tensor on the attention's device, NaN where the score is undefined. Its
            attribute ``signature`` says what was computed.

        Raises:
            TypeError: a parameter that the score does not have.
            ValueError: an unknown policy or reduction, shapes that do not fit, something that the score needs and did
                not get, or a function that does not return one number a head.
        """
        signature = self.signature(special=special, reduce=reduce, **parameters)
        attention = torch.as_tensor(attention)
        if attention.dim() < 2 or not attention.is_floating_point():
            raise ValueError(
                f"{self.name} takes attention [..., layers, heads, target, source] of floating point, got "
                f"{attention.dtype} {list(attention.shape)}"
            )
        if attention.dtype != torch.float64:
            attention = attention.float()
        shape = attention.shape[:-2]
        attention = attention.reshape((1,) * (4 - attention.dim()) + tuple(attention.shape))  # a matrix is one head
        *_, rows, columns = attention.shape
        source_mask = _mask(source_mask, columns, "source_mask", attention.device)
        target_mask = _mask(target_mask, rows, "target_mask", attention.device)
        given = {"source_special": source_special, "value_norms": value_norms, "importance": importance}
        for name in self.needs:
            if given[name] is None:
                raise ValueError(f"{self.name} needs {name}: {INPUTS[name]}")
        inputs: dict[str, Any] = {name: given[name] for name in self.needs}
        if checked_policy(special) != "keep":
            if source_special is None or target_special is None:
                raise ValueError(f"special={special!r} needs source_special and target_special")
            source_special = _mask(source_special, columns, "source_special", attention.device)
            target_special = _mask(target_special, rows, "target_special", attention.device)
            attention, kept_source, target_mask = apply_policy(
                attention, source_mask, target_mask, source_special, target_special, special
            )
            # What measures special columns sees them under every policy.
            source_mask = source_mask if "source_special" in self.needs else kept_source
        if "source_special" in inputs:
            inputs["source_special"] = _mask(inputs["source_special"], columns, "source_special", attention.device)
        if "value_norms" in inputs and inputs["value_norms"].shape != attention.shape:
            raise ValueError(
                f"value_norms must have the attention's shape {list(attention.shape)}, got "
                f"{list(inputs['value_norms'].shape)}"
            )
        compute = self._call if self.batched else self._sentence_by_sentence
        result = compute(attention, source_mask, target_mask, inputs, parameters)
        if "importance" not in self.needs:
            # Nothing can be said of a sentence of which nothing counts.
            some = (source_mask.any(-1) & target_mask.any(-1))[..., None, None]
            result = torch.where(some, result, torch.nan)
        result = result.reshape(shape)
        if reduce is not None:
            result = result.mean(-2 if reduce == "layers" else -1)
        result.signature = signature  # type: ignore[attr-defined]
        return result

    def _call(
        self,
        attention: torch.Tensor,
        source_mask: torch.Tensor,
        target_mask: torch.Tensor,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
    ) -> torch.Tensor:
        """The function's value, checked."""
        arguments: list[Any] = [attention, source_mask, target_mask]
        keywords = dict(inputs)
        if not self.is_builtin:
            # Copies: a function that works in place must not reach the record.
            arguments = [argument.clone() for argument in arguments]
        if self.numpy:
            arguments = [argument.cpu().numpy() for argument in arguments]
            keywords = {name: _as_numpy(value) for name, value in keywords.items()}
        try:
            value = self.function(*arguments, **keywords, **parameters)
        except Exception as error:
            if not self.is_builtin:
                error.add_note(
                    f"{self._where()} was called with attention [..., layers, heads, target, source] = "
                    f"{list(attention.shape)}" + ("" if self.numpy else _NUMPY_NOTE)
                )
            raise
        return self._checked(value, attention)

    def _sentence_by_sentence(
        self,
        attention: torch.Tensor,
        source_mask: torch.Tensor,
        target_mask: torch.Tensor,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
    ) -> torch.Tensor:
        batch = attention.shape[:-4]
        rows, columns = attention.shape[-2:]
        flat = attention.reshape(-1, *attention.shape[len(batch) :])
        sources = source_mask.expand(*batch, columns).reshape(-1, columns)
        targets = target_mask.expand(*batch, rows).reshape(-1, rows)
        results = []
        for index, (weights, source, target) in enumerate(zip(flat, sources, targets, strict=True)):
            kept = weights[..., target, :][..., source]
            if kept.numel() == 0:
                results.append(torch.full(weights.shape[:-2], torch.nan, dtype=weights.dtype, device=weights.device))
                continue
            own = dict(inputs)
            if "source_special" in own:
                own["source_special"] = (
                    inputs["source_special"].expand(*batch, columns).reshape(-1, columns)[index][source]
                )
            if "value_norms" in own:
                norms = inputs["value_norms"].reshape(flat.shape)[index]
                own["value_norms"] = norms[..., target, :][..., source]
            if "importance" in own:
                own["importance"] = {
                    method: values.expand(attention.shape[:-2]).reshape(-1, *attention.shape[-4:-2])[index]
                    for method, values in inputs["importance"].items()
                }
            results.append(self._call(kept, source[source], target[target], own, parameters))
        return torch.stack(results).reshape(attention.shape[:-2])

    def _checked(self, value: Any, attention: torch.Tensor) -> torch.Tensor:
        expected = tuple(attention.shape[:-2])
        try:
            result = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{self._where()} returned {type(value).__name__}, expected a tensor or array of shape "
                f"[layers, heads] = {list(expected)}"
            ) from error
        if tuple(result.shape) != expected:
            raise ValueError(
                f"{self._where()} returned shape {list(result.shape)}, expected one number a head: "
                f"[layers, heads] = {list(expected)}. Reduce the target and source axes (the last two), "
                "e.g. with .mean((-2, -1))"
            )
        if result.is_complex():
            raise ValueError(f"{self._where()} returned complex numbers, expected real ones")
        return result.detach().to(attention)

    def _where(self) -> str:
        return f"score {self.name!r}" + ("" if self.is_builtin else f" ({place(self.function)})")

    def of_record(
        self, record: AttentionData, *, special: str | None = None, reduce: Reduce | None = None, **parameters: Any
    ) -> torch.Tensor:
        """The score of each head of a record; see :meth:`CrossAttention.score`."""
        result = self(
            record.weights,
            source_special=record.source_special,
            target_special=record.target_special,
            value_norms=record.value_norms,
            importance=record.importance or None,
            special=special,
            reduce=reduce,
            **parameters,
        )
        result.signature = self.signature(  # type: ignore[attr-defined]
            special=special, reading=record.reading, steps=record.steps, reduce=reduce, **parameters
        )
        return result

    @property
    def is_builtin(self) -> bool:
        """Whether the package's version alone identifies the code."""
        return (getattr(self.function, "__module__", None) or "").startswith("xattn_widget.")

    def signature(
        self,
        *,
        special: str | None = None,
        reading: str = "output",
        steps: tuple[str, ...] = (),
        reduce: Reduce | None = None,
        **parameters: Any,
    ) -> str:
        """What makes a number of this score again, e.g. ``coverage_penalty|special:keep|eps:1e-08|v:0.1.0``.

        A user's score also carries a hash of its code and of the values that this uses. The reading is named where rows
        were chosen by it, what was made of the record (``record:words+renormalize``) where it is not as captured, and
        the reduction where there is one.
        """
        self._check_parameters(parameters)
        policy = checked_policy(special)
        if policy == "renormalize" and {"source_special", "value_norms"} & set(self.needs):
            why = "measures special tokens" if "source_special" in self.needs else "measures norms, no distributions"
            raise ValueError(f"{self.name} {why}: special='renormalize' has no meaning for it, use 'keep' or 'drop'")
        if policy != "keep" and "importance" in self.needs:
            raise ValueError(f"{self.name} does not look at tokens: special={special!r} has no meaning for it")
        if reduce is not None and reduce not in get_args(Reduce):
            raise ValueError(f"reduce must be 'layers' or 'heads' (the axis to take the mean over), got {reduce!r}")
        parts = [self.name, f"special:{policy}"]
        if reading != "output" and (policy != "keep" or set(steps) - {"contributions"}):
            parts.append(f"reading:{reading}")
        if steps:
            parts.append(f"record:{'+'.join(steps)}")
        parts += [f"{name}:{printed(value)}" for name, value in (self.parameters | parameters).items()]
        if reduce is not None:
            parts.append(f"reduce:{reduce}")
        if not self.is_builtin:
            parts.append(f"code:{code_hash(self.function)}")
        return "|".join([*parts, f"v:{__version__}"])

    def _check_parameters(self, parameters: dict[str, Any]) -> None:
        accepts_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in self._arguments)
        unknown = [name for name in parameters if name not in self.parameters]
        if unknown and not accepts_any:
            own = ", ".join(self.parameters) or "no parameters"
            near = nearest(unknown[0], [*self.parameters, "special", "reduce"])
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{self.name} has no parameter {unknown[0]!r}; it has {own}{hint}")


_NUMPY_NOTE = ", a torch tensor; if the function is written in numpy, say @score(numpy=True)"


def _as_numpy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _as_numpy(each) for name, each in value.items()}
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value


def _mask(mask: torch.Tensor | None, length: int, name: str, device: torch.device) -> torch.Tensor:
    if mask is None:
        return torch.ones(length, dtype=torch.bool, device=device)
    mask = torch.as_tensor(mask, device=device).bool()
    if mask.shape[-1] != length:
        raise ValueError(f"{name} covers {mask.shape[-1]} positions, the attention has {length}")
    return mask
