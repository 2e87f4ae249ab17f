"""The shipped tables of builds, and the loader that checks them."""

from __future__ import annotations

import importlib.resources
import re

import pytest
from packaging.version import Version

from headrace.errors import ConfigurationError
from headrace.variants import tables

TEXT = (importlib.resources.files("headrace") / "data" / "cuda.toml").read_text("utf-8")
TABLES = tables.load()


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_drivers_rise_with_cuda() -> None:
    for column in ("linux", "windows"):
        firsts = [(each.cuda, getattr(each, column)) for each in TABLES.toolkits]
        versions = [Version(first) for _, first in sorted(firsts) if first]
        assert versions == sorted(versions)
    assert [floor.major for floor in TABLES.floors] == [11, 12, 13]


def test_a_build_says_in_its_label_which_cuda_it_is() -> None:
    for release in TABLES.releases:
        for build in release.builds:
            assert build.label == f"cu{build.toolkit[0]}{build.toolkit[1]}"
            assert "x86_64" in build.architectures
            # Packed with zstd since CUDA 13.
            assert build.zstd is (build.toolkit >= (13, 0))
            assert build.architectures["x86_64"].sass[0] not in TABLES.tegra


def test_the_default_of_a_release_is_one_of_its_builds() -> None:
    for release in TABLES.releases:
        labels = {build.label for build in release.builds} | {"cpu"}
        assert {release.default["linux_x86_64"], release.default["linux_aarch64"]} <= labels
        assert release.default["win32"] == "cpu"


def test_every_release_has_partners_and_a_range_of_pythons() -> None:
    for release in TABLES.releases:
        assert set(release.partners) == {"torchvision", "torchaudio"}
        assert release.pythons[0] <= release.pythons[1]
    minors = {Version(release.version).release[:2] for release in TABLES.releases}
    for version, partners in TABLES.patches.items():
        assert Version(version).release[:2] in minors
        assert set(partners) == {"torchvision", "torchaudio"}


def test_the_lead_does_not_follow_itself() -> None:
    assert TABLES.lead == "torch"
    assert TABLES.lead not in TABLES.followers
    assert {"torchvision", "torchaudio", "torchao", "torchcodec", "xformers"} <= TABLES.followers
    assert not {"triton", "pytorch-triton"} & TABLES.family
    assert not TABLES.same_major & TABLES.family


def test_every_word_of_evidence_is_used() -> None:
    for word in re.findall(r"^\[evidence\.(\w+)\]", TEXT, re.MULTILINE):
        assert TEXT.count(f'evidence = "{word}"'), word


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lead = ", "file: "),
        (TEXT + "\n[extra]\nx = 1\n", "fields that mean nothing: extra"),
        (changed('evidence = "nvidia"', 'evidence = "hearsay"'), "'hearsay' is none"),
        (changed('evidence = "nvidia"\n', ""), "floor number 1: has no evidence"),
        (changed("date = 2026-11-23", 'date = "today"'), "evidence wheel: date is not a date"),
        (changed('linux = "450.80.02"', 'linux = "r450"'), "linux is not a driver's version"),
        (changed('cuda = "12.4"', 'cuda = "twelve"'), "single facts: invalid literal"),
        (changed('x86_64 = "t75_b120"', 'x86_64 = "t99"'), "architectures t99 are not in the file"),
        (changed('sass = ["3.7", "5.0"', 'sass = ["5.0", "3.7"'), "sass is empty or not in order"),
        (changed('version = "2.15.0"', 'version = "2.1.0"'), "not the newest first"),
        (changed('version = "2.15.0"', 'version = "new"'), "release number 1: Invalid version"),
        (changed('label = "cu130"', 'label = "cu132"'), "a build is there twice"),
        (changed('torchvision = ">=0.29.2"', 'torchvision = "0.29.2"'), "Invalid specifier"),
        (changed(', win32 = "cpu"', ""), "default is not for"),
        (changed('names = ["Tesla K80"]', 'names = ["Tesla K80", "GTX Titan"]'), "is there twice"),
        (changed('projects = [\n  "torchvision"', "projects = [\n  1"), "not a list of words"),
        (changed('companion = "torch-npu"', 'companion = ""'), "companion is not a word"),
        (changed("[npu]\n", "[npux]\n"), "fields that mean nothing: npux"),
        (changed('devices = ["5690-5697"', 'devices = ["card"'), "intel number 1: invalid literal"),
        (
            changed("integrated = false", 'integrated = "no"'),
            "integrated is neither true nor false",
        ),
    ],
)
def test_a_mistake_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tables.parse(text)
    assert complaint in str(caught.value)
    assert caught.value.reference == "bad-cuda-tables"


def test_a_table_that_is_missing_is_named() -> None:
    begin, end = TEXT.index("[npu]"), TEXT.index("# ---", TEXT.index("[npu]"))
    with pytest.raises(ConfigurationError) as caught:
        tables.parse(TEXT[:begin] + TEXT[end:])
    assert "npu: has no npu" in str(caught.value)
