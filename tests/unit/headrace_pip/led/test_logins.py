"""For which hosts uv, poetry, pdm, pipenv and pip have a login, wherever each of them keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace_pip.led.logins import BY_TOOL
from lib.places import place, reader

UV = '[[tool.uv.index]]\nname = "our-own"\nurl = "https://own.example/simple"\n'
POETRY = '[[tool.poetry.source]]\nname = "our-own"\nurl = "https://own.example/simple"\n'
PDM = '[[tool.pdm.source]]\nname = "our-own"\nurl = "https://own.example/simple"\n'
PROJECT = "work/pyproject.toml"
IN_URL = "https://me:secret@own.example/simple"

CASES = {
    "uv: a variable for an index of the project": (
        "uv",
        {PROJECT: UV},
        {"UV_INDEX_OUR_OWN_PASSWORD": "secret"},
    ),
    "uv: for an index of the user's": (
        "uv",
        {"home/.config/uv/uv.toml": UV.replace("tool.uv.", "")},
        {"UV_INDEX_OUR_OWN_USERNAME": "me"},
    ),
    "uv: for an index of a variable": (
        "uv",
        {},
        {"UV_INDEX": "our-own=https://own.example/x", "UV_INDEX_OUR_OWN_USERNAME": "me"},
    ),
    "uv: an index that is always shown a login": (
        "uv",
        {PROJECT: f'{UV}authenticate = "always"\n'},
        {},
    ),
    "uv: its store": (
        "uv",
        {
            "home/.local/share/uv/credentials/credentials.toml": '[[credential]]\nservice = "https:'
            '//own.example/"\nusername = "me"\nscheme = "basic"\npassword = "secret"\n'
        },
        {},
    ),
    "uv: in a URL": ("uv", {PROJECT: f'[tool.uv]\nindex-url = "{IN_URL}"\n'}, {}),
    "poetry: its store, as it is where a keyring has the password": (
        "poetry",
        {PROJECT: POETRY, "home/.config/pypoetry/auth.toml": '[http-basic.our-own]\nusername="me"'},
        {},
    ),
    "poetry: a variable": (
        "poetry",
        {PROJECT: POETRY},
        {"POETRY_HTTP_BASIC_OUR_OWN_USERNAME": "me"},
    ),
    "poetry: the project's own file": (
        "poetry",
        {PROJECT: POETRY, "work/poetry.toml": '[http-basic.our-own]\nusername = "me"\n'},
        {},
    ),
    "pdm: its store, by the project's name": (
        "pdm",
        {PROJECT: PDM, "home/.config/pdm/config.toml": '[pypi.our-own]\nusername = "me"\n'},
        {},
    ),
    "pdm: its store, with the URL": (
        "pdm",
        {
            "home/.config/pdm/config.toml": '[pypi.x]\nurl = "https://own.example/x"\n'
            'password = "secret"\n'
        },
        {},
    ),
    "pdm: the default one": (
        "pdm",
        {"work/pdm.toml": '[pypi]\nurl = "https://own.example/simple"\n'},
        {"PDM_PYPI_USERNAME": "me"},
    ),
    "pipenv: variables in a URL": (
        "pipenv",
        {"work/Pipfile": '[[source]]\nurl = "https://$ME:${SECRET}@own.example/simple"\n'},
        {},
    ),
    "pip: an extra index": (
        "pip",
        {"home/.config/pip/pip.conf": f"[global]\nextra-index-url =\n    {IN_URL}\n"},
        {},
    ),
}


@pytest.mark.parametrize(("tool", "files", "env"), CASES.values(), ids=CASES)
def test_host_of_a_login_is_named_and_without_the_login_it_is_not(
    tmp_path: Path, tool: str, files: dict[str, str], env: dict[str, str]
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert set(BY_TOOL[tool](place(tmp_path, env), reader)) == {"own.example"}
    for name in files:
        (tmp_path / name).write_text(UV + POETRY + PDM, "utf-8")
    plain = {name: value for name, value in env.items() if "://" in value}
    assert set(BY_TOOL[tool](place(tmp_path, plain), reader)) == set()


@pytest.mark.parametrize("tool", BY_TOOL)
def test_files_that_nobody_can_read_are_no_login_and_no_trouble(tmp_path: Path, tool: str) -> None:
    names = [PROJECT, "work/pdm.toml", "work/poetry.toml", "work/Pipfile"]
    names += [f"home/.config/{each}" for each in ("uv/uv.toml", "pip/pip.conf")]
    names += ["home/.config/pypoetry/auth.toml", "home/.config/pdm/config.toml"]
    for name in [*names, "home/.local/share/uv/credentials/credentials.toml"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff[[[= https://[ @")
    assert set(BY_TOOL[tool](place(tmp_path), reader)) == set()
