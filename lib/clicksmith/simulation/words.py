"""Names of categories and brands, from which search queries are made."""

_CATEGORIES = (
    "coffee tea bread cheese fruit wine shoes jacket shirt dress jeans watch camera phone laptop headphones "
    "lamp chair table sofa bed rug towel soap perfume shampoo toy puzzle novel guitar bicycle tent backpack "
    "ball racket drill hammer paint garden pet"
).split()
_QUALITIES = "small large light dark soft classic sport kids".split()
_ONSETS = "b d f g k l m n p r s t v z".split()
_VOWELS = "a e i o u".split()

NUM_SUBCATEGORIES = len(_QUALITIES)
"""Subcategories of each category."""

BRANDS_PER_CATEGORY = 12


def category_name(category: int) -> str:
    """A word, numbered where the words are used up."""
    turn, number = divmod(category, len(_CATEGORIES))
    return _CATEGORIES[number] + (str(turn + 1) if turn else "")


def subcategory_name(category: int, number: int) -> str:
    """Two words: a quality and the category."""
    return f"{_QUALITIES[number]} {category_name(category)}"


def brand_name(brand: int) -> str:
    """Three syllables that spell the number: distinct for 343,000 brands."""
    syllables = []
    for _ in range(3):
        brand, syllable = divmod(brand, len(_ONSETS) * len(_VOWELS))
        onset, vowel = divmod(syllable, len(_VOWELS))
        syllables.append(_ONSETS[onset] + _VOWELS[vowel])
    return "".join(reversed(syllables))
