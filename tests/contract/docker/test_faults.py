"""The fault list, at one mirror and at all of them, with real engines: nobody notices."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lib.clients import ALL
from lib.engines.drivers import Engine
from lib.images.content import Image, image
from lib.images.world import ImageWorld, MakeImageWorld
from lib.serving import modes
from lib.serving.faults import FAULTS, LIES, SIZE, faults_in

StartEngine = Callable[[ImageWorld], Engine]
#: What tells the engines apart; the others see each fault once, with the quickest engine.
_TELLING = ("cut-at-half-of-file", "silent", "html200")
#: One of each family at one mirror, and at all of them, where a fast run does not go through all:
#: the transfer is the one that the installers' matrix goes through.
_AT_ONE = (
    *("refused", "slow", "stalled-after-300kB", "truncated", "corrupt-middle", "403"),
    *("429-retry-after", "gzip"),
)
_AT_ALL = (
    "refused",
    "cut-at-half-of-file",
    "corrupt-last-byte",
    "404",
    "503",
    "html200",
    "norange",
)
_HERE = faults_in(
    "*/blobs/*",
    same_size=lambda: image("evil", size=SIZE).layer.data,
    other_size=lambda: image("evil", size=SIZE // 2).layer.data,
)
assert _HERE.keys() == FAULTS.keys()


def pull(made: ImageWorld, engine: Engine, what: Image) -> None:
    done = engine.pull("library/large:v1")
    assert done.returncode == 0, done.stdout + done.stderr + made.gateway.told()
    assert what.digest in engine.digest("library/large:v1")
    made.assert_polite()


def large(made: ImageWorld) -> Image:
    return made.registry.put("library/large", image("large", size=SIZE))


@pytest.mark.parametrize("fault", FAULTS if ALL else [f for f in FAULTS if f in _TELLING])
def test_fault_at_one_mirror_is_not_felt(
    images: MakeImageWorld, start: StartEngine, fault: str
) -> None:
    made = images()
    what = large(made)
    _HERE[fault](made.mirrors[0], what)
    pull(made, start(made), what)
    made.assert_origin_is_spared(lied=fault in LIES)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in _TELLING] if ALL else _AT_ONE)
def test_every_fault_at_one_mirror_leaves_the_other(
    images: MakeImageWorld, skopeo: StartEngine, fault: str
) -> None:
    made = images()
    what = large(made)
    _HERE[fault](made.mirrors[0], what)
    pull(made, skopeo(made), what)
    made.assert_origin_is_spared(lied=fault in LIES)


@pytest.mark.parametrize("fault", FAULTS if ALL else _AT_ALL)
def test_fault_at_every_mirror_leaves_the_registry(
    images: MakeImageWorld, skopeo: StartEngine, fault: str
) -> None:
    made = images(origin_rate=32 << 20)
    what = large(made)
    for mirror in made.mirrors:
        _HERE[fault](mirror, what)
    pull(made, skopeo(made), what)


@pytest.mark.parametrize(
    "mode", [modes.status(404), modes.status(500), modes.SILENT, modes.corrupt(5), modes.HTML]
)
def test_manifest_that_a_mirror_spoils_comes_from_another(
    images: MakeImageWorld, skopeo: StartEngine, mode: modes.Mode
) -> None:
    made = images()
    what = large(made)
    made.mirrors[0].fail(mode, "*/manifests/*")
    pull(made, skopeo(made), what)
