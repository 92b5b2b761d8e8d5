"""Word alignments: read off attention, compared with gold, read and written in Pharaoh format."""

from xattn_widget.alignment.aer import AlignmentScores, alignment_error_rate, alignment_scores
from xattn_widget.alignment.dtw import monotone_path
from xattn_widget.alignment.links import Method, align_weights
from xattn_widget.alignment.pharaoh import GoldAlignment, read_pharaoh, write_pharaoh
from xattn_widget.alignment.ranking import HeadAlignment, best_alignment_heads

__all__ = [
    "AlignmentScores",
    "GoldAlignment",
    "HeadAlignment",
    "Method",
    "align_weights",
    "alignment_error_rate",
    "alignment_scores",
    "best_alignment_heads",
    "monotone_path",
    "read_pharaoh",
    "write_pharaoh",
]
