"""`headrace run -- conda`, and what `headrace explain` hears of a real conda."""

from __future__ import annotations

import json

import pytest

from lib.conda.channels import package
from lib.conda.clients import find_bases, no_base
from lib.conda.user import User

pytestmark = pytest.mark.skipif(not find_bases(), reason=no_base())


@pytest.mark.parametrize(
    "words",
    [
        ("conda", "create", "-y", "-n", "env", "alpha"),
        ("bash", "-c", "conda create -y -n env alpha"),
    ],
)
def test_run_leads_conda_for_one_command_and_leaves_nothing(
    user: User, words: tuple[str, ...]
) -> None:
    files, folders = user.files(), user.folders()
    user.origin.forget()
    result = user.headrace("run", "--", *words, env={"PYTHONPATH": "/no/such"}).ok()
    assert result.err.strip().splitlines()[-1].startswith("headrace: ")
    user.assert_installed("env")
    user.assert_through()
    assert user.files() == files
    assert user.folders() == folders
    assert not list((user.home / "tmp").iterdir())


def test_run_keeps_a_condarc_of_the_environment_and_goes_with_on(newest: User) -> None:
    named = newest.root / "named.yml"
    named.write_text(f'channels: ["{newest.url}"]\n')
    newest.conda.configure()
    newest.headrace(
        "run", "--", "conda", "create", "-y", "-n", "env", "alpha", env={"CONDARC": str(named)}
    ).ok()
    newest.assert_through()
    newest.conda.configure(channels=[newest.url])
    newest.headrace("on").ok()
    newest.anew()
    newest.headrace("run", "--", "conda", "create", "-y", "-n", "env", "alpha").ok()
    newest.assert_through(stored=True)


def test_explain_says_which_builds_can_be_solved_for_here(newest: User) -> None:
    newest.channel.add(
        package("torch", "2.9", "cuda129_2", depends=["__cuda >=12.9"], subdir="linux-64"),
        package("torch", "2.9", "cuda120_1", depends=["__cuda >=12.0"], subdir="linux-64"),
        package("torch", "2.9", "cpu_0", subdir="linux-64"),
    )
    newest.headrace("on").ok()
    cuda = {"CONDA_OVERRIDE_CUDA": "12.4"}
    newest.conda.run("create", "-y", "-n", "env", "torch", env=cuda).ok()
    told = newest.headrace("explain", "conda:torch", env=cuda).ok().out
    assert "__cuda is 12.4, because CONDA_OVERRIDE_CUDA says so" in told
    assert "needs __cuda >=12.9, and it is 12.4: out" in told
    assert "needs __cuda >=12.0\n" in told
    without = {"CONDA_OVERRIDE_CUDA": ""}
    table = json.loads(newest.headrace("explain", "--json", "conda:torch", env=without).ok().out)
    fits = {build["build"]: build["fits"] for build in table["tools"]["conda"]["builds"]}
    assert fits == {"cuda129_2": False, "cuda120_1": False, "cpu_0": True}
    [file] = table["artifacts"]
    assert file["name"] == "torch-2.9-cpu_0.conda"
    assert file["digest"].startswith("sha256:")
    assert file["sources"][-1]["id"] == "origin"
    assert newest.conda.run("headrace", "explain", "conda:torch").ok().out.startswith("conda ")
