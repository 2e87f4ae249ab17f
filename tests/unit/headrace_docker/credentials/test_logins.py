"""docker's config.json: the one key that `on` changes, and the logins that the gateway reads."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import Scope, Standing
from headrace.models import Credential, Mirror
from headrace_docker.config_files import docker_config
from headrace_docker.config_files.docker_config import RECORD
from headrace_docker.credentials.logins import login
from headrace_docker.engines.docker_logins import LoginsActivation
from lib.capabilities import lacks
from lib.engines.machine import Engines, edits_of, put, read, round_trip
from lib.places import GATEWAY, place

HARBOR = Mirror("harbor", "docker", "https://harbor.example:8443/hub", "registry", login=True)
OURS = "docker-credential-headrace"


def logins_of(base: Path, *programs: str) -> LoginsActivation:
    return LoginsActivation(Engines(base, programs or [OURS]).machine())


def config(base: Path) -> Path:
    return base / "home/.docker/config.json"


FILES = {
    "docker's own tabs": '{\n\t"auths": {\n\t\t"a.example": {}\n\t},\n\t"credsStore": "desktop"\n}',
    "first": '{"credsStore": "pass", "HttpHeaders": {"X": "ü"}}\n',
    "with helpers of its own": '{"credHelpers": {"b.example": "ecr"}, "credsStore": "wincred"}',
    "windows": '{\r\n  "credsStore": "osxkeychain",\r\n  "psFormat": "{{.ID}}"\r\n}\r\n',
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_one_value_changes_and_every_byte_comes_back(tmp_path: Path, text: str) -> None:
    path = put(config(tmp_path), text)
    written = round_trip(logins_of(tmp_path), place(tmp_path), tmp_path)
    before = json.loads(text)
    assert json.loads(written[path]) == {**before, "credsStore": "headrace"}
    assert written[path].decode() == text.replace(f'"{before["credsStore"]}"', '"headrace"')
    assert written[path.with_name(RECORD)].decode() == f"{before['credsStore']} 17223\n"


@pytest.mark.parametrize(
    "text",
    [None, "{}", '{"auths": {"a.example": {"auth": "bWU6c2VjcmV0"}}}', '{"credsStore": ""}',
     '{"credsStore": "headrace"}', '{"credsStore": "two words"}', '{"credsStore": 1}'],
)  # fmt: skip
def test_where_no_helper_is_nothing_changes(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        put(config(tmp_path), text)
    activation = logins_of(tmp_path)
    assert edits_of(activation, place(tmp_path)) == ()
    expected = Standing.NOT_FOUND if text is None else Standing.NOT_ROUTED
    if text != '{"credsStore": "headrace"}':
        assert activation.standing(place(tmp_path), GATEWAY, read) is expected
    told = activation.overrides(place(tmp_path), GATEWAY, read)
    assert all(not each.wins for each in told)
    if text and "auths" in text:
        assert "the gateway reads the logins" in told[0].hint


def test_docker_must_find_our_program_first(tmp_path: Path) -> None:
    put(config(tmp_path), '{"credsStore": "desktop"}')
    with pytest.raises(ConfigurationError, match="would not find"):
        edits_of(logins_of(tmp_path, "docker"), place(tmp_path))


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    put(config(tmp_path), '{"credsStore": ')
    with pytest.raises(ConfigurationError, match="cannot be edited safely"):
        edits_of(logins_of(tmp_path), place(tmp_path))


def test_the_machines_own_file_is_nobodys(tmp_path: Path) -> None:
    put(config(tmp_path), '{"credsStore": "desktop"}')
    assert edits_of(logins_of(tmp_path), place(tmp_path, scope=Scope.SYSTEM)) == ()


def test_a_file_that_docker_wrote_anew_gets_its_helper_back() -> None:
    path, now = Path("config.json"), b'{"auths": {"new.example": {}}, "credsStore": "headrace"}'
    clean = LoginsActivation().withdraw(path, b'{"credsStore": "pass"}', b"", now)
    assert clean == now.replace(b"headrace", b"pass")
    desktop = b'{"credsStore": "desktop"}'  # Docker Desktop puts its own back at every start
    assert LoginsActivation().withdraw(path, b'{"credsStore": "pass"}', b"", desktop) == desktop
    assert LoginsActivation().withdraw(path, None, b"", now) is None
    assert LoginsActivation().withdraw(Path(RECORD), None, b"pass 1\n", b"x 2\n") == b""


def test_the_record_is_written_before_the_file_that_needs_it(tmp_path: Path) -> None:
    put(config(tmp_path), '{"credsStore": "desktop"}')
    edits = edits_of(logins_of(tmp_path), place(tmp_path))
    assert [each.path.name for each in edits] == [RECORD, "config.json"]


# ------------------------------------------------------------------ the gateway's side


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def auths(**entries: str) -> str:
    table = {
        key.replace("_", "."): {"auth": base64.b64encode(pair.encode()).decode()}
        for key, pair in entries.items()
    }
    return json.dumps({"auths": {k.replace("..", ":"): v for k, v in table.items()}})


def helper(home: Path, name: str, user: str, secret: str) -> None:
    if os.name == "nt":
        pytest.skip(lacks("system", "a helper that is a shell script"))
    told = json.dumps({"ServerURL": "x", "Username": user, "Secret": secret})
    path = home / f"docker-credential-{name}"
    path.write_text(
        f"#!/bin/sh\nread key\n[ \"$key\" = harbor.example:8443 ] && echo '{told}' && exit 0\n"
        "echo credentials not found in native keychain\nexit 1\n"
    )
    path.chmod(0o755)


def test_no_login_anywhere(home: Path) -> None:
    assert login(HARBOR) is None
    put(home / ".docker/config.json", "not json")
    assert login(HARBOR) is None


def test_login_in_dockers_own_file(home: Path) -> None:
    put(home / ".docker/config.json", auths(harbor_example__8443="ci:a:b", other_example="x:y"))
    assert login(HARBOR) == Credential("ci", "a:b")


def test_login_of_the_store_and_of_the_helper_for_one_registry(home: Path) -> None:
    helper(home, "lab", "ci", "s3")
    helper(home, "own", "own", "s4")
    put(home / ".docker/config.json", '{"credsStore": "lab"}')
    assert login(HARBOR) == Credential("ci", "s3")
    own = {"credsStore": "lab", "credHelpers": {"harbor.example:8443": "own"}}
    put(home / ".docker/config.json", json.dumps(own))
    assert login(HARBOR) == Credential("own", "s4")


def test_whoever_came_before_our_own_helper_is_asked(home: Path) -> None:
    helper(home, "lab", "ci", "s3")
    put(home / ".docker/config.json", '{"credsStore": "headrace"}')
    assert login(HARBOR) is None
    put(home / f".docker/{RECORD}", "lab 17223\n")
    assert login(HARBOR) == Credential("ci", "s3")


def test_identity_token_is_not_shown_and_podmans_login_is(home: Path) -> None:
    put(home / ".docker/config.json", '{"auths": {"harbor.example:8443": {"identitytoken": "t"}}}')
    assert login(HARBOR) is None
    put(home / ".config/containers/auth.json", auths(harbor_example__8443="pod:man"))
    assert login(HARBOR) == Credential("pod", "man")


def test_login_at_another_port_or_host_is_not_taken(home: Path) -> None:
    put(home / ".docker/config.json", auths(harbor_example="ci:a", harbor_example__1="ci:b"))
    assert login(HARBOR) is None


def test_key_and_host() -> None:
    assert docker_config.host_of("https://index.docker.io/v1/") == "index.docker.io"
    assert docker_config.host_of("quay.io/org") == "quay.io"
