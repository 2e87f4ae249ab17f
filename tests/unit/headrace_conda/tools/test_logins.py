"""For which hosts conda, mamba, pixi and rattler-build have a login, wherever they keep it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace_conda.tools.logins import BY_TOOL
from lib.places import place, reader

WITH_TOKEN = "channels:\n  - https://own.example/t/tk-0123456789/company\n"
TOKEN = "https%3A%2F%2Fapi.anaconda.org.token"
STORE = '{"own.example": {"BasicHTTP": {"username": "me", "password": "secret"}}}'

CASES = {
    "conda: a token in a channel": ("conda", {"home/.condarc": WITH_TOKEN}, {}, "own.example"),
    "conda: a password in a channel": (
        "conda",
        {"home/.conda/condarc": "channels: [https://me:secret@own.example/company]\n"},
        {},
        "own.example",
    ),
    "conda: a folder that a variable names": (
        "conda",
        {"home/own/x.yml": WITH_TOKEN},
        {"CONDARC": "~/own"},
        "own.example",
    ),
    "conda: Anaconda's token": (
        "conda",
        {f"home/.config/binstar/{TOKEN}": "tk-0123456789"},
        {},
        "conda.anaconda.org",
    ),
    "mamba: its own file": ("mamba", {"home/.mambarc": WITH_TOKEN}, {}, "own.example"),
    "mamba: conda's too": ("mamba", {"home/.condarc": WITH_TOKEN}, {}, "own.example"),
    "mamba: its store": (
        "mamba",
        {"home/.mamba/auth/authentication.json": '{"own.example/company": {"type": "CondaToken"}}'},
        {},
        "own.example",
    ),
    "pixi: its store": ("rattler", {"home/.rattler/credentials.json": STORE}, {}, "own.example"),
    "pixi: a store that a variable names": (
        "rattler",
        {"home/own.json": STORE.replace("own.example", "*.own.example")},
        {"RATTLER_AUTH_FILE": "HOME/own.json"},
        "*.own.example",
    ),
    "pixi: a channel of the project": (
        "rattler",
        {"work/pixi.toml": 'channels = ["https://own.example/t/tk-0123456789/x"]\n'},
        {},
        "own.example",
    ),
}


@pytest.mark.parametrize(("tool", "files", "env", "host"), CASES.values(), ids=CASES)
def test_host_of_a_login_is_named_and_without_the_login_it_is_not(
    tmp_path: Path, tool: str, files: dict[str, str], env: dict[str, str], host: str
) -> None:
    env = {name: value.replace("HOME", str(tmp_path / "home")) for name, value in env.items()}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert set(BY_TOOL[tool](place(tmp_path, env), reader)) == {host}
    for name in files:
        (tmp_path / name).write_text("", "utf-8")
    assert set(BY_TOOL[tool](place(tmp_path, env), reader)) == set()


@pytest.mark.parametrize("tool", BY_TOOL)
def test_files_that_nobody_can_read_are_no_login_and_no_trouble(tmp_path: Path, tool: str) -> None:
    names = ["work/pixi.toml", "home/.condarc", "home/.mambarc", "home/.pixi/config.toml"]
    names += ["home/.rattler/credentials.json", "home/.mamba/auth/authentication.json"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff[[[= https://[ @")
    assert set(BY_TOOL[tool](place(tmp_path), reader)) == set()
