"""What the sides of sound and of images have in common: no limit of tokens, and files that may be unreadable."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

from xattn_widget.inputs.sources import Source, SourceSide

Media = TypeVar("Media", bound=Source)


class MediaSide(SourceSide):
    """The side of an encoder that reads files of media and not text."""

    @property
    def usual_limit(self) -> int | None:
        """None: feature extractors and image processors expect no limit of positions."""
        return None

    @property
    def padding_side(self) -> str:
        """Sounds are padded after their end, and images are not padded to those of a batch."""
        return "right"

    @abstractmethod
    def _one_source(self, given: Any, limit: int | None, in_windows: bool) -> Any:
        """The source of what a user passed as a single one, its windows, or the reason why it cannot be run.

        Raises:
            OSError, TypeError, ValueError: it cannot be read.
        """

    def _try_source(self, given: Any, limit: int | None, in_windows: bool = False) -> Any:
        """The same, with what cannot be read as a reason too."""
        try:
            return self._one_source(given, limit, in_windows)
        except FileNotFoundError as error:
            return f"cannot be found: {error}"
        except (OSError, TypeError, ValueError) as error:
            return f"cannot be read: {error}"


def within_limit(source: Media, limit: int | None) -> Media | str:
    """The source, or the reason why it cannot be run: it has more positions than ``limit``."""
    if limit is not None and len(source) > limit:
        return f"has {len(source)} positions, the limit is {limit}"
    return source
