"""A real Redis or Valkey, which a test can kill, stop and look into."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import valkey

from lib.capabilities import lacks
from lib.serving.ports import free_port
from lib.waiting import HANG, until

__all__ = ["StateServer"]


@dataclass(slots=True)
class StateServer:
    """One server on loopback. A context manager."""

    root: Path
    password: str = ""
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        return self.start()

    def start(self) -> Self:
        """Start it, empty; skip without one."""
        path = os.environ.get("PATH", os.defpath) + ":/usr/bin"
        program = next(
            filter(
                None, (shutil.which(f"{name}-server", path=path) for name in ("valkey", "redis"))
            ),
            None,
        )
        if program is None:
            pytest.skip(
                lacks("programs", "neither valkey-server nor redis-server is installed here")
            )
        words = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        words += ["--dir", str(self.root)]
        words += ["--requirepass", self.password] if self.password else []
        with (self.root / "state.log").open("ab") as log:
            self.process = subprocess.Popen([program, *words], stdout=log, stderr=log)

        def answers() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            return False

        until(answers, lambda: (self.root / "state.log").read_text("utf-8")[-2000:])
        return self

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(HANG)
            self.process = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """What `serve.shared_state` says."""
        user = f":{self.password}@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def look(self) -> Any:
        """Give a client of the test's own."""
        return valkey.Valkey(port=self.port, password=self.password or None)

    def leases(self) -> dict[str, bytes]:
        """Give every lease that is held."""
        client = self.look()
        found = {key.decode(): client.get(key) for key in client.keys("headrace:*:lease:*")}
        return {key: value for key, value in found.items() if value is not None}
