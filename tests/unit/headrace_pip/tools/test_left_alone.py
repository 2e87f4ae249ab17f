"""A tool is not touched where the gateway could not ask its index as the tool does."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import Activation, Place
from headrace.models import Origin
from headrace_pip.tools import origins as origins_module
from headrace_pip.tools import pip_config
from headrace_pip.tools.pdm import PdmActivation
from headrace_pip.tools.pip import PipActivation
from headrace_pip.tools.poetry import PoetryActivation
from headrace_pip.tools.uv import UvActivation
from lib.places import GATEWAY, place, reader

OFFICIAL = "https://official.example/simple"
TABLE: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[3] / "data" / "left_alone.toml").read_text("utf-8")
)
TOOLS: dict[str, Callable[[], Activation]] = {
    "pip": PipActivation,
    "uv": UvActivation,
    "pdm": PdmActivation,
    "poetry": PoetryActivation,
}
ROWS = [(tool, number) for tool in TOOLS for number in range(len(TABLE[tool]["row"]))]


@pytest.fixture(autouse=True)
def no_pip_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins_module, "default_index", lambda _: OFFICIAL)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def made(base: Path, tool: str, number: int) -> tuple[dict[str, Any], Place]:
    row: dict[str, Any] = TABLE[tool]["row"][number]
    put(base / TABLE[tool]["file"], row.get("text", ""))
    for name, text in row.get("more", {}).items():
        put(base / name, text)
    put(base / "bin" / tool, "#!/bin/sh\n")
    (base / "bin" / tool).chmod(0o755)
    return row, place(base, row.get("env", {}))


def origins_of(activation: Activation, where: Place) -> list[Origin]:
    """What the gateway fronts: the official index in any case, as of another tool."""
    found: list[Origin] = []
    with contextlib.suppress(ConfigurationError):
        found = [each.origin for each in activation.discover(where, reader)]
    others = [Origin("python", OFFICIAL), Origin("python", OFFICIAL, name="other")]
    return [*found, *(each for each in others if each.url not in {o.url for o in found})]


@pytest.mark.parametrize(("tool", "number"), ROWS)
def test_on_and_run_do_not_touch_it_and_status_says_why(
    tmp_path: Path, tool: str, number: int
) -> None:
    row, where = made(tmp_path, tool, number)
    activation: Activation = TOOLS[tool]()
    running = replace(where, command=tuple(TABLE[tool]["command"]))
    known = origins_of(activation, where)
    told = activation.overrides(where, GATEWAY, reader)
    if "left" not in row:
        (found, *_) = activation.discover(where, reader)
        assert (found.credential and [found.credential.username, found.credential.secret]) == (
            row.get("login")
        )
        own = row.get("authorities", "")
        assert found.authorities == (str(tmp_path / own) if own else "")
        (edit,) = activation.enable(where, GATEWAY, known, reader)
        assert b"127.0.0.1:17223" in (edit.after or b"")
        assert not [each for each in told if each.wins]
        return
    with pytest.raises(ConfigurationError) as refused:
        activation.enable(where, GATEWAY, known, reader)
    if row["left"] == "ask the proxy":  # said in words of its own by status, and by `run` mended
        assert "ask the proxy" in refused.value.message
        assert [each for each in told if "to the proxy" in each.what]
    else:
        assert row["left"] in refused.value.message
        assert refused.value.hint
        assert [each for each in told if row["left"] in each.what and each.wins and each.hint]
        with pytest.raises(ConfigurationError, match=row["left"]):
            activation.discover(where, reader)
    if not row.get("runs"):
        with pytest.raises(ConfigurationError):
            activation.environment(running, GATEWAY, known, reader, tmp_path / "scratch")


def test_a_file_that_is_left_alone_now_gets_nothing_also_where_an_older_edit_stands(
    tmp_path: Path,
) -> None:
    """Its old edit goes with the next `on`, because no edit is wanted any more."""
    where = place(tmp_path)
    put(tmp_path / "home/.config/pip/pip.conf", "[global]\nindex-url = file:///srv/simple\n")
    with pytest.raises(ConfigurationError, match="cannot front"):
        PipActivation().enable(where, GATEWAY, [Origin("python", OFFICIAL)], reader)


def test_pip_is_led_to_its_own_index_among_others(tmp_path: Path) -> None:
    where = place(tmp_path)
    put(tmp_path / "home/.config/pip/pip.conf", "[global]\nindex-url = https://corp.example/s\n")
    mine = Origin("python", "https://corp.example/s", private=True, name="corp")
    known = [Origin("python", OFFICIAL), mine]
    (edit,) = PipActivation().enable(where, GATEWAY, known, reader)
    values = pip_config.parse(edit.after or b"", edit.path)
    assert values["global"]["index-url"] == "http://127.0.0.1:17223/index/corp/simple/"
    assert values["lock"]["index-url"] == "https://corp.example/s"
    assert PipActivation().enable(where, GATEWAY, known[:1], reader) == ()
    running = replace(where, command=("pip", "install", "x"))
    scratch = tmp_path / "scratch"
    assert PipActivation().environment(running, GATEWAY, known[:1], reader, scratch) == ({}, ())


@pytest.mark.parametrize(
    ("activation", "name"),
    [(PdmActivation(), "PDM_PYPI_URL"), (PoetryActivation(), "POETRY_PYPI_MIRROR_URL")],
)
def test_run_takes_the_index_that_a_variable_names_for_the_tools_own(
    tmp_path: Path, activation: PdmActivation | PoetryActivation, name: str
) -> None:
    """It was led to the official index: the variable that `run` sets beats the user's."""
    put(tmp_path / "bin" / activation.tool, "#!/bin/sh\n")
    (tmp_path / "bin" / activation.tool).chmod(0o755)
    env = {name: "https://me:pw@corp.example/simple"}
    where = place(tmp_path, env, command=(activation.tool, "install"))
    (found,) = activation.discover(where, reader)
    assert (found.origin.url, found.origin.private) == ("https://corp.example/simple", True)
    known = [Origin("python", OFFICIAL), found.origin]
    variables, _ = activation.environment(where, GATEWAY, known, reader, tmp_path)
    assert variables[name] == f"http://127.0.0.1:17223/index/{activation.tool}/simple/"
    assert activation.environment(where, GATEWAY, known[:1], reader, tmp_path) == ({}, ())


def test_pdm_means_the_machines_index_and_the_projects(tmp_path: Path) -> None:
    put(tmp_path / "bin/pdm", "#!/bin/sh\n")
    (tmp_path / "bin/pdm").chmod(0o755)
    put(tmp_path / "xdg/pdm/config.toml", '[pypi]\nurl = "https://machine.example/simple"\n')
    (found,) = PdmActivation().discover(place(tmp_path), reader)
    assert found.origin.url == "https://machine.example/simple"
    put(tmp_path / "work/pdm.toml", '[pypi]\nurl = "https://project.example/simple"\n')
    (found,) = PdmActivation().discover(place(tmp_path), reader)
    assert found.origin.url == "https://machine.example/simple"
    (found,) = PdmActivation().discover(place(tmp_path, command=("pdm", "install")), reader)
    assert found.origin.url == "https://project.example/simple"
    (told,) = PdmActivation().overrides(place(tmp_path), GATEWAY, reader)
    assert "project.example" in told.what


def test_poetry_means_the_mirror_of_its_project(tmp_path: Path) -> None:
    """Tried with poetry 2.5: a project's poetry.toml beats the user's, and a variable both."""
    put(tmp_path / "bin/poetry", "#!/bin/sh\n")
    (tmp_path / "bin/poetry").chmod(0o755)
    mirror = '[plugins.pypi_mirror]\nurl = "https://{}.example/simple"\n'
    put(tmp_path / "home/.config/pypoetry/config.toml", mirror.format("mine"))
    put(tmp_path / "work/pyproject.toml", "")
    put(tmp_path / "work/poetry.toml", mirror.format("project"))
    activation = PoetryActivation()
    below = replace(place(tmp_path), working_directory=tmp_path / "work" / "a" / "b")
    for where in (place(tmp_path), below):
        (found,) = activation.discover(where, reader)
        assert found.origin.url == "https://mine.example/simple"
        (told,) = activation.overrides(where, GATEWAY, reader)
        assert told.where == str(tmp_path / "work/poetry.toml")
        assert "project.example" in told.what
        running = replace(where, command=("poetry", "install"))
        (found,) = activation.discover(running, reader)
        assert found.origin.url == "https://project.example/simple"
    env = {"POETRY_PYPI_MIRROR_URL": "https://variable.example/simple"}
    (found,) = activation.discover(place(tmp_path, env, command=("poetry", "install")), reader)
    assert found.origin.url == "https://variable.example/simple"


def test_run_takes_the_login_of_a_named_index_along(tmp_path: Path) -> None:
    put(
        tmp_path / "work/uv.toml",
        '[[index]]\nname = "my-corp.x"\nurl = "https://corp.example/simple"\ndefault = true\n',
    )
    put(tmp_path / "bin/uv", "#!/bin/sh\n")
    (tmp_path / "bin/uv").chmod(0o755)
    env = {"UV_INDEX_MY_CORP_X_USERNAME": "me", "UV_INDEX_MY_CORP_X_PASSWORD": "pw"}
    where = place(tmp_path, env, command=("uv", "pip", "install"))
    (found,) = UvActivation().discover(where, reader)
    assert found.credential is not None
    assert (found.credential.username, found.credential.secret) == ("me", "pw")


@pytest.mark.parametrize(
    "more", ['authenticate = "always"', 'format = "flat"', "ignore-error-codes = [403]"]
)
def test_run_leaves_a_default_index_with_properties_alone(tmp_path: Path, more: str) -> None:
    text = f'[[index]]\nurl = "https://corp.example/simple"\ndefault = true\n{more}\n'
    put(tmp_path / "work/uv.toml", text)
    put(tmp_path / "bin/uv", "#!/bin/sh\n")
    (tmp_path / "bin/uv").chmod(0o755)
    where = place(tmp_path, command=("uv", "pip", "install"))
    with pytest.raises(ConfigurationError, match="would be lost"):
        UvActivation().discover(where, reader)
