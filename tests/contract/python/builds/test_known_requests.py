"""However pip is asked: where plain pip finds a build, pip through headrace finds one.

On Linux the gateway reads the request of the pip that waits for a page. Elsewhere, and where that
program is not to be seen, whoever asks again gets the page as the index has it.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping

import pytest

from lib import wheels
from lib.capabilities import lacks
from lib.clients import Pip
from lib.gpu.torch_family import family_in
from lib.world import MakeWorld, World

pytestmark = pytest.mark.skipif(
    sys.platform != "linux",
    reason=lacks("system", "Linux alone tells whose a connection is"),
)

MakeTorch = Callable[[str], World]
V100 = "driver=550.54.15,gpu=V100"
OLD = "driver=535.54.03,gpu=T4"
A100 = "driver=550.54.15,gpu=A100"
RTX5090 = "driver=580.95.05,gpu=RTX 5090"
#: How something is asked for that no build of 2.15 is for, on an old driver.
FORMS: Mapping[str, tuple[str, ...]] = {
    "at least": ("torch>=2.15",),
    "compatible": ("torch~=2.15.0",),
    "prefix": ("torch==2.15.*",),
    "follower": ("torchvision>=0.29.2",),
    "constraint": ("-c", "limits.txt", "torch"),
    "nested files": ("-r", "wanted.txt"),
    "library": ("direct",),
    "two levels down": ("above",),
    "with a follower": ("torch>=2.15", "torchvision"),
    "older": ("direct<1",),
    "pinned": ("torch==2.7.1",),
    "plain": ("torch", "torchvision"),
}
#: Those whose forms differ most.
SOME = ("at least", "constraint", "two levels down")


@pytest.fixture
def torch(world: MakeWorld) -> MakeTorch:
    """Make a world with torch's family, libraries that require it, and a host as described."""

    def make(target: str) -> World:
        made = world(settings={"target": target})
        family_in(made)
        made.index.add(wheels.wheel("direct", "1.0", ["torch>=2.15"]))
        made.index.add(wheels.wheel("direct", "0.9", ["torch<2.9"]))
        made.index.add(wheels.wheel("above", "2.0", ["middle[more]>=1"]))
        made.index.add(wheels.wheel("middle", "1.5", extras={"more": ["direct==1.*"]}))
        return made

    return make


@pytest.fixture
def asking(newest: Pip) -> Pip:
    """Return a pip with the files that `FORMS` name."""
    write = newest.environment.write
    write("limits.txt", "# the newest alone\ntorch>=2.15\n")
    write("wanted.txt", "-r more/others.txt\n")
    write("more/others.txt", "torch \\\n  >=${LEAST}  # as said\n")
    newest.environment.variables["LEAST"] = "2.15"
    return newest


def taken(pip: Pip, *words: str) -> dict[str, str]:
    """Return what pip would install, by project; nothing where it finds nothing."""
    ran = pip.run("install", "--dry-run", "--quiet", "--report", "-", *words)
    if ran.code:
        return {}
    listed = [each["metadata"] for each in json.loads(ran.out)["install"]]
    return {each["name"]: each["version"] for each in listed}


@pytest.mark.parametrize(
    ("target", "forms"),
    [
        (V100, SOME),
        *(
            pytest.param(target, tuple(FORMS), marks=pytest.mark.nightly)
            for target in (V100, OLD, A100, RTX5090)
        ),
    ],
)
def test_pip_finds_a_build_however_it_is_asked(
    torch: MakeTorch, asking: Pip, target: str, forms: tuple[str, ...]
) -> None:
    made = torch(target)
    asking.point_at(made.gateway.index)
    for form in forms:
        found = taken(asking, *FORMS[form])
        assert found, form
        majors = {name[-2:] for name in found if name.startswith("nvidia-cuda-runtime")}
        # A CPU build needs none.
        assert len(majors) <= 1, (form, found)


@pytest.mark.nightly
def test_project_of_ones_own_brings_what_it_requires(torch: MakeTorch, asking: Pip) -> None:
    """With a build in an environment of its own, for which another pip asks."""
    made = torch(V100)
    made.index.add(wheels.backend())
    needs = ["torch>=2.15"]
    asking.environment.write("mine/PKG-INFO", wheels.metadata("mine", "1", needs).decode())
    asking.environment.write(
        "mine/pyproject.toml",
        f"[project]\nname='mine'\nversion='1'\ndependencies={needs}\n"
        f"[build-system]\nrequires=['{wheels.BACKEND}']\n"
        f"build-backend='{wheels.escaped(wheels.BACKEND)}'\n",
    )
    asking.environment.write("mine/mine/__init__.py", "")
    asking.point_at(made.gateway.index)
    assert "torch" in taken(asking, "./mine")


def test_hashes_without_a_pin_bring_that_very_file(torch: MakeTorch, asking: Pip) -> None:
    made = torch(V100)
    files = [f.built for f in made.index.of("torch") if f.built.version == "2.15.0"]
    files += [f.built for f in made.index.of("nvidia-cuda-runtime-cu13")]
    lines = [f"{each.project} --hash=sha256:{each.sha256}" for each in files]
    asking.environment.write("locked.txt", "\n".join(lines) + "\n")
    asking.point_at(made.gateway.index)
    assert taken(asking, "-r", "locked.txt")["torch"] == "2.15.0"


def test_index_of_builds_that_the_user_names_decides(torch: MakeTorch, asking: Pip) -> None:
    made = torch(V100)
    asking.point_at(made.gateway.index)
    beside = f"{made.gateway.url}/pytorch/cu118/simple/"
    found = taken(asking, "--extra-index-url", beside, "torch<2.8", "--no-deps")
    assert found["torch"] == "2.7.1+cu118"


def test_files_for_another_platform_are_not_for_this_host(torch: MakeTorch, asking: Pip) -> None:
    made = torch(V100)
    made.index.add(wheels.wheel("torch", "2.15.0", tag="cp312-cp312-win_amd64"))
    asking.point_at(made.gateway.index)
    words = ("--platform", "win_amd64", "--python-version", "3.12", "--only-binary=:all:")
    ran = asking.run("download", *words, "--no-deps", "torch").ok()
    assert "torch-2.15.0-cp312-cp312-win_amd64.whl" in ran.out


def test_followers_go_with_what_is_installed(torch: MakeTorch, asking: Pip) -> None:
    made = torch(V100)
    asking.point_at(made.gateway.index)
    asking.install("--no-deps", "torch==2.13.0+cu126").ok()
    assert taken(asking, "torchvision")["torchvision"].endswith("+cu126")
    asking.install("--no-deps", "--force-reinstall", "torch===2.15.0").ok()
    assert "+" not in taken(asking, "torchvision")["torchvision"]


def test_who_cannot_be_seen_and_asks_again_gets_the_page_as_it_is(
    torch: MakeTorch, asking: Pip
) -> None:
    """As in a container with the host's network, here with a mount namespace of its own."""
    made = torch(V100)
    asking.point_at(made.gateway.index)
    apart = ("unshare", "--mount")
    if shutil.which(apart[0]) is None or asking.environment.run(*apart, "true").code:
        pytest.skip(lacks("root", "to make a namespace"))
    command = (*apart, *asking.command("download", "--no-deps", "-d", "there", "torch>=2.15"))
    assert "yanked" in asking.environment.run(*command).failed().err
    asking.environment.run(*command).ok()
    # What was taken is no reason to ask again: the next page is arranged as ever.
    plain = (*apart, *asking.command("download", "--no-deps", "-d", "there", "torch"))
    for _ in range(2):
        told = asking.environment.run(*plain).ok()
        assert "2.14.1+cu126" in told.out
