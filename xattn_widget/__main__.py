"""``python -m xattn_widget``: the command line."""

import sys

try:
    from xattn_widget.cli import main

    code = main()
except KeyboardInterrupt:  # while the imports ran
    print("xattn-widget: interrupted", file=sys.stderr)
    code = 130
sys.exit(code)
