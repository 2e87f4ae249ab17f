"""Versions and conditions, held against those who know: py-rattler reads them as conda does."""

from __future__ import annotations

import itertools

import pytest
import rattler

from headrace_conda.builds.versions import Condition, compare, condition, satisfies

# fmt: off
VERSIONS = (
    "1.2", "1.2.0", "1.2.3", "1.10", "1!0.1", "2.13.0", "12.4", "12.9", "13.0", "3.12.4",
    "0.4.1.rc", "1.0.1_", "1.0.1a", "1.0.1", "1.0.1post1", "1.0.1.dev2", "1.0.1dev", "2.0a0",
    "2.0.a0", "2.0", "2.0.0+cu1", "2.0+3", "9e", "9f", "2024a", "2024b", "0.5.10", "0.5a1",
)
# fmt: on
#: What py-rattler reads otherwise than conda 26.7, which is followed here.
OTHERWISE = {"~=2.0.0+cu1", "~=2.0+3"}


def test_versions_are_ordered_as_by_everybody() -> None:
    for left, right in itertools.product(VERSIONS, VERSIONS):
        one, other = rattler.Version(left), rattler.Version(right)
        assert compare(left, right) == (one > other) - (one < other), (left, right)


@pytest.mark.parametrize("operator", ["", "=", "==", "!=", ">=", "<=", "<", ">", "~="])
def test_conditions_are_read_as_by_everybody(operator: str) -> None:
    tails = ("", ".*") if operator in ("", "=", "!=") else ("",)
    asked = 0
    for version, right, tail in itertools.product(VERSIONS, VERSIONS, tails):
        wanted = f"{operator}{right}{tail}"
        if wanted in OTHERWISE or (operator == "~=" and "." not in right):
            continue
        expected = rattler.VersionSpec(wanted).matches(rattler.Version(version))
        assert satisfies(version, wanted) == expected, (version, wanted)
        asked += 1
    assert asked > 600


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ("", True),
        ("*", True),
        (">=12", True),
        (">=12.0,<13", True),
        (">=12.9", False),
        (">=12.9|<12.5", True),
        (">=12.9,<13|>=11,<12", False),
        ("12.*", True),
        ("=12", True),
        ("==12.4", True),
        ("12.4", True),
        # As it stands in a record, without an operator: that version and no other.
        ("12", False),
        ("11.8.*", False),
        ("!=12.4", False),
        (">=12.4.*", True),
        ("1*.4", True),
        ("(>=1|<3),^x$", True),
        ("what is this", False),
    ],
)
def test_alternatives_and_patterns(wanted: str, *, met: bool) -> None:
    assert satisfies("12.4", wanted) is met


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("python", Condition("python")),
        ("python *", Condition("python")),
        ("cuda-version >=12.9, <13", Condition("cuda-version", ">=12.9,<13")),
        ("libtorch 2.5.1 cuda126_*", Condition("libtorch", "2.5.1", "cuda126_*")),
        ("x 1.2=b_1", Condition("x", "1.2", "b_1")),
        ("PyTorch=2.12", Condition("pytorch", "=2.12")),
        ("pytorch==2.12", Condition("pytorch", "==2.12")),
        ("pytorch=*=cuda*", Condition("pytorch", "", "cuda*")),
        ("pytorch>=2,<3", Condition("pytorch", ">=2,<3")),
        ("conda-forge::pytorch=2", Condition("pytorch", "=2")),
        ("x[build=cuda*]", Condition("x", unread=True)),
        ("x a b c d", Condition("x", unread=True)),
    ],
)
def test_a_condition_is_read_in_each_of_its_forms(text: str, read: Condition) -> None:
    assert condition(text) == read


@pytest.mark.parametrize("text", ["", " ", "!", "<3", "[x]", "*"])
def test_what_names_nothing_is_no_condition(text: str) -> None:
    assert condition(text) is None


@pytest.mark.parametrize(
    ("build", "pattern", "met"),
    [
        ("cuda129_h_1", "cuda*", True),
        ("py312_cuda129_1", "*cuda*", True),
        ("cpu_1", "*cuda*", False),
        ("cpu_1", "cpu_1", True),
        ("cpu_10", "cpu_1", False),
        ("ab", "ab*b", False),
        ("abab", "ab*ab", True),
        ("anything", "^(x|y)$", True),
    ],
)
def test_a_build_is_like_a_pattern(build: str, pattern: str, *, met: bool) -> None:
    assert Condition("x", build=pattern).met_by("1", build) is met


def test_what_is_not_known_of_a_package_is_no_obstacle() -> None:
    wanted = Condition("__glibc", ">=2.17", "0")
    assert wanted.met_by(None)
    assert wanted.met_by(None, None)
    assert not wanted.met_by("2.12", None)
    assert not wanted.met_by(None, "1")


def test_numbers_without_end_are_compared_as_numbers() -> None:
    long = "9" * 5000
    assert compare(f"1.{long}", f"1.{long}0") == -1
    assert compare(f"1.0{long}", f"1.{long}") == 0
