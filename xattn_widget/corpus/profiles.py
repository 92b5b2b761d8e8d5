"""What the heads of a model do over a corpus: ``HeadProfile``."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.alignment import HeadSet
from xattn_widget.corpus.display import table_html
from xattn_widget.corpus.profile_content import AGREEMENT, saved_profile, strongest_rows
from xattn_widget.corpus.store.parquet import WRITING, read_table, seal
from xattn_widget.corpus.store.tables import result_table
from xattn_widget.extraction.extraction import extract
from xattn_widget.files.writing import whole_file
from xattn_widget.messages.hints import did_you_mean
from xattn_widget.record.heads import check_heads
from xattn_widget.scores.roles import MIXED, ROLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The entry of the schema's metadata with what is not about single heads.
_INFO = b"xattn_widget_profile"


@dataclass(frozen=True, eq=False, repr=False)
class HeadProfile:
    """What each head does over a corpus, from :func:`xattn_widget.profile_heads`.

    Attributes:
        data: an Arrow table with a row for each head and everything that the profile knows.
    """

    data: pa.Table

    @property
    def info(self) -> dict[str, Any]:
        """How it was made, with signatures, numbers of sentences, the least shares of roles, and more."""
        content: dict[str, Any] = json.loads(self.data.schema.metadata[_INFO])
        return content

    @property
    def shape(self) -> tuple[int, int]:
        """``(layers, heads)``."""
        layers, heads = self.info["shape"]
        return layers, heads

    @property
    def table(self) -> pa.Table:
        """A table with a row for each head.

        Its columns are ``layer``, ``head``, ``role``, ``share`` (of rows that follow the role's rule, or the largest
        share where the role is mixed), the share of each rule, such as ``end_share``, over all rows of the corpus, and
        for each score its mean and standard deviation over sentences, such as ``entropy.mean`` and ``entropy.std``.
        """
        flat = [field.name for field in self.data.schema if not pa.types.is_nested(field.type)]
        bare = self.data.select(flat).replace_schema_metadata(None)
        return result_table(bare, f"what heads do over {self._extent()}")

    @property
    def roles(self) -> list[list[str]]:
        """The role of each head, ``[layers][heads]``."""
        heads = self.shape[1]
        roles = self.data["role"].to_pylist()
        return [roles[start : start + heads] for start in range(0, len(roles), heads)]

    @property
    def scores(self) -> list[str]:
        """The names of the scores, those of the roles among them."""
        return list(self.info["signatures"])

    @property
    def levels(self) -> list[float]:
        """The levels of :meth:`quantiles`."""
        return list(self.info["levels"])

    def quantiles(self, score: str) -> Any:
        """``[levels, layers, heads]`` quantiles of a score over sentences at each of :attr:`levels`, as a numpy array.

        They are exact if ``info["quantile_sentences"]`` are all sentences, and otherwise those of so many sentences
        drawn at random.

        Raises:
            ValueError: the profile has no such score.
        """
        values = np.array(self.data[f"{self._known(score)}.quantiles"].to_pylist(), np.float64)
        return values.T.reshape(-1, *self.shape)

    def strongest(
        self, score: str, layer: int, head: int, n: int = 5, *, model: Any = None, tokenizer: Any = None
    ) -> pa.Table:
        """The sentences where a head is strongest by a score: those with its best values by the score's direction.

        Args:
            score: the score, such as ``"entropy"`` or ``"end_share"``.
            layer: counted from 0.
            head: counted from 0.
            n: how many sentences; at most as many as were kept.
            model: the model, to add the rows of each sentence (text only).
            tokenizer: its tokenizer.

        Returns:
            A table with the columns ``row`` (of the scored table, from 0), ``id``, ``source``, ``target`` and
            ``value``, strongest first. With a model, ``rows`` has for each row of the sentence the ``target`` token,
            the ``source`` token with the largest weight and this ``weight``, largest weight first.

        Raises:
            ValueError: the profile has no such score or head, or only one of model and tokenizer is given.
        """
        check_heads([(layer, head)], *self.shape)
        if (model is None) != (tokenizer is None):
            raise ValueError("pass both model and tokenizer to get the rows of sentences, or neither")
        info = self.info
        entries = strongest_rows(self.data, info, self._known(score), layer, head, n)
        found = [[entry["row"], *info["texts"][str(entry["row"])][:3], entry["value"]] for entry in entries]
        names = ["row", "id", "source", "target", "value"]
        columns = list(zip(*found, strict=True)) or [()] * len(names)
        made = pa.table(dict(zip(names, map(list, columns), strict=True)))
        if model is not None:
            rows = [_rows_of(model, tokenizer, source, target, layer, head) for _, _, source, target, _ in found]
            made = made.append_column("rows", pa.array(rows))
        return result_table(made, f"where layer {layer} head {head} is strongest by {score}")

    @property
    def agreement(self) -> Any:
        """``[layers * heads, layers * heads]`` mean similarity of the rows of each two heads, or None.

        The similarity is ``1 - JS``, one minus the Jensen-Shannon divergence in bits, in ``[0, 1]``; the mean is over
        all rows of ``info["drawn"]`` sentences drawn at random. Head ``(layer, head)`` is number
        ``layer * heads + head``. None for sound and pictures, and if no sentences were drawn.
        """
        if AGREEMENT not in self.data.column_names:
            return None
        return np.array(self.data[AGREEMENT].to_pylist(), np.float64)

    @property
    def head_set(self) -> HeadSet | None:
        """The set of heads whose mean aligns words best, see :func:`xattn_widget.best_head_set`; None as above."""
        described = self.info["head_set"]
        return None if described is None else HeadSet.read(described)

    def to_pandas(self) -> Any:
        """:attr:`table` as a pandas frame."""
        return self.table.to_pandas()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the roles as a grid, layers down and heads across, with the share of each.

        Args:
            ax: matplotlib axes to draw into; new ones by default.
        """
        from xattn_widget.plot.roles import plot_roles

        shares = np.array(self.data["share"].to_pylist(), np.float64).reshape(self.shape)
        return plot_roles(self.roles, shares, [*ROLES, MIXED], ax)

    def summary(self) -> str:
        """What the heads do, in words: the roles of each layer with the numbers of their heads, and the best set."""
        lines = [repr(self)]
        for layer, roles in enumerate(self.roles):
            found = [
                f"{role} {', '.join(str(head) for head, other in enumerate(roles) if other == role)}"
                for role in [*ROLES, MIXED]
                if role in roles
            ]
            lines.append(f"layer {layer}: {'; '.join(found)}")
        return "\n".join(lines)

    def to_html(self, path: str | PathLike[str]) -> Path:
        """Write the interactive view of :func:`xattn_widget.show_profile` to one HTML file that works offline.

        It contains everything that the profile knows, the texts of the strongest sentences among them. A sentence does
        not open in a panel, because that takes the model.

        Returns:
            The path of the file.
        """
        from xattn_widget.panel.document import document, script_json

        state = script_json({"app": "profile"} | saved_profile(self.data, self.info))
        page = document("What each head does", state, self.summary()).encode()
        with whole_file(str(path)) as file:
            file.write(page)
        return Path(path)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the profile to a Parquet file; :meth:`load` reads it."""
        with whole_file(str(path)) as file:
            pq.write_table(self.data, file, **WRITING)
            seal(file)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a profile that :meth:`save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or holds something else.
        """
        data = read_table(path)
        if _INFO not in (data.schema.metadata or {}):
            raise ValueError(f"{path} holds no profile of heads: pass a file that HeadProfile.save wrote")
        return cls(data)

    def __repr__(self) -> str:
        layers, heads = self.shape
        counts = Counter(self.data["role"].to_pylist())
        roles = ", ".join(f"{counts[role]} {role}" for role in [*ROLES, MIXED] if counts[role])
        best = self.head_set
        aligners = (
            ""
            if best is None
            else "; best set " + ", ".join(f"({head.layer}, {head.head}) {head.reading}" for head in best.heads)
        )
        return f"HeadProfile({self._extent()}, {layers} layers of {heads} heads: {roles}{aligners})"

    def _repr_html_(self) -> str:
        shares = {share.name for share in ROLES.values()}
        means = [f"{name}.mean" for name in self.scores if name not in shares]
        return table_html(self.table.select(["layer", "head", "role", "share", *means]))

    def _extent(self) -> str:
        count, what = self.info["sentences"], self.info["what"]
        return f"{count:,} {what}{'' if count == 1 else 's'}"

    def _known(self, score: str) -> str:
        if score not in self.scores:
            raise ValueError(f"the profile has no score {score!r}; {did_you_mean(score, self.scores)}")
        return score


def make_profile(columns: dict[str, pa.Array], info: dict[str, Any]) -> HeadProfile:
    """A profile of columns with a value for each head, and of what is not about single heads."""
    table = pa.table(columns)
    return HeadProfile(table.replace_schema_metadata({_INFO: json.dumps(info, ensure_ascii=False).encode()}))


def _rows_of(model: Any, tokenizer: Any, source: str, target: str, layer: int, head: int) -> list[dict[str, Any]]:
    record = extract(model, tokenizer, source, target, heads=[(layer, head)])
    [weights] = record.head_weights([(layer, head)])
    largest, columns = weights.max(-1)
    rows = [
        {"target": written, "source": record.source_tokens[column], "weight": weight}
        for written, column, weight in zip(record.target_tokens, columns.tolist(), largest.tolist(), strict=True)
    ]
    return sorted(rows, key=lambda row: -row["weight"])
