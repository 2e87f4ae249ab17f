"""daemon.json and registries.yaml as people have them: ours put in, and every byte given back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import FileEdit
from headrace.system.edits.journal import Journal
from headrace_docker.config_files import daemon_json, registries_yaml
from headrace_docker.engines.dockerd import DockerActivation
from headrace_docker.engines.k3s import K3sActivation
from lib.engines.machine import URL
from lib.odd_files import OddFile, odd_files

DAEMON = odd_files("daemon_json")
YAML = odd_files("registries_yaml")


def journal_of(folder: Path, tool: DockerActivation | K3sActivation) -> Journal:
    def withdraw(_: str, *rest: object) -> bytes | None:
        return tool.withdraw(*rest)  # type: ignore[arg-type]

    return Journal(folder / "state" / "journal", withdraw=withdraw)


def by_name(files: list[OddFile]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("odd", files, ids=str)


def rewritten(content: bytes) -> bytes:
    """As a program writes it anew."""
    text = content.decode("utf-8", "surrogateescape") or "{}"
    return json.dumps({**(json.loads(text) or {}), "new": 1}, indent=4).encode()


@by_name([each for each in DAEMON if each.reads])
def test_daemon_json_has_the_gateway_first_and_comes_back(tmp_path: Path, odd: OddFile) -> None:
    path = tmp_path / "daemon.json"
    path.write_bytes(odd.content)
    mirrors = odd.told.get("mirrors", [])
    assert daemon_json.mirrors(odd.content, path) == mirrors
    journal = journal_of(tmp_path, DockerActivation())
    written = []
    for _ in range(2):
        before = journal.pristine(path)
        after = daemon_json.add(before, URL, path)
        journal.apply([("docker", FileEdit(path, before, after, "why"))])
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert daemon_json.mirrors(written[0], path) == [URL, *mirrors]
    assert daemon_json.add(written[0], URL, path) == written[0]
    journal.undo()
    assert path.read_bytes() == odd.content


@by_name([each for each in DAEMON if each.reads])
def test_off_leaves_nothing_of_ours_in_a_daemon_json_that_was_written_anew(
    tmp_path: Path, odd: OddFile
) -> None:
    path = tmp_path / "daemon.json"
    path.write_bytes(odd.content)
    journal = journal_of(tmp_path, DockerActivation())
    after = daemon_json.add(odd.content, URL, path)
    journal.apply([("docker", FileEdit(path, odd.content, after, "why"))])
    path.write_bytes(rewritten(after))
    assert not journal.undo().kept
    now = daemon_json.load(path.read_bytes(), path)
    assert now.pop("new") == 1
    assert (now.get("registry-mirrors") or []) == odd.told.get("mirrors", [])


@by_name([each for each in DAEMON if not each.reads])
def test_a_daemon_json_that_dockerd_cannot_read_is_refused(odd: OddFile) -> None:
    with pytest.raises(ConfigurationError, match="cannot be edited safely"):
        daemon_json.add(odd.content, URL, Path("daemon.json"))


@by_name([each for each in YAML if each.reads])
def test_registries_yaml_has_our_lines_and_comes_back(tmp_path: Path, odd: OddFile) -> None:
    path = tmp_path / "registries.yaml"
    path.write_bytes(odd.content)
    before = odd.content
    after = registries_yaml.add(before, ["docker.io"], URL, path)
    assert (after is not None) == odd.told["led"]
    if after is None:
        return
    told = registries_yaml.load(after, path)
    assert registries_yaml.endpoints(told, "docker.io") == [URL]
    journal = journal_of(tmp_path, K3sActivation())
    journal.apply([("k3s", FileEdit(path, before, after, "why"))])
    again = registries_yaml.add(journal.pristine(path), ["docker.io"], URL, path)
    assert again == after
    journal.undo()
    assert path.read_bytes() == odd.content
    if not odd.content.endswith(b"\n"):
        return
    journal.apply([("k3s", FileEdit(path, before, after, "why"))])
    path.write_bytes(b"# above\n" + after + b"# below\n")
    journal.undo()
    assert path.read_bytes() == b"# above\n" + odd.content + b"# below\n"


@by_name([each for each in YAML if not each.reads])
def test_a_registries_yaml_that_lines_cannot_be_put_into_is_refused(odd: OddFile) -> None:
    with pytest.raises(ConfigurationError, match="cannot be edited safely"):
        registries_yaml.add(odd.content, ["docker.io"], URL, Path("registries.yaml"))
