"""A node's files, seen from a container on it: what is written, kept, and given back."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.cli.fleet.node import AWAY_AFTER, FleetStanding, Node, stand
from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import GatewayAddress
from headrace.interface.manager import Plugins

FLEET = GatewayAddress("headrace.lab.example", 443, scheme="https")
URL = "https://headrace.lab.example:443"
PEM = b"-----BEGIN CERTIFICATE-----\n"
HUB = "etc/containerd/certs.d/docker.io/hosts.toml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("etc/containerd", "etc/containers", "etc/rancher/k3s"):
        (tmp_path / "host" / folder).mkdir(parents=True)
    return tmp_path / "host"


def node(root: Path, *only: str, authorities: bytes | None = None) -> Node:
    return Node(Plugins(), root, root / "var", authorities=authorities, only=only)


def files(root: Path) -> dict[str, bytes]:
    return dict(_files(root))


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((root / "etc").rglob("*")):
        if path.is_file():
            yield str(path.relative_to(root)), path.read_bytes()


def test_paths_in_files_are_the_nodes_own(root: Path) -> None:
    registry = root / "etc/containerd/certs.d/ghcr.io"
    registry.mkdir(parents=True)
    (registry / "old.crt").write_bytes(PEM)
    before = files(root)
    made = node(root, authorities=PEM)
    made.write(FLEET)
    hub = tomllib.loads((root / HUB).read_text("utf-8"))
    assert hub == {
        "server": "https://registry-1.docker.io",
        "host": {
            URL: {
                "capabilities": ["pull", "resolve"],
                "ca": "/etc/containerd/headrace-ca.crt",
            }
        },
    }
    other = tomllib.loads((registry / "hosts.toml").read_text("utf-8"))
    assert other["ca"] == ["/etc/containerd/certs.d/ghcr.io/old.crt"]
    assert (root / "etc/containerd/headrace-ca.crt").read_bytes() == PEM
    conf = tomllib.loads(
        (root / "etc/containers/registries.conf.d/zz-headrace.conf").read_text("utf-8")
    )
    mirror = {"location": "headrace.lab.example:443/docker.io", "insecure": False}
    assert conf["registry"][0]["mirror"] == [mirror]
    assert not [path for path, content in files(root).items() if str(root).encode() in content]
    assert made.write(FLEET) == []
    made.give_back()
    assert files(root) == before
    assert not (root / HUB).parent.exists()


def test_a_config_path_of_the_nodes_is_taken(root: Path) -> None:
    text = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/c"\n'
    (root / "etc/containerd/config.toml").write_text(text, "utf-8")
    node(root, "containerd").write(FLEET)
    assert (root / "etc/c/docker.io/hosts.toml").exists()


def test_a_node_without_config_path_is_told_of_once(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = node(root, "containerd")
    made.write(FLEET)
    made.write(FLEET)
    (told,) = [each.message for each in caplog.records if "config_path" in each.message]
    assert told.startswith(f"containerd: {root}/etc/containerd/config.toml sets no config_path")
    assert told.endswith("restart containerd")


def test_a_link_out_of_the_node_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (root / "etc/containerd/certs.d").symlink_to(tmp_path / "mine")
    made = node(root)
    made.write(FLEET)
    assert list((tmp_path / "mine").iterdir()) == []
    # The other engines are led all the same.
    assert URL in (root / "etc/rancher/k3s/registries.yaml").read_text("utf-8")


def test_nothing_is_written_before_the_fleet_has_answered(root: Path) -> None:
    made, standing = node(root), FleetStanding()
    stand(made, standing, FLEET, up=False)
    assert files(root) == {}


def test_a_fleet_that_stays_away_is_taken_out_until_it_is_back(root: Path) -> None:
    made, standing = node(root), FleetStanding()
    stand(made, standing, FLEET, up=True)
    written = files(root)
    assert written
    for _ in range(AWAY_AFTER - 1):
        stand(made, standing, FLEET, up=False)
        assert files(root) == written
    stand(made, standing, FLEET, up=False)
    assert files(root) == {}
    stand(made, standing, FLEET, up=True)
    assert files(root) == written


def test_what_a_killed_agent_left_is_given_back_at_once_where_the_fleet_is_away(
    root: Path,
) -> None:
    node(root).write(FLEET)
    stand(node(root), FleetStanding(), FLEET, up=False)
    assert files(root) == {}


@pytest.mark.parametrize("host", [FLEET.host, "other.lab.example"])
def test_a_lost_journal_leaves_what_is_the_nodes_own(root: Path, host: str) -> None:
    mine = {
        HUB: b'server = "https://registry-1.docker.io"\n[host."http://127.0.0.1:9"]\n',
        "etc/rancher/k3s/registries.yaml": b"# k3s'\nmirrors:\n  a.example:\n    endpoint: [x]\n",
    }
    for name, content in mine.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    node(root, authorities=PEM).write(FLEET)
    (root / "var/journal.json").unlink()
    made = node(root, authorities=PEM)
    made.write(GatewayAddress(host, 443, scheme="https"))
    text = (root / HUB).read_text("utf-8")
    assert text.count("[host.") == 2
    assert f"{host}:443" in text
    made.give_back()
    left = files(root)
    # Its name has the fleet's, so only an agent for that fleet knows it.
    rest = {"etc/containers/certs.d/headrace.lab.example:443/headrace-ca.crt"}
    assert left.keys() - mine.keys() == (set() if host == FLEET.host else rest)
    assert {name: left[name] for name in mine} == mine


def test_an_engine_that_nobody_knows_is_named(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="no engine of a node is called docker"):
        node(root, "docker")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "headrace.lab.example",
        "http://headrace.lab.example",
        "https://headrace.lab.example/path",
        "https://me:secret@headrace.lab.example",
        "https://headrace.lab.example:port",
        "ftp://headrace.lab.example",
    ],
)
def test_a_fleet_must_be_a_url_that_engines_can_write(
    root: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["node-agent", "--root", str(root), "--fleet", url]
    assert main(words) == 2
    assert "--fleet must be the URL" in capsys.readouterr().err
    assert files(root) == {}
