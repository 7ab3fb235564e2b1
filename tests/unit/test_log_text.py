"""The output of a job as text for a terminal."""

from __future__ import annotations

import re

import pytest

from syft_job.views.log_text import MAX_PENDING_CHARS, LogRenderer, render_log


def rendered(data: bytes, **options: bool) -> str:
    return render_log(data, **options)[0]


def counted(data: bytes) -> tuple[int, int]:
    renderer = LogRenderer()
    renderer.feed(data)
    renderer.close()
    return renderer.concealed, renderer.overwritten


def test_plain_colours_are_kept_on_request_and_dropped_otherwise():
    data = b"\x1b[31mred\x1b[0m \x1b[1;92mgreen\x1b[m\n"
    assert rendered(data) == "red green\n"
    assert rendered(data, colours=True) == "\x1b[31mred\x1b[0m \x1b[1;92mgreen\x1b[0m\n\x1b[0m"
    assert counted(data) == (0, 0)


def test_raw_writes_out_everything():
    assert rendered(b"\x1b[31mr\x1b[0m\r\n\xff", raw=True) == "<U+001B>[31mr<U+001B>[0m<U+000D>\n\\xff"


@pytest.mark.parametrize(
    "sequence",
    ["8", "0;8", "08", "30", "31;41", "41;31", "91;101", "31;101", "97;47", "38;5;1;48;5;1", "38;2;1;1;1;48;2;1;1;1"],
)
@pytest.mark.parametrize("colours", [True, False])
def test_concealing_sequences_are_written_out_and_counted(sequence: str, colours: bool):
    data = f"\x1b[{sequence}mpassword\x1b[0m ok\n".encode()
    shown = rendered(data, colours=colours)
    assert f"<U+001B>[{sequence}mpassword" in re.sub("\x1b\\[[0-9;]*m", "", shown)
    assert f"\x1b[{sequence}m" not in shown
    assert counted(data) == (1, 0)
    assert "concealed" in render_log(data)[1]


def test_concealment_spread_over_several_sequences_is_found():
    assert "<U+001B>[31mx" in rendered(b"\x1b[41m\x1b[31mx\n")
    assert "<U+001B>[30mx" in rendered(b"\x1b[40m \n \x1b[30mx\n")


@pytest.mark.parametrize("sequence", ["48;5;2", "38;5;208", "38;2;1;2;3", "38:2::1:2:3", "47", "5", "77", "4:3"])
def test_other_colours_are_removed_and_counted(sequence: str):
    data = f"\x1b[{sequence}mtext\x1b[0m\n".encode()
    assert rendered(data, colours=True) == "text\n"
    assert counted(data) == (1, 0)


@pytest.mark.parametrize("sequence", ["2", "3", "4", "7", "90", "37", "97", "39;49"])
def test_styles_that_hide_nothing_are_dropped_without_a_report(sequence: str):
    data = f"\x1b[{sequence}mtext\x1b[0m\n".encode()
    assert rendered(data, colours=True) == "text\n"
    assert counted(data) == (0, 0)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\x1b]0;title\x07x", "<U+001B>]0;title<U+0007>x"),
        (b"\x1b]8;;http://a\x1b\\link", "<U+001B>]8;;http://a<U+001B>\\link"),
        (b"\x1bPq secret\x1b\\", "<U+001B>Pq secret<U+001B>\\"),
        (b"\x1b[2J\x1b[1;1H", "<U+001B>[2J<U+001B>[1;1H"),
        ("\x9b2J".encode(), "<U+009B>2J"),
        (b"pass\x08\x08\x08\x08hide", "pass<U+0008><U+0008><U+0008><U+0008>hide"),
        (b"\x1b[" + b"1" * 100 + b"mx", "<U+001B>[" + "1" * 100 + "mx"),
        (b"\x1b[?25lx", "<U+001B>[?25lx"),
        (b"\x1b", "<U+001B>"),
        (b"a\x0bb\x0cc", "a<U+000B>b<U+000C>c"),
    ],
    ids=ascii,
)
def test_other_escapes_are_written_out_with_their_content(data: bytes, shown: str):
    assert rendered(data) == rendered(data, colours=True) == shown


@pytest.mark.parametrize(
    ("data", "shown", "overwritten"),
    [
        (b"10%\r50%\r100%\ndone\n", "100%\ndone\n", 2),
        (b"10%\r50%\r\ndone\n", "50%\ndone\n", 1),
        (b"windows\r\nlines\r\n", "windows\nlines\n", 0),
        (b"\rstart\r", "start", 0),
        (b"password\rinnocent\n", "innocent\n", 1),
        (b"a\x1b[31m\rb\n", "b\n", 1),
    ],
    ids=ascii,
)
def test_progress_lines_collapse_to_their_last_state_and_the_others_are_counted(data, shown, overwritten):
    assert rendered(data) == shown
    assert counted(data) == (0, overwritten)


def test_a_colour_that_an_overwritten_state_turned_on_stays_on():
    assert rendered(b"\x1b[31mone\rtwo\n", colours=True) == "\x1b[31mtwo\n\x1b[0m"


def test_concealment_in_an_overwritten_state_is_counted():
    assert counted(b"\x1b[8mhidden\x1b[0m\rseen\n") == (1, 1)


DATA = (
    "plain\n\x1b[31mrot é\x1b[0m\r\n10%\r\x1b[8m20%\x1b[0m\r100%\n\x1b]0;title\x07 d\u0301 ⚠️ \xa0 한국\n".encode()
    + b"\xff\xc3\x28 \x1b[1;91mbold\nlast \xe2\x82"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("options", [{}, {"colours": True}, {"raw": True}], ids=str)
def test_the_size_of_the_chunks_makes_no_difference(size: int, options: dict[str, bool]):
    renderer = LogRenderer(**options)
    text = ""
    for start in range(0, len(DATA), size):
        text += renderer.feed(DATA[start : start + size])
        renderer.pending()
    assert text + renderer.close() == rendered(DATA, **options)


def test_an_unfinished_line_can_be_seen_before_it_ends():
    renderer = LogRenderer(colours=True)
    assert (renderer.feed(b"one\n10%\r20%"), renderer.pending()) == ("one\n", "20%")
    assert (renderer.feed(b"\r\x1b["), renderer.pending()) == ("", "20%")
    assert (renderer.feed(b"31m30%"), renderer.pending()) == ("", "\x1b[31m30%\x1b[0m")
    assert renderer.feed(b"\nend\n") == "\x1b[31m30%\nend\n"
    assert renderer.overwritten == 2


def test_a_line_without_an_end_is_held_back_to_a_limit():
    renderer = LogRenderer()
    text = "".join(renderer.feed(b"x" * 10_000) for _ in range(20))
    assert len(text) + len(renderer.pending()) == 200_000
    assert len(renderer.pending()) <= MAX_PENDING_CHARS
