"""Secrets in files and configurations: each kind is told, and what only looks like one is not."""

from __future__ import annotations

import json

import pytest

from headrace.interface import HeldSecret
from headrace_docker.leaks.held import leaks_in_configuration, leaks_in_files

WORD = "a1B2" * 9
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{WORD}\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("path", "text", "what"),
    [
        ("home/id_rsa", KEY, "a private key"),
        ("tls/server.key", KEY.replace("OPENSSH ", ""), "a private key"),
        ("x", KEY.replace("\n", "\r\n"), "a private key"),
        ("x", KEY.replace("-\na1", "-\nProc-Type: 4,ENCRYPTED\n\na1", 1), "a private key"),
        (".netrc", f"machine a.example login me password {WORD}", "a netrc with a password"),
        ("root/_netrc", f"default\n login x\n password {WORD}\n", "a netrc with a password"),
        (
            *(".config/pip/pip.conf", "[global]\nindex-url = https://me:geheim@pip.acme.example/x"),
            "a login in an address at pip.acme.example",
        ),
        (
            *("etc/pip.conf", "[global]\nextra-index-url=https://sometoken@pip.acme.example/x"),
            "a login in an address at pip.acme.example",
        ),
        (
            *(
                "requirements-dev.txt",
                "--index-url https://u:geheim@pip.acme.example/simple\nnumpy",
            ),
            "a login in an address at pip.acme.example",
        ),
        (
            *(".condarc", "channels:\n  - https://conda.acme.example/t/aa-1234/private"),
            "a login in an address at conda.acme.example",
        ),
        (
            *("environment.yml", "channels: [https://me:geheim@conda.acme.example/x]"),
            "a login in an address at conda.acme.example",
        ),
        (".pypirc", f"[pypi]\nusername = __token__\npassword = {WORD}", "a value for password"),
        (".npmrc", f"//npm.acme.example/:_authToken={WORD}", "a value for _authToken"),
        (".env", f"export HF_TOKEN='{WORD}'", "a value for HF_TOKEN"),
        ("prod.env", f"db_password={WORD}", "a value for db_password"),
        (
            ".aws/credentials",
            f"aws_secret_access_key = {WORD}",
            "a value for aws_secret_access_key",
        ),
        ("Dockerfile", f"ENV WANDB_API_KEY={WORD}", "a value for WANDB_API_KEY"),
        ("compose.yaml", f"environment:\n  API_TOKEN: {WORD}", "a value for API_TOKEN"),
        ("kubeconfig", f"client-key-data: {WORD}", "a value for client-key-data"),
        (
            ".git/config",
            f"url = https://x:{WORD}@git.example/r",
            "a login in an address at git.example",
        ),
        (
            *(".docker/config.json", json.dumps({"auths": {"r.example": {"auth": WORD}}})),
            "a login at r.example",
        ),
        ("auth.json", json.dumps({"auths": {"r.example": {"auth": WORD}}}), "a login at r.example"),
        (".dockercfg", json.dumps({"r.example": {"auth": WORD}}), "a login at r.example"),
        (".cache/huggingface/token", WORD, "a token"),
        (".env", f"X=ghp_{WORD}", "a token"),
    ],
)
def test_a_file_with_a_secret_is_told_with_what_it_holds(path: str, text: str, what: str) -> None:
    assert list(leaks_in_files([("a.txt", b"x"), (path, text.encode())])) == [
        HeldSecret(path, what)
    ]
    assert WORD not in what
    assert "geheim" not in what


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("id_rsa.pub", f"ssh-rsa {WORD} me@here"),
        # What reads keys names them, and what tells of them does.
        ("keys.py", 'START = "-----BEGIN PRIVATE KEY-----"\n'),
        ("README.md", "it begins with\n-----BEGIN PRIVATE KEY-----\nand then the key"),
        ("cert.pem", f"-----BEGIN CERTIFICATE-----\n{WORD}\n-----END CERTIFICATE-----"),
        ("pip.conf", "[global]\nindex-url = https://pip.acme.example/simple"),
        ("pip.conf", "[global]\nindex-url = https://${USER}:${PASSWORD}@pip.acme.example/simple"),
        ("pip.conf", "[global]\nindex-url = https://me:$PASSWORD@pip.acme.example/simple"),
        (".condarc", "channels: [conda-forge, https://conda.acme.example/t/<TOKEN>/private]"),
        (".netrc", "machine a.example login me"),
        (".env", "HF_TOKEN=\nAPI_KEY=${API_KEY}\nDB_PASSWORD_FILE=/run/secrets/db\nTOKEN=changeme"),
        (".env", "MAX_TOKENS=128000\nTOKENIZERS_PARALLELISM=false\nGPG_KEY=E3FF2839C048B25C084D"),
        ("compose.yaml", "secrets:\n  jupyter_token:\n    file: ./secrets/jupyter_token"),
        (".docker/config.json", json.dumps({"credsStore": "x", "auths": {"r.example": {}}})),
        (".docker/config.json", "[]"),
        (".docker/config.json", "no JSON"),
        (".docker/config.json", json.dumps({"auths": ["x"]})),
        ("main.py", f'password = "{WORD}"'),
        ("uv.toml", "[[index]]\nurl = 'https://pip.acme.example/simple?page=@x'"),
    ],
)
def test_what_only_looks_like_a_secret_is_not_told(path: str, text: str) -> None:
    assert list(leaks_in_files([(path, text.encode())])) == []


def test_a_file_of_any_bytes_is_looked_at_to_its_bound_and_no_further() -> None:
    noise = bytes(range(256)) * 2000
    assert list(leaks_in_files([("pip.conf", noise), ("x", noise + KEY.encode())])) == []


def test_an_image_tells_whoever_pulls_it_what_it_was_made_with() -> None:
    configuration = {
        "config": {
            "Env": [
                *("PATH=/bin", f"HF_TOKEN={WORD}", "PIP_INDEX_URL=https://me:geheim@pip.example/"),
                *("GPG_KEY=E3FF2839C048B25C084D", "JUPYTER_TOKEN=", "TOKEN_FILE=/run/secrets/t"),
            ],
            "Labels": {"maintainer": "me@acme.example", "build.token": WORD},
            "Cmd": ["jupyter", f"--token=ghp_{WORD}"],
        },
        "history": [
            {"created_by": "RUN /bin/sh -c apt-get update"},
            {"created_by": f"RUN |1 NPM_TOKEN={WORD} /bin/sh -c npm ci # buildkit"},
            {"created_by": "RUN |1 TOKEN=$TOKEN /bin/sh -c x"},
            {"created_by": "RUN pip install -i https://me:geheim@pip.example/ x"},
            {"created_by": "ARG PASSWORD=hunter2222"},
        ],
    }
    assert [each.place for each in leaks_in_configuration(configuration)] == [
        *("ENV HF_TOKEN", "ENV PIP_INDEX_URL", "LABEL build.token", "CMD", "step 2", "step 4"),
        "step 5",
    ]


@pytest.mark.parametrize("broken", [{}, {"config": []}, {"config": {"Env": "x", "Labels": 1}}])
def test_a_configuration_of_another_shape_has_nothing_to_tell(broken: dict[str, object]) -> None:
    assert list(leaks_in_configuration({**broken, "history": [1, None, {"created_by": 1}]})) == []
