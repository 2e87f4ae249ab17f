"""What the doctor says of containers and GPUs, with programs that answer as the real ones do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from headrace.interface.hookspecs import Place, Scope
from headrace.variants.hosts import Accelerator, Host
from headrace_docker.gpu.container_toolkit import check
from lib.capabilities import lacks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "Linux's toolkit"))

GPU = Host((Accelerator("nvidia", "NVIDIA A100", (8, 0)),), "550.54.15")


class Machine:
    """Programs on a PATH of its own, and folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()

    def program(self, name: str, said: str) -> Machine:
        file = self.root / "bin" / name
        file.write_text(f"#!/bin/sh\necho '{said}'\n")
        file.chmod(0o755)
        return self

    def engine(self, **info: object) -> Machine:
        return self.program("docker", json.dumps({"ServerVersion": "28.5.2", **info}))

    def cdi(self, text: str = "kind: nvidia.com/gpu\n") -> Machine:
        file = self.root / "etc" / "cdi" / "nvidia.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return self

    def told(self, host: Host = GPU) -> list[tuple[str, str, str]]:
        env = {"PATH": str(self.root / "bin")}
        place = Place(Scope.USER, self.root, env, "linux", self.root)
        return [(f.check, f.level, f.text) for f in check(place, host, root=self.root)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_gpu_or_an_engine_nothing_is_said(machine: Machine) -> None:
    assert machine.told() == []
    machine.engine()
    assert machine.told(Host()) == []


def test_engine_without_the_toolkit_is_told_what_to_install(machine: Machine) -> None:
    ((check_, level, text),) = machine.engine().told()
    assert (check_, level) == ("containers", "warning")
    assert "nvidia-container-toolkit is not installed" in text


def test_runtime_of_docker_is_seen(machine: Machine) -> None:
    machine.program("nvidia-ctk", "NVIDIA Container Toolkit CLI version 1.18.0")
    machine.engine(Runtimes={"runc": {}, "nvidia": {}})
    assert machine.told() == [
        ("containers", "ok", "nvidia-container-toolkit 1.18.0"),
        ("docker", "ok", "gives containers GPUs by the nvidia runtime (--gpus all)"),
    ]


def test_docker_with_neither_way_is_a_warning_and_cdi_is_the_other(machine: Machine) -> None:
    machine.program("nvidia-ctk", "version 1.18.0").engine(Runtimes={"runc": {}})
    assert machine.told()[-1][:2] == ("docker", "warning")
    machine.cdi()
    machine.engine(Runtimes={"runc": {}}, CDISpecDirs=["/etc/cdi"])
    assert machine.told()[-1][:2] == ("docker", "ok")
    assert "CDI" in machine.told()[-1][2]


def test_engine_that_does_not_answer_is_said_to_be_unknown(machine: Machine) -> None:
    machine.program("nvidia-ctk", "version 1.18.0")
    machine.program("docker", json.dumps({"ServerErrors": ["cannot connect"]}))
    assert machine.told()[-1][:2] == ("docker", "note")


def test_podman_needs_a_cdi_file_that_speaks_of_nvidia(machine: Machine) -> None:
    machine.program("nvidia-ctk", "version 1.18.0").program("podman", "")
    machine.cdi("kind: other.example/thing\n")
    told = [each for each in machine.told() if each[0] == "podman"]
    assert told[0][1] == "warning"
    (machine.root / "etc" / "cdi" / "nvidia.yaml").write_text("kind: nvidia.com/gpu\n")
    told = [each for each in machine.told() if each[0] == "podman"]
    assert told[0][1] == "ok"
