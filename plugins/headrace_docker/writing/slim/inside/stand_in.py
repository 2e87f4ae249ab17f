"""A library that does nothing, in the place of one that torch is linked to and seldom calls.

It has the C functions of the other one, in the same versions. Each returns one number, which its
callers read as an error; the first call of all says what is the matter, as do those that return
words. Needs gcc and binutils.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

#: What nm says of a symbol: where it is, its size, its kind, its name, and its version behind @@
#: (or @, where that is not the default).
_SYMBOL = re.compile(
    r"[0-9a-f]+ (?P<size>[0-9a-f]+) (?P<kind>[TWiuBDRVG]) (?P<name>\w+)(?:@@?(?P<version>\S+))?"
)
_DATA = "BDRVGu"
_SONAME = re.compile(r"\(SONAME\)[^\[\n]*\[([^\]\n]+)\]")
_WORDS = "this image has it not: slim.toml took it out"
#: Without a library of its own: whoever loads this one has C's, or else it is silent.
_ERROR = """\
extern long write(int, const void *, unsigned long) __attribute__((weak));
static int _told;
static const char _words[] __attribute__((used)) = "{name}: {words}\\n";
static long _error(void) {{
    if (!_told && write) {{ _told = 1; write(2, _words, sizeof _words - 1); }}
    return {number};
}}
"""


def replace(library: Path, number: int, worded: Collection[str] = ()) -> int:
    """Put a stand-in there, of which `worded` functions return words; return the bytes it saves."""
    size = library.stat().st_size
    names = list(dict.fromkeys(symbols(library)))
    with tempfile.TemporaryDirectory() as scratch:
        code, versions, made = (Path(scratch) / name for name in ("code.c", "versions", "made.so"))
        begin = _ERROR.format(name=own_name(library), words=_WORDS, number=number)
        code.write_text(begin + "".join(in_c(names, worded)))
        versions.write_text("".join(in_versions(names)))
        said(
            *("gcc", "-shared", "-nostdlib", "-ffreestanding", "-fno-builtin", "-O2", "-w", "-s"),
            *(f"-Wl,-soname,{own_name(library)}", f"-Wl,--version-script,{versions}"),
            *("-Wl,--build-id=none", "-o", made, code),
        )
        library.write_bytes(made.read_bytes())
    return size - library.stat().st_size


def symbols(library: Path) -> Iterator[tuple[str, str, int]]:
    """Give what C can link to: name, version or "", and bytes of data, 0 for a function."""
    for line in said("nm", "-D", "--defined-only", "-S", library).splitlines():
        found = _SYMBOL.fullmatch(line)
        if found and not found["name"].startswith("_"):
            data = int(found["size"], 16) if found["kind"] in _DATA else 0
            yield found["name"], found["version"] or "", data


def in_c(names: list[tuple[str, str, int]], worded: Collection[str]) -> Iterator[str]:
    """Write each of them as a line of C."""
    for name, _, data in names:
        if data:
            yield f"char {name}[{data}];\n"
        elif name in worded:
            yield f'const char *{name}(void) {{ return "{_WORDS}"; }}\n'
        else:
            yield f"long {name}(void) {{ return _error(); }}\n"


def in_versions(names: list[tuple[str, str, int]]) -> Iterator[str]:
    """Write which name is of which version, as the linker reads it; nothing else is to be seen."""
    by_version: dict[str, list[str]] = {}
    for name, version, _ in names:
        by_version.setdefault(version, []).append(name)
    for version, those in sorted(by_version.items()):
        listed = "".join(f" {name};" for name in those)
        rest = " local: *;" if version == min(by_version) else ""
        yield f"{version} {{ global:{listed}{rest} }};\n"


def own_name(library: Path) -> str:
    """Return the name by which others ask for it."""
    found = _SONAME.search(said("readelf", "-d", library))
    return found[1] if found else library.name


def said(*words: object) -> str:
    """Run a program; return what it said."""
    done = subprocess.run([*map(str, words)], check=True, capture_output=True, text=True)
    return done.stdout
