"""A settings file that breaks after `headrace on`: all is told, and `off` undoes all of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.clients import Environment, Pip
from lib.gateway import headrace
from lib.holders import none_left
from lib.serving.ports import free_port


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Environment]:
    environment = Environment(tmp_path / "box")
    environment.variables |= {
        "HEADRACE_HOME": str(tmp_path / "headrace"),
        "HEADRACE_PORT": str(free_port()),
        "PATH": f"{environment.scripts}:{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    yield environment
    none_left(str(tmp_path))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("port = \n", "config.toml cannot be read"),
        ("layout = 'packages'\n[[mirror]]\nid = 'a'\nurl = 'u'\n", "layout is not a setting"),
    ],
)
def test_off_with_a_broken_settings_file_gives_everything_back_and_says_what_it_did(
    box: Environment, broken: str, said: str
) -> None:
    Pip("26.3", box)
    text = "# mine\n[global]\nindex-url = http://127.0.0.1:9/simple\n"
    conf = box.write(".config/pip/pip.conf", text)
    box.run(*headrace(), "on").ok()
    assert conf.read_text() != text
    settings = Path(box.variables["HEADRACE_HOME"]) / "config" / "config.toml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(broken)

    status = box.run(*headrace(), "status")
    assert status.code == 3
    assert said in status.out
    assert "routed" in status.out
    assert "gateway  up at" in status.out

    off = box.run(*headrace(), "off", "--json")
    assert off.code == 0, off.told()
    told = json.loads(off.out)
    assert str(conf) in told["restored"]
    assert told["gateway_stopped"]
    assert said in " ".join(each["message"] for each in told["settings"]["mistakes"])
    assert "nothing was changed" not in off.out
    assert conf.read_text() == text
    assert json.loads(box.run(*headrace(), "status", "--json").out)["gateway"] is None
