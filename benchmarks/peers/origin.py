"""An origin that can be killed and counted: nginx, before a corpus, for as long as a case runs."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.corpus import Tree
from benchmarks.lab.faults import LabFault
from benchmarks.lab.nginx import Nginx
from benchmarks.loopback import free_port
from benchmarks.stage import scratch

__all__ = ["Origin", "origin"]


class Origin:
    """One nginx, at a port of its own."""

    def __init__(self, folder: Path, tree: Tree, rate: int, extra: str) -> None:
        self.port = free_port()
        self.nginx = Nginx(
            folder / "nginx",
            tree.root,
            tree.wrong,
            listen=f"127.0.0.1:{self.port}",
            rate=rate,
            extra=extra,
        )

    @property
    def url(self) -> str:
        """Base URL, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    def given(self) -> Counter[str]:
        """Give the bytes that went out, by path."""
        log, found = self.nginx.state / "access.log", Counter[str]()
        for line in log.read_text().splitlines() if log.exists() else ():
            fields = line.split(" ")
            if fields[3] in {"200", "206", "499"}:
                found[fields[2]] += int(fields[4])
        return found

    def forget(self) -> None:
        """Count from here on."""
        with (
            contextlib.suppress(FileNotFoundError),
            (self.nginx.state / "access.log").open("r+") as f,
        ):
            f.truncate()

    def kill(self) -> None:
        """Be gone: connections are cut, new ones refused."""
        self.nginx.fail(LabFault.REFUSE)

    def restart(self) -> None:
        """Be there again."""
        self.nginx.restore()


@contextlib.contextmanager
def origin(tree: Tree, *, rate: int = 0, extra: str = "") -> Iterator[Origin]:
    """Serve a corpus; `rate` limits each connection, `extra` goes into nginx' server block."""
    with scratch() as folder:
        made = Origin(folder, tree, rate, extra)
        try:
            yield made
        finally:
            made.nginx.close()
