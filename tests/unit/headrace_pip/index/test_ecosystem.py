from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from headrace.models import (
    Artifact,
    Digest,
    Document,
    Mirror,
    Origin,
    PassThrough,
    Plan,
    Refuse,
    Request,
    ServeArtifact,
    ServeDocument,
)
from headrace_pip.index.ecosystem import PythonEcosystem

INDEX = Origin("python", "https://index.example/simple")
CORP = Origin("python", "https://nexus.example/repository/p/simple/", private=True, name="corp")
WORLD = PythonEcosystem([INDEX, CORP, Origin("crates", "https://crates.example")])
MIRROR = Mirror("m", "python", "https://mirror.example/pypi/simple", "packages")
JSON = "application/vnd.pypi.simple.v1+json"
SHA, META = "a" * 64, "b" * 64
BLAKE = "ab" + "cd" + "0" * 60
WHEEL = "foo-1.0-py3-none-any.whl"
PATH = f"/packages/ab/cd/{'0' * 60}/{WHEEL}"


def ask(path: str, world: PythonEcosystem = WORLD, **headers: str) -> Plan:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return world.plan(Request("GET", path, headers=names))


def page_plan(path: str = "/simple/foo/", world: PythonEcosystem = WORLD) -> ServeDocument:
    plan = ask(path, world)
    assert isinstance(plan, ServeDocument)
    return plan


def document(*files: dict[str, Any], by: str | None = None, url: str = "") -> Document:
    body = {"meta": {"api-version": "1.1"}, "name": "foo", "files": list(files), "versions": []}
    host = "https://mirror.example/pypi" if by else "https://index.example"
    return Document(url or f"{host}/simple/foo/", json.dumps(body).encode(), JSON, supplied_by=by)


def wheel(**rest: object) -> dict[str, Any]:
    url = f"https://files.example{PATH}"
    return {"filename": WHEEL, "url": url, "hashes": {"sha256": SHA}, "size": 9} | rest


# ---------------------------------------------------------------- plan


@pytest.mark.parametrize("path", ["/simple/foo-bar/", "/simple/Foo._Bar/", "/simple/FOO_bar"])
def test_a_project_is_one_page_however_its_name_is_spelt(path: str) -> None:
    plan = page_plan(path)
    assert plan.origin.url == INDEX.url
    assert plan.url == plan.key == "https://index.example/simple/foo-bar/"
    assert plan.accept.startswith(JSON)


def test_another_origin_has_its_own_branch() -> None:
    plan = page_plan("/index/corp/simple/foo/")
    assert plan.origin.name == "corp"
    assert plan.url == "https://nexus.example/repository/p/simple/foo/"
    other = ask(f"/index/corp{PATH}")
    assert isinstance(other, ServeArtifact)
    assert other.named_by == plan


def test_the_list_of_all_projects_is_the_origins_own_answer() -> None:
    for path in ("/simple/", "/simple"):
        plan = ask(path)
        assert isinstance(plan, PassThrough)
        assert plan.url == "https://index.example/simple/"


def test_what_lies_below_a_page_is_the_origins_own_answer() -> None:
    plan = ask("/simple/foo/a b.json")
    assert isinstance(plan, PassThrough)
    assert plan.url == "https://index.example/simple/foo/a%20b.json"


@pytest.mark.parametrize(
    ("path", "project"),
    [
        (PATH, "foo"),
        (PATH + ".metadata", "foo"),
        (PATH + ".asc", "foo"),
        ("/files/foo/0123456789abcdef/odd name.exe", "foo"),
    ],
)
def test_a_file_leads_back_to_its_projects_page(path: str, project: str) -> None:
    assert ask(path) == ServeArtifact(path, page_plan(f"/simple/{project}/"))


def test_a_file_whose_name_does_not_tell_cannot_be_told() -> None:
    path = f"/packages/ab/cd/{'0' * 60}/odd"
    assert ask(path) == ServeArtifact(path, None)


@pytest.mark.parametrize(
    "path", ["/", "/simple/é/", "/packages/x", "/index/none/simple/foo/", "/other/", "/files/foo/x"]
)
def test_what_is_not_ours_is_refused(path: str) -> None:
    plan = ask(path)
    assert isinstance(plan, Refuse)
    assert plan.status == 404


def test_an_index_is_only_read() -> None:
    plan = WORLD.plan(Request("POST", "/simple/foo/"))
    assert isinstance(plan, Refuse)
    assert plan.status == 405


def test_the_list_of_origins_is_closed_and_of_this_ecosystem() -> None:
    assert [origin.name for origin in WORLD.origins] == ["default", "corp"]
    assert isinstance(PythonEcosystem([]).plan(Request("GET", "/simple/foo/")), Refuse)


def test_the_only_index_has_the_short_paths_whatever_its_name() -> None:
    world = PythonEcosystem([CORP])
    assert page_plan("/simple/foo/", world).origin.name == "corp"


def test_a_branch_is_named_as_a_path_can_hold_it() -> None:
    world = PythonEcosystem([INDEX, replace(CORP, name="my corp/x")])
    plan = page_plan("/index/my-corp-x/simple/foo/", world)
    assert plan.origin.name == "my corp/x"
    (artifact,) = world.artifacts(document(wheel()), plan)
    assert artifact.path == f"/index/my-corp-x{PATH}"
    assert ask(artifact.path, world) == ServeArtifact(artifact.path, plan)


@pytest.mark.parametrize(
    ("agent", "control", "meant"),
    [
        ("pip/26.1.2 {}", "max-age=0", False),
        ('pip/26.1.2 {"python":"3.11.7"}', "max-age=0", False),
        ('pip/26.2.1 {"python":"3.11.7"}', "max-age=0", True),
        ('pip/26.3 {"python":"3.11.7"}', "", False),
        ("curl/8", "max-age=0", False),
    ],
)
def test_max_age_0_is_meant_by_those_that_do_not_always_say_it(
    agent: str,
    control: str,
    meant: bool,  # noqa: FBT001 - a column of the table
) -> None:
    plan = ask("/simple/foo/", user_agent=agent, cache_control=control)
    assert isinstance(plan, ServeDocument)
    assert plan.revalidate is meant


# ---------------------------------------------------------------- form


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01", "json"),
        (f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01", "json"),
        (f"{JSON}, */*;q=0.1", "json"),
        ("application/vnd.pypi.simple.latest+json", "json"),
        (f"{JSON};q=0.5, text/html;q=0.9", "html"),
        (f"{JSON};q=0", "html"),
        (f"{JSON};q=x", "html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),
        ("*/*", "html"),
        ("application/json", "html"),
        ("", "html"),
    ],
)
def test_json_is_for_those_who_name_it(accept: str, form: str) -> None:
    request = Request("GET", "/simple/foo/", headers={"accept": accept})
    assert WORLD.form(request, page_plan()) == form


def test_the_query_may_name_the_form() -> None:
    for kind, form in ((JSON, "json"), ("text/html", "html")):
        request = Request("GET", "/simple/foo/", f"format={kind.replace('+', '%2B')}")
        assert WORLD.form(request, page_plan()) == form


# ---------------------------------------------------------------- rewrite


def test_links_keep_the_origins_path_and_lose_its_host() -> None:
    for form in ("json", "html"):
        answer = WORLD.rewrite(document(wheel()), form, page_plan())
        assert PATH.encode() in answer.body
        assert b"files.example" not in answer.body
        assert SHA.encode() in answer.body
        assert answer.headers["vary"] == "accept"


def test_html_of_an_origin_becomes_json() -> None:
    html = f'<a href="../../packages/ab/cd/{"0" * 60}/{WHEEL}#sha256={SHA}">x</a>'
    page = Document("https://index.example/simple/foo/", html.encode(), "text/html")
    answer = WORLD.rewrite(page, "json", page_plan())
    assert answer.headers["content-type"] == JSON
    out = json.loads(answer.body)
    assert out["meta"]["api-version"] == "1.0"
    assert out["files"][0]["url"] == PATH


def test_the_serial_is_handed_on() -> None:
    page = replace(document(wheel()), headers={"x-pypi-last-serial": "7"})
    assert WORLD.rewrite(page, "json", page_plan()).headers["x-pypi-last-serial"] == "7"


def test_a_login_page_is_no_page() -> None:
    page = Document(INDEX.url, b"<form><a href=x>x</a></form>", "text/html")
    for act in (
        lambda: WORLD.rewrite(page, "html", page_plan()),
        lambda: list(WORLD.artifacts(page, page_plan())),
    ):
        with pytest.raises(ValueError):
            act()


def test_json_without_a_content_type_is_seen() -> None:
    page = replace(document(wheel()), content_type="application/octet-stream")
    assert [a.path for a in WORLD.artifacts(page, page_plan())] == [PATH]


# ---------------------------------------------------------------- artifacts


def test_a_file_is_known_by_its_digest_and_found_at_its_origin() -> None:
    (artifact,) = WORLD.artifacts(document(wheel()), page_plan())
    assert artifact == Artifact(
        ecosystem="python",
        path=PATH,
        name=WHEEL,
        url=f"https://files.example{PATH}",
        origin=page_plan().origin,
        digest=Digest("sha256", SHA),
        size=9,
        object_class="wheel",
    )


@pytest.mark.parametrize(
    ("hashes", "digest"),
    [
        ({}, None),
        ({"md5": "0" * 32}, None),
        ({"sha256": "short"}, None),
        ({"sha256": SHA.upper()}, f"sha256:{SHA}"),
        ({"md5": "0", "sha512": "c" * 128}, "sha512:" + "c" * 128),
        ({"sha384": "c" * 96}, "sha384:" + "c" * 96),
    ],
)
def test_only_a_strong_digest_decides(hashes: dict[str, str], digest: str | None) -> None:
    (artifact,) = WORLD.artifacts(document(wheel(hashes=hashes)), page_plan())
    assert (str(artifact.digest) if artifact.digest else None) == digest


def test_companions_lie_beside_their_file() -> None:
    told = {"core-metadata": {"sha256": META}, "gpg-sig": True}
    _, metadata, signature = WORLD.artifacts(document(wheel(**told)), page_plan())
    assert metadata.path == PATH + ".metadata"
    assert metadata.url == f"https://files.example{PATH}.metadata"
    assert metadata.digest == Digest("sha256", META)
    assert metadata.size is None
    assert signature.path == PATH + ".asc"
    assert signature.digest is None
    for companion in (metadata, signature):
        assert not companion.mirrored  # no mirror is asked instead of the origin


def test_every_link_of_a_page_leads_to_an_artifact_of_it() -> None:
    files = [
        wheel(**{"core-metadata": True}),
        {"filename": "foo-1.0+a b.exe", "url": "https://x.example/y?z=1", "hashes": {}},
        {"filename": "foo-1.0-variants.json", "url": "v.json", "hashes": {"sha256": SHA}},
        {"filename": "../evil", "url": "https://x.example/evil", "hashes": {}},
    ]
    page = document(*files)
    out = json.loads(WORLD.rewrite(page, "json", page_plan()).body)["files"]
    from urllib.parse import unquote  # noqa: PLC0415 - beside its use

    paths = {artifact.path for artifact in WORLD.artifacts(page, page_plan())}
    assert [unquote(entry["url"]) in paths for entry in out] == [True, True, True, False]
    assert out[3]["url"] == "https://x.example/evil"
    for path in paths:
        plan = ask(path)
        assert isinstance(plan, ServeArtifact)
        assert plan.named_by == page_plan()


# ---------------------------------------------------------------- places


def public() -> Artifact:
    return next(WORLD.artifacts(document(wheel()), page_plan()))


def test_a_mirror_has_the_same_path_below_its_base() -> None:
    assert WORLD.locate(public(), MIRROR) == f"https://mirror.example/pypi{PATH}"


def test_nothing_private_is_asked_of_a_mirror() -> None:
    plan = page_plan("/index/corp/simple/foo/")
    (artifact,) = WORLD.artifacts(document(wheel()), plan)
    assert artifact.path == f"/index/corp{PATH}"
    assert WORLD.locate(artifact, MIRROR) is None
    assert WORLD.locate_document(plan, MIRROR) is None


def test_the_origins_path_proves_only_where_it_is_the_contents_digest() -> None:
    assert WORLD.confirmation(public()) == f"https://files.example{PATH}"
    assert WORLD.confirmation(replace(public(), url="https://x.example/foo.whl")) is None


@pytest.mark.parametrize("name", ["foo-9.0-py3-none-any.whl", "foo-9.0.tar.gz", "foo-1-9.tar.gz"])
def test_existence_proves_no_name_but_the_paths_own(name: str) -> None:
    path = f"/files/foo/0123456789abcdef/{name}"
    assert WORLD.confirmation(replace(public(), path=path, name=name)) is None


# ---------------------------------------------------------------- provisional pages


def mirror_page() -> Document:
    link = f"../../packages/ab/cd/{'0' * 60}/{WHEEL}"
    return document(wheel(url=link, **{"core-metadata": True}), by="m")


def test_a_mirrors_page_names_nothing_until_the_origins_file_host_is_known() -> None:
    world = PythonEcosystem([INDEX])
    assert list(world.artifacts(mirror_page(), page_plan(world=world))) == []
    assert world.locate_document(page_plan(world=world), MIRROR) is None


@pytest.mark.parametrize("learn", ["artifacts", "rewrite"])
def test_a_mirrors_page_names_files_by_the_digest_in_their_path(learn: str) -> None:
    world = PythonEcosystem([INDEX])
    plan = page_plan(world=world)
    if learn == "artifacts":
        list(world.artifacts(document(wheel()), plan))
    else:
        world.rewrite(document(wheel()), "json", plan)
    assert world.locate_document(plan, MIRROR) == "https://mirror.example/pypi/simple/foo/"
    (artifact, companion) = world.artifacts(mirror_page(), plan)
    assert (companion.path, companion.digest) == (f"{artifact.path}.metadata", None)
    assert world.find_artifact(mirror_page(), plan, companion.path) == companion
    assert artifact.provisional == "m"
    assert artifact.digest == Digest("blake2b_256", BLAKE)
    assert artifact.url == f"https://files.example{PATH}"
    assert world.confirmation(artifact) == artifact.url


def test_a_mirrors_page_read_for_comparison_teaches_no_file_host() -> None:
    world = PythonEcosystem([INDEX])
    plan = page_plan(world=world)
    assert list(world.artifacts(replace(mirror_page(), supplied_by=None), plan))
    assert world.locate_document(plan, MIRROR) is None


@pytest.mark.parametrize("form", ["json", "html"])
def test_no_link_of_a_mirrors_page_leads_to_the_mirror(form: str) -> None:
    other = {"filename": "../x", "url": "https://mirror.example/x", "hashes": {}}
    link = f"https://mirror.example/pypi{PATH}"
    told = {"gpg-sig": True, "core-metadata": {"sha256": META}}
    page = document(wheel(url=link, provenance="/p", **told), other, by="m")
    body = WORLD.rewrite(page, form, page_plan()).body
    assert b"mirror.example" not in body
    # It lies within the wheel, whatever the mirror says of its digest.
    assert b"core-metadata" in body
    assert META.encode() not in body
    assert PATH.encode() in body
