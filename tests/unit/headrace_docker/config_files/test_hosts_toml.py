"""hosts.toml: made, merged with the user's, left alone with a reason, and taken out."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.interface.hookspecs import FileEdit, Override, Scope, Standing
from headrace_docker.config_files import hosts_toml
from headrace_docker.engines import running
from headrace_docker.engines.containerd import ContainerdActivation
from headrace_docker.engines.running import Machine
from headrace_docker.registry_api.registries import Registry, known
from lib.capabilities import lacks
from lib.engines.machine import URL, Engines, edits_of, put, read, round_trip
from lib.places import GATEWAY, place

GHCR = known("ghcr.io")
PLUGIN = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images"}


def describe(base: Path, registry: Registry = GHCR) -> FileEdit | Override:
    return hosts_toml.describe("tool", base, registry, URL, read)


def after(base: Path) -> str:
    edit = describe(base)
    assert isinstance(edit, FileEdit), edit
    return (edit.after or b"").decode()


def test_a_new_file_has_the_gateway_and_the_registry_and_no_capability_that_old_ones_refuse(
    tmp_path: Path,
) -> None:
    document = tomllib.loads(after(tmp_path))
    assert document == {
        "server": "https://ghcr.io",
        "host": {URL: {"capabilities": ["pull", "resolve"]}},
    }
    edit = describe(tmp_path, known("docker.io"))
    assert isinstance(edit, FileEdit)
    assert b'server = "https://registry-1.docker.io"' in (edit.after or b"")


def test_certificates_that_lie_there_are_carried_over(tmp_path: Path) -> None:
    for name in ("b.crt", "a.crt", "me.cert", "me.key", "alone.cert", "notes.txt"):
        put(tmp_path / "ghcr.io" / name, "x")
    document = tomllib.loads(after(tmp_path))
    folder = tmp_path / "ghcr.io"
    assert document["ca"] == [f"{folder}/a.crt", f"{folder}/b.crt"]
    assert document["client"] == [[f"{folder}/me.cert", f"{folder}/me.key"]]


MERGED = {
    "a mirror": '# mine\nserver = "https://ghcr.io"\n\n[host."https://m.example"]\n  ca = "/x"\n',
    "no server": '[host."https://m.example"]\n  capabilities = ["pull"] # only\n',
    "keys of the registry alone": 'ca = "/x"',
    "sub-tables": '[host."https://m.example"]\n[host."https://m.example".header]\n  a = "b"\n',
    "windows line ends": '# m\r\n\r\n[host."https://m.example"]\r\n  ca = "/x"\r\n',
    "two": '[host."https://b.example"]\n[host."https://a.example"]\n',
}


@pytest.mark.parametrize("text", MERGED.values(), ids=MERGED.keys())
def test_the_users_hosts_come_after_ours_with_every_byte(tmp_path: Path, text: str) -> None:
    path = put(tmp_path / "ghcr.io/hosts.toml", text)
    written = after(tmp_path)
    theirs = tomllib.loads(text)
    hosts = {URL: {"capabilities": ["pull", "resolve"]}, **theirs.get("host", {})}
    assert tomllib.loads(written) == {**theirs, "host": hosts}
    assert list(tomllib.loads(written)["host"]) == list(hosts)
    assert ("\r\n" in text) == ("\r\n" in written)
    clean = hosts_toml.take_out(written.encode())
    assert clean is not None
    assert clean.decode().rstrip() == text.rstrip()
    put(path, written)
    assert hosts_toml.leads_to(read(path), URL)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('server = "https://company.example"\n', "another server"),
        ("[host\n", "cannot be read"),
        ('host = {"https://m.example" = {}}\n', "form"),
        ('host = "x"\n', "no table"),
        ('a = """\n[x]\n"""\n[host."https://m.example"]\n', "form"),
    ],
)
def test_what_would_lose_its_meaning_is_left_alone_with_a_reason(
    tmp_path: Path, text: str, why: str
) -> None:
    put(tmp_path / "ghcr.io/hosts.toml", text)
    told = describe(tmp_path)
    assert isinstance(told, Override)
    assert why in told.what


def test_lines_of_ours_that_nobody_recorded_are_none_of_the_users(tmp_path: Path) -> None:
    theirs = '[host."http://127.0.0.1:9"]\n  capabilities = ["pull"]\n'
    path = put(tmp_path / "ghcr.io" / "hosts.toml", theirs)
    written = after(tmp_path)
    path.write_text(written, "utf-8")
    assert after(tmp_path) == written
    assert hosts_toml.take_out(written.encode()) == theirs.encode()


@pytest.mark.parametrize("authority", ["", "/etc/containerd/headrace-ca.crt"])
def test_a_fleets_host_is_taken_out_with_its_authority(tmp_path: Path, authority: str) -> None:
    theirs = '# mine\n[host."http://127.0.0.1:9"]\n  capabilities = ["pull"]\n'
    put(tmp_path / "ghcr.io" / "hosts.toml", theirs)
    fleet = "https://headrace.lab.example:443"
    edit = hosts_toml.describe("tool", tmp_path, GHCR, fleet, read, authority=authority)
    assert isinstance(edit, FileEdit)
    first = next(iter(tomllib.loads((edit.after or b"").decode())["host"].items()))
    ca = {"ca": authority} if authority else {}
    assert first == (fleet, {"capabilities": ["pull", "resolve"], **ca})
    assert hosts_toml.take_out(edit.after or b"") == theirs.encode()


def test_hosts_for_every_registry_are_not_hidden_by_ours(tmp_path: Path) -> None:
    put(tmp_path / "_default/hosts.toml", '[host."https://m.example"]\n')
    told = describe(tmp_path)
    assert isinstance(told, Override)
    assert "_default" in told.what


def test_a_folder_with_a_port_has_either_name(tmp_path: Path) -> None:
    assert hosts_toml.folder(tmp_path, "r.example:5000").name == "r.example_5000_"
    (tmp_path / "r.example:5000").mkdir()
    assert hosts_toml.folder(tmp_path, "r.example:5000").name == "r.example:5000"
    (tmp_path / "r.example_5000_").mkdir()
    assert hosts_toml.folder(tmp_path, "r.example:5000").name == "r.example_5000_"
    assert hosts_toml.folder(tmp_path, "r.example").name == "r.example"


def containerd(base: Path, config: str | None, *programs: str) -> ContainerdActivation:
    if config is not None:
        put(base / "etc/containerd/config.toml", config)
    return ContainerdActivation(Engines(base, ["containerd", *programs]).machine())


@pytest.mark.parametrize("version", [2, 3])
def test_containerd_gets_a_file_for_each_registry(tmp_path: Path, version: int) -> None:
    config = (
        f'version = {version}\n[plugins."{PLUGIN[version]}".registry]\n'
        '  config_path = "/etc/containerd/certs.d"\n'
    )
    activation, where = containerd(tmp_path, config), place(tmp_path, scope=Scope.SYSTEM)
    written = round_trip(activation, where, tmp_path)
    names = {path.parent.name for path in written}
    assert {"docker.io", "ghcr.io", "nvcr.io", "registry.k8s.io"} <= names
    assert "_default" not in names
    for path, content in written.items():
        put(path, content)
    assert activation.standing(where, GATEWAY, read) is Standing.ROUTED
    assert activation.overrides(where, GATEWAY, read) == []
    assert edits_of(activation, place(tmp_path)) == ()


def test_of_several_folders_the_one_that_knows_the_registry_counts(tmp_path: Path) -> None:
    config = '[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/a:/etc/b"\n'
    put(tmp_path / "etc/b/ghcr.io/hosts.toml", '[host."https://m.example"]\n')
    edits = edits_of(containerd(tmp_path, config), place(tmp_path, scope=Scope.SYSTEM))
    folders = {edit.path.parent.name: edit.path.parent.parent.name for edit in edits}
    assert (folders["ghcr.io"], folders["quay.io"]) == ("b", "a")


def test_without_config_path_the_way_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    activation = containerd(tmp_path, "version = 3\n")
    where = place(tmp_path, scope=Scope.SYSTEM)
    assert edits_of(activation, where) == ()
    assert activation.standing(where, GATEWAY, read) is Standing.NOT_ROUTED
    (told,) = activation.overrides(where, GATEWAY, read)
    assert PLUGIN[3] in told.hint
    assert "restart containerd" in told.hint


@pytest.mark.parametrize("cluster", [False, True])
def test_beside_dockerd_it_is_told_of_only_where_kubernetes_is(
    tmp_path: Path, *, cluster: bool
) -> None:
    activation = containerd(tmp_path, "version = 2\n", "dockerd", *(["kubelet"] * cluster))
    found = activation.overrides(place(tmp_path, scope=Scope.SYSTEM), GATEWAY, read)
    assert bool(found) is cluster


def test_one_that_only_runs_dockers_containers_is_no_business_of_ours(tmp_path: Path) -> None:
    activation = containerd(tmp_path, 'disabled_plugins = ["cri"]\n')
    where = place(tmp_path, scope=Scope.SYSTEM)
    assert activation.standing(where, GATEWAY, read) is Standing.NOT_FOUND
    assert edits_of(activation, where) == ()
    # nerdctl looks for the files without being told.
    activation = containerd(tmp_path, None, "nerdctl")
    assert edits_of(activation, where)


def dumped(config_path: str, *, version: int = 4, disabled: str = "") -> str:
    """What `containerd config dump` prints, as far as it matters."""
    return (
        f"disabled_plugins = [{disabled}]\nversion = {version}\n"
        f"[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '{config_path}'\n"
    )


def asked(base: Path, said: str, *programs: str, config: str | None = None) -> ContainerdActivation:
    if config is not None:
        put(base / "etc/containerd/config.toml", config)
    words: list[tuple[str, ...]] = []

    def printed(command: tuple[str, ...]) -> str:
        words.append(command)
        assert command[-2:] == ("config", "dump")
        assert ("--config" in command) == (config is not None)
        return said

    engines = Engines(base, ["containerd", *programs])
    return ContainerdActivation(replace(engines.machine(), printed=printed))


BOTH = "/etc/containerd/certs.d:/etc/docker/certs.d"


@pytest.mark.parametrize("config", [None, "version = 4\n", 'imports = ["/etc/x.toml"]\n'])
def test_containerd_itself_is_asked_where_it_looks(tmp_path: Path, config: str | None) -> None:
    """With containerd 2.2 and newer nothing need be set; others' files may be imported."""
    where = place(tmp_path, scope=Scope.SYSTEM)
    edits = edits_of(asked(tmp_path, dumped(BOTH), config=config), where)
    assert {each.path.parents[1] for each in edits} == {tmp_path / "etc/containerd/certs.d"}
    edits = edits_of(asked(tmp_path, dumped("/etc/imported"), config=config), where)
    assert {each.path.parents[1] for each in edits} == {tmp_path / "etc/imported"}
    (told,) = asked(tmp_path, dumped(""), config=config).overrides(where, GATEWAY, read)
    assert "sets no config_path" in told.what
    assert "restart containerd" in told.hint


@pytest.mark.parametrize(("version", "led"), [((1, 7), False), ((2, 1), False), ((2, 2), True)])
def test_one_that_does_not_say_is_known_by_its_version(
    tmp_path: Path, version: tuple[int, ...], *, led: bool
) -> None:
    engines = Engines(tmp_path, ["containerd"], version=version)
    activation = ContainerdActivation(engines.machine())
    assert bool(edits_of(activation, place(tmp_path, scope=Scope.SYSTEM))) is led


@pytest.mark.parametrize("disabled", ['"cri"', '"io.containerd.cri.v1.images"'])
def test_folders_by_default_make_dockers_own_containerd_no_business_of_ours(
    tmp_path: Path, disabled: str
) -> None:
    where = place(tmp_path, scope=Scope.SYSTEM)
    for said, programs in (
        (dumped(BOTH, disabled=disabled), ()),
        (dumped(BOTH), ("dockerd",)),
    ):
        activation = asked(tmp_path, said, *programs)
        assert activation.standing(where, GATEWAY, read) is Standing.NOT_FOUND
        assert edits_of(activation, where) == ()


def test_what_an_older_one_prints_of_a_version_that_it_does_not_know_is_no_answer(
    tmp_path: Path,
) -> None:
    config = f'version = 4\n[plugins."{PLUGIN[3]}".registry]\nconfig_path = "/etc/own"\n'
    activation = asked(tmp_path, 'imports = ["v4.toml"]\noom_score = 0', config=config)
    edits = edits_of(activation, place(tmp_path, scope=Scope.SYSTEM))
    assert {each.path.parents[1].name for each in edits} == {"own"}


@pytest.mark.skipif(shutil.which("containerd") is None, reason=lacks("engines", "no containerd"))
def test_a_real_containerd_says_what_it_imports(tmp_path: Path) -> None:
    more = put(
        tmp_path / "more.toml",
        f'[plugins."{PLUGIN[2]}".registry]\nconfig_path = "/etc/imported"\n',
    )
    config = put(tmp_path / "etc/containerd/config.toml", f'version = 2\nimports = ["{more}"]\n')
    assert b"config_path" not in config.read_bytes()
    machine = Machine(
        root=tmp_path,
        daemons=lambda _: [],
        program=lambda _, name: Path(str(shutil.which(name))) if name == "containerd" else None,
        printed=running.printed,
    )
    activation = ContainerdActivation(machine)
    edits = edits_of(activation, place(tmp_path, scope=Scope.SYSTEM))
    assert {each.path.parents[1].name for each in edits} == {"imported"}
