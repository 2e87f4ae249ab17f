"""What was measured as a picture: bars in a terminal, an SVG file, and what it means. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax import saxutils

from headrace.cli.summary import bytes_text
from headrace.cli.upkeep.shown.columns import bar
from headrace.cli.upkeep.shown.folding import columns_of, fold
from headrace.values import dataclass
from headrace.wording import printable

__all__ = ["TOGETHER", "Bar", "Chart", "meaning", "span_text", "svg", "terminal"]

#: What all sources together are called.
TOGETHER = "together"
ORIGIN = "origin"
#: A large file: bytes of the wheel that most people wait for.
LARGE = 900_000_000
#: Cells of a bar, at least and at most; whatever is narrower shows numbers alone.
_NARROWEST, _WIDEST = 8, 50
#: The picture, in its own units.
_WIDTH, _ROW, _LEFT, _RIGHT = 720, 26, 190, 130
#: Dark where the reader's system is.
_STYLE = """<style>
text { font: 13px sans-serif; fill: #222 }
.small { font-size: 11px; fill: #555 }
.head { font-weight: bold }
rect { fill: #5b84b1 }
.origin { fill: #b17f5b }
.together { fill: #3f8f5f }
@media (prefers-color-scheme: dark) { text { fill: #eee } .small { fill: #aaa } }
</style>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One source."""

    name: str
    rate: float | None
    """Bytes per second; None: it gave nothing."""
    rtt: float | None = None
    """Seconds."""
    why: str = ""
    """Why it gave nothing, to stand behind its name."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What was measured of one ecosystem."""

    ecosystem: str
    file: str
    size: int | None
    bars: Sequence[Bar]

    def sorted(self) -> list[Bar]:
        """Return the fastest first, those that gave nothing last, in their order."""
        return sorted(self.bars, key=lambda each: -(each.rate or 0.0))

    def rate(self, name: str) -> float | None:
        """Return the rate of one."""
        return next((each.rate for each in self.bars if each.name == name), None)


def terminal(chart: Chart, width: int | None, *, plain: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the lines of a chart, each with a style. `width` None: nobody looks at a terminal;
    `plain`: nothing but ASCII can be shown.
    """
    size = f", {bytes_text(chart.size)}" if chart.size else ""
    for line in fold(f"{chart.ecosystem}: {chart.file}{size}", width, "  "):
        yield line, "bold"
    bars = chart.sorted()
    names = max((columns_of(each.name) for each in bars), default=0)
    rates = max((len(_rate(each)) for each in bars), default=0)
    room = (width or 80) - names - rates - 8 - 9
    cells = max(0, min(_WIDEST, room)) if room >= _NARROWEST else 0
    best = max((each.rate or 0.0 for each in bars), default=0.0)
    for each in bars:
        if not each.rate:
            for line in fold(f"  {each.name:<{names}}  {each.why}", width, "    "):
                yield line, "dim"
            continue
        drawn = f"{bar(each.rate / best, cells, plain=plain)}  " if cells else ""
        rtt = f"  {each.rtt * 1000:.0f} ms" if each.rtt else ""
        text = f"  {each.name:<{names}}  {drawn}{_rate(each):>{rates}}{rtt}".rstrip()
        style = "green" if each.name == TOGETHER else "cyan" if each.name == ORIGIN else ""
        if width is not None and len(text) > width:
            for line in fold(f"  {each.name} {_rate(each)}", width, "    "):
                yield line, style
        else:
            yield text, style


def meaning(chart: Chart) -> str:
    """Say what it means for somebody who waits; "" where nothing was measured."""
    alone, together = chart.rate(ORIGIN), chart.rate(TOGETHER)
    size = bytes_text(LARGE)
    if alone and together:
        text = (
            f"A file of {size}, as torch is: {span_text(LARGE / alone)} from the origin alone, "
            f"{span_text(LARGE / together)} through headrace."
        )
        near = together < alone * 1.1
        return f"{text} The origin is as fast as your line here." if near else text
    if alone:
        return (
            f"A file of {size}, as torch is: {span_text(LARGE / alone)} from the origin; no mirror "
            "gave anything now."
        )
    if together:
        return (
            f"A file of {size}, as torch is: {span_text(LARGE / together)} through headrace; the "
            "origin gave nothing now."
        )
    return ""


def span_text(seconds: float) -> str:
    """Write how long somebody waits: ``45 s``, ``9 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(1.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if left else f"{hours} h"


def _rate(each: Bar) -> str:
    return f"{bytes_text(each.rate)}/s" if each.rate else ""


# ------------------------------------------------------------------ a file


def escape(text: str) -> str:
    """Write text as XML has it, which knows no control characters at all (XML 1.0, section 2.2)."""
    return saxutils.escape(printable(text))


def svg(charts: Sequence[Chart], when: str) -> str:
    """Draw all charts below each other; `when` is told at the foot."""
    parts: list[str] = []
    y = 10
    for chart in charts:
        drawn, y = _chart(chart, y)
        parts += drawn
    foot = escape(f"headrace bench, {when}")
    parts.append(f'<text x="10" y="{y + 16}" class="small">{foot}</text>')
    height = y + 30
    what = escape("; ".join(filter(None, map(meaning, charts))) or "bytes per second by source")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    told = f"<title>What each source gives</title>\n<desc>{what}</desc>"
    return "\n".join([head, told, _STYLE, *parts, "</svg>", ""])


def _chart(chart: Chart, y: int) -> tuple[list[str], int]:
    size = f", {bytes_text(chart.size)}" if chart.size else ""
    head = escape(f"{chart.ecosystem}: {chart.file}{size}")
    parts = [f'<text x="10" y="{y + 16}" class="head">{head}</text>']
    y += _ROW
    best = max((each.rate or 0.0 for each in chart.bars), default=0.0)
    for each in chart.sorted():
        name = escape(each.name)
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 16}" text-anchor="end">{name}</text>')
        if not each.rate:
            parts.append(f'<text x="{_LEFT}" y="{y + 16}" class="small">{escape(each.why)}</text>')
        else:
            width = max(1, round((_WIDTH - _LEFT - _RIGHT) * each.rate / best))
            kind = each.name if each.name in (ORIGIN, TOGETHER) else "mirror"
            parts += [
                f'<rect class="{kind}" x="{_LEFT}" y="{y + 3}" width="{width}" height="18"/>',
                f'<text x="{_LEFT + width + 8}" y="{y + 16}">{escape(_rate(each))}</text>',
            ]
        y += _ROW
    if text := meaning(chart):
        parts.append(f'<text x="10" y="{y + 16}" class="small">{escape(text)}</text>')
        y += _ROW
    return parts, y + 10
