"""Write demo.html, demo_speech.html and demo_image.html: translation, what Whisper hears, and where a line is read.

The best and worst heads of the demo model are named. The speech page plays a saved record, and the image page shows the
second demo model, so nothing is downloaded.

python examples/demo.py [PATH]
"""

import sys
from pathlib import Path

from image_model.lines import draw

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

LINES = ["sum: 12.80", "tax 1.05", "2026-11-27"]


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "demo.html").resolve()
    model, tokenizer = load_demo()
    widget = show_cross_attention(model, tokenizer, SENTENCES)
    widget.to_html(path)
    print(widget.summary())
    speech = load(Path(__file__).parent / "data/speech.safetensors")
    lines = show_cross_attention(*load_demo("image"), [draw(line).image for line in LINES], words=False)
    pages = [
        path,
        speech.to_html(path.with_name(f"{path.stem}_speech.html")),
        lines.to_html(path.with_name(f"{path.stem}_image.html")),
    ]
    print("\nOpen these pages in a browser, or double-click them (they need no network):")
    for page in pages:
        print(f"  {page.as_uri()}")


if __name__ == "__main__":
    main()
