"""What a score is: a function of attention and masks, with a direction, parameters and a signature."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

import torch

from xattn_widget._version import __version__

if TYPE_CHECKING:
    from xattn_widget.record import CrossAttention

Direction = Literal["higher", "lower"]
Special = Literal["keep", "drop", "renormalize"]

_MASK_ARGUMENTS = ("attention", "source_mask", "target_mask")
_SPECIAL_ARGUMENT = "source_special"


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
    """

    function: Callable[..., Any]
    name: str
    direction: Direction = "higher"
    description: str = ""
    batched: bool = False

    @property
    def parameters(self) -> dict[str, Any]:
        """The score's own parameters with their defaults."""
        own = list(inspect.signature(self.function).parameters.values())[len(_MASK_ARGUMENTS) :]
        return {
            parameter.name: None if parameter.default is parameter.empty else parameter.default
            for parameter in own
            if parameter.name != _SPECIAL_ARGUMENT and parameter.kind is not parameter.VAR_KEYWORD
        }

    def __call__(
        self,
        attention: torch.Tensor,
        source_mask: torch.Tensor | None = None,
        target_mask: torch.Tensor | None = None,
        *,
        source_special: torch.Tensor | None = None,
        **parameters: Any,
    ) -> torch.Tensor:
        """The score of each head.

        Args:
            attention: ``[..., layers, heads, target, source]``.
            source_mask: ``[..., source]`` bool, True for the columns that count; all when left out.
            target_mask: ``[..., target]`` bool, True for the rows that count; all when left out.
            source_special: ``[..., source]`` bool, True at special tokens; for the scores that ask for it.
            parameters: the score's own parameters.

        Returns:
            ``[..., layers, heads]`` float tensor, NaN where the score is undefined.
        """
        self._check_parameters(parameters)
        attention = torch.as_tensor(attention)
        if attention.dim() < 2 or not attention.is_floating_point():
            raise ValueError(
                f"{self.name} takes attention [..., layers, heads, target, source] of floating point, got "
                f"{attention.dtype} {list(attention.shape)}"
            )
        if attention.dtype != torch.float64:
            attention = attention.float()
        *_, rows, columns = attention.shape
        source_mask = _mask(source_mask, columns, "source_mask")
        target_mask = _mask(target_mask, rows, "target_mask")
        if _SPECIAL_ARGUMENT in inspect.signature(self.function).parameters:
            if source_special is None:
                raise ValueError(f"{self.name} needs source_special, a bool for each source column (True = special)")
            parameters[_SPECIAL_ARGUMENT] = _mask(source_special, columns, _SPECIAL_ARGUMENT)
        if self.batched:
            return self._checked(self.function(attention, source_mask, target_mask, **parameters), attention)
        return self._sentence_by_sentence(attention, source_mask, target_mask, parameters)

    def _sentence_by_sentence(
        self,
        attention: torch.Tensor,
        source_mask: torch.Tensor,
        target_mask: torch.Tensor,
        parameters: dict[str, Any],
    ) -> torch.Tensor:
        batch = attention.shape[:-4]
        rows, columns = attention.shape[-2:]
        special = parameters.pop(_SPECIAL_ARGUMENT, None)
        flat = {
            "attention": attention.reshape(-1, *attention.shape[len(batch) :]),
            "source": source_mask.expand(*batch, columns).reshape(-1, columns),
            "target": target_mask.expand(*batch, rows).reshape(-1, rows),
        }
        if special is not None:
            flat["special"] = special.expand(*batch, columns).reshape(-1, columns)
        results = []
        for index, weights in enumerate(flat["attention"]):
            keep_source, keep_target = flat["source"][index], flat["target"][index]
            kept = weights[..., keep_target, :][..., keep_source]
            if kept.numel() == 0:
                results.append(torch.full(weights.shape[:-2], torch.nan))
                continue
            if special is not None:
                parameters[_SPECIAL_ARGUMENT] = flat["special"][index][keep_source]
            # A copy: a function that works in place must not reach the record.
            value = self.function(kept.clone(), keep_source[keep_source], keep_target[keep_target], **parameters)
            results.append(self._checked(value, weights))
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
        return result.detach().to("cpu").to(torch.promote_types(result.dtype, torch.float32))

    def _where(self) -> str:
        code = getattr(self.function, "__code__", None)
        place = f" (line {code.co_firstlineno} of {code.co_filename})" if code and not self.is_builtin else ""
        return f"score {self.name!r}{place}"

    def of_record(self, record: CrossAttention, *, special: str | None = None, **parameters: Any) -> torch.Tensor:
        """The score of each head of a record; see :meth:`CrossAttention.score`.

        Returns:
            ``[layers, heads]`` float tensor, whose attribute ``signature`` says what was computed.
        """
        policy = _policy(special)
        attention = record.weights
        source_mask = target_mask = None
        if policy != "keep":
            source_mask, target_mask = ~record.source_special, ~record.target_special
        if policy == "renormalize":
            if _SPECIAL_ARGUMENT in inspect.signature(self.function).parameters:
                raise ValueError(
                    f"{self.name} measures special tokens, which special='renormalize' takes away: use 'keep' or 'drop'"
                )
            attention = attention * ~record.source_special
            attention = attention / attention.sum(-1, keepdim=True)
        result = self(attention, source_mask, target_mask, source_special=record.source_special, **parameters)
        result.signature = self.signature(special=policy, reading=record.reading, **parameters)  # type: ignore[attr-defined]
        return result

    @property
    def is_builtin(self) -> bool:
        """Whether the package's version alone identifies the code."""
        return (getattr(self.function, "__module__", None) or "").startswith("xattn_widget.")

    def signature(self, *, special: str | None = None, reading: str = "output", **parameters: Any) -> str:
        """What makes a number of this score again, e.g. ``coverage_penalty|special:keep|eps:1e-08|v:0.1.0``.

        A user's score also carries a hash of its code. The reading is named where rows were chosen by it.
        """
        self._check_parameters(parameters)
        policy = _policy(special)
        parts = [self.name, f"special:{policy}"]
        if reading != "output" and policy != "keep":
            parts.append(f"reading:{reading}")
        parts += [f"{name}:{value}" for name, value in (self.parameters | parameters).items()]
        if not self.is_builtin:
            parts.append(f"code:{_code_hash(self.function)}")
        return "|".join([*parts, f"v:{__version__}"])

    def _check_parameters(self, parameters: dict[str, Any]) -> None:
        accepts_any = any(
            parameter.kind is parameter.VAR_KEYWORD
            for parameter in inspect.signature(self.function).parameters.values()
        )
        unknown = [name for name in parameters if name not in self.parameters]
        if unknown and not accepts_any:
            own = ", ".join(self.parameters) or "no parameters"
            raise TypeError(f"{self.name} has no parameter {unknown[0]!r}; it has {own}")


def _policy(special: str | None) -> Special:
    if special is None:
        return "keep"
    if special not in get_args(Special):
        raise ValueError(f"special must be 'keep', 'drop' or 'renormalize', got {special!r}")
    return special  # type: ignore[return-value]


def _mask(mask: torch.Tensor | None, length: int, name: str) -> torch.Tensor:
    if mask is None:
        return torch.ones(length, dtype=torch.bool)
    mask = torch.as_tensor(mask).bool()
    if mask.shape[-1] != length:
        raise ValueError(f"{name} covers {mask.shape[-1]} positions, the attention has {length}")
    return mask


def _code_hash(function: Callable[..., Any]) -> str:
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        text = repr((code.co_code, code.co_consts, code.co_names)) if code else repr(function)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@overload
def score(function: Callable[..., Any], /) -> Score: ...


@overload
def score(
    *, name: str | None = None, direction: Direction = "higher", description: str | None = None, batched: bool = False
) -> Callable[[Callable[..., Any]], Score]: ...


def score(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    direction: Direction = "higher",
    description: str | None = None,
    batched: bool = False,
) -> Score | Callable[[Callable[..., Any]], Score]:
    """Make a function a score, as ``@score`` or ``@score(direction="lower")``.

    The function takes ``(attention, source_mask, target_mask, **parameters)`` and returns one number a head::

        @score(direction="lower")
        def first_token_mass(attention, source_mask, target_mask):
            return attention[..., 0].mean(-1)

    It is called sentence by sentence with ``attention`` ``[layers, heads, target, source]`` of the rows and columns
    that count, so that it may ignore the masks. With ``batched=True`` it is called with leading batch axes and masks
    ``[..., source]`` and ``[..., target]``, which it must honour.

    Args:
        function: the function; its first docstring line is the description.
        name: the score's name; the function's own when left out.
        direction: which values rank best, ``"higher"`` or ``"lower"``.
        description: one line for people.
        batched: see above.

    Raises:
        TypeError: the function cannot be called with the three arguments.
        ValueError: a direction that is neither.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction must be 'higher' or 'lower' (which values rank best), got {direction!r}")

    def make(function: Callable[..., Any]) -> Score:
        title = str(name or getattr(function, "__name__", type(function).__name__))
        try:
            inspect.signature(function).bind(*_MASK_ARGUMENTS, **_required_parameters(function))
        except TypeError as error:
            raise TypeError(
                f"score {title!r} must take (attention, source_mask, target_mask, **parameters): {error}"
            ) from None
        text = description if description is not None else (inspect.getdoc(function) or "").partition("\n")[0]
        return Score(function=function, name=title, direction=direction, description=text, batched=batched)

    return make if function is None else make(function)


def _required_parameters(function: Callable[..., Any]) -> dict[str, None]:
    parameters = list(inspect.signature(function).parameters.values())[len(_MASK_ARGUMENTS) :]
    return {
        parameter.name: None
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind is parameter.KEYWORD_ONLY
    }
