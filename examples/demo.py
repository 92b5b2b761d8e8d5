"""Write demo.html, a page that shows the demo model in the widget, and name the best and worst heads.

python examples/demo.py [PATH]
"""

import sys
from pathlib import Path

from xattn_widget import load_demo, show_cross_attention

SENTENCES = [
    "Gestern habe ich meinen alten Freund in der Stadt getroffen.",
    "Ich habe das Buch gelesen.",
    "Wann stehst du morgen auf?",
    "Der Hund schläft unter dem Tisch.",
    "Wenn es morgen regnet, bleiben wir zu Hause.",
    "Sie hat mir gesagt, dass sie keine Zeit hat.",
    "Das Kind, das im Garten spielt, ist mein Sohn.",
]


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "demo.html").resolve()
    model, tokenizer = load_demo()
    widget = show_cross_attention(model, tokenizer, SENTENCES)
    widget.to_html(path)
    print(widget.summary())
    print(f"\nOpen {path.as_uri()} in a browser, or double-click {path.name} (it needs no network).")


if __name__ == "__main__":
    main()
