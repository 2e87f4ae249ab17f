"""What the doctor says of containers and GPUs, with programs that answer as the real ones do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from headrace.interface.hookspecs import Place, Scope
from headrace.system.accelerators.nvidia.error_codes import Meaning, advice
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


def test_file_of_another_driver_is_told_with_what_makes_it_anew(machine: Machine) -> None:
    machine.program("nvidia-ctk", "version 1.18.0").program("podman", "")
    machine.cdi(
        "kind: nvidia.com/gpu\ncontainerEdits:\n  mounts:\n"
        "  - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.535.161.08\n"
    )
    (check_, level, text) = machine.told()[-1]
    assert (check_, level) == ("cdi", "warning")
    assert "is for driver 535.161.08, and 550.54.15 is loaded" in text


def test_toolkit_that_gives_no_rights_is_read_from_its_own_file(machine: Machine) -> None:
    machine.program("nvidia-ctk", "version 1.18.0").engine(Runtimes={"nvidia": {}})
    path = machine.root / "etc" / "nvidia-container-runtime" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[nvidia-container-cli]\n#no-cgroups = false\n")
    assert machine.told()[-1][1] == "ok"
    path.write_text("[nvidia-container-cli]\nno-cgroups = true\n")
    assert machine.told()[-1][:2] == ("cgroups", "warning")
    path.write_text("not toml [")
    assert machine.told()[-1][1] == "ok"


def test_driver_that_was_renewed_comes_first_as_detection_says_it(machine: Machine) -> None:
    note = advice(Meaning.MISMATCH, contained=False, driver="550.54.15")
    told = machine.engine().told(Host(GPU.accelerators, GPU.driver, notes=(note,)))
    assert [each[:2] for each in told] == [("containers", "warning"), ("containers", "warning")]
    assert "not those of the module" in told[0][2]
