"""headrace: a real gateway process with nothing known, in front of the lab's origin."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.loopback import free_port
from benchmarks.stage import Stage

__all__ = ["Gateway", "configure", "own_program"]

_SOURCE = Path(__file__).parents[2]
_PATIENCE = 15.0
#: By ecosystem: where below the origin the index is, and how mirrors keep files; else as is usual.
_INDEX = {"python": "/simple"}
_LAYOUT = {"conda": "same-path", "docker": "registry"}
#: How the origin is named, where its ecosystem has several.
_NAME = {"docker": "/docker.io"}


class Gateway:
    """``headrace gateway`` on a stage, with a home of its own that goes when it is closed.

    `mirrors` are base URLs by id. `settings` go into its ``config.toml``. `ecosystem` is that of
    the origin and of all mirrors. `program` is the `headrace` of another environment.
    `prepare` puts into the home what is to be there when it starts. With `serve`, settings of the
    table of that name, it is ``headrace serve`` behind a proxy that nobody started, for everybody.
    `variables` are more of its environment.
    """

    def __init__(
        self,
        stage: Stage,
        origin: str,
        mirrors: Mapping[str, str],
        *,
        settings: Mapping[str, str | int | float | bool] | None = None,
        keep: Path | None = None,
        ecosystem: str = "python",
        program: str | None = None,
        prepare: Callable[[Path], None] = lambda _home: None,
        serve: Mapping[str, str | int | float | bool] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.stage = stage
        self.port = free_port()
        self.keep = keep
        """Where its log is copied at the end."""
        self.home = Path(tempfile.mkdtemp(prefix="headrace-gateway-"))
        self.log = self.home / "gateway.log"
        configure(self.home, mirrors, settings or {}, ecosystem)
        prepare(self.home)
        words = [*([program] if program else own_program())]
        if serve is None:
            words += ["gateway", "--port", str(self.port)]
        else:
            words += ["serve"]
            _configure_serve(self.home, self.port, serve)
        words += [
            "--origin",
            f"{ecosystem}{_NAME.get(ecosystem, '')}={origin}{_INDEX.get(ecosystem, '')}",
        ]
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                stage.command(words),
                env=stage.environment(
                    self.home,
                    HEADRACE_HOME=str(self.home),
                    HEADRACE_LOG=os.environ.get("HEADRACE_LOG", "info"),
                    PYTHONDONTWRITEBYTECODE="",
                    **({} if program else _source_path()),
                    **(variables or {}),
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if not self._awaited():
            told = self.log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
            self.close()
            raise RuntimeError(f"the gateway did not start: {told}")

    def _awaited(self) -> bool:
        """Ask until it answers; from the stage itself, where that is another host."""
        if self.stage.command is list:
            return answers(self.port, self.process)
        words = [sys.executable, "-m", "benchmarks.peers.headrace", str(self.port)]
        with subprocess.Popen(self.stage.command(words), cwd=_SOURCE) as asking:
            while asking.poll() is None:
                if self.process.poll() is not None:
                    asking.kill()
                time.sleep(0.01)
            return asking.returncode == 0

    @property
    def url(self) -> str:
        """Base URL, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[int]:
        """Give the process ids of the gateway and of what it has started."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                todo += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def resident(self, *, peak: bool = False) -> int:
        """Bytes of memory that its processes hold now, or have held at most."""
        word = "VmHWM:" if peak else "VmRSS:"
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(word))
        return total

    def cpu(self) -> float:
        """Seconds of processor time that its processes have used."""
        ticks = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """SIGKILL, as the system's out-of-memory killer does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Stop it and remove its home."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if self.keep is not None:
            self.keep.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.log, self.keep)
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def configure(
    home: Path,
    mirrors: Mapping[str, str],
    settings: Mapping[str, str | int | float | bool] | None = None,
    ecosystem: str = "python",
    *,
    public: str = "",
) -> None:
    """Write the settings into a home: these mirrors and no catalogue, and the `public` index."""
    lines = ["catalogue = false"]
    lines += [f"public_origins = {json.dumps([public])}"] if public else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in (settings or {}).items()]
    for name, url in mirrors.items():
        lines += ["[[mirror]]", f'id = "{name}"', f'url = "{url}"', "gives_documents = true"]
        if layout := _LAYOUT.get(ecosystem):
            lines += [f'ecosystem = "{ecosystem}"', f'layout = "{layout}"']
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text("\n".join(lines) + "\n")


def _configure_serve(
    home: Path, port: int, settings: Mapping[str, str | int | float | bool]
) -> None:
    table = {"listen": f"127.0.0.1:{port}", "behind_proxy": True, "access_log": "", "drain": 1.0}
    table |= {"drain_delay": 0.0, "downloads_per_client": 10_000}
    table |= {"advertise": f"http://127.0.0.1:{port}", **settings}
    lines = ["", "[serve]", 'anonymous = ["all"]']
    lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    with (home / "config" / "config.toml").open("a") as file:
        file.write("\n".join(lines) + "\n")


def own_program() -> list[str]:
    """Give the words that start the headrace of this environment."""
    beside = Path(sys.executable).with_name("headrace")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "headrace.cli"]


def answers(port: int, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Ask a gateway for its health every few milliseconds; False when it ends or never answers."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return True
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()
    return False


def _source_path() -> dict[str, str]:
    path = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": path} if path else {}


if __name__ == "__main__":
    sys.exit(0 if answers(int(sys.argv[1])) else 1)
