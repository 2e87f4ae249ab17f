"""What a build is sent, as ``.dockerignore`` says it."""

from __future__ import annotations

import pytest

from headrace_docker.leaks.context import read_ignored, secrets_sent, sent
from headrace_docker.writing.beside.ignored import COPIED, docker_ignored
from headrace_docker.writing.containerfile import containerfile
from lib.images.written import every, wished

FILES = ("a.txt", "b.env", ".env", "src/a.txt", "src/deep/b.env", "src/deep/key.pem", "[x]/y")


@pytest.mark.parametrize(
    ("ignored", "left_out"),
    [
        ("", ()),
        ("# a.txt\n\n   \n", ()),
        ("a.txt", ("a.txt",)),
        ("/a.txt\n", ("a.txt",)),
        ("./src/../a.txt\r\n", ("a.txt",)),
        ("*/a.txt", ("src/a.txt",)),
        ("**/a.txt", ("a.txt", "src/a.txt")),
        ("src", ("src/a.txt", "src/deep/b.env", "src/deep/key.pem")),
        ("src/", ("src/a.txt", "src/deep/b.env", "src/deep/key.pem")),
        ("src/**", ("src/a.txt", "src/deep/b.env", "src/deep/key.pem")),
        ("**/deep", ("src/deep/b.env", "src/deep/key.pem")),
        ("src/**/key.pem", ("src/deep/key.pem",)),
        ("*.env", ("b.env", ".env")),
        ("?.env", ("b.env",)),
        ("[a-b].*", ("a.txt", "b.env")),
        ("[^a].*", ("b.env",)),
        ("\\[x\\]", ("[x]/y",)),
        ("src\n!src/a.txt", ("src/deep/b.env", "src/deep/key.pem")),
        ("src\n!src/deep\n**/*.pem", ("src/a.txt", "src/deep/key.pem")),
        ("*\n!a.txt", tuple(each for each in FILES if each != "a.txt")),
        ("**", FILES),
        # What docker refuses, and the folder itself, which nobody can leave out.
        ("[a", ()),
        (".", ()),
        ("/", ()),
    ],
)
def test_a_pattern_leaves_out_what_docker_would_leave_out(
    ignored: str, left_out: tuple[str, ...]
) -> None:
    kept = list(sent(read_ignored(ignored), FILES))
    assert kept == [each for each in FILES if each not in left_out]


SECRETS = (
    *(".env", ".env.local", "prod.env", "secrets/jupyter_token", "secrets/authorized_keys"),
    *(
        ".netrc",
        "home/.netrc",
        "pip.conf",
        "pip.ini",
        ".config/pip/pip.conf",
        ".pypirc",
        ".condarc",
    ),
    *("id_ed25519", ".ssh/id_rsa", "deploy.pem", "tls/server.key", ".docker/config.json"),
    *("kubeconfig", ".kube/config", ".aws/credentials", ".git/config", ".git-credentials"),
    *(".npmrc", ".gnupg/secring.gpg"),
)
LARGE = (".git/objects/aa/b", ".venv/bin/python", "venv/x", "data/train.bin", "m/model.safetensors")


def test_a_build_is_sent_what_it_copies_and_nothing_else() -> None:
    patterns = read_ignored(docker_ignored(wished()))
    own = ("compose.yaml", "README.md", "workspace/notebook.ipynb", "app/main.py")
    assert tuple(sent(patterns, (*COPIED, *SECRETS, *LARGE, *own))) == COPIED


def test_secrets_stay_out_when_the_user_lets_folders_in() -> None:
    text = docker_ignored(wished()).replace("!start.py\n", "!start.py\n!app\n!.config\n!.git\n")
    below = [f"app/{each}" for each in (*SECRETS, *LARGE)]
    kept = list(sent(read_ignored(text), [*SECRETS, *LARGE, *below, "app/main.py"]))
    assert kept == ["app/main.py"]


def test_secrets_are_told_as_far_as_any_engine_is_sent_them() -> None:
    word = "a1B2" * 9
    files = {".env": f"HF_TOKEN={word}", "a/pip.conf": f"password={word}", "x": "plain"}

    def told(**ignored: str) -> list[str]:
        there = {**files, **{f".{name}ignore": text for name, text in ignored.items()}}
        return [each.place for each in secrets_sent(there, lambda path: there[path].encode())]

    assert told() == [".env", "a/pip.conf"]
    assert told(docker=".env") == ["a/pip.conf"]
    assert told(docker="*") == []
    # podman reads a file of its own, docker does not.
    assert told(docker="*", container=".env") == ["a/pip.conf"]
    assert told(container="*") == []
    assert told(docker=docker_ignored(wished())) == []
    # Whatever is ignored: by the steps a build is made, and an image tells them.
    files["Dockerfile"] = f"FROM x\nENV HF_TOKEN={word}\n"
    assert told(docker="*") == ["Dockerfile"]


def test_a_build_is_sent_all_that_its_file_copies() -> None:
    for image in every():
        lines = [line.split() for line in containerfile(image).splitlines()]
        copied = [line[1:-1] for line in lines if line[:1] == ["COPY"] and "--from" not in line[1]]
        named = [path for words in copied for path in words if not path.startswith("--")]
        assert named
        assert list(sent(read_ignored(docker_ignored(image)), named)) == named
