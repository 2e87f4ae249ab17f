"""`on`, real podman, skopeo and buildah, `off`: one drop-in, and what the user has of his own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.engines.gateway import DIGEST
from lib.engines.lab import EngineLab, lab, needs, why_not

pytestmark = needs("podman", "skopeo")

HIS = (
    '# mine\n[[registry]]\nprefix = "quay.io"\nlocation = "quay.io"\n\n'
    '[[registry.mirror]]\nlocation = "127.0.0.1:9/his"\ninsecure = true\n'
)
DROP_IN = "containers/registries.conf.d/zz-headrace.conf"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[EngineLab]:
    with lab(tmp_path) as made:
        made.gateway()
        made.put("/etc/containers/policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')
        yield made


def podman(machine: EngineLab, *words: str, check: bool = True) -> str:
    storage = ("--root", machine.root / "storage", "--runroot", "/run/pods")
    vfs = ("--storage-driver", "vfs")
    return machine.run("podman", *storage, *vfs, *words, check=check).stdout


@pytest.mark.parametrize("scope", ["user", "system"])
def test_pulls_of_every_public_registry_ask_the_gateway_and_off_gives_all_back(
    machine: EngineLab, scope: str
) -> None:
    machine.put("/etc/containers/registries.conf.d/50-his.conf", HIS)
    # With netavark podman leaves a lock of its own in /etc/containers, whatever it is asked.
    podman(machine, "images")
    before = machine.files()
    done = machine.switch_on(scope)
    where = f"{machine.root}/home/.config" if scope == "user" else "/etc"
    assert f"{where}/{DROP_IN}" in done["changed"]
    for registry in ("docker.io", "ghcr.io", "quay.io"):
        machine.asked()
        podman(machine, "pull", "-q", f"{registry}/org/tiny:v1")
        asked = machine.asked()
        assert f"GET /v2/{registry}/org/tiny/manifests/v1" in asked
        assert any(f"GET /v2/{registry}/org/tiny/blobs/sha256:" in each for each in asked)
        told = podman(machine, "inspect", "--format", "{{.Digest}}", f"{registry}/org/tiny:v1")
        assert told.strip() == DIGEST
    # What the image is called is the registry's own name.
    assert "127.0.0.1" not in podman(machine, "images")
    status = machine.headrace("status", "--scope", scope, check=False).stdout
    assert "podman         routed" in status

    machine.headrace("off", "--scope", scope)
    assert machine.files() == before
    machine.asked()
    podman(machine, "pull", "-q", "ghcr.io/org/other:v1", check=False)
    assert machine.asked() == []


def test_skopeo_and_buildah_read_the_same_drop_in(machine: EngineLab) -> None:
    machine.switch_on("user")
    machine.asked()
    machine.run("skopeo", "copy", "docker://nvcr.io/org/tiny:v1", f"dir:{machine.root}/copy")
    assert "GET /v2/nvcr.io/org/tiny/manifests/v1" in machine.asked()
    storage = ("--root", machine.root / "s", "--runroot", "/run/pods")
    words = ("--storage-driver", "vfs", "pull", "gcr.io/org/tiny:v1")
    if why_not("buildah") is None:
        machine.run("buildah", *storage, *words)
        assert "GET /v2/gcr.io/org/tiny/manifests/v1" in machine.asked()


def test_a_registry_that_the_user_leads_elsewhere_or_that_is_not_public_is_his(
    machine: EngineLab,
) -> None:
    his = '[[registry]]\nprefix = "ghcr.io"\nlocation = "127.0.0.1:9"\ninsecure = true\n'
    machine.put("home/.config/containers/registries.conf.d/50-his.conf", his)
    machine.switch_on("user")
    machine.asked()
    podman(machine, "pull", "-q", "ghcr.io/org/tiny:v1", check=False)
    podman(machine, "pull", "-q", "company.example/org/tiny:v1", check=False)
    assert machine.asked() == []


def test_a_short_name_is_as_unknown_as_before(machine: EngineLab) -> None:
    machine.switch_on("user")
    machine.asked()
    podman(machine, "pull", "-q", "tiny", check=False)
    assert machine.asked() == []


def test_a_run_of_podman_reads_a_main_file_of_its_own(machine: EngineLab) -> None:
    """The file that `headrace run` would give it."""
    from headrace_docker.engines.podman import ContainersActivation  # noqa: PLC0415
    from lib.engines.machine import ORIGINS, Engines  # noqa: PLC0415 - with what it needs alone
    from lib.places import GATEWAY, place  # noqa: PLC0415

    activation = ContainersActivation(Engines(machine.root / "x", ["podman"]).machine())
    scratch = machine.root / "scratch"
    env, (edit,) = activation.environment(
        place(machine.root / "x"), GATEWAY, ORIGINS, lambda _: None, scratch
    )
    edit.path.parent.mkdir(parents=True)
    edit.path.write_bytes(edit.after or b"")
    machine.asked()
    (variable,) = env.items()
    storage = ("--root", machine.root / "s", "--runroot", "/run/pods")
    words = ("podman", *storage, "--storage-driver", "vfs", "pull", "-q", "ghcr.io/org/tiny:v1")
    machine.run("env", "=".join(str(each) for each in variable), *words)
    assert "GET /v2/ghcr.io/org/tiny/manifests/v1" in machine.asked()
