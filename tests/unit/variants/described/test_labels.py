"""Nodes by their labels, as NVIDIA's and the node's own feature discovery write them."""

from __future__ import annotations

import json

import pytest

from headrace.errors import SettingsError
from headrace.variants.described.labels import described_by, labels_in, selecting
from headrace.variants.tables import load

TABLES = load()
#: As the GPU operator labels a node with eight A100.
A100 = {
    "beta.kubernetes.io/arch": "amd64",
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/os": "linux",
    "nvidia.com/cuda.driver.major": "535",
    "nvidia.com/cuda.driver.minor": "104",
    "nvidia.com/cuda.driver.rev": "05",
    "nvidia.com/cuda.runtime.major": "12",
    "nvidia.com/cuda.runtime.minor": "2",
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "0",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.family": "ampere",
    "nvidia.com/gpu.memory": "81920",
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
    "nvidia.com/mig.capable": "true",
}


def lines(labels: dict[str, str], between: str = "=") -> str:
    return "\n".join(f"{key}{between}{value}" for key, value in labels.items())


def node(labels: dict[str, str]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": labels}}


YAML = "apiVersion: v1\nkind: Node\nmetadata:\n  labels:\n" + "\n".join(
    f'    {key}: "{value}"' for key, value in A100.items()
)


@pytest.mark.parametrize(
    "text",
    [
        lines(A100),
        lines(A100).replace("\n", ","),
        f"node-1   Ready   <none>   3d   v1.33.1   {lines(A100).replace(chr(10), ',')}",
        json.dumps(node(A100)),
        json.dumps({"kind": "List", "items": [node(A100)]}),
        json.dumps(A100),
        YAML,
    ],
)
def test_labels_are_read_in_every_form_that_kubectl_gives_them(text: str) -> None:
    host = described_by(labels_in(text), TABLES)
    assert (host.driver, host.cuda, host.machine) == ("535.104.05", (12, 2), "x86_64")
    assert len(host.accelerators) == 8
    assert {(gpu.name, gpu.capability) for gpu in host.accelerators} == {
        ("NVIDIA A100 SXM4 80GB", (8, 0))
    }


def without(*words: str) -> dict[str, str]:
    return {key: value for key, value in A100.items() if not any(word in key for word in words)}


@pytest.mark.parametrize(
    ("labels", "driver", "cuda"),
    [
        (without("runtime"), "535.104.05", (12, 2)),
        (
            {
                **without("cuda."),
                "nvidia.com/cuda.driver-version.full": "580.95.05",
                "nvidia.com/cuda.runtime-version.major": "13",
                "nvidia.com/cuda.runtime-version.minor": "0",
            },
            "580.95.05",
            (13, 0),
        ),
        (
            {
                **without("cuda."),
                "nvidia.com/cuda.driver-version.major": "580",
                "nvidia.com/cuda.driver-version.minor": "95",
                "nvidia.com/cuda.driver-version.revision": "05",
            },
            "580.95.05",
            (13, 0),
        ),
    ],
)
def test_driver_is_read_under_both_of_its_names(
    labels: dict[str, str], driver: str, cuda: tuple[int, int]
) -> None:
    host = described_by(labels, TABLES)
    assert (host.driver, host.cuda) == (driver, cuda)


@pytest.mark.parametrize(
    ("product", "mig"),
    [
        ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", True),
        ("A100-SXM4-40GB-SHARED", False),
        ("Tesla-T4", False),
    ],
)
def test_card_that_is_split_or_shared_is_that_card(product: str, *, mig: bool) -> None:
    labels = {**without("compute"), "nvidia.com/gpu.product": product}
    (gpu, *_) = described_by(labels, TABLES).accelerators
    assert gpu.capability == ((7, 5) if "T4" in product else (8, 0))
    assert gpu.mig is mig


def test_node_without_any_gpu_is_one_without_any_gpu() -> None:
    host = described_by({"kubernetes.io/arch": "arm64"}, TABLES)
    assert (host.accelerators, host.machine) == ((), "aarch64")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (without("cuda."), "do not say the driver"),
        (without("compute", "product"), "what the GPU is capable of"),
        ({"feature.node.kubernetes.io/pci-0302_10de.present": "true"}, "no label says which"),
        ({"amd.com/gpu.family": "AI"}, "what amd's GPU is capable of"),
        ({"gpu.intel.com/product": "Max_1550"}, "what intel's GPU is capable of"),
    ],
)
def test_labels_that_leave_out_what_decides_are_refused_with_what_helps(
    labels: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as raised:
        described_by(labels, TABLES)
    assert "--for" in (raised.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "{",
        "{}",
        '{"metadata": []}',
        '{"items": [1]}',
        json.dumps({"items": [node(A100), node(A100)]}),
        "apiVersion: v1\nitems:\n- kind: Node\nkind: List\n",
        "a=b\n" * 0,
    ],
)
def test_what_describes_no_node_or_several_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        labels_in(text)


def test_nodes_of_a_kind_are_selected_by_their_gpu_and_processor_and_by_no_driver() -> None:
    assert selecting(A100) == {
        "kubernetes.io/arch": "amd64",
        "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
    }
    assert selecting({"kubernetes.io/os": "linux"}) == {}
