"""`headrace serve` as a subprocess, over TLS or behind a proxy."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.gateway import Gateway
from lib.serving.certificates import authority
from lib.waiting import HANG
from lib.world import World

__all__ = ["Served", "served_for"]


class Served(Gateway):
    """`headrace serve` between a test's origin and its clients. A context manager."""

    def __init__(
        self,
        root: Path,
        *,
        serve: Mapping[str, Any] | None = None,
        tls: bool = True,
        **rest: Any,
    ) -> None:
        """`serve` are settings below ``[serve]``; without `tls` it is behind a proxy."""
        super().__init__(root, **rest)
        self.tls = tls
        self.authority: Path | None = None
        self.tokens = root / "tokens.toml"
        table = {"listen": f"127.0.0.1:{self.port}", "drain_delay": 0.0, **(serve or {})}
        if tls:
            made = authority(root / "tls")
            self.authority = made.certificate
            table |= {
                "certificate": str(root / "tls" / "server.pem"),
                "key": str(root / "tls" / "server.key"),
            }
        else:
            table |= {"behind_proxy": True}
        table.setdefault("tokens", str(self.tokens))
        self.tokens.touch(0o600)
        path = root / "config" / "config.toml"
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        text = path.read_text("utf-8")
        path.write_text(text + "\n".join(["", "[serve]", *lines, ""]), "utf-8")

    def words(self) -> list[str]:
        """Give the command; where it listens is in its settings."""
        return ["serve"]

    @property
    def url(self) -> str:
        """Base URL without a final slash."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    def token(self, name: str, *words: str) -> str:
        """Draw a token, as whoever runs it does."""
        command = [*self.command, "fleet", "token", name, "--file", str(self.tokens), "--json"]
        told = subprocess.run([*command, *words], env=self.env, check=True, capture_output=True)
        return str(json.loads(told.stdout)["token"])

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        timeout: float = HANG,
        context: ssl.SSLContext | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask it something: status, headers with lower-case names, body."""
        connection: http.client.HTTPConnection
        if self.tls:
            context = context or ssl.create_default_context(cafile=str(self.authority))
            connection = http.client.HTTPSConnection(
                "localhost", self.port, timeout=timeout, context=context
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def logged(self) -> Sequence[dict[str, Any]]:
        """Give every line of its log, which are JSON without exception."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def answers(self) -> Sequence[dict[str, Any]]:
        """Give the lines of its access log."""
        return [each for each in self.logged() if each.get("event.dataset") == "headrace.access"]


def served_for(world: World, name: str = "served", **rest: Any) -> Served:
    """Make one for a world's origin and mirrors; not started."""
    return Served(
        world.root / name,
        origins=[world.origin],
        mirrors=world.described,
        settings=world.settings,
        env=world.env,
        named=world.named,
        **rest,
    )
