"""Score a corpus of any size, choose sentences, profile heads, and find those that know when a translation is bad."""

from xattn_widget.corpus.comparing import compare
from xattn_widget.corpus.detecting import combine_transport, evaluate_detectors
from xattn_widget.corpus.profiles import HeadProfile
from xattn_widget.corpus.profiling import profile_heads
from xattn_widget.corpus.scoring import score_corpus
from xattn_widget.corpus.selecting import select
from xattn_widget.corpus.store.tables import corpus_info, grids, to_pandas

__all__ = [
    "HeadProfile",
    "combine_transport",
    "compare",
    "corpus_info",
    "evaluate_detectors",
    "grids",
    "profile_heads",
    "score_corpus",
    "select",
    "to_pandas",
]
