"""The door on a real bridge: reached from it, and by no other interface of this machine."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from headrace.system.service.door import Door
from lib.engines.kinds import HERE, why_not
from lib.engines.network import ADDRESS, own_network
from lib.serving.servers import RecordingServer
from lib.waiting import until

SHOWN = "Basic " + base64.b64encode(b"headrace:token").decode()
ASK = f"""
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as sock:
    sock.sendall(b"CONNECT a.example:443 HTTP/1.1\\r\\nProxy-Authorization: {SHOWN}\\r\\n\\r\\n")
    try:
        print(sock.recv(12).decode())
    except ConnectionError:
        print()
"""


@contextlib.contextmanager
def somebody(name: str, own: str, theirs: str, *, bridge: bool) -> Iterator[list[str]]:
    """Give the words that run a program on another network, with a line to this one."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    enter = ["nsenter", "-t", str(holder.pid), "-n"]
    here = ["sh", "-c", "readlink /proc/self/ns/net"]
    mine = subprocess.run(here, capture_output=True, check=True).stdout

    def elsewhere() -> bool:
        told = subprocess.run([*enter, *here], capture_output=True, check=False).stdout
        return bool(told) and told != mine

    try:
        until(elsewhere)
        pair = f"ip link add {name}0 type veth peer name {name}1 netns {holder.pid}"
        subprocess.run(pair.split(), check=True)
        line = f"ip link set {name}0 master world0" if bridge else f"ip addr add {own} dev {name}0"
        for words in (line, f"ip link set {name}0 up"):
            subprocess.run(words.split(), check=True)
        inside = [f"ip addr add {theirs} dev {name}1", f"ip link set {name}1 up"]
        inside += [] if bridge else [f"ip route add default via {own.partition('/')[0]}"]
        for words in inside:
            subprocess.run([*enter, *words.split()], check=True)
        yield [*enter, sys.executable, "-c", ASK]
    finally:
        holder.kill()
        holder.wait()


def test_the_door_is_open_to_its_bridge_and_closed_to_every_other_interface() -> None:
    if reason := why_not(HERE["podman"]):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        stack.enter_context(own_network())
        behind = stack.enter_context(RecordingServer())
        made = Door(ADDRESS, "10.199.0.0/24", ("127.0.0.1", behind.port), SHOWN, by="world0")
        stack.callback(made.close)
        other = Door(ADDRESS, "10.199.0.0/24", ("127.0.0.1", behind.port), SHOWN, by="other0")
        stack.callback(other.close)
        # Where a program of this machine connects for containers, nobody else comes in.
        rootless = Door(ADDRESS, f"{ADDRESS}/32", ("127.0.0.1", behind.port), SHOWN)
        stack.callback(rootless.close)
        on = stack.enter_context(somebody("on", "", "10.199.0.5/24", bridge=True))
        off = stack.enter_context(somebody("off", "10.201.0.1/24", "10.201.0.2/24", bridge=False))
        told = {}
        here = [sys.executable, "-c", ASK]
        for name, words, door in (
            *(("on", on, made), ("off", off, made), ("other", on, other), ("here", here, made)),
            *(("its own", here, rootless), ("a neighbour", on, rootless), ("far", off, rootless)),
        ):
            where = [door.address[0], str(door.address[1])]
            told[name] = ""
            for _ in range(20):  # a line that was just made takes a moment
                done = subprocess.run([*words, *where], capture_output=True, text=True, check=False)
                told[name] = done.stdout.strip()
                if done.returncode == 0:
                    break
                time.sleep(0.1)
            assert done.returncode == 0, done.stderr
        let_in = {name for name, answer in told.items() if answer.startswith("HTTP/1.1 ")}
        assert let_in == {"on", "its own"}
        assert not any(answer for name, answer in told.items() if name not in let_in)
