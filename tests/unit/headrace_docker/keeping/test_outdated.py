"""Whether pins are current: what is told of one that moved, and what can be written."""

from __future__ import annotations

import pytest

from headrace.interface import GatewayAnswer, Host, ImageFile, ImagePin, NamedImages, PinState
from headrace_docker.keeping.outdated import outdated
from headrace_docker.keeping.warming import to_warm
from lib.images.content import Image
from lib.images.families import multi_platform, shaped
from lib.images.in_memory import Registries

PLACE = "docker.io/me/x"


def both(name: str) -> Image:
    return multi_platform(
        {each: shaped(name, {}, architecture=each) for each in ("amd64", "arm64")}
    )


OLD, NEW = both("old"), both("new")


def told(text: str, images: dict[str, Image]) -> list[ImagePin]:
    named = NamedImages(
        (), (ImageFile("Dockerfile", text.encode()),), Host, Registries({PLACE: images})
    )
    return list(outdated(named))


def test_each_image_is_told_once_with_all_its_places() -> None:
    text = f"FROM me/x:v1@{OLD.digest}\nFROM docker.io/me/x:v1@{OLD.digest}\n"
    (pin,) = told(text, {"v1": OLD})
    assert (pin.state, pin.places) == (PinState.CURRENT, ("Dockerfile:1", "Dockerfile:2"))


def test_pin_to_one_platforms_image_is_current_while_the_tags_index_lists_it() -> None:
    part = OLD.parts[0].digest
    assert told(f"FROM me/x:v1@{part}", {"v1": OLD})[0].state is PinState.CURRENT
    (pin,) = told(f"FROM me/x:v1@{part}", {"v1": NEW, "old": OLD})
    assert pin.state is PinState.MOVED
    assert pin.new == NEW.parts[0].digest, "one platform's image again"


def test_old_image_that_is_gone_from_its_registry_is_told_as_not_known() -> None:
    (pin,) = told(f"FROM me/x:v1@{OLD.digest}", {"v1": NEW})
    assert pin.state is PinState.MOVED
    assert pin.new == NEW.digest
    assert any("what changed is not known" in line for line in pin.lines)


def test_digest_alone_tag_alone_and_no_tag_are_told_as_what_they_are() -> None:
    text = f"FROM me/x@{OLD.digest}\nFROM me/x:v1\nFROM me/x:gone@{OLD.digest}\nFROM $NO\n"
    assert [pin.state for pin in told(text, {"v1": OLD})] == [
        PinState.NOT_KNOWABLE,
        PinState.NOT_PINNED,
        PinState.FAILED,
        PinState.FAILED,
    ]


def test_digest_that_two_tags_have_is_not_written_where_one_of_them_moved() -> None:
    text = f"FROM me/x:v1@{OLD.digest}\nFROM me/x:v2@{OLD.digest}\n"
    moved, still = told(text, {"v1": NEW, "v2": OLD})
    assert (moved.state, still.state) == (PinState.MOVED, PinState.CURRENT)
    assert moved.new == ""
    moved, other = told(text, {"v1": NEW, "v2": NEW, "old": OLD})
    assert moved.new == other.new == NEW.digest


@pytest.mark.parametrize("other", ["me/hidden:v1@{}", "me/hidden@{}", "${{HUB}}/x:v1@{}"])
def test_digest_is_not_written_where_another_image_has_it_that_is_not_known(other: str) -> None:
    text = f"FROM me/x:v1@{OLD.digest}\nFROM {other.format(OLD.digest)}\n"
    moved, _ = told(text, {"v1": NEW, "old": OLD})
    assert (moved.state, moved.new) == (PinState.MOVED, "")


def test_image_that_nobody_could_ask_for_is_not_said_to_be_missing() -> None:
    """Without a network the gateway knows of no manifest, and why it knows no tags."""

    def ask(path: str, accept: str) -> GatewayAnswer:
        del accept
        said = "x has no address" if "/tags/" in path else "no page of its origin names it"
        return GatewayAnswer(404, f'{{"errors": [{{"message": "headrace: {said}"}}]}}'.encode())

    (image,) = to_warm(NamedImages(("me/x:v1",), (), Host, ask))
    assert "could not be asked" in image.problem
    assert "x has no address" in image.problem
    assert "for strangers" not in image.problem


def test_image_to_warm_is_all_that_a_pull_for_its_platform_takes() -> None:
    ask = Registries({PLACE: {"v1": OLD}})
    file = ImageFile("Dockerfile", b"FROM --platform=linux/arm64 me/x:v1\nFROM me/x:v1\n")
    arm, here = to_warm(NamedImages((), (file,), Host, ask))
    assert (arm.platform, here.platform) == ("linux/arm64", "linux/amd64")
    part = OLD.parts[1]
    assert {each.digest for each in arm.objects} == {
        OLD.digest,
        part.digest,
        *(blob.digest for blob in part.blobs),
    }
    (none,) = to_warm(NamedImages(("me/x:v1",), (), Host, ask, ("linux/s390x",)))
    assert none.problem == "docker.io/me/x:v1 is for linux/amd64, linux/arm64"
