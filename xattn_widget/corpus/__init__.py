"""Score a corpus of any size, choose from it, and see which heads know when a translation is bad."""

from typing import TYPE_CHECKING, Any

from xattn_widget.corpus.comparing import compare
from xattn_widget.corpus.scoring import score_corpus
from xattn_widget.corpus.selecting import select
from xattn_widget.corpus.tables import corpus_info, grids, to_pandas

if TYPE_CHECKING:
    from xattn_widget.corpus.viewing import CorpusView, show_corpus

__all__ = [
    "CorpusView",
    "compare",
    "corpus_info",
    "grids",
    "score_corpus",
    "select",
    "show_corpus",
    "to_pandas",
]


def __getattr__(name: str) -> Any:
    # The view needs the front end, which a job does not.
    if name in ("CorpusView", "show_corpus"):
        from xattn_widget.corpus import viewing

        return getattr(viewing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
