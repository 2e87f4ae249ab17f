"""Take out of an installed torch what slim.toml names, and give the rest fixed times.

``python slim.py ROOT LIBRARIES SLIM.TOML SECONDS``: ROOT is what ``pip install --root`` filled.
NVIDIA's libraries move to LIBRARIES, the same way down: a layer of their own, which stays as it is
while only torch changes. SECONDS (of the epoch) is the time that everything gets.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Collection
from pathlib import Path

import stand_in  # type: ignore[import-not-found] # it stands beside this file

#: What each row of a part has to say.
_PART = ("name", "paths", "lost")


def main() -> None:
    """Print what went and what stays, each with its weight."""
    root, libraries, data = map(Path, sys.argv[1:4])
    packages = next(each.parent for each in sorted(root.glob("**/*-packages/torch")))
    about = tomllib.loads(data.read_text("utf-8"))
    for kind, keys in (("part", _PART), ("stand_in", (*_PART, "returns"))):
        for row in about.get(kind, ()):
            if missing := [key for key in keys if key not in row]:
                sys.exit(f"slim.toml: a row of {kind} ({row.get('name')}) has no {missing[0]}")
    for each in about.get("stand_in", ()):
        saved = sum(
            stand_in.replace(library, each["returns"], each.get("worded", ()))
            for pattern in each["paths"]
            for library in sorted(packages.glob(pattern))
            if not library.is_symlink()
        )
        print(f"{saved / 1e6:8.1f} MB gone: {each['name']}; lost: {each['lost']}")
    gone: dict[str, str] = {}
    for part in about.get("part", ()):
        paths = [path for pattern in part["paths"] for path in sorted(packages.glob(pattern))]
        gone |= dict(filter(None, map(distribution, paths)))
        print(f"{sum(map(remove, paths)) / 1e6:8.1f} MB gone: {part['name']}; lost: {part['lost']}")
    forget(packages, gone)
    held = root / "usr/local/share/taken-out.txt"
    held.parent.mkdir(parents=True, exist_ok=True)
    held.write_text("".join(f"{name}=={version}\n" for name, version in sorted(gone.items())))
    for folder in sorted(packages.iterdir()):
        weight = size(folder)
        if weight > 1_000_000:
            print(f"{weight / 1e6:8.1f} MB stay: {folder.name}")
    move(packages, packages / "nvidia", libraries / packages.relative_to(root))
    for each in (root, libraries):
        print(f"{size(each) / 1e6:8.1f} MB stay in the layer of {each.name}")
        settle(each, int(sys.argv[4]))


def distribution(path: Path) -> tuple[str, str] | None:
    """Return the name and version of an installed distribution; None: it is another folder."""
    name, version = path.stem.partition("-")[::2]
    return (normal(name), version) if path.suffix == ".dist-info" else None


def normal(name: str) -> str:
    """Write a distribution's name as all its spellings have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def forget(packages: Path, gone: Collection[str]) -> None:
    """Have nobody require what went: the next `pip install` of anything would bring it again.

    Where somebody else requires it, it comes; taken-out.txt holds it to the version that fits.
    """
    for about in sorted(packages.glob("*.dist-info/METADATA")) if gone else ():
        head, blank, body = about.read_bytes().partition(b"\n\n")
        lines = [line for line in head.split(b"\n") if required(line) not in gone]
        about.write_bytes(b"\n".join(lines) + blank + body)


def required(line: bytes) -> str:
    """Return whom a line of metadata requires, or nobody."""
    found = re.match(rb"Requires-Dist:\s*([\w.-]+)", line)
    return normal(found[1].decode()) if found else ""


def remove(path: Path) -> int:
    """Remove a file or a folder; return what it weighed."""
    weight = size(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return weight


def size(path: Path) -> int:
    """Weigh the files of a folder, a file, or nothing."""
    if not path.is_dir():
        return path.lstat().st_size if path.exists() else 0
    files = (each for each in path.rglob("*") if each.is_symlink() or each.is_file())
    return sum(each.lstat().st_size for each in files)


def move(packages: Path, part: Path, to: Path) -> None:
    """Move a folder of the packages, if there is one."""
    to.mkdir(parents=True, exist_ok=True)
    if part.exists():
        # A layer below this one has it where an engine keeps each step: then it is copied.
        shutil.move(part, to / part.relative_to(packages))


def settle(root: Path, seconds: int) -> None:
    """Give everything the same time and rights, so that a second build packs the same layer."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (seconds, seconds), follow_symlinks=False)


if __name__ == "__main__":
    main()
