"""What is not installed is not looked for at every request."""

from __future__ import annotations

import subprocess
import sys

from headrace.upstream.client import Client

PROGRAM = """
import asyncio
import sys
sys.path[:0] = {path!r}

class Watching:
    asked = []
    def find_spec(self, name, path=None, target=None):
        self.asked.append(name)

from headrace.upstream.client import Client
Client({{}})
from httpcore._synchronization import AsyncLock
sys.meta_path.insert(0, Watching())

async def lock():
    # Where the library is installed after all, it wants to be asked within a loop.
    for _ in range(5):
        made = AsyncLock()
        made.setup()
    return made._backend

backend = asyncio.run(lock())
print(Watching.asked.count("sniffio"), backend)
"""


def test_a_lock_of_the_client_looks_through_no_path() -> None:
    program = PROGRAM.format(path=[each for each in sys.path if each])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 asyncio\n"


def test_the_client_is_made_as_often_as_anybody_likes() -> None:
    for _ in range(2):
        Client({})
