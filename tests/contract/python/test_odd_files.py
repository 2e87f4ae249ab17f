"""Odd files of users, before and after `headrace on`, as real pip and uv read them."""

from __future__ import annotations

import json
from pathlib import Path

from headrace.interface.editing import toml_text
from headrace_pip.tools import pip_text, uv_config
from lib.clients import UVS, Pip, Uv
from lib.odd_files import odd_files
from lib.places import INDEX

#: Reads each file as the one that PIP_CONFIG_FILE names: all settings of it, or None.
_ASK = """\
import json, os, sys
from pip._internal.configuration import Configuration
from pip._internal.exceptions import ConfigurationError
told = []
for name in sys.argv[1:]:
    os.environ["PIP_CONFIG_FILE"] = name
    configuration = Configuration(isolated=False)
    try:
        configuration.load()
    except ConfigurationError:
        told.append(None)
        continue
    found = {}
    for key, value in configuration.items():
        found.update(value if isinstance(value, dict) else {key: value})
    told.append({k: v for k, v in found.items() if not k.startswith(":env:")})
print(json.dumps(told))
"""


def index_of(told: dict[str, str]) -> str:
    return told.get("install.index-url") or told.get("global.index-url") or ""


def rest_of(told: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in told.items() if not key.endswith(".index-url")}


def test_pip_asks_the_gateway_and_reads_all_else_as_before(pip: Pip, tmp_path: Path) -> None:
    rows = odd_files("pip_conf")
    names: list[str] = []
    for number, odd in enumerate(rows):
        before, after = tmp_path / f"{number}-before", tmp_path / f"{number}-after"
        before.write_bytes(odd.content)
        edited = pip_text.routed(odd.content, INDEX, None, after) if odd.reads else odd.content
        after.write_bytes(edited)
        names += [str(before), str(after)]
    environment = pip.environment
    said: list[dict[str, str] | None] = json.loads(
        environment.run(environment.python, "-c", _ASK, *names).ok().out
    )
    unreadable = set()
    for odd, was, now in zip(rows, said[::2], said[1::2], strict=True):
        if was is None:
            unreadable.add(odd.name)
            continue
        assert odd.reads, odd.name
        assert index_of(was).strip() == odd.told.get("index", ""), odd.name
        assert now is not None, odd.name
        assert index_of(now) == INDEX, odd.name
        assert rest_of(now) == rest_of(was), odd.name
    expected = {odd.name for odd in rows if not odd.reads}
    # What depends on the locale, and on pip's age.
    others = {odd.name for odd in rows if "encoding" in odd.told or "newest" in odd.told}
    assert expected <= unreadable <= expected | others


def test_uv_asks_the_gateway_where_it_reads_the_file(uv: Uv, tmp_path: Path) -> None:
    oldest = uv.version == UVS[0]
    (tmp_path / "x.in").write_text("")
    for odd in odd_files("uv_toml"):
        path = tmp_path / "uv.toml"
        path.write_bytes(odd.content)
        command = ("--config-file", str(path), "pip", "compile", "--show-settings", "x.in")
        was = uv.run(*command, cwd=tmp_path)
        reads = odd.told.get("oldest", odd.reads) if oldest else odd.reads
        assert (was.code == 0) == reads, (odd.name, was.told()[-600:])
        assert ("corp.example" in was.out) == (reads and "own" in odd.told), odd.name
        if not odd.reads:
            continue
        path.write_bytes(toml_text.set_key(odd.content, uv_config.KEYS, INDEX, path))
        now = uv.run(*command, cwd=tmp_path)
        assert now.code == was.code, (odd.name, now.told()[-600:])
        assert (INDEX in now.out) == reads, odd.name
        assert "corp.example" not in now.out, odd.name
