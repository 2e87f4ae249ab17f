"""`headrace build -- podman build`: each step is led, and nothing of that is in the image."""

from __future__ import annotations

import hashlib
import json
import tarfile

import pytest

from lib.serving.faults import large

from .conftest import Builder

_STILL = ("--timestamp=1700000000", "--no-cache")


def layers(builder: Builder, name: str) -> tuple[list[str], dict[str, str], str]:
    """Return an image's layers by digest, all that is in its own ones, and what is said of it."""
    folder = builder.root / f"saved-{name}"
    if builder.engine[0] == "podman":
        words = [*builder.engine, "save", "--format=oci-dir", "-o", folder, name]
    else:
        words = [*builder.engine, "push", name, f"oci:{folder}"]
    builder.run(*words).check_returncode()
    blobs = {path.name: path for path in (folder / "blobs" / "sha256").iterdir()}
    (first,) = json.loads((folder / "index.json").read_text())["manifests"]
    manifest = json.loads(blobs[first["digest"].partition(":")[2]].read_text())
    config = blobs[manifest["config"]["digest"].partition(":")[2]].read_text()
    told = config + json.dumps(manifest)
    found: dict[str, str] = {}
    for each in manifest["layers"][1:]:
        with tarfile.open(blobs[each["digest"].partition(":")[2]]) as tar:
            for entry in tar:
                data = tar.extractfile(entry).read() if entry.isfile() else b""  # type: ignore[union-attr]
                found[entry.name] = f"{entry.mode:o} {hashlib.sha256(data).hexdigest()}"
    return json.loads(config)["rootfs"]["diff_ids"], found, told


def test_steps_get_files_from_mirrors_and_the_layers_are_those_of_a_plain_build(
    family: Builder,
) -> None:
    plain = family.build("plain", *_STILL, led=False)
    assert plain.returncode == 0, plain.stderr
    family.world.pages.forget()
    family.world.files.forget()
    led = family.build("led", *_STILL)
    assert led.returncode == 0, led.stderr
    assert family.own_words() < len(large().data) / 2, led.stderr
    given = sum(mirror.bytes_sent("*.whl") for mirror in family.world.mirrors)
    assert given > len(large().data) / 2
    agents = {s.headers["user-agent"].partition("/")[0] for s in family.world.pages.seen}
    assert agents == {"headrace"}
    family.world.assert_polite()
    ids, files, told = layers(family, "led")
    assert (ids, files) == layers(family, "plain")[:2]  # also no empty mount point
    for trace in ("headrace", "10.88.0.1", *(mirror.url for mirror in family.world.mirrors)):
        assert trace not in told.lower(), trace


@pytest.mark.nightly
def test_a_second_build_is_all_from_the_engines_cache_led_or_not(family: Builder) -> None:
    if family.engine[0] == "podman":
        assert family.build("first").returncode == 0
        family.world.pages.forget()
        again = family.build("second", led=False)
    else:
        assert family.build("first", "--layers").returncode == 0
        family.world.pages.forget()
        again = family.build("second", "--layers", led=False)
    assert again.returncode == 0, again.stderr
    assert not family.world.pages.seen
