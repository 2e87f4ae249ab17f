"""The lab's tree of files, kept between runs because making it takes seconds."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.corpus.kept import kept
from benchmarks.corpus.pages import write_bare_page, write_page
from benchmarks.corpus.wheels import Wheel, make_wheel

__all__ = ["UNCHECKED", "Corpus", "Wheel", "dozens", "single_wheel", "standard"]

#: Part of the folder's name: a corpus made by other rules is another corpus.
_RULES = 3
_SMALL_FILES = 60
_SMALL_SIZE = 100_000
_TREE = 40
_DOZENS = 40
#: How many packages each package of the tree asks for (a resolver finds them one by one).
_FAN = 3
_SPOIL_EVERY = 1 << 20
#: The big file again as its project's page names it for nobody to check: without a digest.
UNCHECKED = "labplain"


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the lab serves, and where it lies."""

    root: Path
    wrong: Path
    """The same paths with wrong bytes."""
    big: Wheel
    small: tuple[Wheel, ...] = ()
    tree: tuple[Wheel, ...] = ()
    """A package and all that it needs; the first one needs, through others, all of them."""

    def file(self, wheel: Wheel) -> Path:
        """Give a wheel's place on this machine."""
        return self.root / wheel.path[1:]


def standard(big: int) -> Corpus:
    """One wheel of `big` bytes, sixty small ones, and a tree of forty packages."""
    return _keep(f"standard-{big}", lambda tree: _make_standard(tree, big))


def single_wheel(size: int) -> Corpus:
    """One wheel alone."""
    return _keep(f"single-{size}", lambda tree: {"big": [_big(tree, size)]})


def dozens(size: int, count: int = _DOZENS) -> Corpus:
    """Forty wheels (or `count`) of `size` bytes each; the first one stands for the big one, too."""
    name = f"dozens-{size}" if count == _DOZENS else f"dozens-{count}-{size}"
    return _keep(name, lambda tree: _make_dozens(tree, size, count))


def _make_dozens(tree: Path, size: int, count: int) -> dict[str, list[Wheel]]:
    wheels = [make_wheel(tree, f"labdozen-{number:02}", "1.0", size) for number in range(count)]
    for wheel in wheels:
        write_page(tree, [wheel], old_files=10)
    return {"big": wheels[:1], "small": wheels}


def _make_standard(tree: Path, big: int) -> dict[str, list[Wheel]]:
    small = []
    for number in range(_SMALL_FILES):
        wheel = make_wheel(tree, f"labsmall-{number:02}", "1.0", _SMALL_SIZE)
        write_page(tree, [wheel], old_files=12)
        small.append(wheel)
    # Whatever wants to be an index for everybody has it, and it is looked at for where files are.
    write_page(tree, [make_wheel(tree, "pip", "1.0", _SMALL_SIZE)], old_files=80)
    packages = []
    for number in range(_TREE):
        children = range(number * _FAN + 1, min(number * _FAN + _FAN + 1, _TREE))
        requires = [f"labtree-{child:02}>=1.0" for child in children]
        wheel = make_wheel(tree, f"labtree-{number:02}", "1.0", 30_000 + 2_000 * number, requires)
        write_page(tree, [wheel], old_files=_old_files(number))
        packages.append(wheel)
    return {"big": [_big(tree, big)], "small": small, "tree": packages}


def _old_files(number: int) -> int:
    """Sizes as they are met: most pages some 10 kB, a quarter 100 kB, an eighth over 500 kB."""
    if number % 8 == 3:
        return 900
    if number % 4 == 1:
        return 170
    return 10 + number


def _big(tree: Path, size: int) -> Wheel:
    wheel = make_wheel(tree, "labbig", "1.0", size)
    write_page(tree, [wheel], old_files=40)
    plain = tree / "files" / f"{UNCHECKED}-1.0-py3-none-any.whl"
    plain.parent.mkdir()
    plain.hardlink_to(tree / wheel.path[1:])
    write_bare_page(tree, UNCHECKED, f"/files/{plain.name}")
    return wheel


def _keep(name: str, make: Callable[[Path], Mapping[str, Sequence[Wheel]]]) -> Corpus:
    folder = kept(f"{name}-v{_RULES}", partial(_fill, make))
    table = json.loads((folder / "corpus.json").read_text())
    groups = {
        key: tuple(Wheel(**entry) for entry in table.get(key, ()))
        for key in ("big", "small", "tree")
    }
    return Corpus(
        folder / "right", folder / "wrong", groups["big"][0], groups["small"], groups["tree"]
    )


def _fill(make: Callable[[Path], Mapping[str, Sequence[Wheel]]], draft: Path) -> None:
    root = draft / "right"
    root.mkdir()
    wheels = make(root)
    for wheel in {wheel.path: wheel for group in wheels.values() for wheel in group}.values():
        _spoil(root / wheel.path[1:], draft / "wrong" / wheel.path[1:])
    table = {k: [dataclasses.asdict(w) for w in group] for k, group in wheels.items()}
    (draft / "corpus.json").write_text(json.dumps(table))


def _spoil(right: Path, wrong: Path) -> None:
    """Copy a file with eight wrong bytes in every MiB; what belongs to it stays right."""
    wrong.parent.mkdir(parents=True)
    with right.open("rb") as source, wrong.open("wb") as copy:
        while block := source.read(_SPOIL_EVERY):
            copy.write(block[:-8] + bytes(byte ^ 0xFF for byte in block[-8:]))
    metadata = right.with_name(right.name + ".metadata")
    shutil.copy(metadata, wrong.parent)
