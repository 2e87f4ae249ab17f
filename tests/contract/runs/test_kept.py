"""A kept outcome of `headrace run` is used while nothing has changed, and not a moment longer."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.clients import Environment
from lib.gateway import free_port
from lib.holders import none_left
from lib.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "kept on Linux"))

#: Times are as fine here as Linux has them, so nobody waits for two seconds after each change.
PROGRAM = """\
import sys
from headrace.cli import main
from headrace.cli.runs.kept import looking
looking._STEP = 0.05
try:
    code = main(sys.argv[1:])
finally:
    if sys.argv[1] == "run":
        print("by the", "long" if "headrace.cli.run" in sys.modules else "kept", file=sys.stderr)
raise SystemExit(code)
"""
RECORD = """\
import os
from headrace.cli.context import Context
from headrace.cli.setup.discovery import discover
context = Context(dict(os.environ))
context.state.record_origins(discover(context, ("rattler",)))
"""
SHOW = """\
import json, os, pathlib
env = dict(os.environ)
named = ("PIP_CONFIG_FILE", "SSL_CERT_FILE", "CONDARC")
read = {name: pathlib.Path(env[name]).read_text() for name in named[:2] if name in env}
folders = {name: sorted(os.listdir(env[name])) for name in named[2:] if name in env}
print(json.dumps({"env": env, "files": read, "folders": folders}))
"""


class Box(Environment):
    """A home with a gateway of the user's, and commands run in it."""

    port = 0

    def begin(self) -> None:
        """Start it on a port of its own, as `headrace on` does, for what the tools ask now."""
        self.port = free_port()
        self.run(sys.executable, "-c", RECORD).ok()
        words = ("gateway", "--detach", "--port", str(self.port))
        self.run(sys.executable, "-c", PROGRAM, *words).ok()

    def end(self) -> None:
        self.run(sys.executable, "-c", PROGRAM, "gateway", "--stop").ok()
        # One that was started by hand keeps the place that it had.
        (Path(self.variables["HEADRACE_HOME"]) / "state/gateway.json").unlink()

    def shown(self, *words: str, **env: str) -> tuple[str, dict[str, dict[str, str]]]:
        """Run a command that shows what it was given; return the way that was taken, too."""
        time.sleep(0.1)  # until what was written before is older than a step of the clock
        done = self.run(sys.executable, "-c", PROGRAM, "run", *words, "--", "rattler", env=env).ok()
        way = re.findall(r"^by the (\w+)$", done.err, re.MULTILINE)
        assert done.err.splitlines() == [f"by the {way[0]}"], done.err
        return way[0], json.loads(done.out)

    def settle(self, **env: str) -> dict[str, dict[str, str]]:
        """Run it until its outcome is kept; return what it was given then."""
        assert "kept" in [self.shown("-q", **env)[0] for _ in range(2)]
        way, told = self.shown("-q", **env)
        assert way == "kept"
        return told


def executable(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("kept")
    made = Box(folder / "box")
    made.variables |= {
        "HEADRACE_HOME": str(folder / "headrace"),
        "HEADRACE_PORT": str(free_port()),
        "HEADRACE_CONDA_BASE": str(folder / "current-conda"),
        "PYTHONPATH": str(folder / "packages"),
        "PATH": f"{made.home / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    (made.home / "bin").mkdir()
    (folder / "packages").mkdir()
    (folder / "current-conda").symlink_to(folder / "conda")
    # A public origin, and a command that is led to it through a proxy, as most tools are.
    (folder / "conda/lib/python3.11/site-packages/conda-24.7.1.dist-info").mkdir(parents=True)
    (folder / "conda/bin").mkdir()
    (folder / "conda/bin/python").touch()
    executable(made.home / "bin/rattler", f"#!{sys.executable} -IS\n{SHOW}")
    executable(made.home / "bin/uv", "#!/bin/sh\n")
    (made.home / "bin/pixi").write_text("of no mode yet")
    made.write(".config/pip/pip.conf", "[global]\n# one\nindex-url = http://127.0.0.1:9/simple\n")
    made.begin()
    yield made
    made.end()
    none_left(str(folder))
    state = folder / "headrace/state/run"
    until(lambda: not [*(made.home / "tmp").glob("headrace-run-*"), *state.glob("*/now")])


def test_it_is_used_and_gives_what_the_long_way_gives(box: Box) -> None:
    for words in ((), ("-q",), ("--quiet",)):
        seen = [box.shown(*words) for _ in range(3)]
        assert [way for way, _ in seen][1:] == ["kept", "kept"]
        plain = [json.loads(_plain(json.dumps(told))) for _, told in seen]
        assert plain[0]["env"] == plain[1]["env"] == plain[2]["env"]
        assert [each["files"].keys() for each in plain] == [plain[0]["files"].keys()] * 3
        conf = {each["files"]["PIP_CONFIG_FILE"] for each in plain}
        assert len(conf) == 1
        assert f"127.0.0.1:{box.port}" in conf.pop()
        # Each has an authority and a token of its own, behind the authorities that are usual.
        bundles = [each["files"]["SSL_CERT_FILE"] for _, each in seen]
        assert len(set(bundles)) == 3
        assert len({bundle.rpartition("-----BEGIN")[0] for bundle in bundles}) == 1
        assert len({told["env"]["HTTPS_PROXY"] for _, told in seen}) == 3


def _plain(text: str) -> str:
    text = re.sub(r"headrace-run-[a-z0-9_]+", "headrace-run", text)
    return re.sub(r"http://headrace:[^@]+@", "http://headrace@", text)


def conf(box: Box) -> None:
    path = box.home / ".config/pip/pip.conf"
    path.write_text(path.read_text("utf-8") + "timeout = 77\n", "utf-8")


def same_size(box: Box) -> None:
    path = box.home / ".config/pip/pip.conf"
    before = path.stat()
    path.write_text(path.read_text("utf-8").replace("one", "two"), "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def settings(box: Box) -> None:
    path = Path(box.variables["HEADRACE_HOME"]) / "config/config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("downloads = 3\n", "utf-8")


def other_tool(box: Box) -> None:
    new = executable(box.home / "bin/new", "#!/bin/sh\n# another version\n")
    new.replace(box.home / "bin/uv")


def tool_in_place(box: Box) -> None:
    (box.home / "bin/uv").write_text("#!/bin/bash\n")


def mode_of_a_tool(box: Box) -> None:
    (box.home / "bin/pixi").chmod(0o755)


def another_conda(box: Box) -> None:
    link = Path(box.variables["HEADRACE_CONDA_BASE"])
    other = shutil.copytree(link, link.with_name("other-conda"))
    link.with_name("new").symlink_to(other)
    link.with_name("new").replace(link)


def no_tool(box: Box) -> None:
    (box.home / "bin/uv").unlink()


def tool(box: Box) -> None:
    executable(box.home / "bin/uv", "#!/bin/sh\n")


def file_of_a_tool(box: Box) -> None:
    box.write(".config/uv/uv.toml", "")


def login(box: Box) -> None:
    box.write(".netrc", "machine other.example login me password x\n").chmod(0o600)


def restart(box: Box) -> None:
    box.end()
    box.begin()


def new_secret(box: Box) -> None:
    box.end()
    (Path(box.variables["HEADRACE_HOME"]) / "state/secret").unlink()
    box.begin()


def token(box: Box) -> None:
    box.end()
    (Path(box.variables["HEADRACE_HOME"]) / "state/token").write_text('"a-token-of-its-own"\n')
    (Path(box.variables["HEADRACE_HOME"]) / "state/token").chmod(0o600)
    box.begin()


CHANGES: dict[
    str, tuple[Callable[[Box], None], Callable[[Box, dict[str, dict[str, str]]], bool]]
] = {
    "pip.conf": (conf, lambda _, told: "timeout = 77" in told["files"]["PIP_CONFIG_FILE"]),
    "pip.conf, as large and as old": (same_size, lambda *_: True),
    "the settings": (settings, lambda *_: True),
    "a tool of another version": (other_tool, lambda *_: True),
    "a tool that is written in place": (tool_in_place, lambda *_: True),
    "a tool's mode": (mode_of_a_tool, lambda *_: True),
    "where the link to conda leads": (another_conda, lambda *_: True),
    "a tool that goes": (no_tool, lambda *_: True),
    "a tool that comes": (tool, lambda *_: True),
    "a file of a tool that had none": (file_of_a_tool, lambda *_: True),
    "a login": (login, lambda *_: True),
    "another port": (restart, lambda box, told: told["env"]["HEADRACE_RUN"] == str(box.port)),
    "another secret": (new_secret, lambda *_: True),
    "a token": (
        token,
        lambda _, told: "a-token-of-its-own@" in told["files"]["PIP_CONFIG_FILE"],
    ),
}


#: Each kind has one in every run, and its siblings when there is time.
SIBLINGS = {
    *("pip.conf, as large and as old", "a tool that goes", "a tool that comes"),
    *("a file of a tool that had none", "another port", "a token"),
    *("a tool that is written in place", "a tool's mode"),
}
MARKS = {name: [pytest.mark.nightly] if name in SIBLINGS else [] for name in CHANGES}


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS[name]) for name in CHANGES])
def test_it_is_not_used_after_a_change_of(box: Box, name: str) -> None:
    change, is_right = CHANGES[name]
    box.settle()
    change(box)
    way, told = box.shown("-q")
    assert way == "long"
    assert is_right(box, told)
    assert is_right(box, box.settle())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NO_PROXY", "acme.example"),
        pytest.param("PIP_TIMEOUT", "5", marks=pytest.mark.nightly),
        pytest.param("HEADRACE_CUDA", "cpu", marks=pytest.mark.nightly),
    ],
)
def test_it_is_not_used_with_another_variable(box: Box, variable: str, value: str) -> None:
    before = box.settle()
    way, told = box.shown("-q", **{variable: value})
    assert way == "long"
    again = box.settle(**{variable: value})
    assert again["env"][variable] == told["env"][variable]
    assert box.settle()["env"].get(variable) == before["env"].get(variable)


def test_it_is_not_used_in_another_home(box: Box, tmp_path: Path) -> None:
    box.settle()
    shutil.copytree(box.home / ".config", tmp_path / ".config")
    (tmp_path / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = http://127.0.0.1:9/simple\nretries = 9\n"
    )
    config = str(tmp_path / ".config")
    way, told = box.shown("-q", HOME=str(tmp_path), XDG_CONFIG_HOME=config)
    assert way == "long"
    assert "retries = 9" in told["files"]["PIP_CONFIG_FILE"]


def test_it_is_used_for_an_hour(box: Box) -> None:
    box.settle()
    folder = Path(box.variables["HEADRACE_HOME"]) / "state/kept-runs"
    for path in folder.glob("*.json"):
        outcome = json.loads(path.read_bytes())
        outcome["made"] -= 3600
        path.write_text(json.dumps(outcome))
    assert box.shown("-q")[0] == "long"


def test_it_is_not_used_where_others_could_have_written_it(box: Box) -> None:
    box.settle()
    folder = Path(box.variables["HEADRACE_HOME"]) / "state/kept-runs"
    for path in folder.glob("*.json"):
        path.chmod(0o666)
    assert box.shown("-q")[0] == "long"


def test_what_was_left_behind_by_a_killed_run_is_cleared_up(box: Box) -> None:
    box.settle()
    left = box.home / "tmp/headrace-run-killed"
    left.mkdir(mode=0o700)
    (left / "runners").touch(0o600)
    assert box.shown("-q")[0] == "long"
    assert not left.exists()


def test_nothing_is_kept_of_a_run_that_had_to_warn(box: Box) -> None:
    path = box.write(".config/uv/uv.toml", "not = [toml")
    try:
        command = ("run", "-q", "--", "true")
        for _ in range(2):
            done = box.run(sys.executable, "-c", PROGRAM, *command).ok()
            assert "uv" in done.err
            assert "by the long" in done.err
    finally:
        path.unlink()


def test_a_command_that_cannot_be_started_and_its_exit_code_are_told_as_ever(box: Box) -> None:
    script = executable(box.home / "bin/pixi-build", "#!/bin/sh\nexit 7\n")
    command = ("run", "-q", "--", script.name)
    for way in ("long", "kept"):
        time.sleep(0.1)
        done = box.run(sys.executable, "-c", PROGRAM, *command)
        assert (done.code, f"by the {way}" in done.err) == (7, True)
    script.write_bytes(b"\x7fELF nothing of the kind")
    for _ in range(2):
        done = box.run(sys.executable, "-c", PROGRAM, *command)
        assert done.code == 1
        assert "Exec format error" in done.err


def test_beside_a_plugin_of_others_nothing_is_kept(box: Box) -> None:
    box.settle()
    packages = Path(box.variables["PYTHONPATH"])
    (packages / "acme.py").write_text("")
    info = packages / "acme-1.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[headrace]\nacme = acme\n")
    assert [box.shown("-q")[0] for _ in range(2)] == ["long", "long"]
    shutil.rmtree(info)
    assert box.settle()


def test_off_forgets_all_of_them(box: Box) -> None:
    box.settle()
    folder = Path(box.variables["HEADRACE_HOME"]) / "state/kept-runs"
    assert [*folder.iterdir()]
    box.run(sys.executable, "-c", PROGRAM, "off", "--scope", "user").ok()
    assert not [*folder.iterdir()]
    box.begin()
