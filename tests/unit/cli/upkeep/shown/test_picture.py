"""What was measured as bars, as an SVG file, and as a sentence."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from headrace.cli.upkeep.shown.picture import Bar, Chart, meaning, span_text, svg, terminal

CHART = Chart(
    "python",
    "numpy-2.0-<x>&.whl",
    20_000_000,
    [
        Bar("far", 1e6, 0.2),
        Bar("mute", None, why="does not answer in time"),
        Bar("a-mirror-with-a-rather-long-name", 20e6, 0.02),
        Bar("origin", 3e6, 0.21),
        Bar("together", 30e6),
    ],
)


def lines(width: int | None, *, plain: bool = False) -> list[str]:
    return [line for line, _ in terminal(CHART, width, plain=plain)]


def test_the_fastest_stands_first_and_who_gave_nothing_last_with_its_reason() -> None:
    first, *rest = lines(100)
    assert first == "python: numpy-2.0-<x>&.whl, 20.0 MB"
    order = [line.split()[0] for line in rest]
    assert order == ["together", "a-mirror-with-a-rather-long-name", "origin", "far", "mute"]
    assert rest[-1].endswith("does not answer in time")


def test_bars_are_as_long_as_the_rates() -> None:
    drawn = {line.split()[0]: line.count("#") for line in lines(120, plain=True)[1:]}
    assert drawn["together"] > drawn["a-mirror-with-a-rather-long-name"] > drawn["origin"]
    assert drawn["together"] == pytest.approx(10 * drawn["origin"], abs=5)
    assert drawn["mute"] == 0


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_every_rate_is_there(width: int) -> None:
    told = lines(width)
    assert all(len(line) <= width for line in told)
    words = " ".join(" ".join(told).split())
    assert all(rate in words for rate in ("30.0 MB/s", "20.0 MB/s", "1.0 MB/s"))


def test_where_only_ascii_can_be_shown_only_ascii_is() -> None:
    assert all(line.isascii() for line in lines(80, plain=True))


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        (CHART.bars, "5 min from the origin alone, 30 s through headrace."),
        ([Bar("origin", 10e6), Bar("together", 10e6)], "as fast as your line here"),
        ([Bar("together", 10e6)], "the origin gave nothing now"),
        ([Bar("origin", 10e6)], "2 min from the origin; no mirror gave anything now"),
        ([Bar("near", 10e6)], ""),
        ([], ""),
    ],
)
def test_what_it_means_is_said_in_time_and_nothing_is_claimed_that_was_not_measured(
    bars: list[Bar], said: str
) -> None:
    told = meaning(Chart("python", "x", None, bars))
    assert said in told
    assert bool(told) == bool(said)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.1, "1 s"), (45, "45 s"), (540, "9 min"), (7800, "2 h 10 min")]
)
def test_a_wait_is_told_as_people_tell_it(seconds: float, said: str) -> None:
    assert span_text(seconds) == said


def test_the_file_is_a_picture_that_says_in_words_what_it_shows() -> None:
    root = ET.fromstring(svg([CHART, CHART], "today"))
    space = "{http://www.w3.org/2000/svg}"
    texts = [each.text or "" for each in root.iter(f"{space}text")]
    assert any("numpy-2.0-<x>&.whl" in text for text in texts)
    assert len(list(root.iter(f"{space}rect"))) == 8
    assert root.findtext(f"{space}title")
    assert "through headrace" in (root.findtext(f"{space}desc") or "")
    assert not list(root.iter(f"{space}script"))


def test_nothing_measured_is_no_error() -> None:
    nothing = Chart("python", "x", None, [Bar("a", None, why="fails")])
    assert [line for line, _ in terminal(nothing, 80)] == ["python: x", "  a  fails"]
    assert "fails" in svg([nothing], "now")
