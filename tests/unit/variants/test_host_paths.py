"""The beginning of a path that says for which host builds are chosen."""

from __future__ import annotations

import base64

import pytest

from headrace.variants.host_paths import OVERRIDES, base_of, environment_for, split

ENVIRONMENTS = [
    {"HEADRACE_CUDA": "cu126"},
    {"HEADRACE_TARGET": "driver=550,gpu=RTX 4090"},
    {"HEADRACE_CUDA": "cpu", "UV_TORCH_BACKEND": "auto"},
    {"CONDA_OVERRIDE_CUDA": ""},
    {"HEADRACE_TARGET": "gpu=Ä/../%2f?#"},
    *({name: "12.4"} for name in OVERRIDES),
]


@pytest.mark.parametrize("env", ENVIRONMENTS, ids=repr)
def test_what_is_said_comes_back_from_the_path(env: dict[str, str]) -> None:
    base = base_of({**env, "PATH": "/bin", "HEADRACE_HOME": "/x"})
    assert base.startswith("/for/")
    assert set(base) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/"), (
        base
    )
    assert split(f"{base}/simple/torch/") == (base, "/simple/torch/")
    other = dict.fromkeys(OVERRIDES, "other")
    assert environment_for({**other, "PATH": "/bin"}, base) == {**env, "PATH": "/bin"}


def test_different_variables_have_different_paths() -> None:
    assert len({base_of(env) for env in ENVIRONMENTS}) == len(
        {tuple(env.items()) for env in ENVIRONMENTS}
    )


@pytest.mark.parametrize(
    "env", [{}, {"HEADRACE_CUDA": ""}, {"HEADRACE_TARGET": "  "}, {"HEADRACE_CUDA": "x" * 300}]
)
def test_where_nothing_is_said_the_path_has_no_beginning(env: dict[str, str]) -> None:
    assert base_of(env) == ""
    assert split("/simple/torch/") == ("", "/simple/torch/")
    assert environment_for({"HEADRACE_CUDA": "cpu"}, "") == {"HEADRACE_CUDA": "cpu"}


def _code(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "cu126",
        "%%%",
        "Ä",
        _code("PATH=/tmp"),
        _code("HEADRACE_CUDA=cpu\nPATH=/tmp"),
        _code("HEADRACE_CUDA= cpu"),
        _code("UV_TORCH_BACKEND=cpu\nHEADRACE_CUDA=cpu"),
        _code("HEADRACE_CUDA=cpu\nHEADRACE_CUDA=cpu"),
        _code("HEADRACE_CUDA=cpu") + "=",
        _code("HEADRACE_CUDA=" + "x" * 3000),
        f"{_code('HEADRACE_CUDA=cpu')}/for/{_code('HEADRACE_CUDA=cpu')}",
    ],
)
def test_a_beginning_that_we_never_write_is_refused(code: str) -> None:
    assert split(f"/for/{code}/simple/torch/") is None
    assert split(f"/for/{code}") is None
