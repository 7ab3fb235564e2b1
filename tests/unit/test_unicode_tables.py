"""The tables of Unicode properties, against what `unicodedata` knows of them."""

from __future__ import annotations

import unicodedata

from syft_job.model.unicode_tables import BLANK, DEFAULT_IGNORABLE, EMOJI_BASES, LATIN_LOOKALIKES, in_ranges

POINTS = range(0x110000)
# Format characters that draw something, or that enclose what follows (DerivedCoreProperties.txt excludes them).
DRAWN_FORMAT = {
    *range(0x0600, 0x0606),
    0x06DD,
    0x070F,
    0x0890,
    0x0891,
    0x08E2,
    0x110BD,
    0x110CD,
    *range(0xFFF9, 0xFFFC),
    *range(0x13430, 0x13440),
}


def test_the_ranges_are_in_order_and_have_as_many_code_points_as_the_unicode_file_states():
    ends = [end for first_last in DEFAULT_IGNORABLE for end in first_last]
    assert ends == sorted(ends)
    assert sum(last - first + 1 for first, last in DEFAULT_IGNORABLE) == 4174


def test_default_ignorable_code_points_are_of_the_categories_that_unicode_allows():
    for first, last in DEFAULT_IGNORABLE:
        assert {unicodedata.category(chr(point)) for point in range(first, last + 1)} <= {"Cf", "Cn", "Lo", "Mn"}


def test_every_format_character_is_default_ignorable_but_those_that_are_drawn():
    formats = {point for point in POINTS if unicodedata.category(chr(point)) == "Cf"}
    missing = {point for point in formats if not in_ranges(point, DEFAULT_IGNORABLE)}
    assert missing <= DRAWN_FORMAT


def test_every_variation_selector_and_filler_is_default_ignorable_or_blank():
    names = ((point, unicodedata.name(chr(point), "")) for point in POINTS)
    for point, name in names:
        if "VARIATION SELECTOR" in name or name.endswith(("HANGUL FILLER", "SEONG FILLER")):
            assert in_ranges(point, DEFAULT_IGNORABLE) or point in BLANK, name


def test_emoji_bases_are_no_letters_digits_or_marks():
    for first, last in EMOJI_BASES:
        assert not any(
            unicodedata.category(chr(point))[0] == "M" or chr(point).isascii() for point in range(first, last + 1)
        )


def test_lookalikes_are_letters_of_the_script_that_they_are_listed_under():
    for script, letters in LATIN_LOOKALIKES.items():
        for letter in letters:
            assert unicodedata.name(letter).startswith(script), letter
            assert letter.isalpha()
