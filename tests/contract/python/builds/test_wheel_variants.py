"""Wheel variants (PEP 825 and 850, drafts) pass through as their index has them: pip passes them
over, and uv, where its preview of them is on, takes the one that it would take at that index.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from headrace.interface import Accelerator, Host, Place, Scope
from headrace_pip.explaining.files import explain
from lib import wheels
from lib.capabilities import lacks
from lib.clients import Environment, Pip, Uv
from lib.index import Index
from lib.world import MakeWorld, World

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason=lacks("system", "uv is told of a driver that is not here")
)

LABELS = {"cu126": "12.6", "cu130": "13.0"}
PREVIEW = ("--preview-features", "wheel-variants")


def table(variants: dict[str, dict[str, dict[str, list[str]]]]) -> bytes:
    """What says of a version which variants it has, and what each needs."""
    provider = {
        "plugin-api": "nvidia_variant_provider.plugin:NvidiaVariantPlugin",
        "requires": ["nvidia-variant-provider"],
    }
    return json.dumps(
        {
            "$schema": "https://variants-schema.wheelnext.dev/peps/850/v0.2.0.json",
            "default-priorities": {"namespace": ["nvidia"]},
            "providers": {"nvidia": provider},
            "variants": variants,
        }
    ).encode()


def needs(label: str) -> dict[str, dict[str, list[str]]]:
    return {"nvidia": {"cuda_version_lower_bound": [LABELS[label]]}}


def variant(label: str) -> wheels.Built:
    own = {
        "foo-1.0.dist-info/variant.json": table({label: needs(label)}),
        "foo/label.txt": label.encode(),
    }
    made = wheels.wheel("foo", "1.0", size=12 << 20, seed=label, files=own)
    name = f"foo-1.0-py3-none-any-{label}.whl"
    return wheels.Built("foo", "1.0", name, made.data, made.metadata)


def put(index: Index) -> None:
    index.add(wheels.wheel("foo", "1.0", files={"foo/label.txt": b"plain"}))
    index.add(*(variant(label) for label in LABELS))
    every = table({"null": {}, **{label: needs(label) for label in LABELS}})
    index.add(wheels.Built("foo", "1.0", "foo-1.0-variants.json", every))


@pytest.fixture
def made(world: MakeWorld) -> World:
    made = world(mirrors=2)
    put(made.index)
    return made


@pytest.fixture
def uv(tmp_path: Path) -> Uv:
    return Uv("0.13.9", Environment(tmp_path / "uv"))


def installed(environment: Environment) -> str:
    (file,) = environment.home.parent.rglob("site-packages/foo/label.txt")
    return file.read_text()


def explained(made: World, home: Path, driver: str) -> str:
    """What `explain` says of the project on a machine with such a driver."""
    major, minor = map(int, driver.split("."))
    host = Host((Accelerator("nvidia", "H100", (9, 0)),), cuda=(major, minor))
    place = Place(Scope.USER, home, {}, sys.platform, home)

    def ask(path: str, accept: str) -> bytes:
        return made.gateway.get(path, {"accept": accept})[2]

    (told,) = explain("foo", None, place, ask, lambda: host)
    return "\n".join(told.lines)


def test_pip_passes_them_over(made: World, newest: Pip) -> None:
    newest.point_at(made.gateway.index)
    newest.install("foo").ok()
    assert installed(newest.environment) == "plain"
    assert not made.at_mirrors("*-cu1*.whl")


#: CUDA of a driver, and the variant that uv takes there.
TAKEN = (("12.8", "cu126"), ("13.0", "cu130"))


@pytest.mark.parametrize(
    ("preview", "driver", "label"),
    [((), "13.0", "plain"), *((PREVIEW, *each) for each in TAKEN)],
)
def test_uv_takes_the_variant_that_it_would_take_at_the_index(
    made: World, uv: Uv, preview: tuple[str, ...], driver: str, label: str
) -> None:
    env = {
        "NV_VARIANT_PROVIDER_FORCE_CUDA_DRIVER_VERSION": driver,
        "NV_VARIANT_PROVIDER_FORCE_SM_ARCH": "9.0",
    }
    for index in (made.origin, made.gateway.index):
        words = (*preview, "--reinstall", "--no-cache", "--index-url", index)
        uv.install(*words, "foo", env=env).ok()
        assert installed(uv.environment) == label, index
    if preview:
        assert made.at_mirrors(f"*-{label}.whl")


@pytest.mark.parametrize(("driver", "label"), TAKEN)
def test_explain_tells_what_uv_takes(made: World, tmp_path: Path, driver: str, label: str) -> None:
    assert f"uv takes {label}: it needs CUDA" in explained(made, tmp_path, driver)


def test_pages_name_them_with_their_digests_in_both_forms(made: World) -> None:
    told = made.gateway.get("/simple/foo/", {"accept": "application/vnd.pypi.simple.v1+json"})[2]
    files = {each["filename"]: each for each in json.loads(told)["files"]}
    html = made.gateway.get("/simple/foo/", {"accept": "text/html"})[2].decode()
    for file in made.index.of("foo"):
        name = file.built.name
        assert files[name]["hashes"] == {"sha256": file.built.sha256}
        assert f">{name}</a>" in html
        assert made.gateway.get(files[name]["url"])[2] == file.built.data, name
