"""What refers to an image: the registry's own word, also that it does not know."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lib.engines.drivers import Engine, engine
from lib.engines.kinds import AGES, why_not
from lib.images.content import OCI, Blob, Image, image
from lib.images.world import ImageWorld, MakeImageWorld
from lib.serving import modes
from lib.serving.answers import Reply

StartEngine = Callable[[ImageWorld], Engine]
INDEX = "application/vnd.oci.image.index.v1+json"
OLD_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
ACCEPT = {"accept": INDEX}
NOBODY = "sha256:" + "0" * 64
#: Not an engine: its root has oras, which is led to a registry by the name alone.
ORAS = next(kind for kind in AGES if kind.name == "skopeo-1.22")


def refers(digest: str) -> bytes:
    entry = {"mediaType": OCI, "digest": digest, "size": 2, "artifactType": "text/plain"}
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (404, "text/plain; charset=utf-8", b"404 page not found\n"),
        (404, "application/json", b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'),
        (404, "application/json", b'{"errors":[{"code":"NAME_UNKNOWN"}]}'),
        (404, "text/html", b""),
        (200, INDEX, refers(NOBODY)),
    ],
)
def test_registrys_own_answer_goes_out_as_it_is(
    images: MakeImageWorld, status: int, kind: str, body: bytes
) -> None:
    # By the code in a 404 clients tell a registry without this API, where they look for a tag of
    # the digest's name, from a repository that is not there.
    made = images()
    hello = made.registry.put("library/hello", image())
    told = {"OCI-Filters-Applied": "artifactType", "Set-Cookie": "a=b"}
    made.origin.mounts["/v2/library/hello/referrers/"] = lambda *_: Reply(body, status, kind, told)
    for path in ("/v2/library/hello", "/v2/docker.io/library/hello"):
        where = f"{path}/referrers/{hello.digest}?artifactType=text/plain"
        got, headers, given = made.gateway.get(where, ACCEPT)
        assert (got, headers["content-type"], given) == (status, kind, body)
        assert headers["oci-filters-applied"] == "artifactType"
        assert "set-cookie" not in headers
    assert {seen.target for seen in made.origin.requests("*/referrers/*")} == {
        f"/v2/library/hello/referrers/{hello.digest}?artifactType=text/plain"
    }
    assert not made.at_mirrors()


@pytest.mark.parametrize("status", [401, 403, 500])
def test_refusal_and_trouble_are_not_taken_for_a_registry_without_the_api(
    images: MakeImageWorld, status: int
) -> None:
    made = images()
    hello = made.registry.put("library/hello", image())
    made.origin.fail(modes.status(status), "*/referrers/*")
    got, _, body = made.gateway.get(f"/v2/library/hello/referrers/{hello.digest}", ACCEPT)
    # A client that fell back would find no signature, and say that there is none.
    assert (got, json.loads(body)["errors"][0]["code"]) == (404, "NAME_UNKNOWN")


@pytest.mark.parametrize("what", ["referrers", "tags"])
def test_next_page_is_had_by_the_clients_own_path(images: MakeImageWorld, what: str) -> None:
    made = images(tokens=False)
    hello = made.registry.put("org/hello", image())
    last = hello.digest if what == "referrers" else "list"
    here = f"/v2/org/hello/{what}/{last}"
    link = {"Link": f'<{here}?n=1&last=a>; rel="next"'}

    def answer(*_: object) -> Reply:
        more = "last=" not in made.origin.seen[-1].target
        return Reply(b"first" if more else b"second", 200, INDEX, link if more else {})

    made.origin.mounts[here] = answer
    for asked in (here, f"{here}?n=1", f"{here}?ns=ghcr.io&n=1", f"/v2/ghcr.io{here[3:]}?n=1"):
        status, headers, body = made.gateway.get(asked, ACCEPT)
        assert (status, body) == (200, b"first")
        url, _, rel = headers["link"].partition(">")
        assert rel == '; rel="next"'
        url = url.removeprefix("<")
        assert url.partition("?")[0] == asked.partition("?")[0]
        assert ("ns=ghcr.io" in url) == ("ns=" in asked)
        status, headers, body = made.gateway.get(url, ACCEPT)
        assert (status, body, "link" in headers) == (200, b"second", False)


@pytest.mark.parametrize(
    "link",
    [
        '<https://elsewhere.example/v2/org/hello/tags/list?last=a>; rel="next"',
        '</v2/org/other/tags/list?last=a>; rel="next"',
        '</v2/org/hello/tags/list?last=a>; rel="prev"',
        "<http://[bad/>; rel=next",
        "nonsense",
    ],
)
def test_link_that_leads_elsewhere_is_not_passed_on(images: MakeImageWorld, link: str) -> None:
    made = images(tokens=False)
    made.origin.mounts["/v2/org/hello/tags/list"] = lambda *_: Reply(
        b"{}", 200, "application/json", {"Link": link}
    )
    status, headers, _ = made.gateway.get("/v2/org/hello/tags/list")
    assert (status, "link" in headers) == (200, False)


def test_what_a_repositorys_own_credential_opens_is_not_told_to_everybody(
    images: MakeImageWorld,
) -> None:
    made = images(tokens=False)
    made.registry.put("org/closed", image())
    wants = {"WWW-Authenticate": 'Basic realm="registry"'}
    answers = [Reply(b"", 401, "text/plain", wants)]
    made.origin.mounts["/v2/org/closed/tags"] = lambda *_: (
        answers.pop() if answers else Reply(b'{"tags":["secret"]}', 200, "application/json")
    )
    for _ in range(2):
        status, _, body = made.gateway.get("/v2/org/closed/tags/list")
        assert status == 404
        assert b"secret" not in body


@pytest.mark.parametrize("kind", [OCI, OLD_ARTIFACT])
def test_artifact_of_the_fallback_tag_is_pulled_by_tag_and_by_digest(
    images: MakeImageWorld, kind: str
) -> None:
    made = images()
    hello = made.registry.put("library/hello", image())
    body = {"mediaType": kind, "artifactType": "text/plain", "blobs": [], "layers": []}
    manifest = Blob(kind, json.dumps({"schemaVersion": 2, **body}).encode())
    made.registry.objects["library/hello"][manifest.digest] = manifest
    tag = hello.digest.replace(":", "-")
    made.registry.tags["library/hello"][tag] = manifest.digest
    for reference in (tag, manifest.digest):
        where = f"/v2/library/hello/manifests/{reference}"
        status, headers, given = made.gateway.get(where, {"accept": kind})
        assert (status, given) == (200, manifest.data)
        assert headers["docker-content-digest"] == manifest.digest
        assert headers["content-type"] == kind
    status, _, refused = made.gateway.get(f"/v2/library/hello/manifests/{tag}x", {"accept": kind})
    assert (status, json.loads(refused)["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("told_by", ["api", "tag"])
def test_client_of_artifacts_finds_and_copies_what_refers_to_an_image(
    images: MakeImageWorld, told_by: str
) -> None:
    if reason := why_not(ORAS):
        pytest.skip(reason)
    made = images()
    hello = made.registry.put("org/hello", image())
    note = Blob("text/plain", b"signed")
    empty = Blob("application/vnd.oci.empty.v1+json", b"{}")
    table = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "artifactType": "application/x-signature",
        "config": empty.descriptor(),
        "layers": [note.descriptor(annotations={"org.opencontainers.image.title": "note.txt"})],
        "subject": hello.manifest.descriptor(),
    }
    signature = Image(Blob(OCI, json.dumps(table).encode()), (note, empty))
    made.registry.put("org/hello", signature, "signature")
    entry = signature.manifest.descriptor(artifactType=table["artifactType"])
    listed = Blob(
        INDEX, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    )
    if told_by == "tag":
        made.registry.put("org/hello", Image(listed), hello.digest.replace(":", "-"))
    else:
        made.origin.mounts["/v2/org/hello/referrers/"] = lambda path, _: Reply(
            listed.data if path.endswith(hello.digest) else refers(NOBODY), 200, INDEX
        )
    name = f"127.0.0.1:{made.gateway.port}/docker.io/org/hello"
    with engine(ORAS, made.gateway.port) as oras:
        words = ("oras", "discover", "--plain-http", "--format", "json", "--depth", "1")
        found = oras.run(*words, f"{name}:v1")
        assert found.returncode == 0, found.stderr + made.gateway.told()
        digests = [each["digest"] for each in json.loads(found.stdout)["referrers"]]
        assert digests == [signature.digest]
        into = ("oras", "pull", "--plain-http", "-o", str(oras.root / "got"))
        pulled = oras.run(*into, f"{name}@{digests[0]}")
        assert pulled.returncode == 0, pulled.stderr + made.gateway.told()
        assert (oras.root / "got" / "note.txt").read_bytes() == note.data
    made.assert_polite()


def test_tag_that_was_just_pushed_is_pulled(images: MakeImageWorld, start: StartEngine) -> None:
    made = images()
    engine = start(made)
    for content in ("first", "second", "third"):
        pushed = made.registry.put("library/hello", image(content))
        assert engine.pull("library/hello:v1").returncode == 0
        assert pushed.digest in engine.digest("library/hello:v1")
    made.assert_polite()


def test_pull_of_a_tag_costs_the_registry_a_question_or_two(
    images: MakeImageWorld, start: StartEngine
) -> None:
    made = images()
    made.registry.put("library/hello", image())
    assert start(made).pull("library/hello:v1").returncode == 0
    asked = made.origin.requests("/v2/library/hello/manifests/v1")
    assert {seen.method for seen in asked} == {"HEAD"}
    # skopeo, podman, containerd and dockerd ask for it once.
    assert 1 <= len([seen for seen in asked if seen.status == 200]) <= 2
    made.assert_origin_is_spared()
