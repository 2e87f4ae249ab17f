"""conda channels as an ecosystem: what is done with which path, and what names a package."""

from __future__ import annotations

import bz2
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgpack
import pytest

from headrace.interface.ecosystems import Confirms, LocatesDocuments, ServesDocuments
from headrace.interface.lookups import CacheMode, Entry, LookUp, LookUpResult, LookUpStep
from headrace.models import (
    Artifact,
    Digest,
    Document,
    Mirror,
    Origin,
    PassThrough,
    Refuse,
    Request,
    ServeArtifact,
    ServeDocument,
)
from headrace_conda.channels import locating, paths, repodata
from headrace_conda.channels.ecosystem import _LONG_LIST, CondaEcosystem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PUBLIC = Origin("conda", "https://host.example", name="public")
FILES = Origin("conda", "http://127.0.0.1:8000", name="files")
COMPANY = Origin("conda", "https://conda.corp.example", private=True, name="company")
RATTLER = "conda/26.7.1 requests/2.34.2 solver/rattler conda-rattler-solver/0.2.0"
WORLD = CondaEcosystem([PUBLIC, FILES, COMPANY])

SHA = "ab" * 32
OTHER = "cd" * 32
FOLDER = "https://host.example/ch/linux-64"
FILE = "numpy-1.26-py312_0.conda"
PATH = f"/conda/host.example/ch/linux-64/{FILE}"
INDEX = f"{FOLDER}/repodata_shards.msgpack.zst"


def ask(path: str, query: str = "", method: str = "GET") -> Any:
    return WORLD.plan(Request(method, path, query))


def test_each_origin_has_a_place_of_its_own() -> None:
    assert WORLD.prefixes == (
        "/conda/host.example/",
        "/conda/http+127.0.0.1:8000/",
        "/conda/conda.corp.example/",
    )
    assert WORLD.origins == (PUBLIC, FILES, COMPANY)
    assert CondaEcosystem([]).prefixes == ()
    assert CondaEcosystem([Origin("python", "https://x.example/simple")]).origins == ()


@pytest.mark.parametrize(
    ("name", "begins", "table"),
    [
        ("repodata.json", repodata.JSON, True),
        ("repodata.json.zst", repodata.ZSTD, True),
        ("repodata.json.bz2", repodata.BZIP2, True),
        ("current_repodata.json", repodata.JSON, True),
        ("current_repodata.json.zst", repodata.ZSTD, True),
        ("repodata_from_packages.json", repodata.JSON, True),
        ("repodata_shards.msgpack.zst", repodata.ZSTD, False),
        ("run_exports.json", repodata.JSON, False),
        ("run_exports.json.zst", repodata.ZSTD, False),
        ("channeldata.json", repodata.JSON, False),
        ("notices.json", repodata.JSON, False),
    ],
)
@pytest.mark.parametrize("folder", ["ch/linux-64", "ch/label/dev/noarch", "a b/noarch", ""])
def test_documents_are_served_as_they_are(
    folder: str, name: str, begins: bytes, *, table: bool
) -> None:
    path = f"/{folder}/{name}" if folder else f"/{name}"
    plan = ask(f"/conda/host.example{path}")
    assert isinstance(plan, ServeDocument)
    assert plan.url == plan.key == f"https://host.example{path.replace(' ', '%20')}"
    assert (plan.origin, plan.magic, plan.table) == (PUBLIC, (begins,), table)


@pytest.mark.parametrize(
    "name", [FILE, "a-1!2.0+cu118-h1_0.tar.bz2", "_x-y-1-0.conda", f"{SHA}.msgpack.zst"]
)
def test_packages_and_shards_are_served_by_digest(name: str) -> None:
    path = f"/conda/host.example/ch/linux-64/{name}"
    assert ask(path) == ServeArtifact(path, None, f"{FOLDER}/{name}")
    assert ask(path, method="HEAD") == ask(path)


def test_what_is_private_is_named_to_nobody() -> None:
    path = f"/conda/conda.corp.example/ch/linux-64/{FILE}"
    assert ask(path) == ServeArtifact(path, None, None)


@pytest.mark.parametrize("name", ["", "index.html", "rss.xml", "repodata.jlap", "numpy.conda"])
def test_everything_else_is_the_origins_to_answer(name: str) -> None:
    assert ask(f"/conda/host.example/ch/{name}") == PassThrough(
        PUBLIC, f"https://host.example/ch/{name}"
    )


def test_query_goes_along_to_the_origin() -> None:
    assert ask("/conda/host.example/ch/x", "a=b&c") == PassThrough(
        PUBLIC, "https://host.example/ch/x?a=b&c"
    )


@pytest.mark.parametrize(
    "path",
    [
        f"/conda/other.example/ch/linux-64/{FILE}",
        f"/conda/host.example:8443/ch/linux-64/{FILE}",
        f"/conda/http+host.example/ch/linux-64/{FILE}",
        f"/conda/host.example/t/tk-1-secret/ch/linux-64/{FILE}",
        "/conda/host.example/t/tk-1-secret/ch/noarch/repodata.json",
        "/conda/user:pw@host.example/ch/noarch/repodata.json",
        "/conda/host.example/../x",
        "/conda/",
        "/simple/x/",
    ],
)
def test_what_is_no_origins_and_what_holds_a_token_is_refused(path: str) -> None:
    plan = ask(path)
    assert isinstance(plan, Refuse)
    assert plan.status == 404


def test_channels_are_only_read() -> None:
    plan = ask(PATH, method="POST")
    assert isinstance(plan, Refuse)
    assert plan.status == 405


# ------------------------------------------------------------------ look-ups


class Library:
    """Documents as the core would bring them; what is asked is written down."""

    def __init__(self, world: CondaEcosystem = WORLD) -> None:
        self.world = world
        self.here: dict[str, tuple[float, bytes]] = {}
        self.there: dict[str, bytes] = {}
        self.shards: dict[str, bytes] = {}
        self.wants: list[LookUpStep] = []

    def find(self, path: str = PATH) -> Artifact | None:
        look_up = self.world.look_up(ServeArtifact(path, None))
        assert look_up is not None
        return self.run(look_up)

    def run(self, look_up: LookUp) -> Artifact | None:
        seen: LookUpResult | None = None
        try:
            want = next(look_up)
            while True:
                self.wants.append(want)
                seen = self.bring(want)
                want = look_up.send(seen)
        except StopIteration as end:
            found: Artifact | None = end.value
            return found

    def bring(self, want: LookUpStep) -> LookUpResult | None:
        if isinstance(want.what, Artifact):
            content = self.shards.get(want.what.url)
            return None if content is None else LookUpResult("v", 0.0, content)
        assert isinstance(want.what, ServeDocument)
        at, body = self.here.get(want.what.url, (0.0, None))
        if want.effort is CacheMode.NO_CACHE:
            at, body = 1e9, self.there.get(want.what.url)
        if body is None:
            return None
        if not want.entry:
            return LookUpResult("v", at, body)
        return LookUpResult(
            "v", at, entry=dict(self.world.entries(want.what, [body])).get(want.entry)
        )

    def put_shards(self, at: float, digest: str, **info: str) -> None:
        shard = zstd.compress(
            msgpack.packb({"packages.conda": {FILE: {"sha256": bytes.fromhex(digest), "size": 7}}})
        )
        name = "ee" * 32
        index = {"info": {"base_url": "", "shards_base_url": "", **info}, "shards": {}}
        index["shards"] = {"numpy": bytes.fromhex(name)}  # type: ignore[dict-item]
        self.here[INDEX] = (at, zstd.compress(msgpack.packb(index)))
        base = info.get("shards_base_url") or f"{FOLDER}/"
        self.shards[f"{base}{name}.msgpack.zst"] = shard


def flat(digest: str | None, **info: str) -> bytes:
    record: Mapping[str, Any] = {"md5": "0" * 32, "size": 7}
    if digest:
        record = {**record, "sha256": digest}
    return json.dumps({"info": info, "packages": {}, "packages.conda": {FILE: record}}).encode()


def digest_of(artifact: Artifact | None) -> str | None:
    assert artifact is not None
    return artifact.digest.value if artifact.digest else None


def test_shard_is_its_own_proof() -> None:
    path = f"/conda/host.example/ch/linux-64/{SHA}.msgpack.zst"
    found = Library().find(path)
    assert found is not None
    assert (found.digest, found.mirrored) == (Digest("sha256", SHA), False)
    assert found.url == f"{FOLDER}/{SHA}.msgpack.zst"


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("repodata.json.zst", zstd.compress),
        ("current_repodata.json", bytes),
        ("repodata.json", bytes),
        ("repodata.json.bz2", bz2.compress),
    ],
)
def test_any_document_that_is_here_answers_without_a_question(name: str, pack: Any) -> None:
    library = Library()
    library.here[f"{FOLDER}/{name}"] = (5.0, pack(flat(SHA)))
    found = library.find()
    assert digest_of(found) == SHA
    assert found is not None
    assert (found.size, found.url, found.path) == (7, f"{FOLDER}/{FILE}", PATH)
    assert {want.effort for want in library.wants} == {CacheMode.ONLY_IF_CACHED}


def test_newest_of_several_documents_counts() -> None:
    library = Library()
    library.here[f"{FOLDER}/repodata.json"] = (9.0, flat(SHA))
    library.here[f"{FOLDER}/repodata.json.zst"] = (5.0, zstd.compress(flat(OTHER)))
    assert digest_of(library.find()) == SHA


@pytest.mark.parametrize(("at", "digest"), [(8.0, SHA), (9.0, OTHER), (10.0, OTHER)])
def test_shards_count_where_their_index_is_not_older(at: float, digest: str) -> None:
    library = Library()
    library.here[f"{FOLDER}/repodata.json"] = (9.0, flat(SHA))
    library.put_shards(at, OTHER)
    assert digest_of(library.find()) == digest


def test_what_nothing_here_names_is_asked_of_the_origin_the_smallest_first() -> None:
    library = Library(CondaEcosystem(WORLD.origins))
    library.here[f"{FOLDER}/repodata.json"] = (9.0, b'{"packages": {}}')
    library.there[f"{FOLDER}/repodata.json.zst"] = zstd.compress(flat(SHA))
    for _ in range(_LONG_LIST - 1):
        assert library.find() is None
    asked = [want for want in library.wants if want.effort is CacheMode.NO_CACHE]
    assert {want.what.url for want in asked} == {INDEX}
    # Meanwhile the origin's own bytes go out.
    assert {(want.meanwhile.digest, want.meanwhile.url) for want in asked if want.meanwhile} == {
        (None, f"{FOLDER}/numpy-1.26-py312_0.conda")
    }
    library.wants.clear()
    assert digest_of(library.find()) == SHA
    asked = [want for want in library.wants if want.effort is CacheMode.NO_CACHE]
    assert [want.what.url for want in asked] == [INDEX, f"{FOLDER}/repodata.json.zst"]


def test_what_nobody_names_is_nothing() -> None:
    assert Library().find() is None
    assert Library().find("/conda/other.example/ch/noarch/a-1-0.conda") is None


def test_md5_alone_proves_nothing() -> None:
    library = Library()
    library.here[f"{FOLDER}/repodata.json"] = (9.0, flat(None))
    found = library.find()
    assert found is not None
    assert (found.digest, found.size) == (None, 7)


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8000/all/", f"{FOLDER}/deep/", "https://host.example/s+h/"]
)
def test_shards_may_be_in_another_folder_or_at_another_known_host(base: str) -> None:
    library = Library()
    library.put_shards(9.0, SHA, shards_base_url=base)
    assert digest_of(library.find()) == SHA
    asked = [want.what for want in library.wants if isinstance(want.what, Artifact)]
    assert [each.origin for each in asked] == [FILES if "127" in base else PUBLIC]


@pytest.mark.parametrize(
    "base", ["https://stranger.example/", "https://[bad/", "https://u:p@host.example/", "file:///"]
)
def test_shards_of_strangers_are_not_asked_for(base: str) -> None:
    library = Library()
    library.put_shards(9.0, SHA, shards_base_url=base)
    assert library.find() is None
    assert not [want for want in library.wants if isinstance(want.what, Artifact)]


@pytest.mark.parametrize("what", ["shards_base_url", "base_url"])
def test_a_public_index_leads_into_no_channel_of_the_users_own(what: str) -> None:
    library = Library(CondaEcosystem([PUBLIC, COMPANY]))
    library.put_shards(9.0, SHA, **{what: "https://conda.corp.example/pool/linux-64/"})
    index = f"/conda/host.example{INDEX.removeprefix(PUBLIC.url)}"
    library.world.plan(Request("GET", index))
    path = PATH if what == "shards_base_url" else f"/conda/conda.corp.example/pool/linux-64/{FILE}"
    assert library.find(path) is None
    assert not [want for want in library.wants if isinstance(want.what, Artifact)]
    # Where both are private it is the company's own business.
    library.world = CondaEcosystem([replace(PUBLIC, private=True), COMPANY])
    library.world.plan(Request("GET", index))
    assert digest_of(library.find(path)) == SHA


@pytest.mark.parametrize("how", ["sharded", "flat"])
def test_packages_in_another_folder_are_named_where_their_channel_is(how: str) -> None:
    world = CondaEcosystem([PUBLIC, FILES])
    library = Library(world)
    base = "http://127.0.0.1:8000/pool/linux-64/"
    if how == "sharded":
        library.put_shards(9.0, SHA, base_url=base)
        world.plan(Request("GET", "/conda/host.example/ch/linux-64/repodata_shards.msgpack.zst"))
    else:
        plan = world.plan(Request("GET", "/conda/host.example/ch/linux-64/repodata.json"))
        assert isinstance(plan, ServeDocument)
        library.here[plan.url] = (9.0, flat(SHA, base_url=base))
        assert dict(world.entries(plan, [library.here[plan.url][1]]))
    found = library.find(f"/conda/http+127.0.0.1:8000/pool/linux-64/{FILE}")
    assert digest_of(found) == SHA
    assert found is not None
    assert (found.origin, found.url) == (FILES, f"{base}{FILE}")


@pytest.mark.parametrize("document", ["repodata_shards.msgpack.zst", "repodata.json.zst"])
def test_no_channel_speaks_for_one_that_has_an_index_of_its_own(document: str) -> None:
    world = CondaEcosystem([PUBLIC])
    library = Library(world)
    for channel in ("ch", "greedy"):
        world.plan(Request("GET", f"/conda/host.example/{channel}/linux-64/{document}"))
    greedy = world.plan(Request("GET", "/conda/host.example/greedy/linux-64/repodata.json"))
    assert isinstance(greedy, ServeDocument)
    library.here[greedy.url] = (9.0, flat(OTHER, base_url=f"{FOLDER}/"))
    assert dict(world.entries(greedy, [library.here[greedy.url][1]]))
    library.put_shards(5.0, SHA)
    assert digest_of(library.find()) == SHA


def test_damaged_index_or_shard_is_passed_over() -> None:
    library = Library()
    library.here[INDEX] = (9.0, b"damaged")
    library.here[f"{FOLDER}/repodata.json"] = (5.0, flat(SHA))
    assert digest_of(library.find()) == SHA
    library.put_shards(9.0, OTHER)
    library.shards = dict.fromkeys(library.shards, b"damaged")
    assert digest_of(library.find()) == SHA


# ------------------------------------------------------------------ mirrors


MIRROR = Mirror("m", "conda", "https://mirror.example", "same-path")


def artifact(origin: Origin, kind: str = "package") -> Artifact:
    url = f"{origin.url}/ch/linux-64/{FILE}"
    return Artifact("conda", PATH, FILE, url, origin, Entry(None, 1).digest, object_class=kind)


def test_packages_have_a_place_at_mirrors_but_nothing_private_has() -> None:
    assert WORLD.locate(artifact(PUBLIC), MIRROR) == f"https://mirror.example/ch/linux-64/{FILE}"
    assert WORLD.locate(artifact(COMPANY), MIRROR) is None
    assert WORLD.locate(artifact(PUBLIC, "shard"), MIRROR) is None


def test_documents_come_from_their_origin_alone_and_unchanged() -> None:
    plan = ask("/conda/host.example/ch/noarch/repodata.json")
    document = Document(plan.url, b"{}", "application/json")
    assert not isinstance(WORLD, LocatesDocuments | ServesDocuments | Confirms)
    assert list(WORLD.leads_to(plan, document, Request("GET", PATH))) == []


def test_repodata_may_come_from_a_mirror_only_where_its_origin_states_its_digest() -> None:
    plan = ask("/conda/host.example/ch/linux-64/repodata.json.zst")
    mirror = Mirror("campus", "conda", "https://campus.example/m", "same-path")
    stated = Artifact(
        "conda",
        plan.key,
        "repodata.json.zst",
        plan.url,
        PUBLIC,
        Digest("sha256", SHA),
        object_class="document",
    )
    assert (
        WORLD.locate(stated, mirror) == f"https://campus.example/m{FOLDER[20:]}/repodata.json.zst"
    )
    assert WORLD.locate(replace(stated, origin=COMPANY), mirror) is None
    assert WORLD.locate(replace(stated, object_class="shard"), mirror) is None


def test_after_a_channels_notices_come_the_indexes_of_this_machines_folders() -> None:
    world = CondaEcosystem([PUBLIC, COMPANY], subdir="osx-arm64")

    def ahead(path: str, client: str = "conda/26.7.1 requests/2.34.2") -> list[str]:
        request = Request("GET", path, headers={"user-agent": client})
        plan = world.plan(request)
        assert isinstance(plan, ServeDocument)
        after = world.leads_to(plan, Document(plan.url, b"", ""), request)
        return [each.url for each in after if each.url]

    channel = "https://host.example/ch"
    assert ahead("/conda/host.example/ch/notices.json") == [
        f"{channel}/osx-arm64/repodata_shards.msgpack.zst",
        f"{channel}/noarch/repodata_shards.msgpack.zst",
    ]
    assert ahead("/conda/host.example/ch/noarch/repodata.json") == []
    # These know no shards, or are not known to.
    for client in ("conda/24.7.1 requests/2.32.3", "rattler/0.40", "conda/", ""):
        assert ahead("/conda/host.example/ch/notices.json", client) == []
    private = paths.gateway_path(f"{COMPANY.url}/ch/notices.json")
    assert private is not None
    assert ahead(private) == []


@pytest.mark.parametrize(
    ("path", "client", "then"),
    [
        ("ch/noarch/repodata_shards.msgpack.zst", RATTLER, ["ch/noarch/repodata.json.zst"]),
        ("ch/noarch/repodata_shards.msgpack.zst", "conda/26.7.1 requests/2.34.2", []),
        ("ch/noarch/repodata.json.zst", RATTLER, []),
        ("ch/notices.json", RATTLER, []),
    ],
    ids=["no shards", "classic solver", "no flat repodata", "no notices"],
)
def test_where_there_are_no_shards_flat_repodata_is_asked_for(
    path: str, client: str, then: list[str]
) -> None:
    for origin in (PUBLIC, COMPANY):
        request = Request(
            "GET", paths.gateway_path(f"{origin.url}/{path}") or "", headers={"user-agent": client}
        )
        plan = WORLD.plan(request)
        assert isinstance(plan, ServeDocument)
        urls = [each.url for each in WORLD.instead_of(plan, request)]
        assert urls == ([] if origin.private else [f"{origin.url}/{each}" for each in then])


def shard(*depends: str) -> bytes:
    records = {FILE: {"sha256": SHA, "size": 1, "depends": list(depends)}}
    return packed({"packages": {}, "packages.conda": records})


def packed(table: Mapping[str, Any]) -> bytes:
    return zstd.compress(msgpack.packb(table))


def test_a_shard_leads_to_those_of_what_it_depends_on_in_both_folders_of_its_channel() -> None:
    world = CondaEcosystem([PUBLIC, COMPANY])

    def learn(folder: str, **names: str) -> None:
        plan = world.plan(
            Request("GET", f"/conda/host.example/{folder}/repodata_shards.msgpack.zst")
        )
        assert isinstance(plan, ServeDocument)
        table = {name: bytes.fromhex(digest * 32) for name, digest in names.items()}
        body = packed({"info": {"base_url": "", "shards_base_url": ""}, "shards": table})
        world.learn(Document(plan.url, body, ""), plan)

    learn("ch/linux-64", numpy="a1", libblas="b2")
    learn("ch/noarch", python_abi="c3", libblas="d4")
    learn("other/noarch", libblas="e5")
    path = f"/conda/host.example/ch/linux-64/{'a1' * 32}.msgpack.zst"
    plan = world.plan(Request("GET", path))
    assert isinstance(plan, ServeArtifact)
    body = shard("libblas >=3.9", "python_abi 3.12.* *_cp312", "__glibc >=2.17", "unknown")
    page = Document(f"https://host.example{path.removeprefix('/conda/host.example')}", body, "")
    ahead = list(world.leads_to(plan, page, Request("GET", path)))
    shards = [each.path for each in ahead if isinstance(each, ServeArtifact)]
    assert len(shards) == len(ahead)
    assert [each.removeprefix("/conda/host.example/") for each in shards] == [
        f"ch/linux-64/{'b2' * 32}.msgpack.zst",
        f"ch/noarch/{'d4' * 32}.msgpack.zst",
        f"ch/noarch/{'c3' * 32}.msgpack.zst",
    ]
    stranger = Document(page.url.replace("a1" * 32, "f6" * 32), body, "")
    assert list(world.leads_to(plan, stranger, Request("GET", path))) == []


def test_what_a_mirror_lacks_of_a_label_says_nothing_of_its_channel() -> None:
    library = Library()
    library.here[f"{FOLDER}/repodata.json"] = (9.0, flat(SHA))
    labelled = FOLDER.replace("/ch/", "/ch/label/dev/")
    library.here[f"{labelled}/repodata.json"] = (9.0, flat(SHA))
    plain, other = library.find(), library.find(PATH.replace("/ch/", "/ch/label/dev/"))
    assert plain is not None
    assert other is not None
    assert (plain.object_class, other.object_class) == ("package", "labelled package")


@pytest.mark.parametrize(
    ("folder", "labelled"),
    [
        ("/ch/label/dev/noarch", True),
        ("/a/b/label/dev/linux-64", True),
        ("/ch/noarch", False),
        ("/label/noarch", False),
        ("/labels/x/dev/noarch", False),
        ("/my-label/noarch", False),
        ("/label/ch/dev/noarch", False),
    ],
)
def test_labels_folder_is_below_a_channel(
    folder: str,
    labelled: bool,  # noqa: FBT001 - a table
) -> None:
    assert locating.is_labelled(folder) is labelled


@pytest.mark.parametrize(
    ("url", "owner"),
    [
        ("https://h.example/ch/noarch/a.conda", "/ch"),
        ("https://h.example/ch/label/dev/noarch/a.conda", "/ch/label/dev"),
        ("https://h.example/a.json", "/"),
    ],
)
def test_owner_of_a_url_is_its_channel(url: str, owner: str) -> None:
    assert CondaEcosystem([]).owner(url) == owner
