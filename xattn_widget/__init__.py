"""See, score and mine the cross-attention of encoder-decoder models.

from xattn_widget import show_cross_attention
show_cross_attention(model, tokenizer, "Ich habe das Buch gelesen.")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from xattn_widget._version import __version__

if TYPE_CHECKING:
    from xattn_widget import scores
    from xattn_widget.capturing import capture
    from xattn_widget.corpus import compare, score_corpus, select, show_corpus
    from xattn_widget.demo import load_demo
    from xattn_widget.extraction import extract
    from xattn_widget.intervening import ablate, head_importance
    from xattn_widget.record import CrossAttention
    from xattn_widget.scores import score
    from xattn_widget.storage import load
    from xattn_widget.widget import CrossAttentionWidget, show_cross_attention

# Where each public name lives: imported when it is first asked for, so that importing the package costs nothing.
_HOMES = {
    "CrossAttention": "xattn_widget.record",
    "CrossAttentionWidget": "xattn_widget.widget",
    "ablate": "xattn_widget.intervening",
    "capture": "xattn_widget.capturing",
    "compare": "xattn_widget.corpus",
    "extract": "xattn_widget.extraction",
    "head_importance": "xattn_widget.intervening",
    "load": "xattn_widget.storage",
    "load_demo": "xattn_widget.demo",
    "score": "xattn_widget.scores",
    "score_corpus": "xattn_widget.corpus",
    "select": "xattn_widget.corpus",
    "show_corpus": "xattn_widget.corpus",
    "show_cross_attention": "xattn_widget.widget",
}

__all__ = [
    "CrossAttention",
    "CrossAttentionWidget",
    "__version__",
    "ablate",
    "capture",
    "compare",
    "extract",
    "head_importance",
    "load",
    "load_demo",
    "score",
    "score_corpus",
    "scores",
    "select",
    "show_corpus",
    "show_cross_attention",
]


def __getattr__(name: str) -> Any:
    if name == "scores":
        return import_module("xattn_widget.scores")
    if name not in _HOMES:
        raise AttributeError(f"module 'xattn_widget' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
