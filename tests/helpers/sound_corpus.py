"""Short clips for the tests of corpora of sound, and how they are scored."""

CLIP_SECONDS = [0.5, 1.3, 2.0, 0.9, 0.733]
CLIP_TEXTS = [
    "Ich habe das Buch gelesen.",
    "Wann stehst du morgen auf?",
    "When do you get up tomorrow?",
    "I have read the book.",
    "The dog sleeps under the table.",
]
GIVEN = {"scores": ["entropy", "coverage_penalty"], "progress": False}
GENERATED = {"scores": ["entropy"], "generation": {"max_new_tokens": 4}, "progress": False}
