"""What an engine's request means, and what becomes of the registry's word."""

from __future__ import annotations

import itertools
import json

import pytest

from headrace.interface.lookups import HeadRequest, LookUpResult
from headrace.models import Artifact, Document, Origin, Request, ServeArtifact
from headrace_docker.registry_api.ecosystem import DockerEcosystem

HUB = Origin("docker", "https://registry.example", name="docker.io")
DIGEST = "sha256:" + "a" * 64
LAYER = "sha256:" + "b" * 64
OCI = "application/vnd.oci.image.manifest.v1+json"
LAYERS = {"mediaType": "application/octet-stream", "digest": LAYER, "size": 77}
TAG = "/v2/library/x/manifests/v1"
TOLD = {"content-type": OCI, "content-length": "300", "docker-content-digest": DIGEST}


def plan(path: str, accept: str = OCI) -> ServeArtifact:
    found = DockerEcosystem([HUB]).plan(Request("GET", path, "", {"accept": accept}))
    assert isinstance(found, ServeArtifact)
    return found


def asked(ecosystem: DockerEcosystem, path: str, seen: LookUpResult | None) -> Artifact | None:
    look_up = ecosystem.look_up(plan(path))
    assert look_up is not None
    try:
        want = next(look_up)
        assert isinstance(want.what, HeadRequest)
        look_up.send(seen)
    except StopIteration as end:
        found: Artifact | None = end.value
        return found
    raise AssertionError("it asks for more")


def test_types_in_another_order_are_the_same_question() -> None:
    types = ("a/manifest+json", "b/manifest.list;q=0.5", "*/*", OCI)
    plans = {plan(TAG, ", ".join(order)) for order in itertools.permutations(types)}
    assert len(plans) == 1
    (one,) = plans
    assert sorted(one.accept.split(", ")) == sorted(types)
    assert plan(TAG, f"{OCI},{OCI}, ") == plan(TAG, OCI)


def test_the_tag_is_what_the_registry_says() -> None:
    artifact = asked(DockerEcosystem([HUB]), TAG, LookUpResult("", 0.0, headers=TOLD))
    assert artifact is not None
    assert (str(artifact.digest), artifact.size) == (DIGEST, 300)
    assert artifact.path == f"/v2/docker.io/library/x/manifests/{DIGEST}"
    assert not artifact.immutable


@pytest.mark.parametrize(
    "seen",
    [
        None,
        LookUpResult("", 0.0, headers={}),
        LookUpResult("", 0.0, headers={"docker-content-digest": "md5:1"}),
        LookUpResult("", 0.0, headers=TOLD, private=True),
    ],
)
def test_what_strangers_are_not_told_is_nothing_here(seen: LookUpResult | None) -> None:
    assert asked(DockerEcosystem([HUB]), TAG, seen) is None


def test_last_known_word_says_so() -> None:
    artifact = asked(DockerEcosystem([HUB]), TAG, LookUpResult("", 0.0, headers=TOLD, stale=True))
    assert artifact is not None
    assert ("warning", '110 headrace "Response is Stale"') in artifact.answer_headers


def test_layer_that_a_manifest_named_needs_no_question() -> None:
    ecosystem = DockerEcosystem([HUB])
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI, "layers": [LAYERS]})
    ecosystem.learn(Document("u", body.encode(), OCI), plan(TAG))
    look_up = ecosystem.look_up(plan(f"/v2/library/x/blobs/{LAYER}"))
    assert look_up is not None
    with pytest.raises(StopIteration) as end:
        next(look_up)
    assert end.value.value.size == 77
    # Another repository's manifest says nothing of this one.
    assert asked(ecosystem, f"/v2/library/y/blobs/{LAYER}", None) is None


@pytest.mark.parametrize(
    ("url", "owner"),
    [
        ("https://r.example/v2/library/hello/manifests/v1", "library/hello"),
        ("https://r.example/v2/a/b/c/blobs/sha256:00", "a/b/c"),
        ("https://r.example/v2/a/tags/list?n=1", "a"),
        ("https://r.example/v2/blobs/blobs/blobs/sha256:00", "blobs/blobs"),
        ("https://r.example/token", "/"),
    ],
)
def test_owner_of_a_url_is_its_repository(url: str, owner: str) -> None:
    assert DockerEcosystem([]).owner(url) == owner
