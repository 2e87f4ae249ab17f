"""uv.toml files that people have: read as uv reads them, and given back byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from headrace.errors import ConfigurationError
from headrace.interface.editing import toml_text
from headrace.interface.hookspecs import FileEdit
from headrace.system.edits.journal import Journal
from headrace_pip.tools import uv_config
from headrace_pip.tools.uv import UvActivation
from lib.odd_files import OddFile, odd_files
from lib.places import INDEX

FILES = odd_files("uv_toml")
READ = [each for each in FILES if each.reads]
KEYS = uv_config.KEYS


def by_name(files: list[OddFile]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("odd", files, ids=str)


@by_name([each for each in FILES if not each.reads])
def test_what_uv_cannot_read_is_refused(odd: OddFile) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        toml_text.set_key(odd.content, KEYS, INDEX, Path("uv.toml"))


class Routed:
    """A file that `on` has edited, below a folder of the test."""

    def __init__(self, folder: Path, odd: OddFile) -> None:
        activation = UvActivation()

        def withdraw(_: str, *rest: object) -> bytes | None:
            return activation.withdraw(*rest)  # type: ignore[arg-type]

        self.path = folder / "uv.toml"
        self.path.write_bytes(odd.content)
        self.journal = Journal(folder / "state" / "journal", withdraw=withdraw)
        self.on()

    def on(self) -> None:
        before = self.journal.pristine(self.path) or b""
        after = toml_text.set_key(before, KEYS, INDEX, self.path)
        self.journal.apply([("uv", FileEdit(self.path, before, after, "why"))])


@by_name(READ)
def test_on_twice_is_on_once_and_off_gives_every_byte_back(tmp_path: Path, odd: OddFile) -> None:
    assert toml_text.get(odd.content, KEYS, Path("x")) == odd.told.get("own")
    routed = Routed(tmp_path, odd)
    once = routed.path.read_bytes()
    assert toml_text.get(once, KEYS, routed.path) == INDEX
    assert toml_text.is_marked(once, KEYS, routed.path)
    routed.on()
    assert routed.path.read_bytes() == once
    routed.journal.undo()
    assert routed.path.read_bytes() == odd.content


@by_name(READ)
def test_no_line_but_the_keys_own_is_touched(odd: OddFile) -> None:
    after = toml_text.set_key(odd.content, KEYS, INDEX, Path("x"))
    was = [line.strip() for line in odd.content.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    now = [line.strip() for line in after.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    ours = [line for line in was if b"index-url" in line or line.startswith(b"pip = ")]
    gone = [line for line in was if line not in now and line not in ours]
    # Of a value, or a table, over several lines the last one goes with it.
    assert gone in ([], [b'simple"""'], [b"}"])


@by_name([each for each in READ if each.content.endswith(b"\n")])
@pytest.mark.parametrize("where", ["above", "below", "both"])
def test_off_keeps_what_others_wrote_beside_ours(tmp_path: Path, odd: OddFile, where: str) -> None:
    routed = Routed(tmp_path, odd)
    above = b"offline = false\n" if where != "below" else b""
    below = b"[new]\nx = 1\n" if where != "above" else b""
    routed.path.write_bytes(above + routed.path.read_bytes() + below)
    routed.journal.undo()
    assert routed.path.read_bytes() == above + odd.content + below


def added(document: Any) -> None:
    document["offline"] = False


def taken_away(document: Any) -> None:
    del document["pip"]["index-url"]


def emptied(document: Any) -> None:
    document.clear()


@by_name([each for each in READ if not each.content.startswith(b"\xef")])
@pytest.mark.parametrize("change", [added, taken_away, emptied])
def test_off_leaves_nothing_of_ours_in_a_file_that_a_program_wrote_anew(
    tmp_path: Path, odd: OddFile, change: Callable[[Any], None]
) -> None:
    routed = Routed(tmp_path, odd)
    document = tomlkit.parse(routed.path.read_bytes()).unwrap()
    change(document)
    routed.path.write_text(tomlkit.dumps(document), "utf-8")
    undone = routed.journal.undo()
    assert not undone.kept
    now = routed.path.read_bytes() if routed.path.exists() else b""
    assert b"127.0.0.1" not in now
    if change is added:
        assert toml_text.get(now, KEYS, routed.path) == odd.told.get("own")
        assert toml_text.load(now, routed.path)["offline"] is False
