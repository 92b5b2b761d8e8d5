"""Building blocks of error messages: visible characters, suggestions, and hints for common mistakes."""
