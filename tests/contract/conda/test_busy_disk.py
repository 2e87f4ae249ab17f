"""A disk that is slow to take bytes costs time, never the download."""

from __future__ import annotations

import http.client
import os
from pathlib import Path

from lib.conda.channels import SHARDS
from lib.conda.world import MakeWorld, World, large
from lib.waiting import HANG

_BUSY = """
import itertools, time
try:
    from headrace.system.storage.store import Partial
except ImportError:
    pass
else:
    write, turns = Partial.write, itertools.cycle((0.03, 0.03, 0.4))

    def slowly(self, offset, data):
        time.sleep(next(turns))
        write(self, offset, data)

    Partial.write = slowly
"""


def busy_disk(folder: Path) -> dict[str, str]:
    """Give the environment of a gateway whose disk takes its time for every write."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_BUSY, "utf-8")
    known = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), known)))}


def read(world: World) -> tuple[bytes, bool]:
    """Read the package: its bytes, and whether it ended well."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=HANG)
    try:
        connection.request("GET", f"{world.at_gateway}/{large().path}")
        answer = connection.getresponse()
        try:
            return answer.read(), True
        except http.client.IncompleteRead as error:
            return error.partial, False
    finally:
        connection.close()


def test_busy_disk_does_not_hold_a_download_up_for_ever(world: MakeWorld, tmp_path: Path) -> None:
    made = world(large(), origin_rate=24 << 20, env=busy_disk(tmp_path / "busy"))
    made.kept(f"noarch/{SHARDS}")
    got, whole = read(made)
    assert whole, (len(got), len(large().data), made.gateway.told())
    assert got == large().data
