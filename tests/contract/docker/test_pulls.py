"""What an engine pulls through the gateway is what the registry named, and from whom it comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lib.engines.drivers import Engine
from lib.images.content import DOCKER, Image, image, index
from lib.images.world import ImageWorld, MakeImageWorld

StartEngine = Callable[[ImageWorld], Engine]


def pulled(engine: Engine, name: str, made: Image) -> None:
    done = engine.pull(name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert made.digest in engine.digest(name)


def test_tag_is_the_registrys_and_content_the_mirrors(
    images: MakeImageWorld, start: StartEngine
) -> None:
    made = images()
    hello = made.registry.put("library/hello", image(size=3_000_000))
    pulled(start(made), "library/hello:v1", hello)
    made.assert_polite()
    made.assert_origin_is_spared()
    assert made.at_mirrors("*/blobs/*")


@pytest.mark.parametrize("kind", ["docker", "index"])
def test_every_form_of_image_arrives(images: MakeImageWorld, start: StartEngine, kind: str) -> None:
    made = images()
    what = index("some") if kind == "index" else image("some", kind=DOCKER)
    made.registry.put("org/some", what)
    pulled(start(made), "org/some:v1", what)
    made.assert_polite()
    made.assert_origin_is_spared()


def test_pull_by_digest_asks_nobody_for_a_tag(images: MakeImageWorld, start: StartEngine) -> None:
    made = images()
    hello = made.registry.put("library/hello", image())
    pulled(start(made), f"library/hello@{hello.digest}", hello)
    assert not [seen for seen in made.origin.seen if "/manifests/v1" in seen.path]
    made.assert_polite()
