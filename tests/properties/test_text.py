"""Written-out text stays as it is, and nothing but ASCII is added to it."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from syft_job.model.text import escape_code, escape_line, escape_text
from syft_job.views.log_text import LogRenderer, render_log

SPECIAL = (
    "a\u00e9 \u0301\u0300\u0903\u1100\u1161\u11a8\uac00\ufe0f\u21a9\u200b\u3164\u00a0\u0915\u093f\n\t\x1b\u20dd_<>"
)
TEXTS = st.text(st.one_of(st.sampled_from(SPECIAL), st.characters()))
PIECES = st.sampled_from(
    [
        b"\x1b[31m",
        b"\x1b[0m",
        b"\x1b[8m",
        b"\x1b[38;5;1m",
        b"\x1b",
        b"[",
        b"\r",
        b"\n",
        b"ab",
        b"\xff",
        "\u00e9\u3164".encode(),
    ]
)


@given(TEXTS)
def test_what_was_written_out_stays_as_it_is(text: str):
    for function in (escape_text, escape_code, escape_line):
        shown = function(text)
        assert function(shown) == shown
        assert not {unicodedata.category(character) for character in shown} - {"Cc"} & {"Cf", "Cs", "Co", "Cn", "Zl"}
        assert set(shown) - set(text) <= set("<U+0123456789ABCDEF>")
        assert not {character for character in shown if unicodedata.category(character) == "Cc"} - {"\n", "\t"}


@given(st.lists(PIECES), st.integers(1, 5))
def test_a_log_in_chunks_reads_as_the_whole_log_and_controls_nothing(pieces: list[bytes], size: int):
    data = b"".join(pieces)
    for colours in (False, True):
        renderer = LogRenderer(colours=colours)
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        text = "".join([*map(renderer.feed, chunks), renderer.close()])
        assert (text, renderer.notice()) == render_log(data, colours=colours)
        assert colours or "\x1b" not in text
        assert "\r" not in text
    assert render_log(data, raw=True)[0].count("<U+001B>") == data.count(b"\x1b")
