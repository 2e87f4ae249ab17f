"""What each engine is told, and what is made of its words."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headrace.errors import LocalError, UsageError
from headrace.variants.hosts import Accelerator, Host
from headrace_docker.pulling.commands import ENGINES, EngineCommands
from headrace_docker.pulling.failures import PullPatience, lasting
from headrace_docker.pulling.programs import Said, engine_at_hand, run
from lib.places import place

PINNED = "docker.io/pytorch/pytorch@sha256:" + "a" * 64
NVIDIA = Host((Accelerator("nvidia", "A100"),))
AMD = Host((Accelerator("amd", "MI300X"),))
INTEL = Host((Accelerator("intel", "Arc B580"),))


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_pulls_by_digest_and_runs_without_a_network(name: str) -> None:
    engine = EngineCommands(name, name)
    assert engine.pull(PINNED)[-1] == PINNED
    assert "linux/arm64" in engine.pull(PINNED, "linux/arm64")
    assert engine.tag(PINNED, "x:1")[-2:] == (PINNED, "x:1")
    words = engine.run(PINNED, "one", ("--gpus", "all"), {"CUDA_VISIBLE_DEVICES": "1"}, length=7)
    assert words.index("--gpus") < words.index(PINNED)
    assert any("CUDA_VISIBLE_DEVICES" in word for word in words)
    assert "--rm" in words
    # ctr gives no container a network that is not asked for.
    assert name == "ctr" or words[words.index("--network") + 1] == "none"
    assert all("one" in each for each in engine.end("one"))


@pytest.mark.parametrize(
    ("name", "host", "way", "options"),
    [
        ("docker", NVIDIA, "runtime", "--runtime nvidia --gpus all"),
        ("docker", NVIDIA, "hook", "--gpus all"),
        ("docker", NVIDIA, "cdi", "--device nvidia.com/gpu=all"),
        ("podman", NVIDIA, "cdi", "--device nvidia.com/gpu=all --security-opt label=disable"),
        ("nerdctl", NVIDIA, "hook", "--gpus all"),
        ("ctr", NVIDIA, "hook", "--gpus 0"),
        ("ctr", Host(NVIDIA.accelerators * 2), "hook", "--gpus 0 --gpus 1"),
        ("docker", AMD, "hook", "--device /dev/kfd --device /dev/dri"),
        ("podman", AMD, "cdi", "--device /dev/kfd --device /dev/dri --group-add keep-groups"),
        ("docker", INTEL, "hook", "--device /dev/dri"),
        ("docker", Host(), "hook", ""),
    ],
)
def test_each_maker_is_given_as_the_engine_gives_it(
    name: str, host: Host, way: str, options: str
) -> None:
    assert " ".join(EngineCommands(name, name).gpus(host, way)) == options


def test_image_that_lacks_a_part_is_not_all_there() -> None:
    """What containerd 1.6.20 says of an image before and after a pull that was cut."""
    digest = PINNED.partition("@")[2]
    line = f"docker.io/a/b:1 application/vnd.oci.image.index.v1+json {digest} %s 8/9 KiB false"
    heads = "REF TYPE DIGEST STATUS SIZE UNPACKED"
    assert EngineCommands.all_there(f"{heads}\n{line % 'complete (2/2)'}", digest)
    assert not EngineCommands.all_there(f"{heads}\n{line % 'incomplete (1/2)'}", digest)
    assert not EngineCommands.all_there(heads, digest)
    assert EngineCommands.all_there(f'["docker.io/a/b@{digest}"]', digest)


@pytest.mark.parametrize("shell", [True, False])
def test_shell_of_an_image_takes_the_python_that_has_a_framework_and_passes_over_those_that_fail(
    tmp_path: Path, *, shell: bool
) -> None:
    """As it runs in a container; that has no ``cat``."""
    folders = {}
    for name in ("broken", "plain", "torch", "tools"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
    (folders["broken"] / "python3").write_text("#!/bin/sh\necho Segmentation fault >&2\nexit 139\n")
    (folders["plain"] / "python").symlink_to(sys.executable)
    (folders["torch"] / "torch.py").write_text("")
    for program in folders["broken"].iterdir():
        program.chmod(0o755)
    text = b"import os, torch; print(__name__, os.environ['HEADRACE_CHECK'][:9])"
    words = EngineCommands("ctr", "ctr").run("x", "one", (), {}, length=len(text), shell=shell)
    start = words[words.index("one") + 1 :]
    if shell:
        start = ("/bin/sh", *start[1:])
        path = f"{folders['broken']}:{folders['plain']}"
    else:
        start = (sys.executable, *start[1:])
        path = ""
    given = {"PATH": path, "PYTHONPATH": str(folders["torch"])}
    # More stands for an end that does not come, as with ctr.
    said = run(start, given, given=text + b"; no Python")
    assert (said.status, said.text) == (0, "__main__ import os\n"), said


@pytest.mark.parametrize(
    ("said", "last"),
    [
        (
            "docker: Error: No such image: x\n\nRun 'docker run --help' for more information\n",
            "docker: Error: No such image: x",
        ),
        ("docker: Error response from daemon: x.\nSee 'docker run --help'.\n", "daemon: x."),
        ("Error: unknown flag: --x\nSee 'podman run --help'\n", "Error: unknown flag: --x"),
        ("\n", "status 125"),
    ],
)
def test_last_word_of_an_engine_is_its_reason_and_not_its_help(said: str, last: str) -> None:
    assert Said(125, errors=said).last.endswith(last)


def test_program_that_is_left_may_put_away_what_it_has(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"trap 'echo put away > {mark}; exit 1' TERM; echo x; while :; do sleep 0.1; done"
    assert run(("sh", "-c", script), {"PATH": os.defpath}, patience=1.0).ended
    assert mark.read_text() == "put away\n"


def test_engine_that_is_misspelt_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'podman'") as caught:
        engine_at_hand("pdoman", place(tmp_path))
    assert "leave it out" in (caught.value.hint or "")


def test_right_to_speak_to_an_engine_is_told_with_its_way_out(tmp_path: Path) -> None:
    """What docker 28.2 says to somebody who is not of its group."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    said = "permission denied while trying to connect to the Docker daemon socket"
    program.write_text(f"#!/bin/sh\necho {said} >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(LocalError, match="may not speak to the engine") as caught:
        engine_at_hand("docker", place(tmp_path))
    assert "--engine podman" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("said", "whose"),
    [
        ("write /data/x: no space left on device", "this machine"),
        (
            "Got permission denied while trying to connect to the Docker daemon socket",
            "this machine",
        ),
        ("toomanyrequests: You have reached your unauthenticated pull rate limit.", "the registry"),
        ("no matching manifest for linux/riscv64 in the manifest list entries", "the registry"),
        ("manifest for x@sha256:aa not found: manifest unknown: manifest unknown", "the registry"),
        ("pull access denied for x, repository does not exist", "the registry"),
        ("Error: reading manifest: unauthorized: authentication required", "the registry"),
    ],
)
def test_what_no_second_try_changes_is_known_by_the_engines_words(said: str, whose: str) -> None:
    error = lasting(said, said)
    assert isinstance(error, LocalError)
    assert (error.reference, error.fault_of) == ("pull-failed", whose)
    assert error.hint


@pytest.mark.parametrize(
    "said",
    [
        "error pulling image configuration: download failed after attempts=6: unexpected EOF",
        "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
        'Get "https://registry-1.docker.io/v2/": dial tcp: lookup x: no such host',
        "rpc error: code = Unavailable desc = error reading from server: EOF",
        "net/http: TLS handshake timeout",
        "",
    ],
)
def test_what_may_pass_is_tried_again(said: str) -> None:
    assert lasting(said, said) is None


def test_patience_lasts_while_something_comes_and_ends_some_tries_after() -> None:
    patience = PullPatience()
    coming = [patience.after(came) for came in (0, 10, 20, 30)]
    assert coming == [1.0, 1.0, 1.0, 1.0]
    without = [patience.after(30) for _ in range(6)]
    assert without == [2.0, 4.0, 8.0, 15.0, 30.0, None]
    endless = PullPatience()
    assert [endless.after(came) for came in range(40)][-1] is None
