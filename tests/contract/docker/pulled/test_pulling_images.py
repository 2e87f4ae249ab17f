"""``headrace image pull`` with real engines: the right bytes, once, whatever breaks on the way."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.upkeep.shown.folding import columns_of
from headrace.config import Folders
from headrace.interface.hookspecs import GatewayAddress
from headrace.system.state import State
from lib.engines.drivers import Engine, engine
from lib.engines.kinds import HERE, why_not
from lib.gateway import headrace
from lib.images.content import Image
from lib.images.families import multi_platform, shaped
from lib.images.working import TORCH, working
from lib.images.world import ImageWorld, MakeImageWorld
from lib.serving import modes
from lib.terminals.screen import Seated
from lib.translations.english import english_in
from lib.waiting import HANG, until

TAG = "2.9.1-cuda12.6-cudnn9-runtime"
NAME = f"docker.io/pytorch/pytorch:{TAG}"
MB = 1 << 20
#: A host whose driver runs that tag; the trial is on this machine, which has no GPU.
OTHER = ("--for", "driver=560,gpu=A100")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return working(tmp_path_factory.mktemp("image"), size=24 * MB)


@dataclass
class Puller:
    """A world with one image, an engine, and the command line of its user."""

    world: ImageWorld
    engine: Engine
    env: dict[str, str] = field(default_factory=dict)

    def words(self, *words: str) -> list[str]:
        return [*headrace(), "image", *words]

    def run(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = subprocess.run(
            self.words(*words, "--json"),
            env=self.env,
            capture_output=True,
            text=True,
            timeout=3 * HANG,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        told = json.loads(done.stdout)
        found: dict[str, Any] = told["tools"]["image"] if "tools" in told else told["error"]
        return found

    @property
    def chinese(self) -> dict[str, str]:
        return {**self.env, "LANG": "zh_CN.UTF-8", "PYTHONUTF8": "1"}

    def told(self, *words: str) -> str:
        """What a person is told who reads Chinese."""
        done = subprocess.run(
            self.words(*words), env=self.chinese, capture_output=True, timeout=3 * HANG, check=False
        )
        return (done.stdout + done.stderr).decode()

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words(*words),
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def came(self) -> int:
        """Bytes of content that anybody gave."""
        servers = (self.world.origin, *self.world.mirrors)
        return sum(server.bytes_sent("*/blobs/*") for server in servers)


Start = Callable[..., Puller]


@pytest.fixture
def start(images: MakeImageWorld, image: Image) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def begin(program: str, *, what: Image = image, **more: Any) -> Puller:
            kind = HERE[program]
            if reason := why_not(kind):
                pytest.skip(reason)
            world = images(**more)
            world.registry.put("pytorch/pytorch", what, TAG)
            gateway = world.gateway
            root = gateway.root
            state = State(Folders(root / "config", root / "state", root / "cache"))
            state.record_gateway(GatewayAddress("127.0.0.1", gateway.port))
            made = stack.enter_context(engine(kind, gateway.port))
            return Puller(world, made, {**gateway.env, **_user(made), "HEADRACE_LOG": "warning"})

        yield begin


def _user(engine: Engine) -> dict[str, str]:
    """The environment in which the engine's own program finds it."""
    root = engine.root
    storage, containers = root / "user-storage.conf", root / "containers.conf"
    storage.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{root}/store"\nrunroot = "{root}/runroot"\n'
    )
    # Without CAP_SYS_RESOURCE no limit is to be raised, and crun wants one kind of cgroups.
    containers.write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
        '[engine]\nruntime = "runc"\nevents_logger = "none"\n'
    )
    return {
        "PATH": os.environ["PATH"],
        "DOCKER_HOST": f"unix://{root}/run/docker.sock",
        "DOCKER_CONFIG": str(root / "home"),
        "XDG_RUNTIME_DIR": str(root / "run"),
        "CONTAINERS_REGISTRIES_CONF": str(root / "registries.conf"),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "CONTAINERS_CONF": str(containers),
        "REGISTRY_AUTH_FILE": str(root / "auth.json"),
    }


def found(told: dict[str, Any], what: str) -> list[tuple[str, str]]:
    return [(each["found"], each["text"]) for each in told["checks"] if each["what"] == what]


@pytest.mark.parametrize("program", ["dockerd", pytest.param("podman", marks=pytest.mark.nightly)])
def test_image_is_pulled_once_by_its_digest_named_and_tried(
    start: Start, image: Image, program: str
) -> None:
    puller = start(program)
    word = "docker" if program == "dockerd" else program
    told = puller.run("pull", "pytorch", *OTHER, "--engine", word)
    assert told["standing"] == "done", told
    assert told["pinned"].endswith(image.digest)
    assert image.digest in puller.engine.digest(f"pytorch/pytorch:{TAG}") or program == "podman"
    # Its configuration came when it was looked for.
    assert told["came"]["bytes"] == sum(len(blob.data) for blob in image.blobs[1:])
    twice = sum(told["came"]["sources"].values()) - told["came"]["bytes"]
    # The allowance is 3 % of a file (`transfer.waste`), and is passed where a request is waited
    # for very long: a mirror on a busy machine that was given no processor for so long is such a
    # one. With 12 processes for 2 processors 0.1 to 2.9 % came twice. The laws are in
    # tests/property, with a clock that nobody takes a processor from.
    assert 0 <= twice < 0.15 * told["came"]["bytes"]
    loads = (
        "2.9.1+cu126 for CUDA 12.6 loads; its product on the processor is right, "
        "NCCL 2.27.5, cuDNN 9.10.2"
    )
    assert ("works", loads) in found(told, "torch")
    assert ("unchecked", "products on a GPU: there is none here") in found(told, "torch")
    assert found(told, "nvidia-smi") == [("unchecked", "there is no GPU here")]
    puller.world.assert_polite()
    # What is here is not fetched again, and tried as well.
    before = puller.came()
    assert puller.run("pull", "pytorch", *OTHER, "--engine", word)["had"] is True
    assert puller.came() == before
    assert puller.run("check", NAME, "--engine", word)["standing"] == "done"


@pytest.mark.nightly
def test_image_without_a_python_is_tried_by_its_shell(start: Start, tmp_path: Path) -> None:
    bare = working(tmp_path / "bare", size=1000, python=False)
    told = start("dockerd", what=bare).run("pull", "pytorch", *OTHER, "--engine", "docker")
    assert told["standing"] == "done"
    ((how, text),) = found(told, "python")
    assert how == "unchecked"
    assert "none in this image" in text


@pytest.mark.nightly
@pytest.mark.parametrize("program", ["dockerd", "podman"])
def test_chinese_reader_is_told_nothing_in_english_and_json_is_the_same(
    start: Start, tmp_path: Path, program: str
) -> None:
    puller = start(program)
    engine = ("--engine", "docker" if program == "dockerd" else program)
    folder, file = str(tmp_path / "folder"), tmp_path / "Dockerfile"
    file.write_text(f"FROM {NAME}\nFROM pytorch/pytorch:none\nFROM {NAME}@sha256:{'0' * 64}\n")
    commands = (
        ("find", "pytorch", *OTHER),
        ("find", "pytorch", "--for", "driver=470,gpu=K80"),
        ("find", "mirrors.tuna.tsinghua.edu.cn/pytorch/cuda:2.9-cuda11.8-ubuntu20.04"),
        ("pull", "pytorch", *OTHER, *engine),
        ("pull", "pytorch", *OTHER, *engine),
        ("pull", "torch==1.0", *OTHER, *engine),
        ("pull", "pytorch", "--engine", "/nowhere/docker"),
        ("check", NAME, *engine),
        ("write", "pytorch", folder, *OTHER, "--jupyter"),
        ("write", "pytorch", folder, *OTHER, "--ssh"),
        ("write", "pytorch", folder, *OTHER, "--ssh", "--force"),
        ("write", "pytorch", folder, *OTHER, "--user", "root"),
        ("write", "pytorch", folder, *OTHER, "--slim"),
        ("outdated", str(file)),
        ("warm", str(file), "--dry-run"),
        ("warm", NAME),
    )
    for words in commands:
        text = puller.told(*words)
        # Differences of files are the files' own words.
        said = re.sub(r"(?m)^(?:--- |\+\+\+ |@@ )(?:.*\n)(?:[-+ @].*\n)*", "", text)
        assert re.search("[\u4e00-\u9fff]", said), text
        assert not english_in(said), text
    with Seated(puller.words("check", NAME, *engine), puller.chinese, rows=50, columns=40) as seat:
        seat.end()
    assert max(map(columns_of, seat.raw.decode().splitlines())) <= 40
    for words in (("find", "pytorch", *OTHER), ("check", NAME, *engine)):
        english, puller.env = puller.run(*words), puller.chinese
        assert puller.run(*words) == english


@pytest.mark.nightly
def test_wrong_product_needs_attention_and_what_a_container_prints_is_only_shown(
    start: Start, tmp_path: Path
) -> None:
    wrong = TORCH.replace("return list(map(list, one)) ==", "return [] ==")
    noise = wrong + '\nprint("\\x1b[2J" * 9)\nimport os; os.write(2, b"\\x1b]0;x\\x07" * 99)\n'
    puller = start("dockerd", what=working(tmp_path / "wrong", size=1000, torch=noise))
    told = puller.run("pull", "pytorch", *OTHER, "--engine", "docker", code=3)
    assert told["standing"] == "attention"
    assert ("wrong", "its product on the processor is wrong") in found(told, "torch")
    done = puller.begin("check", NAME, "--engine", "docker")
    said, _ = done.communicate(timeout=HANG)
    assert done.returncode == 3
    assert "\x1b" not in said


@pytest.mark.nightly
@pytest.mark.parametrize("program", ["dockerd", "podman"])
def test_image_that_holds_a_secret_is_told(start: Start, tmp_path: Path, program: str) -> None:
    secret = "hf_" + "aB3dE6gH9" * 4
    held = working(
        tmp_path / "held",
        size=1000,
        variables=[f"HF_TOKEN={secret}"],
        made_by="RUN pip config set global.index-url https://me:s3cretword@pypi.acme.example/simple",
    )
    word = "docker" if program == "dockerd" else program
    told = start(program, what=held).run("pull", "pytorch", *OTHER, "--engine", word, code=3)
    texts = [text for how, text in found(told, "secret") if how == "wrong"]
    assert [text.partition(", in ")[2].partition(":")[0] for text in texts] == [
        "ENV HF_TOKEN",
        "step 3",
    ]
    assert secret not in json.dumps(told)
    assert "s3cretword" not in json.dumps(told)


@pytest.mark.nightly
def test_gateway_that_is_killed_and_comes_back_ends_in_the_right_image(
    start: Start, image: Image
) -> None:
    puller = start("dockerd", rate=3 * MB, origin_rate=3 * MB)
    gateway = puller.world.gateway
    running = puller.begin("pull", "pytorch", *OTHER, "--engine", "docker", "--no-check")
    until(lambda: puller.came() > 12 * MB)
    gateway.kill()
    time.sleep(1)
    gateway.start()
    said, _ = running.communicate(timeout=3 * HANG)
    assert running.returncode == 0, said
    assert image.digest in puller.engine.digest(f"pytorch/pytorch:{TAG}"), said
    assert puller.came() < 1.5 * sum(len(blob.data) for blob in image.blobs)


@pytest.mark.nightly
def test_mirrors_that_cut_at_99_percent_are_made_good_for(start: Start, image: Image) -> None:
    puller = start("dockerd")
    for mirror in puller.world.mirrors:
        mirror.fail(modes.cut(len(image.layer.data) * 99 // 100, of_file=True), "*/blobs/*")
    told = puller.run("pull", "pytorch", *OTHER, "--engine", "docker", "--no-check")
    assert told["standing"] == "done"
    assert told["checks"] is None
    assert puller.came() < 1.3 * sum(len(blob.data) for blob in image.blobs)


@pytest.mark.nightly
def test_engine_that_is_started_anew_in_the_middle_goes_on_from_what_is_here(
    start: Start, image: Image
) -> None:
    puller = start("dockerd", rate=3 * MB, origin_rate=3 * MB)
    running = puller.begin("pull", "pytorch", *OTHER, "--engine", "docker", "--no-check")
    until(lambda: puller.came() > 12 * MB)
    puller.engine.end()
    time.sleep(1)
    puller.engine.start_again()
    said, _ = running.communicate(timeout=3 * HANG)
    assert running.returncode == 0, said
    assert image.digest in puller.engine.digest(f"pytorch/pytorch:{TAG}"), said
    assert puller.came() < 1.3 * sum(len(blob.data) for blob in image.blobs)


@pytest.mark.nightly
@pytest.mark.parametrize("program", ["dockerd", "podman"])
def test_image_that_is_here_for_another_processor_is_not_taken_for_this_ones(
    start: Start, program: str
) -> None:
    about = {"CUDA_VERSION": "12.6.3", "PYTORCH_VERSION": "2.9.1"}
    both = multi_platform(
        {each: shaped("both", about, architecture=each) for each in ("amd64", "arm64")}
    )
    puller, word = start(program, what=both), "docker" if program == "dockerd" else program
    machine = [word, "image", "inspect", "--format", "{{.Architecture}}", NAME]
    described = "driver=560,gpu=A100,machine=aarch64"
    for host, architecture in ((described, "arm64"), (OTHER[1], "amd64"), (described, "arm64")):
        words = ("pull", "pytorch", "--for", host, "--engine", word, "--no-check")
        assert puller.run(*words)["standing"] == "done"
        there = subprocess.run(machine, env=puller.env, capture_output=True, text=True, check=True)
        assert there.stdout.strip() == architecture


@pytest.mark.nightly
@pytest.mark.parametrize("program", ["dockerd", "podman"])
def test_trial_that_is_ended_leaves_no_container_behind(
    start: Start, tmp_path: Path, program: str
) -> None:
    slow = working(tmp_path / "slow", size=1000, torch="import time\ntime.sleep(600)\n")
    puller, word = start(program, what=slow), "docker" if program == "dockerd" else program
    puller.run("pull", "pytorch", *OTHER, "--engine", word, "--no-check")

    def containers() -> str:
        words = [word, "ps", "-aq"]
        return subprocess.run(
            words, env=puller.env, capture_output=True, text=True, check=True
        ).stdout

    for number in (signal.SIGTERM, signal.SIGINT):
        running = puller.begin("check", NAME, "--engine", word)
        until(containers)
        running.send_signal(number)
        said, _ = running.communicate(timeout=HANG)
        assert running.returncode == 128 + number, said
        assert not containers()


@pytest.mark.nightly
def test_containerd_tries_an_image_each_time_though_ctr_may_pass_no_end_of_input_on(
    start: Start,
) -> None:
    puller = start("containerd")
    puller.env["CONTAINERD_ADDRESS"] = f"{puller.engine.root}/run/containerd.sock"
    done = puller.engine.pull(f"pytorch/pytorch:{TAG}")
    assert done.returncode == 0, done.stdout + done.stderr
    for _ in range(4):
        told = puller.run("check", NAME, "--engine", "ctr")
        assert any(
            "its product on the processor is right" in text for _, text in found(told, "torch")
        )
    told = puller.run("check", "docker.io/pytorch/nosuch:1", "--engine", "ctr", code=1)
    assert told["reference"] == "no-image"


def test_what_no_second_try_changes_ends_at_once_and_says_whose_fault_it_is(start: Start) -> None:
    puller = start("dockerd")
    told = puller.run("pull", "pytorch", *OTHER, "--engine", "rkt", code=2)
    assert told["reference"] == "unknown-engine"
    puller.engine.end()
    told = puller.run("pull", "pytorch", *OTHER, "--engine", "docker", code=1)
    assert (told["reference"], told["fault_of"]) == ("engine-silent", "this machine")
    told = puller.run("check", NAME, "--engine", "docker", code=1)
    assert told["reference"] == "engine-silent"
