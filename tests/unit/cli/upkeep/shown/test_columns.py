"""Rows at any width: nothing is lost, and no line is longer than the terminal."""

from __future__ import annotations

import pytest

from headrace.cli.upkeep.shown.columns import bar, laid_out

ROWS = [
    ("used", "a-mirror", "12.5 MB/s", "of the catalogue, what is known of it is old"),
    ("-", "another-mirror-of-a-long-name", "", "you disabled it"),
]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_every_word_is_there_at_every_width_and_no_line_is_wider(width: int) -> None:
    lines = laid_out(ROWS, width)
    assert all(len(line) <= width for line in lines)
    words = {word for row in ROWS for text in row for word in text.split()}
    assert words <= set(" ".join(lines).split())


def test_what_nobody_looks_at_is_one_line_a_row() -> None:
    long = [("used", "x", "", "word " * 100)]
    assert len(laid_out(long, None)) == 1


def test_columns_stand_below_each_other_where_there_is_room() -> None:
    one, other = laid_out(ROWS, 200)
    assert one.index("of the catalogue") == other.index("you disabled")


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.01, 0.5, 0.999, 1.0, 7.0])
def test_a_bar_has_its_width_whatever_it_shows(share: float) -> None:
    for plain in (False, True):
        assert len(bar(share, 20, plain=plain)) == 20
    assert bar(share, 20, plain=True).isascii()
    assert bar(1.0, 4) == "████"
