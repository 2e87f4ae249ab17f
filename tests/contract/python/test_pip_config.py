"""Our reading of pip's configuration against pip's own, over levels, sections and spellings."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from headrace.interface.hookspecs import Place, Scope
from headrace_pip.tools import pip_config
from lib.capabilities import lacks
from lib.clients import Pip
from lib.places import reader

#: pip's own answer: what `pip install` without options would use.
_ASK = (
    "from pip._internal.commands import create_command\n"
    "print(create_command('install').parse_args([])[0].index_url)"
)
SECTIONS = ("global", "install", "download", "lock")
SPELLINGS = ("index-url", "index_url", "INDEX-URL", "pypi-url")


def place_of(pip: Pip) -> Place:
    environment = pip.environment
    return Place(
        Scope.USER,
        environment.home,
        environment.variables,
        sys.platform,
        environment.home,
    )


def asked(pip: Pip) -> str:
    return pip.environment.run(pip.environment.python, "-c", _ASK).ok().out.strip()


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "levels of POSIX systems"))
def test_the_index_that_wins_is_the_one_that_pip_uses(pip: Pip) -> None:
    environment = pip.environment
    default = asked(pip)
    home, venv = environment.home, environment.root / "venv"
    xdg = environment.root / "xdg"
    environment.variables["XDG_CONFIG_DIRS"] = f"{xdg / 'a'}:{xdg / 'b'}"
    own = environment.root / "own.conf"
    places = {
        "xdg-a": xdg / "a/pip/pip.conf",
        "xdg-b": xdg / "b/pip/pip.conf",
        "legacy": home / ".pip/pip.conf",
        "user": home / ".config/pip/pip.conf",
        "site": venv / "pip.conf",
        "own": own,
    }
    dice = random.Random(20261123)
    for number in range(25):
        for path in places.values():
            path.unlink(missing_ok=True)
        for name in ("PIP_INDEX_URL", "PIP_CONFIG_FILE"):
            environment.variables.pop(name, None)
        written = []
        for name in dice.sample(sorted(places), dice.randint(1, 4)):
            lines: list[str] = []
            for section in dice.sample(SECTIONS, dice.randint(1, 3)):
                spelling = dice.choice(SPELLINGS[:3] if dice.random() < 0.9 else SPELLINGS)
                value = f"https://{name}-{section}.example/simple" if dice.random() < 0.9 else ""
                lines += [f"[{section}]", f"{spelling} = {value}"]
            write(places[name], "\n".join(lines) + "\n")
            written.append((name, lines))
        if own.exists():
            environment.variables["PIP_CONFIG_FILE"] = str(own)
        if dice.random() < 0.15:
            environment.variables["PIP_INDEX_URL"] = "https://env.example/simple"
        found = pip_config.effective(place_of(pip), reader, pip_config.INDEX_URL)
        assert (found.value if found else default) == asked(pip), (number, written)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
