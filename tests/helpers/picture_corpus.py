"""Pictures for the tests of corpora of images, and how they are scored."""

from image_models import SIZES, picture, square

PICTURE_TEXTS = ["ab", "dog tisch hund dog ab", "c", "ich ab ab", "tisch"]
GIVEN = {"scores": ["entropy", "spatial_spread"], "progress": False}
GENERATED = {"scores": ["entropy"], "generation": {"max_new_tokens": 4}, "progress": False}


def pictures():
    """Return five pictures of different sizes: two of random colors, and three white ones with a box."""
    return [
        picture(*size, seed=number) if number % 2 else square(size, (5, 5, 12, 14)) for number, size in enumerate(SIZES)
    ]
