"""Container engines: dockerd with one mirror, as its configuration names it, and skopeo."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.corpus.images import ImageTree
from benchmarks.stage import Outcome, Stage, digest_of, scratch

__all__ = ["docker_pull", "missing", "podman_pull", "skopeo_copy"]

_PATIENCE = 30.0


def missing() -> str:
    """Say what this machine lacks for engines; empty when it lacks nothing."""
    if os.geteuid() != 0:
        return "not root"
    lacking = [each for each in ("dockerd", "docker", "containerd", "skopeo") if not _has(each)]
    return f"{', '.join(lacking)} not installed" if lacking else ""


def _has(program: str) -> bool:
    return shutil.which(program) is not None


def docker_pull(
    stage: Stage, contender: str, mirror: str, image: ImageTree, *, network: Path | None = None
) -> Outcome:
    """Pull with a dockerd that has nothing yet, and that asks `mirror` for docker.io's images.

    `network` is the network namespace to start it in: ``ip netns exec`` would hide the control
    groups from it. So `mirror` must be an address, not a name that only the stage knows.
    """
    # Sockets may not have long names.
    folder = Path(tempfile.mkdtemp(prefix="hrb"))
    try:
        with _dockerd(folder, mirror, network) as socket:
            docker = ["docker", "-H", socket]
            # What `docker` itself talks to is here, so it needs no stage.
            here = Stage(patience=stage.patience)
            outcome = here.run(contender, [*docker, "pull", "-q", image.name], folder)
            words = ("image", "inspect", "--format", "{{json .RepoDigests}}", image.name)
            told = subprocess.run([*docker, *words], check=False, capture_output=True, text=True)
            return replace(outcome, right=image.digest in told.stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _dockerd(folder: Path, mirror: str, network: Path | None) -> Iterator[str]:
    socket = f"unix://{folder}/docker.sock"
    settings = {
        "registry-mirrors": [mirror],
        "storage-driver": "vfs",
        "iptables": False,
        "bridge": "none",
        "ip-forward": False,
    }
    (folder / "daemon.json").write_text(json.dumps(settings))
    words = [*(["nsenter", f"--net={network}"] if network else []), "dockerd"]
    words += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "-H", socket]
    words += ["--pidfile", f"{folder}/pid", "--config-file", f"{folder}/daemon.json"]
    with (folder / "log").open("ab") as log:
        daemon = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _PATIENCE
        ask = ["docker", "-H", socket, "version"]
        while subprocess.run(ask, check=False, capture_output=True).returncode:
            if daemon.poll() is not None or time.monotonic() > deadline:
                told = (folder / "log").read_text(errors="replace").strip()
                raise RuntimeError(f"dockerd did not start: {told[-500:]}")
            time.sleep(0.1)
        yield socket
    finally:
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def skopeo_copy(stage: Stage, contender: str, place: str, image: ImageTree) -> Outcome:
    """Copy an image into a folder; `place` is host, port and path before its name."""
    with scratch() as folder:
        words = ["skopeo", "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false"]
        words += [f"docker://{place}/{image.name}", f"dir:{folder}/image"]
        outcome = stage.run(contender, words, folder)
        file = folder / "image" / image.layer.partition(":")[2]
        return replace(outcome, right=f"sha256:{digest_of(file)}" == image.layer)


def podman_pull(stage: Stage, contender: str, place: str, image: ImageTree) -> Outcome:
    """Pull with podman into a store of its own; `place` as for `skopeo_copy`."""
    folder = Path(tempfile.mkdtemp(prefix="hrb"))
    try:
        store = ["--root", f"{folder}/store", "--runroot", f"{folder}/run"]
        podman = ["podman", *store, "--storage-driver=vfs", "--events-backend=none"]
        name = f"{place}/{image.name}"
        words = [*podman, "pull", "--quiet", "--tls-verify=false", name]
        outcome = stage.run(contender, words, folder)
        asked = [*podman, "image", "inspect", "--format", "{{.Digest}}", name]
        told = subprocess.run(asked, check=False, capture_output=True, text=True)
        return replace(outcome, right=image.digest in told.stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
