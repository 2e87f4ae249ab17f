"""Resolvers that write files: with `headrace run` in front these name the user's own index."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import Environment, Pip, Result, Uv, tool
from lib.gateway import headrace
from lib.holders import none_left
from lib.world import MakeWorld, World

PIP_TOOLS = {
    "pip-tools": "7.6.2",
    "click": "8.5.1",
    "build": "1.6.1",
    "pyproject_hooks": "1.3.3",
    "packaging": "26.4",
}
SECRET = "hunter2secret"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Environment]:
    environment = Environment(tmp_path / "box")
    environment.variables["HEADRACE_HOME"] = str(tmp_path / "headrace")
    environment.variables["PATH"] += ":/usr/bin:/bin"
    settings = tmp_path / "headrace" / "config" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("catalogue = false\n", "utf-8")
    environment.write("requirements.in", "app\n")
    yield environment
    none_left(str(tmp_path / "headrace"))


def tree(world: World) -> None:
    world.index.add(wheels.wheel("app", "1.0", ["leaf"]), wheels.wheel("leaf", "1.0"))


def run(box: Environment, *words: str | Path) -> Result:
    return box.run(*headrace(), "run", "--", *map(str, words))


def written(box: Environment, result: Result) -> str:
    """Give all that the command wrote down or said."""
    files = [path for path in box.home.glob("*.t*") if path.is_file()]
    return result.out + "".join(path.read_text("utf-8") for path in files)


def loopback_ports(text: str) -> set[int]:
    return {int(port) for port in re.findall(r"(?:127\.0\.0\.1|localhost):(\d+)", text)}


def test_uv_that_says_what_it_does_gets_the_origins_links(world: MakeWorld, tmp_path: Path) -> None:
    made = world()
    tree(made)
    uv = Uv("0.13.9", Environment(tmp_path / "client"))
    uv.point_at(made.gateway.index)
    uv.environment.write("requirements.in", "app\n")
    result = uv.run("pip", "compile", "--format", "pylock.toml", "requirements.in").ok()
    assert loopback_ports(result.out) == {made.files.port}
    # And installs through the gateway as before, from the same cache.
    uv.install("app").ok()
    assert all(seen.headers["user-agent"].startswith("headrace/") for seen in made.pages.seen)
    assert made.gateway.get(made.index.path("app-1.0-py3-none-any.whl"))[0] == 200


def test_page_for_a_file_leaves_no_link_to_a_mirror(world: MakeWorld) -> None:
    made = world()
    tree(made)
    agent = 'uv/0.13.9 {"installer":{"subcommand":["pip","compile"]},"python":"3.11.7",'
    agent += '"system":{"name":"Linux"},"cpu":"x86_64"}'
    for accept in ("application/vnd.pypi.simple.v1+json", "text/html"):
        page = made.gateway.get("/simple/app/", {"User-Agent": agent, "Accept": accept})
        assert loopback_ports(page[2].decode()) == {made.files.port}
        other = made.gateway.get("/simple/app/", {"User-Agent": "uv/0.13.9", "Accept": accept})
        assert loopback_ports(other[2].decode()) == set()
        assert page[1]["etag"] != other[1]["etag"]


@pytest.mark.parametrize("flags", [["--emit-index-url", "--emit-index-annotation"], ["pylock"]])
def test_run_uv_compile_names_the_users_index(
    world: MakeWorld, box: Environment, uv: Uv, flags: list[str]
) -> None:
    made = world(mirrors=0)
    tree(made)
    uv = Uv(uv.version, box)
    uv.point_at(made.origin.replace("http://", f"http://user:{SECRET}@"))
    if flags == ["pylock"]:
        flags = ["--format", "pylock.toml"]
    result = run(box, uv.binary, "pip", "compile", "-o", "pylock.toml", *flags, "requirements.in")
    result.ok()
    text = written(box, result)
    assert loopback_ports(text) <= {made.pages.port, made.files.port}, text
    assert loopback_ports(text), text
    assert SECRET not in text


#: Every way to name uv's index, and what uv is then told to keep to itself.
WAYS = {
    "[pip]": ("[pip]\nindex-url = '{0}'\nemit-index-url = false\n", {}),
    "index-url": ("index-url = '{0}'\n[pip]\nemit-index-annotation = false\n", {}),
    "[[index]]": ("[[index]]\nname = 'own'\nurl = '{0}'\ndefault = true\n", {}),
    "UV_INDEX_URL": ("", {"UV_INDEX_URL": "{0}"}),
    "UV_DEFAULT_INDEX": ("", {"UV_DEFAULT_INDEX": "own={0}"}),
}


def test_uv_writes_the_index_down_as_it_asks_it_whichever_way_it_is_named(
    world: MakeWorld, box: Environment, uv: Uv
) -> None:
    """So `on` leaves uv alone where its settings want that, and `status` tells of the rest."""
    made = world(mirrors=0)
    tree(made)
    uv = Uv(uv.version, box)
    for text, variables in WAYS.values():
        box.write(".config/uv/uv.toml", text.format(made.gateway.index))
        env = {name: value.format(made.gateway.index) for name, value in variables.items()}
        flags = ("--emit-index-url", "--emit-index-annotation")
        result = uv.run("pip", "compile", *flags, "requirements.in", env=env).ok()
        assert f"--index-url {made.gateway.index}" in result.out
        assert f"# from {made.gateway.index}" in result.out


@pytest.fixture
def pip_compile(box: Environment) -> Path:
    """Install pip-tools beside the newest pip."""
    Pip("26.3", box)
    places = [str(tool(project, version)) for project, version in PIP_TOOLS.items()]
    (box.packages / "pip-tools.pth").write_text("\n".join(places), "utf-8")
    program = box.scripts / "pip-compile"
    lines = f"#!{box.python}\nfrom piptools.scripts.compile import cli\ncli()\n"
    program.write_text(lines, "utf-8")
    program.chmod(0o755)
    return program


def test_run_pip_compile_names_the_users_index(
    world: MakeWorld, box: Environment, pip_compile: Path
) -> None:
    made = world(mirrors=0)
    tree(made)
    Pip("26.3", box).point_at(made.origin)
    for words in (["pip-compile"], [str(box.python), "-m", "piptools", "compile"]):
        result = run(box, *words, "-q", "requirements.in").ok()
        text = (box.home / "requirements.txt").read_text("utf-8")
        assert f"--index-url {made.origin}" in text, result.told()
        assert loopback_ports(text) == {made.pages.port}
        (box.home / "requirements.txt").unlink()
    assert pip_compile.exists()


NESTED = {
    "make": {"Makefile": "lock:\n\tpip-compile -q requirements.in\n"},
    "sh -c 'cd . && pip-compile -q requirements.in'": {},
    "sh -c '$PYTHON -m piptools compile -q requirements.in'": {},
    "sh lock.sh": {
        "lock.sh": "exec $PYTHON lock.py",
        "lock.py": "import piptools.__main__ as it\n"
        "import sys\nsys.argv[1:] = ['compile', '-q', 'requirements.in']\nit.cli()\n",
    },
    "$TOX -q run -e lock": {
        "tox.ini": "[testenv:lock]\nskip_install = true\npass_env = A\n"
        "allowlist_externals = *\ncommands = pip-compile -q requirements.in\n"
    },
}


def test_run_names_the_users_index_however_deep_the_locker_is(
    world: MakeWorld, box: Environment, pip_compile: Path
) -> None:
    made = world(mirrors=0)
    tree(made)
    pip = Pip("26.3", box)
    pip.point_at(made.origin)
    box.variables |= {"PYTHON": str(box.python), "TOX": f"{sys.executable} -m tox"}
    for command, files in NESTED.items():
        if "TOX" in command and importlib.util.find_spec("tox") is None:
            continue
        for name, text in files.items():
            box.write(name, text)
        result = run(box, "sh", "-c", command).ok()
        locked = box.home / "requirements.txt"
        assert f"--index-url {made.origin}" in locked.read_text("utf-8"), result.told()
        assert loopback_ports(locked.read_text("utf-8")) == {made.pages.port}
        locked.unlink()
    # pip itself is led as ever.
    asked = len(made.pages.seen)
    run(box, "sh", "-c", " ".join(pip.command("install", "-q", "app"))).ok()
    agents = {seen.headers["user-agent"].partition("/")[0] for seen in made.pages.seen[asked:]}
    assert agents == {"headrace"}
    assert pip_compile.exists()


def test_doctor_finds_what_a_locker_wrote_of_us(
    world: MakeWorld, box: Environment, pip_compile: Path
) -> None:
    made = world(mirrors=0)
    tree(made)
    token = "token-that-nobody-may-read"
    leads = made.gateway.index.replace("http://", f"http://headrace:{token}@")
    Pip("26.3", box).point_at(leads)
    project = box.home / "project"
    project.mkdir()
    asked = (project / "requirements.in", project / "requirements.txt")
    asked[0].write_text("app\n", "utf-8")
    box.run(pip_compile, "-q", "requirements.in", cwd=project).ok()
    assert token in asked[1].read_text("utf-8"), "nothing to find"
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    every: tuple[tuple[Path, ...], ...] = ((), asked)
    for words in every:
        told = box.run(*headrace(), "doctor", "--committed", *words, cwd=project)
        assert told.code == 1, told.told()
        assert "requirements.txt:" in told.out
        assert token not in told.out + told.err
    asked[1].unlink()
    found = box.run(*headrace(), "doctor", "--committed", "--json", cwd=project).ok()
    assert [each["level"] for each in json.loads(found.out)["findings"]] == ["ok"]
