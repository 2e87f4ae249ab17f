"""The real gateway as a subprocess, with folders of its own and no setting from this machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lib.serving.ports import free_port
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

__all__ = ["AS_SYSTEMD", "Gateway", "TestMirror", "free_port", "headrace", "mirror_of"]


#: How systemd hands over a socket (sd_listen_fds(3)): who was started becomes the unit itself.
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class TestMirror:
    """One `[[mirror]]` table of the settings file."""

    __test__ = False  # a value, not a test

    id: str
    url: str
    layout: str = "packages"
    gives_documents: bool = False
    connections: int = 4
    rank: int = 0
    ecosystem: str = "python"
    login: bool = False


def headrace() -> list[str]:
    """Give the command line's first words: the console script of the interpreter in use."""
    script = Path(sys.executable).with_name("headrace.exe" if os.name == "nt" else "headrace")
    return [str(script)] if script.exists() else [sys.executable, "-m", "headrace.cli"]


class Gateway:
    """`headrace gateway` between a test's origin and its client. A context manager."""

    held = False
    """Whether a holder keeps it up, so that `worker` may be killed."""

    def __init__(
        self,
        root: Path,
        *,
        origins: Sequence[str] = (),
        mirrors: Sequence[TestMirror] = (),
        settings: Mapping[str, str | int | float | bool] | None = None,
        env: Mapping[str, str] | None = None,
        ecosystem: str = "python",
        named: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        """`root` is its HEADRACE_HOME; `origins` are URLs, `named` more of them by their names;
        `settings` go into config.toml; `port` 0 takes a free one.
        """
        self.root = root
        self.port = port or free_port()
        self.command = headrace()
        """The command line's first words; those of another environment may stand here."""
        self.origins = [f"{ecosystem}={url}" for url in origins]
        self.origins += [f"{ecosystem}/{name}={url}" for name, url in (named or {}).items()]
        self.log = root / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._listening: socket.socket | None = None
        home = root / "home"
        home.mkdir(parents=True, exist_ok=True)
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "HEADRACE_HOME": str(root),
            "HEADRACE_LOG": "info",
            "PYTHONFAULTHANDLER": "1",
            "LANG": "C.UTF-8",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
            **(env or {}),
        }
        self.configure(mirrors, settings)

    def configure(
        self,
        mirrors: Sequence[TestMirror],
        settings: Mapping[str, str | int | float | bool] | None = None,
    ) -> None:
        """Write config.toml; the shipped catalogue is off."""
        lines = ["catalogue = false"]
        # JSON's strings, numbers and booleans are TOML's too.
        lines += [f"{key} = {json.dumps(value)}" for key, value in (settings or {}).items()]
        for mirror in mirrors:
            lines += ["", "[[mirror]]", f"id = {json.dumps(mirror.id)}"]
            lines += [f"url = {json.dumps(mirror.url)}", f"layout = {json.dumps(mirror.layout)}"]
            lines += [f"gives_documents = {json.dumps(mirror.gives_documents)}"]
            lines += [f"connections = {mirror.connections}", f"rank = {mirror.rank}"]
            lines += [f"ecosystem = {json.dumps(mirror.ecosystem)}"]
            lines += [f"login = {json.dumps(mirror.login)}"]
        path = self.root / "config" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", "utf-8")

    # -------------------------------------------------------------- life

    def hold_port(self) -> None:
        """Listen in its place, as a service manager does: who connects while it is not there waits
        for it. To be called before `start`.
        """
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=64)

    def words(self) -> list[str]:
        """Give what is started: the command, and where it listens."""
        return ["gateway", "--port", str(self.port), *(["--hold"] if self.held else [])]

    def start(self) -> Self:
        """Start it and wait until it answers."""
        command = [*self.command, *self.words()]
        held = () if self._listening is None else (self._listening.fileno(),)
        if held:
            command = [sys.executable, "-c", AS_SYSTEMD, str(held[0]), *command]
        for origin in self.origins:
            command += ["--origin", origin]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.env,
                cwd=self.root,
                pass_fds=held,
            )
        process = self.process

        def answers() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"gateway did not start ({process.poll()}):\n{self.told()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.get("/healthz")[0] == 200
            return False

        try:
            until(answers, self.told)
        except AssertionError:
            self.close()
            raise
        return self

    def worker(self) -> int:
        """Give the pid of the one that answers under a holder; waits until there is one."""

        def found() -> int:
            with contextlib.suppress(OSError, IndexError, ValueError):
                lock = self.root / "state" / "gateway.lock"
                return int(lock.read_text("ascii").splitlines()[1].split()[0])
            return 0

        return until(found, self.told)

    def kill(self) -> None:
        """SIGKILL, as the system's out-of-memory killer does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> int | None:
        """Ask it to stop; give its exit status."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(HANG)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if self._listening is not None:
            self._listening.close()
        if error is not None:
            print(self.told())  # noqa: T201 - pytest shows it with the failure

    # -------------------------------------------------------------- talk

    @property
    def url(self) -> str:
        """Base URL without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def index(self) -> str:
        """What an installer is given."""
        return f"{self.url}/simple/"

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        timeout: float = HANG,
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask it something: status, headers with lower-case names, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """Give what `/status` says."""
        found: dict[str, Any] = json.loads(self.get("/status", {"Accept": "application/json"})[2])
        return found

    def told(self) -> str:
        """Give the end of its log."""
        try:
            return self.log.read_text("utf-8", "replace")[-12000:]
        except OSError:
            return "(no log)"


def mirror_of(server: RecordingServer, base: str = "", **rest: Any) -> TestMirror:
    """Describe a recording server as a mirror, by its own name."""
    return TestMirror(server.name, base or server.url, **rest)
