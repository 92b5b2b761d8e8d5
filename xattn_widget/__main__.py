"""``python -m xattn_widget`` and ``xattn-widget``: the command line."""

import io
import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The name of a written file may have characters that the terminal's encoding lacks, as on Windows.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from xattn_widget.cli import main

        return main()
    except KeyboardInterrupt:  # during the imports
        print("xattn-widget: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
