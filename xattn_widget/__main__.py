"""``python -m xattn_widget``: the command line."""

import sys

from xattn_widget.cli import main

sys.exit(main())
