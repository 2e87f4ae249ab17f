"""What a real podman makes of odd files of users, with our drop-in and with the file of `run`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from headrace_docker.config_files import registries_conf
from lib.engines.lab import needs
from lib.odd_files import OddFile, odd_files
from lib.waiting import HANG

pytestmark = needs("podman")
#: Where nobody listens: which hosts podman tries is what it says in its error.
URL = "http://127.0.0.1:9"


class Podman:
    """One that has files of its own and no network to go to but loopback."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.drop_ins = base / "home/.config/containers/registries.conf.d"
        self.drop_ins.mkdir(parents=True)

    def pull(self, main: Path) -> str:
        """Ask for an image; what podman says when it cannot be had."""
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.base / "home"),
            "XDG_CONFIG_HOME": str(self.base / "home/.config"),
            "CONTAINERS_REGISTRIES_CONF": str(main),
        }
        # podman takes no long names for its folders.
        with tempfile.TemporaryDirectory(prefix="p-") as short:
            podman = ["podman", "--root", f"{short}/r", "--runroot", f"{short}/s"]
            words = [*podman, "--storage-driver", "vfs", "pull", "-q", "docker.io/library/x:1"]
            # No network at all: the registry itself must not be asked for real.
            done = subprocess.run(
                ["unshare", "-n", *words],
                env=env,
                capture_output=True,
                text=True,
                timeout=HANG,
                check=False,
            )
        assert done.returncode != 0
        return done.stderr


def made_of(said: str) -> str:
    if "is blocked in" in said:
        return "blocked"
    assert "loading registries configuration" not in said, said
    return "led" if "127.0.0.1:9/docker.io/library/x" in said else "theirs"


FILES = odd_files("registries_conf")


@pytest.mark.parametrize("odd", [each for each in FILES if each.reads], ids=str)
def test_podman_goes_where_the_user_lets_it(tmp_path: Path, odd: OddFile) -> None:
    podman, main = Podman(tmp_path), tmp_path / "registries.conf"
    main.write_bytes(odd.content)
    files = [(main, odd.content)]
    theirs = registries_conf.tables(files)
    mine = registries_conf.ours(["docker.io"], theirs)
    # `run`
    other = tmp_path / "run.conf"
    other.write_bytes(registries_conf.whole(files, mine, URL, other))
    expected = "theirs" if "registry's own location" in odd.name else odd.told["docker"]
    assert made_of(podman.pull(other)) == expected
    # `on`
    drop_in = podman.drop_ins / "zz-headrace.conf"
    if mine:
        drop_in.write_bytes(registries_conf.render(mine, URL, theirs, drop_in))
    assert made_of(podman.pull(main)) == odd.told["docker"]


@pytest.mark.parametrize("odd", [each for each in FILES if not each.reads], ids=str)
def test_podman_itself_stops_at_what_we_refuse(tmp_path: Path, odd: OddFile) -> None:
    main = tmp_path / "registries.conf"
    main.write_bytes(odd.content)
    assert "loading registries configuration" in Podman(tmp_path).pull(main)
