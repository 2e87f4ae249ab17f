"""Which wheel variant uv would take, as its drafts and NVIDIA's provider have it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from headrace.variants.hosts import Accelerator, Host
from headrace_pip.explaining.wheel_variants import label_of, told

CUDA: Mapping[str, Any] = {
    "null": {},
    "cu126": {"nvidia": {"cuda_version_lower_bound": ["12.6"]}},
    "cu130": {"nvidia": {"cuda_version_lower_bound": ["13.0"]}},
}
CODE: Mapping[str, Any] = {
    "all": {"nvidia": {"cuda_version_lower_bound": ["12.6"]}},
    "hopper": {"nvidia": {"cuda_version_lower_bound": ["12.6"], "sm_arch": ["90_real", "80_real"]}},
}
BOUNDS: Mapping[str, Any] = {
    "old": {
        "nvidia": {"cuda_version_lower_bound": ["12"], "cuda_version_upper_bound": ["13"]},
    },
    "new": {"nvidia": {"cuda_version_lower_bound": ["13"]}},
}
MIXED: Mapping[str, Any] = {**CUDA, "v3": {"x86_64": {"level": ["v3"]}}}


def table(variants: Mapping[str, Any], **first: Any) -> bytes:
    return json.dumps(
        {"default-priorities": {"namespace": ["nvidia"], **first}, "variants": variants}
    ).encode()


def host(cuda: tuple[int, int] | None, *capabilities: tuple[int, int]) -> Host:
    gpus = tuple(Accelerator("nvidia", "a GPU", each) for each in capabilities)
    return Host(gpus, cuda=cuda)


@pytest.mark.parametrize(
    ("variants", "machine", "end"),
    [
        (CUDA, host((12, 8)), "uv takes cu126: it needs CUDA 12.6, the driver has 12.8"),
        (CUDA, host((13, 0)), "uv takes cu130: it needs CUDA 13.0, the driver has 13.0"),
        (CUDA, host((12, 4)), "none runs here, uv takes null, which needs nothing"),
        (CUDA, host(None), "none runs here, uv takes null, which needs nothing"),
        # Of two that begin alike the one that asks for more.
        (
            CODE,
            host((12, 8), (9, 0)),
            "uv takes hopper: it needs CUDA 12.6, the driver has 12.8; it has code for sm_90",
        ),
        (
            CODE,
            host((12, 8), (8, 0)),
            "uv takes hopper: it needs CUDA 12.6, the driver has 12.8; it has code for sm_80",
        ),
        (CODE, host((12, 8), (7, 0)), "uv takes all: it needs CUDA 12.6, the driver has 12.8"),
        # The provider tells of the most capable GPU alone.
        (
            CODE,
            host((12, 8), (9, 0), (12, 0)),
            "uv takes all: it needs CUDA 12.6, the driver has 12.8",
        ),
        (BOUNDS, host((12, 8)), "uv takes old: it needs CUDA 12, the driver has 12.8"),
        (BOUNDS, host((13, 2)), "uv takes new: it needs CUDA 13, the driver has 13.2"),
        (BOUNDS, host((11, 8)), "none runs here, uv takes the wheel without a variant"),
        (MIXED, host((13, 0)), "what is there of x86_64 its provider tells uv"),
    ],
)
def test_the_variant_that_uv_takes_is_told(
    variants: Mapping[str, Any], machine: Host, end: str
) -> None:
    (line,) = told(table(variants), [*variants, ""], machine)
    assert line.startswith("wheel variants (a draft")
    assert line.endswith(end)


def test_the_order_of_values_that_the_release_says_comes_first() -> None:
    preferred = {"nvidia": {"cuda_version_lower_bound": ["12.6"]}}
    (line,) = told(table(CUDA, property=preferred), CUDA, host((13, 0)))
    assert "uv takes cu126" in line


def test_only_variants_that_fit_otherwise_are_told_of() -> None:
    assert "cu130" not in told(table(CUDA), ["cu126", ""], host((13, 0)))[0]
    assert told(table(CUDA), ["null", ""], host((13, 0))) == []
    assert told(table(CUDA), ["unknown"], host((13, 0))) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"variants": []}',
        b'{"variants": {"a": {"nvidia": 1}}}',
        b'{"variants": {"a": {"nvidia": {"sm_arch": 5}}}}',
        b'{"variants": {"a": {}}, "default-priorities": []}',
        b'{"variants": {"a": {}}, "default-priorities": {"feature": 1}}',
        table({str(number): {} for number in range(300)}),
        b" " * ((1 << 20) + 1) + b"{}",
    ],
    ids=len,
)
def test_what_is_no_such_table_is_passed_over(body: bytes) -> None:
    assert told(body, ["a", "1"], host((13, 0))) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a-1-py3-none-any.whl", ("a-1-py3-none-any.whl", "")),
        ("a-1-2-py3-none-any.whl", ("a-1-2-py3-none-any.whl", "")),
        ("a-1-py3-none-any-cu126.whl", ("a-1-py3-none-any.whl", "cu126")),
        ("a-1-2b-py3-none-any-x86_64_v3.whl", ("a-1-2b-py3-none-any.whl", "x86_64_v3")),
        ("a-1.tar.gz", ("a-1.tar.gz", "")),
    ],
)
def test_a_label_is_told_from_a_build_number(name: str, expected: Sequence[str]) -> None:
    assert label_of(name) == expected
