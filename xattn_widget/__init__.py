"""See, score and mine the cross-attention of encoder-decoder models.

from xattn_widget import show_cross_attention
show_cross_attention(model, tokenizer, "Ich habe das Buch gelesen.")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from xattn_widget._version import __version__

if TYPE_CHECKING:
    from xattn_widget import scores
    from xattn_widget.alignment import (
        GoldAlignment,
        alignment_error_rate,
        alignment_scores,
        best_alignment_heads,
        monotone_path,
        read_pharaoh,
        write_pharaoh,
    )
    from xattn_widget.capturing.ablation import ablate
    from xattn_widget.capturing.recorder import capture
    from xattn_widget.corpus import compare, score_corpus, select
    from xattn_widget.cross_attention import CrossAttention, load
    from xattn_widget.demo import load_demo
    from xattn_widget.extraction.extraction import extract
    from xattn_widget.extraction.importance import head_importance
    from xattn_widget.plot import plot_distribution
    from xattn_widget.scores import check_score, score
    from xattn_widget.widget.corpus_view import show_corpus
    from xattn_widget.widget.show import show_cross_attention
    from xattn_widget.widget.widget import CrossAttentionWidget

# Where each public name lives: imported when it is first asked for, so that importing the package costs nothing.
_HOMES = {
    "CrossAttention": "xattn_widget.cross_attention",
    "CrossAttentionWidget": "xattn_widget.widget.widget",
    "GoldAlignment": "xattn_widget.alignment",
    "ablate": "xattn_widget.capturing.ablation",
    "alignment_error_rate": "xattn_widget.alignment",
    "alignment_scores": "xattn_widget.alignment",
    "best_alignment_heads": "xattn_widget.alignment",
    "capture": "xattn_widget.capturing.recorder",
    "check_score": "xattn_widget.scores",
    "compare": "xattn_widget.corpus",
    "extract": "xattn_widget.extraction.extraction",
    "head_importance": "xattn_widget.extraction.importance",
    "load": "xattn_widget.cross_attention",
    "load_demo": "xattn_widget.demo",
    "monotone_path": "xattn_widget.alignment",
    "plot_distribution": "xattn_widget.plot",
    "read_pharaoh": "xattn_widget.alignment",
    "score": "xattn_widget.scores",
    "score_corpus": "xattn_widget.corpus",
    "select": "xattn_widget.corpus",
    "show_corpus": "xattn_widget.widget.corpus_view",
    "show_cross_attention": "xattn_widget.widget.show",
    "write_pharaoh": "xattn_widget.alignment",
}

__all__ = [
    "CrossAttention",
    "CrossAttentionWidget",
    "GoldAlignment",
    "__version__",
    "ablate",
    "alignment_error_rate",
    "alignment_scores",
    "best_alignment_heads",
    "capture",
    "check_score",
    "compare",
    "extract",
    "head_importance",
    "load",
    "load_demo",
    "monotone_path",
    "plot_distribution",
    "read_pharaoh",
    "score",
    "score_corpus",
    "scores",
    "select",
    "show_corpus",
    "show_cross_attention",
    "write_pharaoh",
]


def __getattr__(name: str) -> Any:
    if name == "scores":
        return import_module("xattn_widget.scores")
    if name not in _HOMES:
        raise AttributeError(f"module 'xattn_widget' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
