"""A real S3 server, which a test can stop, slow down and look into."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import obstore
from obstore.store import S3Store

from lib.serving.ports import free_port
from lib.waiting import HANG, until

__all__ = ["KEYS", "ObjectStore"]

KEYS = {
    "AWS_ACCESS_KEY_ID": "fleet",
    "AWS_SECRET_ACCESS_KEY": "hunter2-of-the-bucket",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
"""What a replica finds in its environment."""


@dataclass(slots=True)
class ObjectStore:
    """moto's server, with one bucket. A context manager."""

    root: Path
    port: int = 0
    bucket: str = "fleet-files"
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.port = self.port or free_port()
        return self.start()

    def start(self) -> Self:
        """Start it; what it held before is gone."""
        self.root.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).with_name("moto_server")
        words = [str(program)] if program.exists() else [sys.executable, "-m", "moto.server"]
        with (self.root / "s3.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*words, "-H", "127.0.0.1", "-p", str(self.port)], stdout=log, stderr=log
            )
        until(self._answers, lambda: (self.root / "s3.log").read_text("utf-8")[-3000:])
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(Exception):
            self._make()
            return True
        return False

    def _make(self) -> None:
        import http.client  # noqa: PLC0415

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG)
        with contextlib.closing(connection):
            authorization = (
                "AWS4-HMAC-SHA256 Credential=fleet/20200101/us-east-1/s3/aws4_request, "
                "SignedHeaders=host, Signature=0"
            )
            connection.request("PUT", f"/{self.bucket}", headers={"Authorization": authorization})
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 409), answer.status

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
    def env(self) -> dict[str, str]:
        """What a replica's environment has."""
        return {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    @property
    def url(self) -> str:
        """What `serve.store` says."""
        return f"s3://{self.bucket}/lab"

    def look(self) -> S3Store:
        """Give a way into the bucket, below the same prefix, for the test itself."""
        return S3Store(
            self.bucket,
            prefix="lab",
            endpoint=f"http://127.0.0.1:{self.port}",
            access_key_id="fleet",
            secret_access_key="x",
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def listed(self) -> Sequence[str]:
        """List what is in it."""
        found: list[str] = []
        for batch in obstore.list(self.look()):
            found += [str(each["path"]) for each in batch]
        return sorted(found)

    def change(self, key: str, content: bytes) -> None:
        """Put other bytes in an object's place."""
        obstore.put(self.look(), key, content)

    def content(self, key: str) -> bytes:
        """Read an object."""
        return bytes(obstore.get(self.look(), key).bytes())


@contextlib.contextmanager
def paused(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Have it stand still for a while (SIGSTOP): it takes connections and says nothing."""
    import signal  # noqa: PLC0415

    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
        time.sleep(0)
