"""Unicode properties that `unicodedata` lacks: code points that draw nothing, and letters that look like others.

The ranges are listed here because no module of the standard library has them. They are small, they change rarely,
and `tests/unit/test_unicode_tables.py` checks them against what `unicodedata` does know.
"""

from __future__ import annotations

from typing import Final

DEFAULT_IGNORABLE: Final = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors and vowel separator
    (0x200B, 0x200F),  # zero width characters and direction marks
    (0x202A, 0x202E),  # direction embeddings and overrides
    (0x2060, 0x206F),  # word joiner, invisible operators, direction isolates
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # zero width no-break space, the byte order mark
    (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
    (0xFFF0, 0xFFF8),  # unassigned
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format controls
    (0xE0000, 0xE0FFF),  # tags, further variation selectors, unassigned
)
"""Default_Ignorable_Code_Point of Unicode 16.0 (DerivedCoreProperties.txt); the same since 14.0."""

BLANK: Final = frozenset((0x2800, 0x13441, 0x13442, 0x16FE4, 0x1D159))
"""Assigned symbols and letters that are drawn as empty space: the Braille blank, Egyptian blanks, the Khitan filler,
the null note head."""

EMOJI_BASES: Final = (
    (0x203C, 0x203C),
    (0x2049, 0x2049),
    (0x2122, 0x2122),
    (0x2139, 0x2139),
    (0x2194, 0x21AA),
    (0x231A, 0x23FF),
    (0x24C2, 0x24C2),
    (0x25AA, 0x27BF),
    (0x2934, 0x2935),
    (0x2B05, 0x2B55),
    (0x3030, 0x3030),
    (0x303D, 0x303D),
    (0x3297, 0x3299),
    (0x1F000, 0x1FAFF),
)
"""Symbols after which U+FE0F asks for the coloured form (emoji-variation-sequences.txt, rounded to ranges)."""

LATIN_LOOKALIKES: Final = {
    "CYRILLIC": frozenset("АВЕЅІЈКМНОРСТУХҮԌԚԜЗаеорсухѕіјһԁԛԝѵӏгбьпт"),
    "GREEK": frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορυχκγτ"),
    "ARMENIAN": frozenset("ՍՕԼոսօհցզպղրյ"),
    "CHEROKEE": frozenset("ᎠᎡᎢᎥᎩᎪᎫᎬᎳᎷᎻᏀᏃᏎᏏᏒᏔᏕᏙᏚᏞᏟᏢᏦᏧ"),
}
"""By script: letters that most fonts draw like a Latin one (from confusables.txt of UTS #39, the common cases)."""


SIGN_LOOKALIKES: Final = {
    '"': "\u02ba\u02ee\u2033",
    "'": "\u02b9\u02c8\u2032",
    "`": "\u02cb\u2035",
    ":": "\u02d0\u05c3\u2236\ua789",
    "/": "\u2044\u2215\u29f8",
    "\\": "\u2216\u29f5\u29f9",
    "|": "\u01c0\u2223\u2758",
    "!": "\u01c3",
    "(": "\u2768",
    ")": "\u2769",
    "{": "\u2774",
    "}": "\u2775",
    "=": "\ua78a",
    "-": "\u2010\u2011\u2212",
    "*": "\u2217",
    "~": "\u223c",
}
"""By ASCII sign: signs that most fonts draw like it (from confusables.txt of UTS #39). Signs whose normal form NFKC is
the ASCII sign, such as the fullwidth ones, are not listed."""

TYPOGRAPHIC_QUOTES: Final = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f")
"""Quotation marks of prose, which bash and Python do not treat as quotation marks."""


def in_ranges(code_point: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    """Return True if ``code_point`` is in one of ``ranges``, whose ends are inclusive."""
    return any(first <= code_point <= last for first, last in ranges)
