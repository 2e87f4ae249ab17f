"""`headrace node-agent` on a node with a real containerd, a real registry and a real
`headrace serve`: pulls come through the fleet, and every file is given back, however it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.engines.lab import EngineLab, lab, needs
from lib.gateway import headrace
from lib.images.content import image
from lib.images.official_registry import HOSTS, Hub, start
from lib.serving.certificates import authority
from lib.waiting import HANG, until

pytestmark = needs("containerd", "ctr", "docker-registry", "skopeo", "openssl")

CERTS = "/etc/containerd/certs.d"
FLEET = "headrace.lab.example"
PORT = 18443
URL = f"https://{FLEET}:{PORT}"
HOST = "/run/host"
#: A mirror that the node's owner has set, with his own words.
HIS = (
    '# mine\nserver = "https://ghcr.io"\n\n[host."http://127.0.0.1:9"]\n  capabilities = ["pull"]\n'
)
SERVE = """\
catalogue = false

[serve]
listen = "127.0.0.1:{port}"
certificate = "{root}/fleet/server.pem"
key = "{root}/fleet/server.key"
networks = ["127.0.0.0/8"]
drain_delay = 0.0
"""


class Node:
    """A node of a cluster: containerd, and the agent's pod, which sees the node's root mounted."""

    def __init__(self, machine: EngineLab) -> None:
        self.machine = machine
        root = machine.root
        self.hub: Hub = start(machine)
        machine.put(
            "/etc/hosts", "".join(f"127.0.0.1 {each}\n" for each in ("localhost", FLEET, *HOSTS))
        )
        self.authority = authority(root / "fleet", FLEET).certificate
        machine.put("headrace/config/config.toml", SERVE.format(port=PORT, root=root))
        machine.put(f"{CERTS}/ghcr.io/hosts.toml", HIS)
        machine.put("/etc/containers/mine.conf", "# CRI-O's\n")
        machine.put("/etc/rancher/k3s/registries.yaml", "# k3s'\nmirrors:\n")
        words = ("--root", root / "data", "--address", root / "c.sock", "--state", root / "state")
        machine.start("containerd", *words)
        machine.wait("ctr", "-a", root / "c.sock", "version")
        machine.run("mkdir", "-p", HOST)
        machine.run("mount", "--rbind", "/", HOST)
        self.fleet: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Start the fleet's one replica."""
        origin = "docker/docker.io=https://registry-1.docker.io"
        self.fleet = self.machine.start(*headrace(), "serve", "--origin", origin)
        self.machine.wait("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}")

    def end_fleet(self) -> None:
        """Kill it."""
        assert self.fleet is not None
        ended(self.fleet, signal.SIGKILL)

    def agent(self, *words: object) -> subprocess.Popen[bytes]:
        """Start an agent, as its DaemonSet does."""
        return self.machine.start(*self.command(*words))

    def command(self, *words: object) -> list[object]:
        """Give the agent's command."""
        state = ("--root", HOST, "--state", self.machine.root / "node")
        told = ("--fleet", URL, "--ca", self.authority, "--interval", 1)
        return [*headrace(), "node-agent", *state, *told, *words]

    def hosts(self, registry: str = "docker.io") -> str:
        """Return a registry's hosts.toml."""
        return self.text(f"{CERTS}/{registry}/hosts.toml")

    def text(self, path: str) -> str:
        """Return a file of the node's; empty where there is none."""
        return self.machine.run("cat", path, check=False).stdout

    def leads(self) -> bool:
        """Whether the node's files lead to the fleet: all of them, of which k3s' are the last."""
        return URL in self.hosts() and URL in self.text("/etc/rancher/k3s/registries.yaml")

    def pull(self, name: str) -> bool:
        words = ("ctr", "-a", self.machine.root / "c.sock", "images", "pull", "--hosts-dir", CERTS)
        return self.machine.run(*words, name, check=False).returncode == 0

    def log(self) -> str:
        return (self.machine.root / "log").read_text("utf-8", "replace")


def ended(process: subprocess.Popen[bytes], how: signal.Signals) -> int:
    """Signal the program that `nsenter` has started, and return how it ended."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), how)
    return process.wait(HANG)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with lab(tmp_path) as made:
        yield Node(made)


def test_pulls_come_through_the_fleet_and_all_is_given_back(node: Node) -> None:
    before = node.machine.files()
    for name in ("one", "two", "three"):
        node.hub.put(f"library/{name}:v1", image(name, size=200_000))
    node.serve()
    agent = node.agent()
    until(node.leads, node.log)
    # The fleet first, with who vouches for it by the node's own path; then the registry itself.
    assert 'server = "https://registry-1.docker.io"' in node.hosts()
    assert 'ca = "/etc/containerd/headrace-ca.crt"' in node.hosts()
    assert node.hosts("ghcr.io").index(URL) < node.hosts("ghcr.io").index("127.0.0.1:9")
    conf = node.text("/etc/containers/registries.conf.d/zz-headrace.conf")
    assert f'location = "{FLEET}:{PORT}/docker.io"\ninsecure = false' in conf
    assert f'- "{URL}"' in node.text("/etc/rancher/k3s/registries.yaml")
    node.hub.forget()
    assert node.pull("docker.io/library/one:v1"), node.log()
    # Only the fleet asked Hub, and has given its own answer of each request.
    assert {each["agent"].partition("/")[0] for each in node.hub.seen("hub")} == {"headrace"}
    assert '"url.path":"/v2/library/one/manifests/v1"' in node.log()

    # Whoever sets nodes up wipes it: it is put back.
    node.machine.run("rm", f"{CERTS}/docker.io/hosts.toml")
    until(node.leads, node.log)

    # Killed in the middle: files stay as they are, and pulls go on.
    ended(agent, signal.SIGKILL)
    assert node.leads()
    assert node.pull("docker.io/library/two:v1"), node.log()

    # The fleet is gone as well: the registry itself is asked, at once.
    node.end_fleet()
    node.hub.forget()
    assert node.pull("docker.io/library/three:v1"), node.log()
    assert {each["agent"].partition("/")[0] for each in node.hub.seen("hub")} == {"containerd"}

    # The next agent finds the journal, and gives back what leads nowhere.
    agent = node.agent()
    until(lambda: node.machine.files() == before, node.log)
    node.serve()
    until(node.leads, node.log)
    assert ended(agent, signal.SIGTERM) == 0
    assert node.machine.files() == before


def test_a_node_of_another_ones_disk_and_an_agent_that_never_came_again(node: Node) -> None:
    before = node.machine.files()
    node.serve()
    agent = node.agent()
    until(node.leads, node.log)
    ended(agent, signal.SIGKILL)
    # An image was made of the disk, without what the agent keeps.
    node.machine.run("rm", "-r", node.machine.root / "node")
    agent = node.agent()
    written = node.machine.root / "node" / "journal.json"
    until(lambda: written.exists() and b"docker.io" in written.read_bytes(), node.log)
    ended(agent, signal.SIGKILL)
    # No agent is to come again: one that only gives back.
    node.machine.run(*node.command("--give-back"))
    assert node.machine.files() == before
