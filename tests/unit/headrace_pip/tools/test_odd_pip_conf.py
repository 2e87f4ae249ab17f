"""pip.conf files that people have: read as pip reads them, and given back byte for byte."""

from __future__ import annotations

import configparser
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import FileEdit
from headrace.system.edits.journal import Journal
from headrace_pip.tools import pip_config, pip_text
from headrace_pip.tools.pip import PipActivation
from lib.odd_files import OddFile, odd_files
from lib.places import INDEX

LOCK = "https://index.example/simple/"
FILES = odd_files("pip_conf")
READ = [each for each in FILES if each.reads]


def by_name(files: list[OddFile]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("odd", files, ids=str)


@by_name(READ)
def test_our_reading_is_pips(odd: OddFile) -> None:
    """What pip itself says of the same files is in tests/contract/python/test_odd_files.py."""
    values = pip_config.parse(odd.content, Path("x"))
    found = [values.get(section, {}).get("index-url") for section in ("install", "global")]
    assert (next((each for each in found if each), "").strip()) == odd.told.get("index", "")


@by_name([each for each in FILES if not each.reads])
def test_what_pip_cannot_read_is_refused(odd: OddFile) -> None:
    with pytest.raises(ConfigurationError, match="pip cannot read"):
        pip_text.routed(odd.content, INDEX, LOCK, Path("x"))


class Routed:
    """A file that `on` has edited, below a folder of the test."""

    def __init__(self, folder: Path, odd: OddFile) -> None:
        activation = PipActivation()

        def withdraw(_: str, *rest: object) -> bytes | None:
            return activation.withdraw(*rest)  # type: ignore[arg-type]

        self.path = folder / "pip.conf"
        self.path.write_bytes(odd.content)
        self.journal = Journal(folder / "state" / "journal", withdraw=withdraw)
        self.on()

    def on(self) -> None:
        before = self.journal.pristine(self.path) or b""
        after = pip_text.routed(before, INDEX, LOCK, self.path)
        self.journal.apply([("pip", FileEdit(self.path, before, after, "why"))])


@by_name(READ)
def test_on_twice_is_on_once_and_off_gives_every_byte_back(tmp_path: Path, odd: OddFile) -> None:
    routed = Routed(tmp_path, odd)
    once = routed.path.read_bytes()
    values = pip_config.parse(once, routed.path)
    asked = [values.get(each, {}).get("index-url") for each in ("install", "global")]
    assert next(each for each in asked if each is not None) == INDEX
    routed.on()
    assert routed.path.read_bytes() == once
    assert pip_text.routed(once, INDEX, LOCK, routed.path) == once
    routed.journal.undo()
    assert routed.path.read_bytes() == odd.content


@by_name([each for each in READ if each.content.endswith((b"\n", b"\r"))])
@pytest.mark.parametrize("where", ["above", "below", "both"])
def test_off_keeps_what_others_wrote_beside_ours(tmp_path: Path, odd: OddFile, where: str) -> None:
    routed = Routed(tmp_path, odd)
    end = b"\r" if odd.content.endswith(b"\r") else b"\n"
    above = b"# above" + end if where != "below" else b""
    below = b"[freeze]" + end if where != "above" else b""
    routed.path.write_bytes(above + routed.path.read_bytes() + below)
    routed.journal.undo()
    assert routed.path.read_bytes() == above + odd.content + below


def set_by_pip(parser: configparser.RawConfigParser) -> None:
    """``pip config set global.timeout 99``."""
    if not parser.has_section("global"):
        parser.add_section("global")
    parser.set("global", "timeout", "99")


def unset_by_pip(parser: configparser.RawConfigParser) -> None:
    """``pip config unset global.index-url``; a section that has nothing left goes."""
    if parser.has_section("global"):
        parser.remove_option("global", "index-url")
        if not parser.items("global"):
            parser.remove_section("global")


def unset_all(parser: configparser.RawConfigParser) -> None:
    """The same of each index that there is."""
    for section in parser.sections():
        parser.remove_option(section, "index-url")
        if not parser.items(section):
            parser.remove_section(section)


def rewritten(content: bytes, change: Callable[[configparser.RawConfigParser], None]) -> bytes:
    """As pip writes a file: through its parser, without comments."""
    parser = configparser.RawConfigParser()
    text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    parser.read_string(text)
    change(parser)
    written = io.StringIO()
    parser.write(written)
    return written.getvalue().encode()


@by_name([each for each in READ if "encoding" not in each.told])
@pytest.mark.parametrize("change", [set_by_pip, unset_by_pip, unset_all])
def test_off_leaves_nothing_of_ours_in_a_file_that_pip_wrote_anew(
    tmp_path: Path, odd: OddFile, change: Callable[[configparser.RawConfigParser], None]
) -> None:
    routed = Routed(tmp_path, odd)
    routed.path.write_bytes(rewritten(routed.path.read_bytes(), change))
    undone = routed.journal.undo()
    assert not undone.kept
    now = routed.path.read_bytes() if routed.path.exists() else b""
    assert b"127.0.0.1" not in now
    assert LOCK.encode() not in now
    if change is set_by_pip:
        wanted = pip_config.parse(rewritten(odd.content, change), Path("x"))
        found = pip_config.parse(now, Path("x"))
        assert {s: v for s, v in found.items() if v} == {s: v for s, v in wanted.items() if v}
