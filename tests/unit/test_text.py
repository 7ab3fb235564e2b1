"""Escaping of untrusted text for display."""

from __future__ import annotations

import unicodedata

import pytest

from syft_job.model.text import _CLASSES, MAX_CACHED_CHARACTERS, escape_code, escape_line, escape_repr, escape_text
from syft_job.model.unicode_tables import DEFAULT_IGNORABLE

SENTENCES = [
    "plain text, with 'quotes' – and typography…",
    "Grüße aus Zürich, crème brûlée, Tiếng Việt",
    "Ελληνικά · Привет, мир",
    "نَصٌّ عَرَبِيّ",
    "שָׁלוֹם",
    "देवनागरी क्षत्रिय",
    "ภาษาไทย ที่นี่ น้ำ",
    "လျှို့ဝှက်",
    "한국어 日本語 ガギグ 中文",
    "∑ x² ≤ 3 → ½ €",
    "📥 ✅ 🔄 🎉",
]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("sentence", SENTENCES)
def test_text_in_any_script_stays_as_it_is(sentence: str, form: str):
    text = unicodedata.normalize("NFD" if form == "NFD" else "NFC", sentence)
    assert escape_text(text) == escape_code(text) == escape_line(text) == text


@pytest.mark.parametrize(
    "hidden",
    [
        *"\x00\x07\x08\x0b\x0c\r\x1b\x7f\x85\x9b",
        *"\xa0\u1680\u2000\u2009\u202f\u205f\u3000",
        *"\u2028\u2029\u200b\u200d\u202e\u2066\ufeff\xad",
        *"\u034f\u115f\u1160\u17b4\u180b\u3164\ufe00\ufe0f\uffa0\U000e0041\U000e0100",
        *"\u0378\uffff\U000e0fff\ue000\U0010fffd\ud800\u2800\U0001d159",
    ],
    ids=ascii,
)
def test_what_draws_nothing_is_written_out_wherever_it_stands(hidden: str):
    for text in (hidden, f"a{hidden}b", f"{hidden}b", f"é{hidden}"):
        for function in (escape_text, escape_code, escape_line):
            assert function(text) == text.replace(hidden, f"<U+{ord(hidden):04X}>")


def test_every_default_ignorable_code_point_is_written_out():
    for first, last in DEFAULT_IGNORABLE:
        for point in range(first, last + 1):
            assert escape_text(f"x{chr(point)}") == f"x<U+{point:04X}>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u0301x", "<U+0301>x"),
        ("a = \u0301b", "a = <U+0301>b"),
        ("\n\u0301", "\n<U+0301>"),
        ('"\u0336\u0336', '"<U+0336><U+0336>'),
        ("a\u0301\u0301", "a\u0301<U+0301>"),
        ("a\u0300\u0301\u0302\u0303\u0304\u0305", "a\u0300\u0301\u0302\u0303<U+0304><U+0305>"),
        ("\u200b\u0301", "<U+200B><U+0301>"),
        ("e\ufe0f\u0301", "e<U+FE0F><U+0301>"),
        ("a\u1161", "a<U+1161>"),
        ("\u0903a", "<U+0903>a"),
    ],
    ids=ascii,
)
def test_combining_marks_need_a_letter_and_at_most_four_stand_on_one(text: str, shown: str):
    assert escape_text(text) == escape_code(text) == shown


def test_an_emoji_may_ask_for_its_coloured_form_in_messages_but_not_in_names_or_code():
    assert escape_text("↩️ withdrawn") == "↩️ withdrawn"
    assert escape_text("⚠️️") == "⚠️<U+FE0F>"
    assert escape_code("↩️") == escape_line("↩️") == "↩<U+FE0F>"


def test_names_are_one_line_and_quoted_text_hides_nothing():
    assert escape_line("a\tb\nc") == "a<U+0009>b<U+000A>c"
    assert escape_text("a\tb\nc") == "a\tb\nc"
    assert escape_repr("a\u3164\u202e") == r"'a<U+3164>\u202e'"


def test_untrusted_text_does_not_choose_how_much_is_cached():
    escape_text("".join(map(chr, range(0xAC00 - 0x5000, 0x20000))))
    assert len(_CLASSES) <= MAX_CACHED_CHARACTERS


def test_the_fast_path_gives_what_the_rules_give():
    for point in range(0x80, 0x40000):
        if not 0xD800 <= point < 0xE000 and unicodedata.category(chr(point))[0] != "C":
            alone, with_slow_path = escape_code(f"a{chr(point)}"), escape_code(f"a{chr(point)}\ue000")
            assert with_slow_path == f"{alone}<U+E000>", hex(point)
