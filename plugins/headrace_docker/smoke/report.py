"""What a container said of itself, read as what it is: a stranger's words. Pure.

The container prints whatever its image likes, so what is taken out of it is bounded, and has no
character in it that a terminal would obey.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from headrace.interface import UnreadableError, dataclass, foreign, printable, read_json

__all__ = ["MARK", "WITHOUT_PYTHON", "Framework", "Printed", "Report", "read_report"]

#: What stands before the document, and before what is said where there is no Python.
MARK, WITHOUT_PYTHON = "headrace-check: ", "headrace-check without python"
_STATUS = "headrace-check status "
#: Characters of one text, of what a program printed, and entries of a list.
_TEXT, _PRINTED, _MANY = 300, 16_000, 64
_VERSION = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,4}")


@dataclass(frozen=True, slots=True)
class Printed:
    """What a program in the container printed."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Framework:
    """What came of one framework."""

    name: str
    version: str = ""
    cuda: str = ""
    """The CUDA that it was built for; empty: none, or it does not say."""
    rocm: str = ""
    available: bool | None = None
    """It sees a GPU; None: that was not asked."""
    why: str = ""
    """Why it sees none, in its own words."""
    devices: tuple[str, ...] = ()
    products: tuple[bool | str, ...] = ()
    """For each device whether its product is the processor's, or what was raised."""
    cpu: bool | str | None = None
    nccl: str = ""
    cudnn: str = ""
    trouble: Mapping[str, str] = field(default_factory=dict)
    """What NCCL and cuDNN raised when they were asked for their versions, by their names."""
    error: str = ""
    """It could not be loaded, and why."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was said."""

    python: str = ""
    """Its version; empty: there is none in the image."""
    variables: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    nvidia_smi: Printed | None = None
    """None: the program is not there."""
    listed: Printed | None = None
    """What ``nvidia-smi -L`` printed."""
    driver: Mapping[str, int] = field(default_factory=dict)
    """What NVIDIA's driver answered: ``init``, ``cuda``, ``count``."""
    driver_error: str = ""
    frameworks: tuple[Framework, ...] = ()
    opened: int = 0
    closed: Mapping[str, str] = field(default_factory=dict)
    """Libraries that could not be opened, and why."""


def read_report(text: str) -> Report | None:
    """Read what a container printed; None: it is not what was asked for."""
    for line in reversed(text.splitlines()):
        if line.startswith(MARK):
            try:
                return _read(line.removeprefix(MARK))
            except UnreadableError:
                return None
    _, found, rest = text.partition(f"{WITHOUT_PYTHON}\n")
    return _without_python(rest) if found else None


@foreign("a container's report")
def _read(line: str) -> Report:
    told = read_json(line.encode())
    if not isinstance(told, dict) or told.get("form") != 1:
        raise ValueError("no report of form 1")
    driver, libraries = _table(told.get("driver")), _table(told.get("libraries"))
    parts = list(_table(told.get("parts")).items())[:_MANY]
    return Report(
        python=_text(told.get("python")),
        variables=_texts(told.get("variables")),
        devices=_list(told.get("devices")),
        nvidia_smi=_printed(told.get("nvidia_smi")),
        listed=_printed(told.get("listed")),
        driver={
            key: driver[key] for key in ("init", "cuda", "count") if type(driver.get(key)) is int
        },
        driver_error=_text(driver.get("error")),
        frameworks=tuple(_framework(_text(name), _table(part)) for name, part in parts),
        opened=_number(libraries.get("opened")),
        closed=_texts(libraries.get("closed")),
    )


def _framework(name: str, told: Mapping[str, Any]) -> Framework:
    available = told.get("available")
    products = told.get("product")
    error = _text(told.get("error"))
    if said := _text(_last_line(told.get("said"))):
        error = f"{error}: {said}"
    return Framework(
        name,
        version=_text(told.get("version")),
        cuda=_text(told.get("cuda")),
        rocm=_text(told.get("rocm")),
        available=available if isinstance(available, bool) else None,
        why=_text(told.get("why")),
        devices=_list(told.get("devices")),
        products=tuple(
            each if isinstance(each, bool) else _text(each)
            for each in (products[:_MANY] if isinstance(products, list) else ())
        ),
        cpu=_answer(told.get("cpu")),
        nccl=_version(told.get("nccl")),
        cudnn=_version(told.get("cudnn")),
        trouble={
            name: text
            for name, key in (("NCCL", "nccl"), ("cuDNN", "cudnn"))
            if (text := _text(told.get(key))) and not _version(told.get(key))
        },
        error=error,
    )


def _without_python(text: str) -> Report:
    """Read the few lines of the shell: what nvidia-smi printed, its status, devices."""
    before, found, after = text[: 4 * _PRINTED].partition(_STATUS)
    status, _, devices = after.partition("\n")
    if not found or not status.strip().isdecimal() or len(status) > len("255\n"):
        return Report(devices=_list(before.split()))
    printed = Printed(int(status), _clean(before, _PRINTED))
    there = printed.status != 127
    return Report(devices=_list(devices.split()), nvidia_smi=printed if there else None)


def _printed(told: object) -> Printed | None:
    table = _table(told)
    status, text = table.get("status"), table.get("text")
    if type(status) is not int or not isinstance(text, str):
        return None
    return Printed(status, _clean(text, _PRINTED))


def _clean(text: str, most: int) -> str:
    return "\n".join(printable(line) for line in text[:most].splitlines())


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return a text in one line; a number as one; nothing of what is neither."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        # A whole number may have as many digits as it likes.
        try:
            return printable(" ".join(str(value)[: 4 * _TEXT].split()))[:_TEXT]
        except ValueError:
            return ""
    return ""


def _answer(value: object) -> bool | str | None:
    return value if value is None or isinstance(value, bool) else _text(value)


def _texts(value: object) -> dict[str, str]:
    return {_text(key): _text(each) for key, each in list(_table(value).items())[:_MANY]}


def _list(value: object) -> tuple[str, ...]:
    return tuple(_text(each) for each in value[:_MANY]) if isinstance(value, list) else ()


def _number(value: object) -> int:
    return value if type(value) is int and 0 <= value < 1 << 31 else 0


def _last_line(value: object) -> str:
    lines = value.strip().splitlines() if isinstance(value, str) else []
    return lines[-1] if lines else ""


def _version(value: object) -> str:
    """Write cuDNN's number and NCCL's list of numbers as people do."""
    if isinstance(value, list):
        return ".".join(_text(each) for each in value[:4])
    if type(value) is int and 0 < value < 1 << 31:
        # From 9 on 90100 is 9.1.0; before it 8902 was 8.9.2.
        major = 10_000 if value >= 90_000 else 1000
        return f"{value // major}.{value % major // 100}.{value % 100}"
    text = _text(value)
    return text if _VERSION.fullmatch(text) else ""
