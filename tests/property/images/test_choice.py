"""Hosts at random: the image that is found is one that they run, and no newer one is.

What runs is decided here by a reading of the rule of its own, with its own tables: NVIDIA's minor
version compatibility, machine code by major of the capability, what the nvidia runtime holds a
container to, and forward compatibility on cards for data centres.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from packaging.version import Version

from headrace.variants.hosts import Accelerator, Host
from headrace_docker.finding.find import find
from lib.images.content import Blob, Image
from lib.images.families import cuda_demand, shaped
from lib.images.in_memory import Registries

Pair = tuple[int, int]

HOSTS = 300
#: Drivers and the CUDA that they came with (NVIDIA's release notes).
DRIVERS: dict[str, Pair] = {
    "450.80.02": (11, 0),
    "470.256.02": (11, 4),
    "520.61.05": (11, 8),
    "525.60.13": (12, 0),
    "535.183.01": (12, 2),
    "550.54.15": (12, 4),
    "570.124.06": (12, 8),
    "580.95.05": (13, 0),
    "595.71.05": (13, 2),
}
#: Name, capability, whether it is a data centre's.
GPUS: list[tuple[str, Pair, bool]] = [
    ("Tesla P100-PCIE-16GB", (6, 0), True),
    ("NVIDIA GeForce GTX 1080 Ti", (6, 1), False),
    ("Tesla V100-SXM2-16GB", (7, 0), True),
    ("Tesla T4", (7, 5), True),
    ("NVIDIA GeForce RTX 2080", (7, 5), False),
    ("NVIDIA A100-SXM4-80GB", (8, 0), True),
    ("NVIDIA GeForce RTX 3090", (8, 6), False),
    ("NVIDIA RTX A6000", (8, 6), False),
    ("NVIDIA GeForce RTX 4090", (8, 9), False),
    ("NVIDIA L40S", (8, 9), True),
    ("NVIDIA H100 80GB HBM3", (9, 0), True),
    ("NVIDIA B200", (10, 0), True),
    ("NVIDIA GeForce RTX 5090", (12, 0), False),
]
OLD = {(5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0)}
NEW = {(7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0)}
#: Torch's releases, and the machine code that the wheel of each CUDA has on x86_64.
TORCH: dict[str, dict[Pair, set[Pair]]] = {
    "2.15.0": {(13, 2): NEW, (13, 0): NEW},
    "2.14.1": {(13, 2): NEW, (13, 0): NEW, (12, 6): OLD},
    "2.11.0": {(13, 0): NEW, (12, 8): NEW, (12, 6): OLD},
    "2.10.0": {(13, 0): NEW, (12, 8): NEW | {(7, 0)}, (12, 6): OLD},
    "2.9.1": {(13, 0): NEW, (12, 8): NEW | {(7, 0)}, (12, 6): OLD},
    "2.6.0": {(12, 6): OLD, (12, 4): OLD, (11, 8): OLD},
    "2.5.1": {(12, 4): OLD, (12, 1): OLD, (11, 8): OLD},
    "2.3.1": {(12, 1): OLD, (11, 8): OLD},
}
#: CUDA's own images, and the branches of older drivers that each takes on cards for data centres.
TOOLKITS: dict[str, list[int]] = {
    "13.2.0": [535, 570, 580],
    "13.0.1": [535, 550, 570],
    "12.8.1": [470, 535, 550],
    "12.6.3": [470, 535, 550],
    "12.4.1": [470, 525, 535],
    "12.2.2": [470, 525],
    "11.8.0": [450, 470, 510],
    "11.2.2": [418, 450],
}


@dataclass(frozen=True)
class Made:
    """An image of a test's registry, and what it takes."""

    tag: str
    version: Version
    cuda: Pair
    code: frozenset[Pair] | None
    """None: anything that its compiler knows."""
    branches: tuple[int, ...] | None
    """None: it demands nothing."""
    image: Image


def pair(text: str) -> Pair:
    major, minor, *_ = map(int, text.split("."))
    return major, minor


def torch_images() -> list[Made]:
    plain = shaped("torch", {"PATH": "/opt/conda/bin", "PYTORCH_VERSION": "x"})
    return [
        Made(
            f"{version}-cuda{major}.{minor}-cudnn9-runtime",
            Version(version),
            (major, minor),
            frozenset(code),
            None,
            plain,
        )
        for version, builds in TORCH.items()
        for (major, minor), code in builds.items()
    ]


def cuda_images() -> list[Made]:
    found = []
    for version, branches in TOOLKITS.items():
        demand = cuda_demand(version.rpartition(".")[0], branches)
        variables = {"CUDA_VERSION": version, "NVIDIA_REQUIRE_CUDA": demand}
        image = shaped(f"cuda {version}", variables)
        found += [
            Made(
                f"{version}-runtime-{system}",
                Version(version),
                pair(version),
                None,
                tuple(branches),
                image,
            )
            for system in ("ubuntu22.04", "ubi9")
        ]
    return found


def own_images() -> list[Made]:
    """Write CUDA nowhere but into the configuration; fewer than are read at most."""
    found = []
    for number, toolkit in enumerate(reversed(["13.0", "12.8", "12.6", "12.4", "11.8", "11.4"])):
        version = f"1.{number + 8}.0"
        image = shaped(f"own {version}", {"CUDA_VERSION": f"{toolkit}.1"})
        found.append(Made(version, Version(version), pair(toolkit), None, None, image))
    return found


PLACES = {
    "docker.io/pytorch/pytorch": torch_images(),
    "docker.io/nvidia/cuda": cuda_images(),
    "docker.io/me/own": own_images(),
}


@dataclass(frozen=True)
class Machine:
    """A host as it was drawn."""

    driver: str
    gpus: tuple[tuple[str, Pair, bool], ...]

    @property
    def cuda(self) -> Pair:
        return DRIVERS[self.driver]

    @property
    def host(self) -> Host:
        found = tuple(Accelerator("nvidia", name, able) for name, able, _ in self.gpus)
        return Host(found, self.driver, self.cuda)


def has_code(made: Made, able: Pair) -> bool:
    if made.code is not None:
        return any(major == able[0] and minor <= able[1] for major, minor in made.code)
    first = {9: (11, 8), 10: (12, 8), 12: (12, 8)}.get(able[0], (0, 0))
    ended = able in ((6, 0), (6, 1), (7, 0))
    return made.cuda >= first and not (ended and made.cuda[0] >= 13)


def runs(made: Made, machine: Machine) -> bool:
    """The rule, read once more."""
    if not all(has_code(made, able) for _, able, _ in machine.gpus):
        return False
    if made.branches is None:
        return made.cuda[0] <= machine.cuda[0]
    if made.cuda <= machine.cuda:
        return True
    in_datacentre = all(data for _, _, data in machine.gpus)
    return in_datacentre and int(machine.driver.split(".")[0]) in made.branches


def drawn(numbers: random.Random) -> Machine:
    gpus = numbers.choices(GPUS, k=numbers.choice([1, 1, 1, 2, 3]))
    return Machine(numbers.choice(list(DRIVERS)), tuple(gpus))


@pytest.mark.parametrize("place", PLACES)
def test_image_that_is_found_runs_and_no_newer_one_does(place: str) -> None:
    numbers = random.Random(f"images {place}")
    none = 0
    for _ in range(HOSTS // len(PLACES)):
        machine = drawn(numbers)
        there = numbers.sample(PLACES[place], k=numbers.randint(1, len(PLACES[place])))
        ask = Registries({place: {each.tag: each.image for each in there}})
        found = find(place, "", machine.host, ask)
        fitting = [each for each in there if runs(each, machine)]
        about = (machine, sorted(each.tag for each in there), found.lines)
        chosen = next((each for each in there if each.tag == found.table.get("tag")), None)
        if chosen is None:
            none += 1
            assert not fitting, about
            assert not found.answers, about
            continue
        assert chosen in fitting, about
        assert chosen.version == max(each.version for each in fitting), about
        # An index or a manifest, and a configuration: of no more images than may be read.
        assert ask.count("manifests") <= 16, about
        assert not [path for path in ask.asked if any(b.digest in path for b in _layers(chosen))]
    # Hosts at random are of both sorts.
    assert 0 < none < HOSTS // len(PLACES) // 2


def _layers(made: Made) -> list[Blob]:
    return [blob for blob in made.image.blobs if "layer" in blob.media_type]
