"""What an image says that it needs of NVIDIA's driver, and whether a host has it. Pure.

The grammar is that of NVIDIA's container toolkit (``constraints``): every ``NVIDIA_REQUIRE_*``
counts; in one of them a blank means *or* and a comma *and*; ``NVIDIA_DISABLE_REQUIRE`` switches it
off; ``CUDA_VERSION`` alone means ``cuda>=MAJOR.MINOR``. Where the environment says nothing, the
tag may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from headrace.interface import Host, dataclass

__all__ = ["Need", "cuda_in_tag", "failing", "need_of"]

Numbers = tuple[int, ...]

#: A name counts from its first letter on, and spaces belong to what stands before them: else a
#: long run would be looked at from each of its places.
_CONSTRAINT = re.compile(r"(?<![a-z])([a-z]++)\s*+(>=|<=|!=|=|<|>)\s*+([^,\s]++)")
_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*")
_IN_TAG = re.compile(r"(?:^|[-_.])(?:cuda|cu)[-_]?(\d{1,2})\.?(\d{1,2})?(?=[-_.]|$)")
#: Brands of data centres' cards, as drivers name them: Tesla's of old, of newer ones none.
_DATACENTRE = frozenset({"tesla", "nvidia"})
_TRUE = frozenset({"1", "t", "true", "yes"})


@dataclass(frozen=True, slots=True)
class Need:
    """What an image needs."""

    cuda: tuple[int, int]
    """The CUDA that it was made with."""
    source: str
    """Where that stands."""
    constraints: tuple[str, ...] = ()
    """The texts of ``NVIDIA_REQUIRE_*``; each must hold."""
    forward: bool = False
    """It brings libraries that let a data centre's GPU run it with an older driver."""


def need_of(environment: Mapping[str, str], tag: str) -> Need | None:
    """Read an image's environment and tag; None: it does not speak of CUDA."""
    version = _pair(environment.get("CUDA_VERSION", ""))
    texts = tuple(
        text
        for name, text in sorted(environment.items())
        if name.startswith("NVIDIA_REQUIRE_") and name != "NVIDIA_REQUIRE_JETPACK" and text.strip()
    )
    if environment.get("NVIDIA_DISABLE_REQUIRE", "").lower() in _TRUE:
        texts = ()
    forward = "_CUDA_COMPAT_PATH" in environment
    if version is not None:
        return Need(version, "CUDA_VERSION", texts, forward)
    least = min((pair for text in texts for pair in _least(text)), default=None)
    if least is not None:
        return Need(least, "NVIDIA_REQUIRE_CUDA", texts, forward)
    named = cuda_in_tag(tag)
    return None if named is None else Need(named, f"the tag {tag}", texts, forward)


def cuda_in_tag(tag: str) -> tuple[int, int] | None:
    """Return the CUDA that a tag speaks of: ``cu126`` is 12.6, ``cuda12`` 12.0; None: of none."""
    named = _IN_TAG.search(tag)
    if named is None:
        return None
    major, minor = named[1], named[2]
    if minor is None and len(major) == 1:
        return None
    # cu126 is 12.6, cu118 is 11.8; cuda12 says the major alone.
    return int(major), int(minor or 0)


def _least(text: str) -> Iterator[tuple[int, int]]:
    for name, operator, value in _CONSTRAINT.findall(text):
        pair = _pair(value)
        if name == "cuda" and operator in (">=", "=", ">") and pair is not None:
            yield pair


def _pair(text: str) -> tuple[int, int] | None:
    match = _VERSION.match(text)
    if match is None:
        return None
    numbers = [int(part) for part in match[0].split(".")]
    return numbers[0], numbers[1] if len(numbers) > 1 else 0


def failing(text: str, host: Host, *, datacentre: bool = False) -> str:
    """Return what of one constraint text does not hold for a host; empty when it holds.

    What is not known of the host, and what the grammar does not know, does not count against it.
    `datacentre`: all of its GPUs are a data centre's, which have brands of their own.
    """
    alternatives = [part for part in text.split() if part]
    missing = []
    for alternative in alternatives:
        wrong = next(
            (
                each
                for each in alternative.split(",")
                if each and not _holds(each, host, datacentre=datacentre)
            ),
            "",
        )
        if not wrong:
            return ""
        missing.append(wrong)
    # The first alternative is for any GPU, the others are for certain brands and old drivers.
    return missing[0] if missing else ""


def _holds(text: str, host: Host, *, datacentre: bool) -> bool:
    match = _CONSTRAINT.fullmatch(text.strip())
    if match is None:
        return True
    name, operator, value = match[1], match[2], match[3]
    wanted = _VERSION.match(value)
    if name == "brand":
        # Other brands are not looked up: who asks for a certain one is not meant.
        return datacentre and operator == "=" and value in _DATACENTRE
    known: list[Numbers] = []
    if name == "cuda" and host.cuda is not None:
        known = [host.cuda]
    elif name == "driver" and host.driver:
        found = _VERSION.match(host.driver)
        known = [_numbers(found[0])] if found else []
    elif name == "arch":
        known = [gpu.capability for gpu in host.accelerators if gpu.capability is not None]
    if not known or wanted is None:
        return True
    return any(_compare(each, operator, _numbers(wanted[0])) for each in known)


def _numbers(text: str) -> Numbers:
    return tuple(int(part) for part in text.split("."))


def _compare(one: Numbers, operator: str, other: Numbers) -> bool:
    length = max(len(one), len(other))
    a, b = (part + (0,) * (length - len(part)) for part in (one, other))
    if operator == "=":
        # 470 means any of 470.*.
        return one[: len(other)] == other
    return {">=": a >= b, "<=": a <= b, "<": a < b, ">": a > b, "!=": a != b}[operator]
