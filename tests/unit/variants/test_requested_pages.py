"""What pip gets of torch's family where it is known what it was asked for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from headrace.variants.builds import Candidate
from headrace.variants.hosts import Accelerator, Host, VariantRequest
from headrace.variants.pages import serve
from headrace.variants.taken import taken
from lib.gpu.variant_listing import TABLES, listing

LISTED = listing()
A100 = Host((Accelerator("nvidia", "A100", (8, 0)),), "550.54.15", libc=(2, 36))
V100 = Host((Accelerator("nvidia", "V100", (7, 0)),), "580.95.05", libc=(2, 36))
H100 = Host((Accelerator("nvidia", "H100", (9, 0)),), "580.95.05", libc=(2, 36))
GB300 = Host((Accelerator("nvidia", "GB300", (10, 3)),), "590.48.01", libc=(2, 36))
SEVERAL = Host(
    tuple(
        Accelerator("nvidia", name, capability)
        for name, capability in (("GB200", (10, 0)), ("H800", (9, 0)), ("T600", (7, 5)))
    ),
    "575.57.08",
    libc=(2, 36),
)
CPU = Host(libc=(2, 36))


def asks(name: str, asked: Mapping[str, str], installed: str | None = None) -> VariantRequest:
    others = tuple((project, text) for project, text in asked.items() if project != name)
    return VariantRequest(
        name, "3.12", None, asked.get(name, ""), others, installed=installed, known=True
    )


def got(
    host: Host, asked: Mapping[str, str], installed: str | None = None
) -> dict[str, tuple[str, str]]:
    """Return what pip takes of each page that is asked for, and why it is yanked."""
    found = {}
    for name in asked:
        request = asks(name, asked, installed)
        entry = taken(request, serve(host, request, LISTED, TABLES), LISTED, host, TABLES)
        assert entry is not None, name
        found[name] = entry[0].candidate.name, entry[0].yanked
    return found


@pytest.mark.parametrize("text", [">=2.15", "~=2.15.0", "==2.15.*", ">2.14.1", ">=2.13,!=2.14.1"])
def test_what_is_asked_for_is_there_although_it_does_not_run(text: str) -> None:
    expected = "2.14.0+cu126" if "!" in text else "2.15.0"
    assert got(A100, {"torch": text}) == {"torch": (expected, "")}
    expected = "2.14.0+cu126" if "!" in text else "2.15.0+cpu"
    assert got(V100, {"torch": text}) == {"torch": (expected, "")}


def test_of_a_release_without_code_for_the_best_gpu_comes_what_the_next_best_runs() -> None:
    # The default (CUDA 11.7) has code for the T600 alone.
    request = VariantRequest("torch", "3.11", None, "==2.0.1", known=True)
    entry = taken(request, serve(SEVERAL, request, LISTED, TABLES), LISTED, SEVERAL, TABLES)
    assert entry is not None
    assert entry[0].candidate.name == "2.0.1+cu118"


def test_a_pin_of_what_does_not_run_says_so_and_its_followers_are_of_its_family() -> None:
    found = got(A100, {"torch": "==2.15.0", "torchvision": ""})
    assert found["torch"][0] == "2.15.0"
    assert "needs driver >= 580" in found["torch"][1]
    assert "ask for torch<2.15 (2.14.1+cu126)" in found["torch"][1]
    assert found["torchvision"] == ("0.29.2", "")
    found = got(V100, {"torch": "==2.15.0", "torchvision": ""})
    assert [version for version, _ in found.values()] == ["2.15.0+cpu", "0.29.2+cpu"]


@pytest.mark.parametrize(
    ("host", "asked", "versions"),
    [
        (A100, {"torch": "", "torchvision": ""}, ["2.14.1+cu126", "0.29.1+cu126"]),
        (A100, {"torch": "", "torchvision": "<0.29"}, ["2.13.0+cu126", "0.28.0+cu126"]),
        # No family that runs has it: the default's, together.
        (A100, {"torch": "", "torchvision": ">=0.29.2"}, ["2.15.0", "0.29.2"]),
        (A100, {"torch": "==2.10.0", "torchvision": ""}, ["2.10.0", "0.25.0"]),
        # Neither was made for the other, and they still share a CUDA.
        (
            A100,
            {"torch": "==2.13.0", "torchvision": "==0.29.1"},
            ["2.13.0+cu126", "0.29.1+cu126"],
        ),
        (V100, {"torch": "", "torchvision": ">=0.29.2"}, ["2.15.0+cpu", "0.29.2+cpu"]),
        (H100, {"torch": "", "torchvision": ""}, ["2.15.0", "0.29.2"]),
        (CPU, {"torch": "==2.10.0", "torchvision": ""}, ["2.10.0", "0.25.0"]),
        # Nothing is to be chosen, and both are of CUDA 13: the newest, as the index has them.
        (CPU, {"torch": "", "torchvision": "!=0.29.2"}, ["2.15.0", "0.29.1"]),
        # A follower that takes later releases too does not hold the lead back ...
        (H100, {"torch": "", "torchvision": "<=0.29.1"}, ["2.15.0", "0.29.1"]),
        (H100, {"torch": "", "torchvision": "==0.29.1"}, ["2.15.0", "0.29.1"]),
        # ... but it takes no older one, and one with a pin takes its own alone.
        (H100, {"torch": "<2.14", "torchvision": ""}, ["2.13.0", "0.28.0"]),
        (H100, {"torch": "", "torchvision": "<=0.29.0"}, ["2.14.0", "0.29.0"]),
        (GB300, {"torch": "<2.8"}, ["2.7.1+cu128"]),
        (A100, {"torch": "<2.8"}, ["2.7.1"]),
    ],
)
def test_a_family_is_of_one_build(host: Host, asked: dict[str, str], versions: list[str]) -> None:
    assert [version for version, _ in got(host, asked).values()] == versions


@pytest.mark.parametrize(
    ("host", "installed", "text", "version"),
    [
        (A100, "2.14.1+cu126", "", "0.29.1+cu126"),
        (A100, "2.13.0+cu126", "", "0.28.0+cu126"),
        (A100, "2.15.0", "", "0.29.2"),
        (A100, "2.13.0+cpu", "", "0.28.0+cpu"),
        (CPU, "2.14.1+cu126", "", "0.29.1+cu126"),
        (CPU, "2.10.0+cpu", "==0.25.0", "0.25.0+cpu"),
        # It brings a torch of its own.
        (A100, "2.14.1+cu126", "==0.27.1", "0.27.1+cu126"),
        # A vendor's own: hands off.
        (A100, "2.1.0+metax3", "", "0.29.2"),
    ],
)
def test_a_follower_goes_with_what_is_installed(
    host: Host, installed: str, text: str, version: str
) -> None:
    found = got(host, {"torchvision": text}, installed)
    assert found == {"torchvision": (version, "")}


def test_a_pin_that_does_not_go_with_what_is_installed_says_so() -> None:
    found = got(A100, {"torchvision": "==0.29.2"}, "2.14.1+cu126")
    why = "headrace: torchvision 0.29.2 does not go with torch 2.14.1+cu126"
    assert found == {"torchvision": ("0.29.2", why)}


def test_a_follower_of_which_little_is_known_decides_nothing() -> None:
    more = [*LISTED, Candidate("torchtune", "0.6.1", wheels=("py3-none-any",))]
    request = asks("torch", {"torch": "", "torchtune": "", "torchao": ""})
    assert serve(A100, request, more, TABLES).decision.name == "2.14.1+cu126"
    assert serve(H100, request, more, TABLES).decision.name == "2.15.0+cu132"


def test_where_the_default_gives_the_same_its_page_stays() -> None:
    for host, asked in ((H100, {"torch": ">=2.15"}), (A100, {"torch": ">=2.15"})):
        assert not serve(host, asks("torch", asked), LISTED, TABLES).pages


def test_only_what_is_asked_for_is_brought_from_variant_indexes() -> None:
    served = serve(A100, asks("torch", {"torch": "==2.13.0"}), LISTED, TABLES)
    labels = {each.candidate.index for each in served.pages["torch"] if each.listed}
    assert labels == {"", "cu126"}
