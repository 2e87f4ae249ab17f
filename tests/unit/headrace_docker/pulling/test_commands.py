"""What each engine is told, and what is made of its words."""

from __future__ import annotations

import pytest

from headrace.errors import LocalError
from headrace.variants.hosts import Accelerator, Host
from headrace_docker.pulling.commands import ENGINES, EngineCommands
from headrace_docker.pulling.failures import PullPatience, lasting

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
    words = engine.run(PINNED, "one", ("--gpus", "all"), {"CUDA_VISIBLE_DEVICES": "1"})
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
