"""uv, poetry and pdm: files before and after, and whose index they mean."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.editing import toml_text
from headrace.interface.hookspecs import GatewayAddress, Place, Scope, Standing
from headrace.models import Origin
from headrace_pip.tools import origins as origins_module
from headrace_pip.tools.pdm import PdmActivation
from headrace_pip.tools.poetry import PoetryActivation
from headrace_pip.tools.toml_tool import TomlActivation
from headrace_pip.tools.uv import UvActivation
from lib.places import GATEWAY, INDEX, place, reader

OFFICIAL = "https://official.example/simple"
DEFAULT = Origin("python", OFFICIAL)
MARK = "# written by `headrace on`, taken out by `headrace off`"


@pytest.fixture(autouse=True)
def no_pip_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins_module, "default_index", lambda _: OFFICIAL)


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def program(base: Path, name: str) -> Path:
    path = put(base / "bin" / name, "#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def enable(activation: TomlActivation, where: Place) -> str | None:
    found = [DEFAULT, *(each.origin for each in activation.discover(where, reader))]
    known = {origin.url: origin for origin in reversed(found)}
    edits = activation.enable(where, GATEWAY, list(known.values()), reader)
    return edits[0].after.decode() if edits and edits[0].after is not None else None


UV_TABLE = {
    "no file": ("", f'[pip]\nindex-url = "{INDEX}" {MARK}\n'),
    "other keys and comments": (
        "# mine\nno-cache = false\n\n[pip]\n# fast\nupgrade = true\n",
        (
            "# mine\nno-cache = false\n\n[pip]\n# fast\nupgrade = true\n"
            f'index-url = "{INDEX}" {MARK}\n'
        ),
    ),
    "a dotted key": ("pip.upgrade = true\n", None),
    "windows line ends": ("[pip]\r\nupgrade = true\r\n", None),
}


@pytest.mark.parametrize(("before", "after"), UV_TABLE.values(), ids=UV_TABLE.keys())
def test_uv_gets_one_key_and_nothing_else(tmp_path: Path, before: str, after: str | None) -> None:
    program(tmp_path, "uv")
    if before:
        path = tmp_path / "home/.config/uv/uv.toml"
        path.parent.mkdir(parents=True)
        path.write_bytes(before.encode())
    written = enable(UvActivation(), place(tmp_path))
    assert written is not None
    if after is not None:
        assert written == after
    expected = tomllib.loads(before)
    expected.setdefault("pip", {})["index-url"] = INDEX
    assert tomllib.loads(written) == expected
    assert ("\r\n" in before) == ("\r\n" in written)
    assert written.count("\n") == written.count("\r\n") or "\r\n" not in written


def test_uv_that_is_not_there_is_left_alone(tmp_path: Path) -> None:
    activation, where = UvActivation(), place(tmp_path)
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_FOUND
    assert enable(activation, where) is None
    program(tmp_path, "uv")
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_ROUTED
    written = enable(activation, where)
    assert written is not None
    put(tmp_path / "home/.config/uv/uv.toml", written)
    assert activation.standing(where, GATEWAY, reader) is Standing.ROUTED


def test_uv_means_the_official_index_where_pip_has_a_company_one(tmp_path: Path) -> None:
    """uv does not read pip's configuration: the gateway must not make it use pip's index."""
    program(tmp_path, "uv")
    company = Origin("python", "https://corp.example/simple", private=True)
    activation, where = UvActivation(), place(tmp_path)
    (found,) = activation.discover(where, reader)
    assert found.origin == Origin("python", OFFICIAL, name="uv")
    (edit,) = activation.enable(where, GATEWAY, [company, found.origin], reader)
    assert b"http://127.0.0.1:17223/index/uv/simple/" in (edit.after or b"")
    # Not fronted: not touched.
    assert activation.enable(where, GATEWAY, [company], reader) == ()


def test_uv_keeps_its_own_company_index_as_an_origin(tmp_path: Path) -> None:
    put(
        tmp_path / "home/.config/uv/uv.toml",
        '[pip]\nindex-url = "https://me:pw@corp.example/simple/"\n',
    )
    (found,) = UvActivation().discover(place(tmp_path), reader)
    assert found.origin == Origin("python", "https://corp.example/simple", private=True, name="uv")
    assert found.credential is not None
    assert found.credential.secret == "pw"


def test_uv_with_a_default_index_for_all_of_uv_is_not_edited(tmp_path: Path) -> None:
    """It beats [pip] index-url in every uv that was tried."""
    put(
        tmp_path / "home/.config/uv/uv.toml",
        '[[index]]\nurl = "https://corp.example/simple"\ndefault = true\n',
    )
    activation, where = UvActivation(), place(tmp_path)
    assert enable(activation, where) is None
    (override,) = activation.overrides(where, GATEWAY, reader)
    assert "corp.example" in override.what


def test_uv_with_a_broken_file_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "home/.config/uv/uv.toml", "[pip\n")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        enable(UvActivation(), place(tmp_path))


def test_what_headrace_wrote_is_not_uvs_own_index(tmp_path: Path) -> None:
    put(tmp_path / "home/.config/uv/uv.toml", f'[pip]\nindex-url = "{INDEX}" {MARK}\n')
    (found,) = UvActivation().discover(place(tmp_path), reader)
    assert found.origin.url == OFFICIAL


def test_withdraw_gives_the_old_value_back(tmp_path: Path) -> None:
    before = b'[pip]\nindex-url = "https://corp.example/simple"\n'
    after = toml_text.set_key(before, ("pip", "index-url"), INDEX, tmp_path)
    rewritten = f'[pip]\nindex-url = "{INDEX}"\nupgrade = true\n'.encode()
    result = UvActivation().withdraw(tmp_path, before, after, rewritten)
    assert result is not None
    assert tomllib.loads(result.decode()) == {
        "pip": {"index-url": "https://corp.example/simple", "upgrade": True}
    }
    assert UvActivation().withdraw(tmp_path, None, after, rewritten) == b"[pip]\nupgrade = true\n"
    other = b'[pip]\nindex-url = "https://new.example/simple"\n'
    assert UvActivation().withdraw(tmp_path, before, after, other) == other


def test_lines_of_a_lost_record_are_known_by_their_mark(tmp_path: Path) -> None:
    marked = toml_text.set_key(b"# mine\n", ("pip", "index-url"), INDEX, tmp_path)
    # Without the record a blank line may stay; with it every byte comes back.
    assert (UvActivation().withdraw(tmp_path, None, marked, marked) or b"").split() == [
        b"#",
        b"mine",
    ]
    unmarked = b'[pip]\nindex-url = "https://corp.example/simple"\n'
    assert UvActivation().withdraw(tmp_path, None, unmarked, unmarked) == unmarked


@pytest.mark.parametrize(
    ("command", "routed"),
    [
        (("uv", "pip", "install", "x"), True),
        (("/usr/bin/uv", "--quiet", "pip", "sync", "r.txt"), True),
        (("uv", "lock"), False),
        (("uv", "sync"), False),
        (("uv", "run", "x"), False),
        (("pip", "install", "uv"), False),
    ],
)
def test_run_sets_uvs_index_for_uv_pip_alone(
    tmp_path: Path, command: tuple[str, ...], *, routed: bool
) -> None:
    program(tmp_path, "uv")
    where = place(tmp_path, command=command)
    variables, edits = UvActivation().environment(where, GATEWAY, [DEFAULT], reader, tmp_path)
    assert dict(variables) == ({"UV_DEFAULT_INDEX": INDEX, "UV_INDEX_URL": INDEX} if routed else {})
    assert edits == ()


def test_run_takes_the_projects_index_as_uvs_origin(tmp_path: Path) -> None:
    program(tmp_path, "uv")
    put(tmp_path / "work/pyproject.toml", '[tool.uv]\nindex-url = "https://p.example/simple"\n')
    where = place(tmp_path, command=("uv", "pip", "install", "x"))
    (found,) = UvActivation().discover(where, reader)
    assert found.origin == Origin("python", "https://p.example/simple", private=True, name="uv")
    variables, _ = UvActivation().environment(where, GATEWAY, [found.origin], reader, tmp_path)
    assert variables["UV_DEFAULT_INDEX"] == "http://127.0.0.1:17223/index/uv/simple/"


def test_system_scope_of_each(tmp_path: Path) -> None:
    where = place(tmp_path, scope=Scope.SYSTEM)
    assert UvActivation().file(where) == Path("/etc/uv/uv.toml")
    put(tmp_path / "xdg/uv/uv.toml", "")
    assert UvActivation().file(where) == tmp_path / "xdg/uv/uv.toml"
    assert PoetryActivation().file(where) is None
    assert PdmActivation().file(where) == tmp_path / "xdg/pdm/config.toml"


def test_poetry_is_edited_only_where_its_plugin_can_read_it(tmp_path: Path) -> None:
    poetry = program(tmp_path / "venv", "poetry")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/poetry").symlink_to(poetry)
    activation, where = PoetryActivation(), place(tmp_path)
    assert enable(activation, where) is None
    (missing,) = activation.overrides(where, GATEWAY, reader)
    assert "poetry-plugin-pypi-mirror" in missing.hint
    (tmp_path / "venv/lib/python3.12/site-packages/poetry_plugin_pypi_mirror").mkdir(parents=True)
    written = enable(activation, where)
    assert written is not None
    assert tomllib.loads(written) == {"plugins": {"pypi_mirror": {"url": INDEX}}}
    assert activation.overrides(where, GATEWAY, reader) == ()


def test_pdm_gets_its_url(tmp_path: Path) -> None:
    put(tmp_path / "home/.config/pdm/config.toml", '# mine\n[venv]\nbackend = "venv"\n')
    written = enable(PdmActivation(), place(tmp_path))
    assert written is not None
    assert written.startswith("# mine\n[venv]\n")
    assert tomllib.loads(written)["pypi"] == {"url": INDEX}


def test_a_token_stands_in_the_url_of_a_private_file(tmp_path: Path) -> None:
    program(tmp_path, "uv")
    where, gateway = place(tmp_path), GatewayAddress("127.0.0.1", 17223, "t0k")
    (edit,) = UvActivation().enable(where, gateway, [DEFAULT], reader)
    assert edit.private
    assert b"headrace:t0k@" in (edit.after or b"")
