"""``docker-credential-headrace`` as docker starts it: protocol, helper from before, wake."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace_docker.config_files.docker_config import RECORD
from lib.capabilities import lacks
from lib.serving.ports import free_port
from lib.waiting import HANG

HUB = "https://index.docker.io/v1/"
NOT_FOUND = "credentials not found in native keychain\n"
#: Stands in for a user's helper: tells what it was given, in its own words.
LAB = '#!/bin/sh\necho "lab $* $(cat)"\necho aside >&2\nexit 7\n'

pytestmark = pytest.mark.skipif(os.name == "nt", reason=lacks("system", "a shell script"))


def auth(user: str, secret: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{secret}".encode()).decode()}


@dataclass
class Docker:
    """A folder for docker's configuration, and our helper on the PATH."""

    folder: Path

    def __call__(self, *words: str, key: str = "") -> subprocess.CompletedProcess[str]:
        ours = Path(sys.executable).with_name("docker-credential-headrace")
        command = [str(ours)] if ours.exists() else []
        code = "from headrace_docker.credential_helper import main; main()"
        return subprocess.run(
            [*(command or [sys.executable, "-c", code]), *words],
            input=key,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG,
            env={
                "PATH": f"{self.folder}:{os.environ.get('PATH', '')}",
                "DOCKER_CONFIG": str(self.folder),
                # What nobody holds is woken: never the gateway of whoever runs the tests.
                "HEADRACE_HOME": str(self.folder / "headrace"),
                **{k: v for k, v in os.environ.items() if k == "PYTHONPATH"},
            },
        )

    def config(self, **table: object) -> None:
        (self.folder / "config.json").write_text(json.dumps(table))

    def before(self, helper: str, port: int = 17223) -> None:
        (self.folder / RECORD).write_text(f"{helper} {port}\n")

    def helper(self, name: str, script: str = LAB) -> None:
        path = self.folder / f"docker-credential-{name}"
        path.write_text(script)
        path.chmod(0o755)


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path)


@pytest.mark.parametrize("word", ["get", "store", "erase", "list", "version", "anything"])
def test_the_helper_from_before_gets_everything_and_its_answer_is_the_answer(
    docker: Docker, word: str
) -> None:
    docker.helper("lab")
    docker.before("lab")
    docker.config(auths={HUB: auth("me", "secret")})
    done = docker(word, key="host.example\n")
    assert (done.stdout, done.stderr, done.returncode) == (
        f"lab {word} host.example\n",
        "aside\n",
        7,
    )


def test_a_helper_that_has_gone_is_named(docker: Docker) -> None:
    docker.before("gone")
    done = docker("get", key=HUB)
    assert done.returncode == 1
    assert "docker-credential-gone" in done.stdout


@pytest.mark.parametrize("port", ["0", "99999", "-1"])
def test_a_record_that_names_no_port_costs_no_login(docker: Docker, port: str) -> None:
    docker.helper("lab")
    (docker.folder / RECORD).write_text(f"lab {port}\n")
    assert docker("get", key=HUB).stdout.startswith("lab get")


def test_the_gateway_is_woken_before_the_helper_answers(docker: Docker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        docker.helper("lab")
        docker.before("lab", gateway.getsockname()[1])
        assert docker("get", key=HUB).stdout.startswith("lab get")
        gateway.settimeout(HANG)
        gateway.accept()[0].close()


def test_a_gateway_that_takes_no_connection_is_not_waited_for(docker: Docker) -> None:
    docker.helper("lab")
    with socket.socket() as full:
        # Nobody accepts, and one connection fills its queue: another connect would wait for ever.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            docker.before("lab", full.getsockname()[1])
            assert docker("get", key=HUB).stdout.startswith("lab get")


@pytest.mark.parametrize(
    ("key", "login"),
    [
        (HUB, ("me", "secret")),
        ("harbor.example:8443", ("robot$ci", "a:b:c")),
        ("https://harbor.example:8443", ("robot$ci", "a:b:c")),
        ("token.example", ("<token>", "abc")),
    ],
)
def test_without_one_the_logins_of_dockers_own_file_are_told(
    docker: Docker, key: str, login: tuple[str, str]
) -> None:
    docker.config(
        auths={
            HUB: auth("me", "secret"),
            "harbor.example:8443": auth("robot$ci", "a:b:c"),
            "token.example": {"identitytoken": "abc"},
            "empty.example": {},
            "broken.example": {"auth": "%%%"},
        }
    )
    done = docker("get", key=key + "\n")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "ServerURL": key,
        "Username": login[0],
        "Secret": login[1],
    }
    assert json.loads(docker("list").stdout) == {
        HUB: "me",
        "harbor.example:8443": "robot$ci",
        "token.example": "<token>",
    }


@pytest.mark.parametrize("key", ["nobody.example", "empty.example", "broken.example"])
def test_what_is_not_there_is_said_in_the_words_that_clients_compare_with(
    docker: Docker, key: str
) -> None:
    docker.config(auths={"empty.example": {}, "broken.example": {"auth": "%%%"}})
    done = docker("get", key=key)
    assert (done.returncode, done.stdout) == (1, NOT_FOUND)


def test_no_configuration_at_all(docker: Docker) -> None:
    docker.before("", free_port())
    assert (docker("get", key=HUB).returncode, docker("get", key=HUB).stdout) == (1, NOT_FOUND)
    assert docker("list").stdout == "{}\n"
    assert (docker("get").returncode, docker("get").stdout) == (1, "no credentials server URL\n")
    assert docker("erase", key=HUB).returncode == 0


def test_nothing_is_stored_where_it_could_get_lost(docker: Docker) -> None:
    done = docker("store", key='{"ServerURL": "x", "Username": "u", "Secret": "s"}')
    assert done.returncode == 1
    assert "log in again" in done.stdout
    assert not list(docker.folder.iterdir())


def test_words_that_are_none(docker: Docker) -> None:
    for words in ((), ("get", "more"), ("eat",)):
        done = docker(*words)
        assert done.returncode == 1
        assert "Usage: docker-credential-headrace" in done.stdout
    assert "headrace" in docker("version").stdout
