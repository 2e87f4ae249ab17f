"""Engines of other ages, from other Debian suites: ``tox -e contract-docker-all``."""

from __future__ import annotations

import contextlib
import gzip
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from lib.capabilities import lacks
from lib.engines.drivers import Engine, engine
from lib.engines.kinds import AGES, HERE, Kind, why_not
from lib.images.content import DOCKER, Image, digest_of, image, index
from lib.images.world import ImageWorld, MakeImageWorld
from lib.serving import modes
from lib.waiting import HANG, until

pytestmark = pytest.mark.skipif(
    not os.environ.get("HEADRACE_TEST_ENGINES"),
    reason=lacks("engines of other ages", "HEADRACE_TEST_ENGINES names no folder of them"),
)

StartEngine = Callable[[ImageWorld], Engine]
KINDS = (*AGES, HERE["buildah"])
DOCKERDS = (HERE["dockerd"], *(kind for kind in AGES if kind.program == "dockerd"))
MB = 1 << 20
LARGE = 600 * MB
TELLING = {
    "silent": (modes.SILENT, "*/blobs/*"),
    "cut": (modes.cut(2 * MB, of_file=True), "*/blobs/*"),
    "corrupt": (modes.corrupt(1 * MB), "*/blobs/*"),
    "html": (modes.HTML, "*/blobs/*"),
    "manifest 500": (modes.status(500), "*/manifests/*"),
}


@pytest.fixture
def begin() -> Iterator[Callable[[Kind, ImageWorld], Engine]]:
    """Start an engine of a kind, led to a world's gateway."""
    with contextlib.ExitStack() as stack:

        def start(kind: Kind, made: ImageWorld) -> Engine:
            if reason := why_not(kind):
                pytest.skip(reason)
            return stack.enter_context(engine(kind, made.gateway.port))

        yield start


Begin = Callable[[Kind, ImageWorld], Engine]


def pulled(engine: Engine, made: ImageWorld, name: str, what: Image) -> None:
    done = engine.pull(name)
    assert done.returncode == 0, done.stdout + done.stderr + made.gateway.told()
    # Of an index, buildah tells the image that it took.
    digests = {what.digest, *(part.digest for part in what.parts)}
    assert any(digest in engine.digest(name) for digest in digests), engine.digest(name)
    made.assert_polite()


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("form", ["oci", "docker", "index"])
def test_tag_is_the_registrys_and_content_the_mirrors(
    images: MakeImageWorld, begin: Begin, kind: Kind, form: str
) -> None:
    made = images()
    what = index("some", size=3 * MB) if form == "index" else None
    what = what or image("some", kind=DOCKER if form == "docker" else image().manifest.media_type)
    made.registry.put("org/some", what)
    pulled(begin(kind, made), made, "org/some:v1", what)
    made.assert_origin_is_spared()
    assert made.at_mirrors("*/blobs/*")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_pull_by_digest(images: MakeImageWorld, begin: Begin, kind: Kind) -> None:
    made = images()
    what = made.registry.put("library/hello", image(size=MB))
    pulled(begin(kind, made), made, f"library/hello@{what.digest}", what)
    made.assert_origin_is_spared()


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("fault", TELLING)
def test_fault_at_one_mirror_is_not_felt(
    images: MakeImageWorld, begin: Begin, kind: Kind, fault: str
) -> None:
    made = images()
    what = made.registry.put("library/large", image("large", size=8 * MB))
    made.mirrors[0].fail(*TELLING[fault])
    started = begin(kind, made)
    pulled(started, made, "library/large:v1", what)
    made.assert_origin_is_spared(lied=fault == "corrupt")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_private_repository_is_left_to_the_engine(
    images: MakeImageWorld, begin: Begin, kind: Kind
) -> None:
    made = images()
    made.registry.put("org/secret", image())
    made.registry.private.add("org/secret")
    assert begin(kind, made).pull("org/secret:v1").returncode != 0
    assert not made.at_mirrors()


@pytest.fixture(scope="module")
def huge() -> Image:
    """A layer of 600 MB."""
    return image("huge", size=LARGE)


@pytest.mark.parametrize("kind", [*HERE.values(), *AGES], ids=str)
def test_layer_of_600_mb(images: MakeImageWorld, begin: Begin, kind: Kind, huge: Image) -> None:
    made = images(rate=None)
    made.registry.put("library/huge", huge)
    started = begin(kind, made)
    done = started.pull("library/huge:v1", timeout=HANG)
    assert done.returncode == 0, done.stdout + done.stderr + made.gateway.told()
    assert huge.digest in started.digest("library/huge:v1")
    made.assert_origin_is_spared()


#: Those that resume at all; their elders fail when a body ends early.
RESUMING = [kind for kind in AGES if kind.name in ("podman-5.8", "skopeo-1.22")]


@pytest.mark.parametrize("store", ["kept", "lost"])
@pytest.mark.parametrize("kind", RESUMING, ids=str)
def test_layer_goes_on_at_its_byte_when_the_gateway_is_killed_and_comes_back(
    images: MakeImageWorld, begin: Begin, kind: Kind, store: str
) -> None:
    """They end when they are sent the whole instead."""
    # Layers above 64 MiB go out while they arrive.
    made = images(mirrors=0, origin_rate=24 * MB)
    made.holds_port = True
    what = made.registry.put("library/large", image("large", size=100 * MB))
    path = f"*/blobs/{what.layer.digest}"
    started = begin(kind, made)
    with contextlib.ExitStack() as stack:
        pulling = threading.Thread(target=lambda: done.append(started.pull("library/large:v1")))
        done: list[object] = []
        pulling.start()
        stack.callback(pulling.join)
        until(lambda: made.origin.bytes_sent(path) > 20 * MB)
        made.gateway.kill()
        if store == "lost":
            for each in (made.gateway.root / "cache").rglob("*"):
                if each.is_file():
                    each.unlink()
        made.gateway.start()
        pulling.join()
        assert getattr(done[0], "returncode", 1) == 0, (done, made.gateway.told())
        assert what.digest in started.digest("library/large:v1")


# ------------------------------------------------------------------ what dockerd alone does


@pytest.mark.parametrize("kind", DOCKERDS, ids=str)
def test_build_takes_its_base_from_the_mirrors(
    images: MakeImageWorld, begin: Begin, kind: Kind
) -> None:
    made = images()
    base = made.registry.put("library/hello", image(size=3 * MB))
    build(begin(kind, made), "hello:v1", base)
    made.assert_polite()
    made.assert_origin_is_spared()
    assert made.at_mirrors("*/blobs/*")


@pytest.mark.parametrize("kind", [kind for kind in DOCKERDS if kind.version >= (28,)], ids=str)
def test_build_on_an_image_of_another_registry_comes_through_the_gateway(
    images: MakeImageWorld, begin: Begin, kind: Kind
) -> None:
    made = images()
    base = made.registry.put("org/base", image("base", size=3 * MB))
    build(begin(kind, made), "ghcr.io/org/base:v1", base)
    assert made.origin.bytes_sent("*/blobs/*") >= len(base.layer.data)
    # A mirror of many registries is asked, and has it not.
    assert {seen.status for seen in made.at_mirrors()} <= {404}


@pytest.mark.parametrize("kind", [kind for kind in DOCKERDS if kind.version >= (28,)], ids=str)
def test_pull_from_another_registry(images: MakeImageWorld, begin: Begin, kind: Kind) -> None:
    made = images()
    what = made.registry.put("org/base", image("base", size=3 * MB))
    done = begin(kind, made).pull("ghcr.io/org/base:v1")
    through = bool(made.origin.seen)
    # The classic store asks other registries itself (and `status` says so).
    assert (done.returncode == 0, through) == ((True, True) if kind.store else (False, False))
    if kind.store:
        assert made.origin.bytes_sent(f"*{what.layer.digest}") >= len(what.layer.data)


@pytest.mark.parametrize("kind", [k for k in DOCKERDS if k.suite == "forky"], ids=str)
def test_compose_pull(images: MakeImageWorld, begin: Begin, kind: Kind) -> None:
    made = images()
    what = made.registry.put("library/hello", image(size=3 * MB))
    started = begin(kind, made)
    file = started.root / "compose.yaml"
    file.write_text("services:\n  one:\n    image: hello:v1\n")
    done = started.run(*started.docker(), "compose", "-f", file, "pull", "-q")
    assert done.returncode == 0, done.stdout + done.stderr + made.gateway.told()
    assert what.digest in started.digest("library/hello:v1")
    made.assert_origin_is_spared()


def build(engine: Engine, name: str, base: Image) -> None:
    folder = engine.root / "build"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {name}\nLABEL built=yes\n")
    done = engine.run(*engine.docker(), "build", "-q", "-t", "built", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    words = ("image", "inspect", "--format", "{{json .RootFS.Layers}}", "built")
    layers = engine.run(*engine.docker(), *words).stdout
    assert digest_of(gzip.decompress(base.layer.data)) in layers
