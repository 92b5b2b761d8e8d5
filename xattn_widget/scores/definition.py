"""What a score is: a function of attention and masks, with a direction, parameters and a signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, get_args

import torch

from xattn_widget.messages.hints import nearest
from xattn_widget.record.contributed import CONTRIBUTION_KINDS
from xattn_widget.record.data import AttentionData
from xattn_widget.record.special import Action, Policy, Special, apply_policy, read_policy
from xattn_widget.scores.grid import Direction, GridAxis, ScoreGrid
from xattn_widget.scores.inputs import INPUTS, Scope, map_tensors
from xattn_widget.scores.kept_heads import values_of_kept_heads
from xattn_widget.scores.signatures import code_hash, code_line, printed

MASK_ARGUMENTS = ("attention", "source_mask", "target_mask")
_SETTINGS = ("special", "target_special", "source_left_out", "target_left_out", "reduce")
# The names that no parameter of a score may have; those of records have a meaning only there.
RESERVED = (*_SETTINGS, "crop")
# The version of each score that names none. Raise it if something around the functions gives other numbers, such as a
# policy for special tokens or the merging of subwords; scores that name a version are then raised one by one.
DEFAULT_VERSION = "1"


@dataclass(frozen=True)
class Score:
    """A score of attention heads; call it on tensors, or pass it to ``record.score`` and the widget.

    Attributes:
        function: ``fn(attention, source_mask, target_mask, **parameters) -> [..., layers, heads]``.
        name: its name in lists, tables and signatures.
        direction: which values rank best, ``"higher"`` or ``"lower"``.
        description: what it means, a plain sentence that says what high and low values are.
        batched: whether the function takes leading batch axes and honors the masks. Otherwise it is called sentence by
            sentence with the rows and columns that count, so that it may ignore the masks.
        numpy: whether the function takes and returns numpy arrays instead of tensors.
        scope: what the value of a head depends on: only the ``"head"``, all heads of its ``"layer"``, or the whole
            ``"model"``. A score may be computed on any part of the layers (and heads) that contains its scope.
        version: the version of the formula, the last part of every signature. It changes if the same attention gives
            other numbers, and stays the same in a release that leaves the numbers alone.
    """

    function: Callable[..., Any]
    name: str
    direction: Direction = "higher"
    description: str = ""
    batched: bool = False
    numpy: bool = False
    scope: Scope = "head"
    version: str = DEFAULT_VERSION

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
        """What it takes besides attention and masks, as names of ``xattn_widget.scores.inputs.INPUTS``."""
        arguments = {parameter.name for parameter in self._arguments}
        return tuple(name for name in INPUTS if name in arguments)

    @property
    def policies(self) -> tuple[Action, ...]:
        """What makes sense for it to do with special tokens; the same holds for punctuation."""
        return tuple(
            action for action in get_args(Action) if all(action in INPUTS[name].policies for name in self.needs)
        )

    def missing(self, record: AttentionData) -> str | None:
        """The first input that this score needs and the record does not hold, or None."""
        return next((name for name in self.needs if INPUTS[name].of(record) is None), None)

    def __call__(
        self,
        attention: torch.Tensor,
        source_mask: torch.Tensor | None = None,
        target_mask: torch.Tensor | None = None,
        *,
        special: Special | None = None,
        reduce: GridAxis | None = None,
        **inputs_and_parameters: Any,
    ) -> ScoreGrid:
        """The score of each head.

        Args:
            attention: ``[..., layers, heads, target, source]``.
            source_mask: ``[..., source]`` bool, True for the columns that count; by default all count.
            target_mask: ``[..., target]`` bool, True for the rows that count; by default all count.
            special: ``"keep"`` (the default), ``"drop"`` or ``"renormalize"`` special tokens, or another policy of
                ``xattn_widget.scores``.
            reduce: take the mean over ``"layers"`` (``[..., heads]``) or ``"heads"`` (``[..., layers]``); NaN where
                one of the values is.
            inputs_and_parameters: the score's own parameters, and what it or the policy needs:

                - ``source_special``: ``[..., source]`` bool, True at special tokens;
                - ``target_special``: ``[..., target]`` bool, True at special tokens, for policies;
                - ``source_left_out``, ``target_left_out``: the same for policies that leave out more than special
                  tokens, True at all positions that they leave out;
                - ``value_norms``: ``[..., layers, heads, target, source]``;
                - ``importance``: a mapping from the method to ``[..., layers, heads]``;
                - ``saliency``: ``[..., target, source]``, NaN at special tokens; ``masking_drop``:
                  ``[..., layers, heads]``;
                - for sound: ``source_loudness`` (decibels) and ``source_seconds``, ``[..., source]``; ``outside``,
                  ``[..., layers, heads, target]``; ``spoken_words``, ``[..., target]`` numbers of words.

                An input that the score does not need is ignored.

        Returns:
            ``[..., layers, heads]`` grid on the attention's device, NaN where the score is undefined.

        Raises:
            TypeError: the score has no such parameter.
            ValueError: an unknown policy or reduction, shapes that do not fit, a missing input, or a function that does
                not return one number per head.
        """
        values = self.compute(
            attention, source_mask, target_mask, special=special, reduce=reduce, **inputs_and_parameters
        )
        _, parameters = _split(inputs_and_parameters)
        return self._grid(values, self.signature(special=special, reduce=reduce, **parameters), reduce)

    def of_record(
        self,
        record: AttentionData,
        *,
        special: Special | None = None,
        reduce: GridAxis | None = None,
        crop: bool = True,
        **parameters: Any,
    ) -> ScoreGrid:
        """The score of each head of a record; see :meth:`CrossAttention.score`."""
        self._check(special, reduce, parameters)  # before they are merged with the record's inputs
        record = record.cropped() if crop else record
        signature = self.signature(
            special=special, reading=record.reading, steps=record.steps, reduce=reduce, **parameters
        )
        policy = read_policy(special)
        special_tokens: dict[str, Any] = {
            "source_special": record.source_special,
            "target_special": record.target_special,
        }
        if policy.leaves_out is not None:
            special_tokens["source_left_out"] = torch.tensor(policy.left_out(record.source))
            special_tokens["target_left_out"] = torch.tensor(policy.left_out(record.target))
        inputs: dict[str, Any] = {name: INPUTS[name].of(record) for name in self.needs}
        if record.kept is None:
            values = self.compute(record.weights, special=special, **special_tokens | inputs, **parameters)
        else:
            compute = partial(self.compute, special=special, **special_tokens)
            values = values_of_kept_heads(record, record.kept, self.scope, inputs, parameters, compute)
        return self._grid(_mean_over(values, reduce), signature, reduce)

    def _grid(self, values: torch.Tensor, signature: str, reduce: GridAxis | None) -> ScoreGrid:
        axes = [axis for axis in get_args(GridAxis) if axis != reduce]
        return ScoreGrid(values, signature, self.direction, axes[max(0, len(axes) - values.dim()) :])

    def compute(
        self,
        attention: torch.Tensor,
        source_mask: torch.Tensor | None = None,
        target_mask: torch.Tensor | None = None,
        *,
        special: Special | None = None,
        reduce: GridAxis | None = None,
        **inputs_and_parameters: Any,
    ) -> torch.Tensor:
        """The values alone, a plain tensor; arguments and errors are those of calling the score."""
        given, parameters = _split(inputs_and_parameters)
        policy = self._check(special, reduce, parameters)
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
        flags = {"source_special": columns, "target_special": rows, "source_left_out": columns, "target_left_out": rows}
        for name, length in flags.items():
            if given.get(name) is not None:
                given[name] = _mask(given[name], length, name, attention.device)
        first, second = list(flags)[:2] if policy.leaves_out is None else list(flags)[2:]
        if policy.action != "keep" and (given.get(first) is None or given.get(second) is None):
            raise ValueError(f"special={policy.name!r} needs {first} and {second}")
        for name in self.needs:
            compute_input = INPUTS[name].from_attention
            if given.get(name) is None and compute_input is not None:
                given[name] = compute_input(attention, source_mask, target_mask)
            if given.get(name) is None:
                raise ValueError(f"{self.name} needs {name}: {INPUTS[name].missing}")
        inputs = {name: INPUTS[name].fit(given[name], attention, name) for name in self.needs}
        if policy.action != "keep":
            attention, remaining, target_mask = apply_policy(
                attention, source_mask, target_mask, given[first], given[second], policy.action
            )
            if not any(INPUTS[name].measures_special for name in self.needs):
                source_mask = remaining
        compute = self._call if self.batched else self._call_by_sentence
        result = compute(attention, source_mask, target_mask, inputs, parameters)
        if all(INPUTS[name].looks_at_tokens for name in self.needs):
            # A sentence without any row or column that counts has no value.
            counts = (source_mask.any(-1) & target_mask.any(-1))[..., None, None]
            result = torch.where(counts, result, torch.nan)
        result = result.reshape(shape)
        return _mean_over(result, reduce)

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
            keywords = {name: map_tensors(torch.clone, value) for name, value in keywords.items()}
        if self.numpy:
            arguments = [_as_numpy(argument) for argument in arguments]
            keywords = {name: map_tensors(_as_numpy, value) for name, value in keywords.items()}
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

    def _call_by_sentence(
        self,
        attention: torch.Tensor,
        source_mask: torch.Tensor,
        target_mask: torch.Tensor,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
    ) -> torch.Tensor:
        batch = attention.shape[:-4]
        rows, columns = attention.shape[-2:]
        sentences = attention.reshape(-1, *attention.shape[-4:])
        sources = source_mask.expand(*batch, columns).reshape(-1, columns)
        targets = target_mask.expand(*batch, rows).reshape(-1, rows)
        inputs = {name: INPUTS[name].sentences(value, attention) for name, value in inputs.items()}
        results = []
        for number, (weights, source, target) in enumerate(zip(sentences, sources, targets, strict=True)):
            kept = weights[..., target, :][..., source]
            if kept.numel() == 0:
                results.append(torch.full(weights.shape[:-2], torch.nan, dtype=weights.dtype, device=weights.device))
                continue
            kept_inputs = {
                name: INPUTS[name].part(map_tensors(itemgetter(number), value), {"target": target, "source": source})
                for name, value in inputs.items()
            }
            results.append(self._call(kept, source[source], target[target], kept_inputs, parameters))
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
                f"{self._where()} returned shape {list(result.shape)}, expected one number per head: "
                f"[layers, heads] = {list(expected)}. Reduce the target and source axes (the last two), "
                "e.g. with .mean((-2, -1))"
            )
        if result.is_complex():
            raise ValueError(f"{self._where()} returned complex numbers, expected real ones")
        return result.detach().to(attention)

    def _where(self) -> str:
        return f"score {self.name!r}" + ("" if self.is_builtin else f" ({code_line(self.function)})")

    @property
    def is_builtin(self) -> bool:
        """Whether the name and the version alone identify the code."""
        return (getattr(self.function, "__module__", None) or "").startswith("xattn_widget.")

    def code_identity(self) -> list[Any]:
        """What counts of it in the hash of a function that calls it, see ``scores.signatures.code_hash``."""
        code = [self.name] if self.is_builtin else [self.function, self.batched, self.numpy]
        return [*code, self.version]

    def signature(
        self,
        *,
        special: Special | None = None,
        reading: str = "output",
        steps: tuple[str, ...] = (),
        reduce: GridAxis | None = None,
        **parameters: Any,
    ) -> str:
        """What identifies the computation of a value, e.g. ``coverage_penalty|special:keep|eps:1e-08|v:1``.

        ``v:`` is the :attr:`version` of the formula, not of the package. A user's score also carries a hash of its code
        and of the values that the code uses. The signature names the reading if it decided which rows count, the steps
        that changed the record (``record:words+renormalize``) if there were any, and the reduction if there is one.

        Raises:
            TypeError: the score has no such parameter.
            ValueError: an unknown policy or reduction, or a policy that makes no sense for the score.
        """
        policy = self._check(special, reduce, parameters)
        parts = [self.name, f"special:{policy.name}"]
        if policy.is_users:  # its defaults are no parameters that the signature could name
            defaults = [getattr(policy.leaves_out, name, None) for name in ("__defaults__", "__kwdefaults__")]
            parts[-1] += f"/{code_hash([policy.leaves_out, *defaults])}"
        if reading != "output" and (policy.action != "keep" or set(steps) - {"contributions", *CONTRIBUTION_KINDS}):
            parts.append(f"reading:{reading}")
        if steps:
            parts.append(f"record:{'+'.join(steps)}")
        parts += [f"{name}:{printed(value)}" for name, value in (self.parameters | parameters).items()]
        if reduce is not None:
            parts.append(f"reduce:{reduce}")
        if not self.is_builtin:
            parts.append(f"code:{code_hash(self.function)}")
        return "|".join([*parts, f"v:{self.version}"])

    def _check(self, special: Special | None, reduce: str | None, parameters: Mapping[str, Any]) -> Policy:
        """The policy, after checking it and all other requested settings."""
        accepts_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in self._arguments)
        unknown = [name for name in parameters if name not in self.parameters]
        if unknown and not accepts_any:
            known = ", ".join(self.parameters) or "no parameters"
            near = nearest(unknown[0], [*self.parameters, "special", "reduce"])
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{self.name} has no parameter {unknown[0]!r}; it has {known}{hint}")
        policy = read_policy(special)
        for name in self.needs:
            if policy.action not in INPUTS[name].policies:
                raise ValueError(
                    f"{self.name} {INPUTS[name].policies_reason}: special={policy.name!r} has no meaning for it, use "
                    f"{' or '.join(map(repr, self.policies))}"
                )
        if reduce is not None and reduce not in get_args(GridAxis):
            raise ValueError(f"reduce must be 'layers' or 'heads' (the axis to take the mean over), got {reduce!r}")
        return policy


_NUMPY_NOTE = ", a torch tensor; if the function is written in numpy, say @score(numpy=True)"


def _mean_over(grid: torch.Tensor, axis: GridAxis | None) -> torch.Tensor:
    return grid if axis is None else grid.mean(-2 if axis == "layers" else -1)


def _split(inputs_and_parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate the inputs from the score's own parameters."""
    inputs = {name: value for name, value in inputs_and_parameters.items() if name in INPUTS or name in _SETTINGS}
    return inputs, {name: value for name, value in inputs_and_parameters.items() if name not in inputs}


def _as_numpy(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().numpy()


def _mask(mask: torch.Tensor | None, length: int, name: str, device: torch.device) -> torch.Tensor:
    if mask is None:
        return torch.ones(length, dtype=torch.bool, device=device)
    mask = torch.as_tensor(mask, device=device).bool()
    if mask.shape[-1] != length:
        raise ValueError(f"{name} covers {mask.shape[-1]} positions, the attention has {length}")
    return mask
