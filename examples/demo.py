"""Write demo.html and demo_speech.html, pages that show the demo model and what Whisper hears.

The best and worst heads of the demo model are named. The speech page plays a saved record, so nothing is downloaded.

python examples/demo.py [PATH]
"""

import sys
from pathlib import Path

from xattn_widget import load, load_demo, show_cross_attention

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
    speech = load(Path(__file__).parent / "data/speech.safetensors")
    pages = [path, speech.to_html(path.with_name(f"{path.stem}_speech.html"))]
    print("\nOpen these pages in a browser, or double-click them (they need no network):")
    for page in pages:
        print(f"  {page.as_uri()}")


if __name__ == "__main__":
    main()
