"""Alignments of words with words and with times: read off attention, compared with gold, read and written as files."""

from xattn_widget.alignment.aer import AlignmentScores, alignment_error_rate, alignment_scores
from xattn_widget.alignment.dtw import monotone_path
from xattn_widget.alignment.head_sets import HeadSet, ReadHead, best_head_set
from xattn_widget.alignment.links import Method, align_weights
from xattn_widget.alignment.pharaoh import GoldAlignment, read_pharaoh, write_pharaoh
from xattn_widget.alignment.ranking import HeadAlignment, best_alignment_heads
from xattn_widget.alignment.symmetrizing import symmetrize
from xattn_widget.alignment.timed_formats import write_word_times
from xattn_widget.alignment.timed_words import read_word_times
from xattn_widget.alignment.timing_errors import WordTimeErrors, word_time_errors
from xattn_widget.alignment.word_time import WordTime

__all__ = [
    "AlignmentScores",
    "GoldAlignment",
    "HeadAlignment",
    "HeadSet",
    "Method",
    "ReadHead",
    "WordTime",
    "WordTimeErrors",
    "align_weights",
    "alignment_error_rate",
    "alignment_scores",
    "best_alignment_heads",
    "best_head_set",
    "monotone_path",
    "read_pharaoh",
    "read_word_times",
    "symmetrize",
    "word_time_errors",
    "write_pharaoh",
    "write_word_times",
]
