"""A user whose tools know their origin by its own https address, and two mirrors of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import Environment, Result
from lib.gateway import free_port, headrace
from lib.holders import none_left
from lib.serving.certificates import authority
from lib.serving.faults import large
from lib.waiting import until
from lib.world import MakeWorld, World


@dataclass(slots=True)
class LedUser:
    """One user, and the world that the tools ask."""

    world: World
    box: Environment
    headrace_home: Path

    def led(self, *words: str | Path, env: Mapping[str, str] | None = None) -> Result:
        """Run a command as ``headrace run`` leads it."""
        return self.box.run(*headrace(), "run", "--", *words, env=env, cwd=self.project)

    def plain(self, *words: str | Path, env: Mapping[str, str] | None = None) -> Result:
        """Run it without."""
        return self.box.run(*words, env=env, cwd=self.project)

    @property
    def project(self) -> Path:
        """A project that requires a large wheel, which requires a small one."""
        return self.box.home / "project"

    def own_words(self, match: str = "*.whl") -> int:
        """Bytes of files that the origin gave."""
        return self.world.files.bytes_sent(match)

    def left(self) -> list[Path]:
        """What runs have made for themselves and not yet taken away."""
        state = self.headrace_home / "state"
        found = [*(self.box.home / "tmp").glob("headrace-run-*"), *state.glob("run/*/now")]
        return [*found, *state.rglob("interceptions/*.json")]


MakeUser = Callable[..., LedUser]


@pytest.fixture
def make_user(tmp_path: Path, world: MakeWorld) -> Iterator[MakeUser]:
    """Make users; the rest is what `make_world` takes. Nothing of a run may be left in the end."""
    made: list[LedUser] = []

    def make(*, domain: str = "", **rest: object) -> LedUser:
        names = [f"{host}.{domain}" for host in ("pages", "files") if domain]
        company = authority(tmp_path / "authority", "localhost", *names)
        there = world(tls=company.server, domain=domain, **rest)
        # By the page of the last one it is learned where the origin keeps its files.
        there.index.add(large(), wheels.wheel("small", "1.0"), wheels.wheel("pip", "1.0"))
        box = Environment(tmp_path / "box")
        user = LedUser(there, box, tmp_path / "headrace")
        box.variables |= {
            "HEADRACE_HOME": str(user.headrace_home),
            "HEADRACE_PORT": str(free_port()),
            "PATH": os.pathsep.join(
                (str(box.scripts), str(Path(sys.executable).parent), "/usr/bin", "/bin")
            ),
            "SSL_CERT_FILE": str(company.certificate),
            "REQUESTS_CA_BUNDLE": str(company.certificate),
        }
        box.write(".config/pip/pip.conf", f"[global]\nindex-url = {there.origin}\n")
        lines = ["catalogue = false", f'public_origins = ["{there.origin}"]']
        for mirror in there.described:
            lines += ["[[mirror]]", f'id = "{mirror.id}"', f'url = "{mirror.url}"']
            lines += [f'layout = "{mirror.layout}"']
        path = user.headrace_home / "config" / "config.toml"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(lines) + "\n", "utf-8")
        text = '[project]\nname = "project"\nversion = "1"\nrequires-python = ">=3.11"\n'
        text += 'dependencies = ["large", "small"]\n'
        box.write("project/pyproject.toml", text)
        made.append(user)
        return user

    yield make
    none_left(str(tmp_path))
    until(lambda: not any(user.left() for user in made), lambda: [user.left() for user in made])
