"""What is said of the builds that pip took: by `headrace run` at its end, in the next shell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.clients import Environment, Pip, Result
from lib.gateway import free_port, headrace
from lib.gpu.torch_family import family
from lib.holders import none_left
from lib.waiting import until
from lib.world import MakeWorld

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info < (3, 11),
    reason=lacks("system", "the stand-in wheels are Linux's"),
)

A100 = "driver=550.54.15,gpu=A100"
Run = Callable[..., Result]


@pytest.fixture
def run(world: MakeWorld, tmp_path: Path) -> Iterator[Run]:
    """Run pip through `headrace run` beside torch's family; one gateway for each command."""
    made = world()
    variants = family(made.index).mount(made.pages, made.files)
    box = Environment(tmp_path / "box")
    home = tmp_path / "headrace"
    box.variables["HEADRACE_HOME"] = str(home)
    box.variables["HEADRACE_PORT"] = str(free_port())
    path = f"{box.scripts}:{Path(sys.executable).parent}:/usr/bin:/bin"
    box.variables["PATH"] = path
    (home / "config").mkdir(parents=True)
    origin = made.origin
    (home / "config" / "config.toml").write_text(
        "catalogue = false\n"
        f'public_origins = ["{origin}"]\n'
        f'origins = ["python/pytorch={variants}"]\n'
    )
    pip = Pip("26.3", box)
    pip.point_at(origin)

    def command(*words: str, **env: str) -> Result:
        wanted = ["install", "-q", "--no-cache-dir", "--force-reinstall", *words]
        ready = [*headrace(), "run", "--", *pip.command(*wanted)]
        return box.run(*ready, env=env).ok()

    yield command
    none_left(str(tmp_path))


def told(result: Result) -> str:
    return "\n".join(line for line in result.err.splitlines() if line.startswith("headrace: "))


def test_build_that_the_default_index_lacks_is_told_with_what_to_write_instead(run: Run) -> None:
    said = told(run("torch", "torchvision", HEADRACE_TARGET=A100))
    assert "torch 2.14.1+cu126" in said
    assert "torchvision 0.29.1+cu126" in said
    assert "in what you commit write" in said
    assert "torch==2.14.1" in said
    assert "will not use the GPU" not in said


def test_torch_that_will_not_use_the_gpu_is_told_with_what_would(run: Run) -> None:
    for words, env, why in (
        (["torch==2.15.0"], {"HEADRACE_TARGET": A100}, "2.15.0 needs driver >= 580"),
        (["torch"], {"HEADRACE_TARGET": A100, "HEADRACE_CUDA": "cpu"}, ""),
    ):
        said = told(run(*words, **env))
        assert ("will not use the GPU" in said) is bool(why), said
        if why:
            assert why in said
            assert "install in one command, through headrace: torch==2.14.1+cu126" in said


def test_nothing_is_said_of_builds_where_none_came(run: Run) -> None:
    assert "default index" not in told(run("nvidia-cuda-runtime-cu12", HEADRACE_TARGET=A100))


def test_torch_that_will_not_use_the_gpu_is_told_in_the_next_shell(
    world: MakeWorld, newest: Pip
) -> None:
    made = world(settings={"target": A100})
    made.named["pytorch"] = family(made.index).mount(made.pages, made.files)
    newest.point_at(made.gateway.index)
    notice = made.gateway.root / "state" / "notice"
    newest.install("torch==2.15.0").ok()
    until(notice.exists)
    assert "torch 2.15.0, which was installed last, will not use the GPU" in notice.read_text()
    assert "needs driver >= 580" in notice.read_text()
    newest.install("torch<2.15").ok()
    until(lambda: not notice.exists())
