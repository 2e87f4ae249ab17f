"""What the version before left on a machine goes on working: its journal, units, pages and store.

The hosts in it answer nobody (RFC 2606), so whatever is given here was read from that state.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import plistlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lib import older_state, wheels
from lib.clients import PIPS, Environment, Pip, Result
from lib.engines import small_daemon
from lib.gateway import AS_SYSTEMD, Gateway, headrace
from lib.holders import living
from lib.older_state import APP, MANIFEST, PACKAGE, REPODATA, TOKEN, OlderState
from lib.waiting import until
from lib.world import MakeWorld

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the state is one of Linux; elsewhere the folders are others"
)

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$HOME/systemctl.log"
[ "$2" != is-system-running ] || echo offline
"""


class Machine:
    """Somebody's home with that state in it, and the headrace of now."""

    def __init__(self, root: Path) -> None:
        self.environment = Environment(root)
        self.older = OlderState(self.environment.home).lay()
        # The systemd of this machine knows nothing of these units, and is not to hear of them.
        program = self.environment.scripts / "systemctl"
        program.write_text(SYSTEMCTL)
        program.chmod(0o755)
        (self.environment.home / "systemctl.log").touch()

    def run(self, *words: str | Path, **env: str) -> Result:
        return self.environment.run(*words, env=env, timeout=300)

    def headrace(self, *words: str) -> Result:
        return self.run(*headrace(), *words)

    def told_systemd(self) -> list[str]:
        return (self.environment.home / "systemctl.log").read_text().splitlines()

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Ask the worker; the holder answers in its place while it starts, however long that is."""
        until(lambda: b'"redirecting"' not in self._ask("/healthz")[2], self.said)
        return self._ask(path, **headers)

    def _ask(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.older.port)
        shown = b64encode(f"headrace:{TOKEN}".encode()).decode()
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {shown}", **headers})
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/status")[2])
        return found

    @contextlib.contextmanager
    def running(self, words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a unit's command as systemd does: with the socket, and who it is for."""
        with socket.socket() as listener, self.log.open("ab") as log:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.older.port))
            listener.listen(64)
            process = subprocess.Popen(
                [sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()), *words],
                env=self.environment.variables,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(listener.fileno(),),
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait()

    @property
    def log(self) -> Path:
        return self.environment.root / "unit.log"

    def said(self) -> str:
        """What came out of the units, for a failing test."""
        logs = (self.log, self.older.state / "gateway.log")
        return "".join(each.read_text("utf-8", "replace") for each in logs if each.exists())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "user")
    try:
        yield made
    finally:
        made.headrace("gateway", "--stop")
        print(made.said())  # noqa: T201 - pytest shows it with the failure
    while living(str(tmp_path)):
        time.sleep(0.05)


def commands(older: OlderState) -> dict[str, list[str]]:
    """Give the command lines that the older version left with those who keep a gateway up."""
    unit = older.home / ".config/systemd/user/headrace.service"
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    job = plistlib.loads(older.text("launchd.plist").encode())
    task = ET.fromstring(older.text("gateway-task.xml").partition("?>")[2])
    (arguments,) = [each.text or "" for each in task.iter() if each.tag.endswith("Arguments")]
    return {
        "systemd": shlex.split(line),
        "launchd": job["ProgramArguments"],
        "windows": shlex.split(arguments),
    }


def assert_serves_python(machine: Machine) -> None:
    """The kept page and its file are given."""
    status, headers, body = machine.get(
        "/simple/app/", Accept="application/vnd.pypi.simple.v1+json"
    )
    assert status == 200, (status, headers, machine.said())
    (file,) = json.loads(body)["files"]
    assert file["hashes"]["sha256"] == APP.sha256
    status, headers, body = machine.get(file["url"])
    assert (status, body == APP.data) == (200, True), (status, headers)


def assert_serves(machine: Machine) -> None:
    """All that was kept is given, though no upstream can be asked."""
    assert_serves_python(machine)
    status, headers, body = machine.get("/conda/conda.example/conda-forge/noarch/repodata.json")
    assert (status, body) == (200, REPODATA)
    status, headers, body = machine.get("/conda/conda.example/conda-forge/noarch/alpha-1.0-0.conda")
    assert (status, body == PACKAGE) == (200, True), (status, headers)

    kind = "application/vnd.oci.image.manifest.v1+json"
    status, headers, body = machine.get(
        "/v2/team/app/manifests/1.0?ns=registry.example", Accept=kind
    )
    assert (status, body, headers.get("content-type")) == (200, MANIFEST, kind)
    assert headers["docker-content-digest"] == f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"

    transfers = machine.status()["transfers"]
    assert (transfers["finished"], transfers["from_store"]) == (0, 3)


def test_status_reads_what_the_version_before_recorded(machine: Machine) -> None:
    table = json.loads(machine.headrace("status", "--json").out)
    gateway = table["gateway"]
    assert (gateway["host"], gateway["port"]) == ("127.0.0.1", machine.older.port)
    assert (gateway["kept_up_by"], gateway["up"]) == ("systemd", False)
    assert [(o["ecosystem"], o["name"], o["url"], o["private"]) for o in table["origins"]] == [
        ("conda", "conda.example", "https://conda.example", False),
        ("docker", "registry.example", "https://registry.example", False),
        ("python", "default", "https://index.example/simple", True),
        ("python", "company", "https://company.example/simple", True),
    ]
    assert "of-a-test" not in json.dumps(table)
    tools = {row["tool"]: row for row in table["tools"]}
    assert {name for name, row in tools.items() if row["state"] == "routed"} >= {"pip", "uv"}
    listed = {path for row in tools.values() for path in row["files"]}
    written = {str(path) for path in machine.older.routed}
    kept_up = {path for path in written if "/systemd/" in path or "/keeper/" in path}
    assert listed == written - kept_up


def test_off_gives_back_every_file_that_the_version_before_changed(machine: Machine) -> None:
    older = machine.older
    with small_daemon.running(older.home / "engine") as engine:
        assert engine.mirrors() == [f"http://127.0.0.1:{older.port}/"]
        table = json.loads(machine.headrace("off", "--json").ok().out)
        assert engine.mirrors() == []
    assert (table["kept"], table["merged"], table["trouble"]) == ([], [], [])
    assert table["told"] == [small_daemon.NAME]
    gone = {path for path in older.routed if path not in older.before}
    assert [path for path in gone if path.exists()] == []
    files = older.files()
    assert {path: files.get(path) for path in older.before} == older.before
    for folder in (".conda", ".config/pdm", ".config/rattler", ".config/systemd"):
        assert not (older.home / folder).exists()
    assert "--user disable --now headrace.socket" in machine.told_systemd()
    for name in ("journal", "gateway.json", "origins.json", "network.json", "token"):
        assert not (older.state / name).exists(), name


def test_an_on_of_before_that_was_killed_half_way_is_taken_back(machine: Machine) -> None:
    machine.older.interrupt()
    machine.headrace("off").ok()
    files = machine.older.files()
    assert {path: files.get(path) for path in machine.older.before} == machine.older.before
    gone = {path for path in machine.older.routed if path not in machine.older.before}
    assert [path for path in gone if path.exists()] == []


def test_what_the_user_changed_since_stays_when_the_lines_of_before_go(machine: Machine) -> None:
    older = machine.older
    conf = older.home / ".config/pip/pip.conf"
    conf.write_bytes(older.routed[conf].replace(b"timeout = 20", b"timeout = 60"))
    table = json.loads(machine.headrace("off", "--json").ok().out)
    assert table["merged"] == [str(conf)]
    assert conf.read_bytes() == older.before[conf][0].replace(b"timeout = 20", b"timeout = 60")


def test_on_takes_over_and_off_still_gives_back_what_was_there_first(machine: Machine) -> None:
    older, environment = machine.older, machine.environment
    pip = Pip(PIPS[-1], environment)
    program = environment.scripts / "pip"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(pip.command())} "$@"\n')
    program.chmod(0o755)
    table = json.loads(machine.headrace("on", "--json").out)
    assert table["gateway"]["port"] == older.port, table
    assert_serves_python(machine)
    assert not (older.home / ".config/systemd").exists()  # here is no systemd that would read it
    machine.headrace("off").ok()
    files = older.files()
    assert {path: files.get(path) for path in older.before} == older.before
    assert [path for path in older.routed if path not in older.before and path.exists()] == []


def test_a_unit_of_before_starts_the_gateway_and_what_was_kept_is_served(machine: Machine) -> None:
    with machine.running(commands(machine.older)["systemd"]):
        assert_serves(machine)
        assert json.loads(machine.headrace("status", "--json").out)["gateway"]["up"]
        # What the holder of before says and hears, the worker of now understands.
        first = machine.status()["pid"]
        os.kill(first, signal.SIGKILL)
        while Path(f"/proc/{first}").exists():
            time.sleep(0.01)
        assert machine.status()["pid"] != first
        machine.headrace("gateway", "--stop").ok()


@pytest.mark.parametrize("manager", ["launchd", "windows"])
def test_a_service_manager_of_before_starts_a_worker_of_now(machine: Machine, manager: str) -> None:
    words = commands(machine.older)[manager]
    with machine.running(words[words.index("--") + 1 :]):
        assert_serves(machine)


def test_what_was_learned_is_known(machine: Machine, tmp_path: Path) -> None:
    """Which network this is only a gateway can say: one without a past learns first."""
    with Gateway(tmp_path / "new", origins=["http://127.0.0.1:9/simple"]) as new:
        new.get("/simple/app/")
    networks = {network for network, _, _ in older_state.learned(tmp_path / "new" / "state")}
    machine.older.keep_statistics(networks.pop())
    with machine.running(commands(machine.older)["systemd"]):
        sources = {(row["source"], row["class"]): row for row in machine.status()["sources"]}
    assert sources["near", "wheel"]["rate"] == pytest.approx(4e6)
    assert sources["origin", "document"]["rtt"] == pytest.approx(0.125)


def test_a_download_that_was_cut_short_goes_on_where_it_was(world: MakeWorld) -> None:
    made = world(mirrors=0)
    built = wheels.wheel("large", "1.0", size=6_000_000)
    file = made.index.add(built)
    there = 4_000_000
    older_state.keep_part(made.root / "gateway" / "cache", built.data, there)
    made.gateway.get("/simple/large/")
    assert made.gateway.get(file.path)[2] == built.data
    assert made.files.bytes_sent("*.whl") == len(built.data) - there


def test_conda_still_wakes_the_gateway_with_the_command_that_it_has(machine: Machine) -> None:
    drop_in = (machine.older.home / ".conda/condarc.d/headrace.yml").read_text("utf-8")
    words = [json.loads(word) for word in re.findall(r"^    - (\".*\")$", drop_in, re.MULTILINE)]
    assert words[1:] == ["-m", "headrace.cli"]
    machine.run(*words, "gateway", "--detach", "--port", str(machine.older.port)).ok()
    assert_serves(machine)


def test_programs_that_name_the_keyring_backend_get_their_secrets(machine: Machine) -> None:
    backend = "headrace_pip.keyring_backend.HeadraceKeyring"
    for url, user, secret in (
        (f"http://127.0.0.1:{machine.older.port}/simple/", "headrace", TOKEN),
        ("https://company.example/simple/app/", "builder", "of-a-test"),
    ):
        result = machine.run(
            sys.executable, "-m", "keyring", "get", url, user, PYTHON_KEYRING_BACKEND=backend
        ).ok()
        assert result.out.strip() == secret


def test_a_copy_of_the_credential_helpers_script_still_passes_on(machine: Machine) -> None:
    """Somebody put it into a folder of the PATH; docker takes logins away when it fails."""
    before = machine.environment.scripts / "docker-credential-pass"
    before.write_text('#!/bin/sh\necho "{}: $1"\n')
    before.chmod(0o755)
    script = "from headrace_docker.credential_helper import main; main()"
    assert machine.run(sys.executable, "-c", script, "list").ok().out == "{}: list\n"


def test_every_setting_of_before_is_a_setting(machine: Machine) -> None:
    found = json.loads(machine.headrace("doctor", "--json").out)
    rows = found["findings"] if isinstance(found, dict) else found
    # Two of its mirrors are in no catalogue any more, which is told and stops nobody.
    told = [row for row in rows if row["check"] == "settings"]
    assert [row["level"] for row in told] == ["warning", "warning"], rows
    assert all("_mirrors must be ids of mirrors that are known" in row["text"] for row in told)
