"""Another user of the machine, while a command is led: no way through its proxy, no look at its
files, its environment or its authority's key. Two real users: root, who is led, and one more.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from lib import wheels
from lib.gateway import free_port, headrace
from lib.hostile.users import MALLORY, needs_two_users
from lib.serving.certificates import authority
from lib.world import make_world

ROOT = 0
#: Tells its environment, and stays until its input ends.
_LED = """
import json, os, sys
print(json.dumps(dict(os.environ)), flush=True)
sys.stdin.read()
"""
#: Reads what it can of the files that are named to it, and asks the proxy in some ways.
_LOOKING = """
import json, os, socket, sys
asked = json.load(sys.stdin)
# Nothing has to be imported any more: another user may not read the interpreter's folder.
os.setgroups([]); os.setgid(asked["uid"]); os.setuid(asked["uid"])
seen, answers = {}, []
for path in asked["paths"]:
    try:
        with open(path, "rb") as file:
            seen[path] = file.read().decode("latin-1")
    except OSError:
        pass
for request in asked["requests"]:
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", asked["port"]))
        sock.sendall(request.encode())
        answer = b""
        # To its end; a tunnel that is there has none.
        while b"Connection established" not in answer and (part := sock.recv(65536)):
            answer += part
        answers.append(answer.decode("latin-1"))
print(json.dumps([seen, answers]))
"""


@dataclass(slots=True)
class Led:
    """A command of root's, as it is led."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    home: Path
    there: str
    """Where it may go: host and port."""

    @property
    def token(self) -> str:
        """The proxy's."""
        return urlsplit(self.environment["HTTPS_PROXY"]).password or ""

    def looked_at(
        self, uid: int, paths: list[Path], *requests: str
    ) -> tuple[dict[str, str], list[str]]:
        """Have somebody read files, and say something to the proxy."""
        port = urlsplit(self.environment["HTTPS_PROXY"]).port
        asked = {"paths": [*map(str, paths)], "requests": requests, "port": port, "uid": uid}
        words = [sys.executable, "-I", "-S", "-c", _LOOKING]
        done = subprocess.run(
            words, input=json.dumps(asked), capture_output=True, text=True, check=True, cwd="/"
        )
        seen, answers = json.loads(done.stdout)
        return seen, answers

    def pids(self) -> list[int]:
        """Give the command's, and those of headrace for it: whatever names its folder."""
        mine = str(self.home).encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mine in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def connecting(self, token: str | None) -> str:
        """Write a request for a tunnel."""
        pair = base64.b64encode(f"headrace:{token}".encode()).decode()
        shown = "" if token is None else f"Proxy-Authorization: Basic {pair}\r\n"
        return f"CONNECT {self.there} HTTP/1.1\r\nHost: {self.there}\r\n{shown}\r\n"


@pytest.fixture(scope="module")
def led() -> Iterator[Led]:
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="led-")))
        root.chmod(0o755)
        company = authority(root / "authority")
        world = make_world(root, stack, tls=company.server, mirrors=0)
        world.index.add(wheels.wheel("pip", "1.0"))
        home = root / "home"
        (home / "headrace" / "config").mkdir(parents=True)
        settings = home / "headrace" / "config" / "config.toml"
        settings.write_text(f'catalogue = false\norigins = ["python={world.origin}"]\n')
        process = subprocess.Popen(
            [*headrace(), "run", "--quiet", "--", "env", sys.executable, "-c", _LED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=home,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(home),
                "HEADRACE_HOME": str(home / "headrace"),
                "HEADRACE_PORT": str(free_port()),
                "HEADRACE_CONDA_BASE": str(home / "no-conda"),
                "SSL_CERT_FILE": str(company.certificate),
            },
        )
        with process:
            assert process.stdout is not None
            assert process.stdin is not None
            told = json.loads(process.stdout.readline())
            yield Led(process, told, home, f"127.0.0.1:{world.pages.port}")
            process.stdin.close()


@needs_two_users
def test_nothing_of_a_led_command_can_be_read(led: Led) -> None:
    files = [path for path in led.home.rglob("*") if path.is_file()]
    # The environment of the command and of all that it belongs to.
    names = [Path(f"/proc/{pid}/{name}") for pid in led.pids() for name in ("environ", "cmdline")]
    mine, _ = led.looked_at(ROOT, [*files, *names])
    secrets = (led.token, "PRIVATE KEY")
    # Both are there for their user: what is looked for can be found.
    for secret in secrets:
        assert any(secret in text for text in mine.values()), secret
    others, _ = led.looked_at(MALLORY, [*files, *names])
    assert not [path for path, text in others.items() for secret in secrets if secret in text]
    run = led.home / "headrace" / "state" / "run"
    assert not [path for path in others if Path(path).is_relative_to(run)]
    assert any(path.endswith("/cmdline") for path in others)


@needs_two_users
def test_nobody_else_is_led_through_the_proxy_nor_begins_to_be(led: Led) -> None:
    _, (there,) = led.looked_at(ROOT, [], led.connecting(led.token))
    assert there.startswith("HTTP/1.1 200 ")
    guesses = [led.connecting(token) for token in (None, "", "headrace", led.token[:-1])]
    _, answers = led.looked_at(MALLORY, [], *guesses)
    assert [answer.split(" ")[1] for answer in answers] == ["407"] * len(guesses)
    asked = json.dumps({"runners": "/proc/self/cmdline", "alone": [], "environment": {}})
    host = urlsplit(led.environment["HTTPS_PROXY"]).netloc.rpartition("@")[2]
    query = urlencode({"asked": asked})
    begin = f"GET /interception?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    for uid, given in ((ROOT, True), (MALLORY, False)):
        _, (answer,) = led.looked_at(uid, [], begin)
        assert ('"token"' in answer) is given, (uid, answer)
