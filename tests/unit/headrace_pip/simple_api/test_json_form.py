from __future__ import annotations

import json
from typing import Any

import pytest

from headrace_pip.simple_api import json_form
from headrace_pip.simple_api.model import FileLink, Kept, ProjectPage

URL = "https://index.example/simple/foo/"
SHA = "a" * 64


def body(*files: dict[str, Any], **rest: object) -> bytes:
    return json.dumps(
        {"meta": {"api-version": "1.4"}, "name": "foo", "files": files} | rest
    ).encode()


def parse(*files: dict[str, Any], **rest: object) -> ProjectPage:
    return json_form.parse(json_form.load(body(*files, **rest)), URL, "foo")


def file(**rest: object) -> dict[str, Any]:
    return {"filename": "foo-1.0.zip", "url": "foo-1.0.zip", "hashes": {"sha256": SHA}} | rest


def test_a_page_is_read_with_all_that_the_standards_name() -> None:
    page = parse(
        file(
            size=7,
            yanked="broken",
            **{
                "requires-python": ">=3.8",
                "upload-time": "2024-01-02T03:04:05.6Z",
                "core-metadata": {"sha256": SHA},
                "gpg-sig": True,
                "provenance": "/prov",
                "x-new": [1],
            },
        ),
        meta={"api-version": "1.4", "_last-serial": "12", "tracks": ["t"]},
        versions=["1.0", "2.0"],
        **{"project-status": {"status": "archived", "reason": "old"}, "alternate-locations": []},
    )
    assert page == ProjectPage(
        name="foo",
        api_version="1.4",
        versions=("1.0", "2.0"),
        last_serial=12,
        status={"status": "archived", "reason": "old"},
        extra={"alternate-locations": []},
        extra_meta={"tracks": ["t"]},
        files=(
            FileLink(
                filename="foo-1.0.zip",
                url=URL + "foo-1.0.zip",
                hashes={"sha256": SHA},
                requires_python=">=3.8",
                yanked="broken",
                core_metadata={"sha256": SHA},
                size=7,
                upload_time="2024-01-02T03:04:05.600000Z",
                gpg_sig=True,
                provenance="https://index.example/prov",
                extra={"x-new": [1]},
            ),
        ),
    )


@pytest.mark.parametrize(
    ("told", "understood"),
    [
        ({}, False),
        ({"core-metadata": False}, False),
        ({"core-metadata": True}, True),
        ({"core-metadata": {}}, True),
        ({"dist-info-metadata": {"sha256": SHA}}, {"sha256": SHA}),
        ({"core-metadata": False, "dist-info-metadata": True}, False),
        ({"data-dist-info-metadata": {"sha256": SHA}}, {"sha256": SHA}),
    ],
)
def test_core_metadata_in_its_old_and_new_spelling(
    told: dict[str, object], understood: object
) -> None:
    assert parse(file(**told)).files[0].core_metadata == understood


@pytest.mark.parametrize(
    ("told", "understood"), [(False, False), (True, True), ("why", "why"), ("", False)]
)
def test_yanked_is_a_reason_or_a_truth(told: object, understood: object) -> None:
    assert parse(file(yanked=told)).files[0].yanked == understood


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b'{"files": 1}',
        b'{"projects": [], "meta": {"api-version": "1.0"}}',
        b'{"files": [], "meta": {"api-version": "2.0"}}',
        b'{"files": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_page_of_version_1_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        json_form.load(content)


def test_entries_that_are_none_are_left_out_and_odd_fields_ignored() -> None:
    page = parse(
        {"filename": "x"},
        {"url": "x"},
        "text",  # type: ignore[arg-type]
        file(size="big", hashes=[], yanked=None, **{"requires-python": 3, "upload-time": 0}),
    )
    assert page.files == (FileLink(filename="foo-1.0.zip", url=URL + "foo-1.0.zip"),)


def test_rewriting_touches_the_links_alone() -> None:
    entry = file(**{"url": "../../f/foo-1.0.zip", "x-new": {"url": "keep"}, "yanked": "why"})
    raw = json_form.load(body(entry, unknown={"url": "keep"}))
    out = json.loads(json_form.rewrite(raw, URL, lambda url, _: "/gateway" if url else None))
    assert out == raw | {"files": [entry | {"url": "/gateway"}]}


def test_a_file_that_is_not_served_keeps_the_origins_address() -> None:
    raw = json_form.load(body(file(provenance="/prov")))
    entry = json.loads(json_form.rewrite(raw, URL, lambda *_: None))["files"][0]
    assert entry["url"] == URL + "foo-1.0.zip"
    assert entry["provenance"] == "https://index.example/prov"


@pytest.mark.parametrize(
    ("kept", "promised", "hashes"),
    [
        (Kept.HOLDABLE, {"core-metadata": True, "dist-info-metadata": True}, {}),
        (
            Kept.RECORDED,
            {"core-metadata": True, "dist-info-metadata": True},
            {"hashes": {"sha256": SHA}},
        ),
        (Kept.UNPROMISED, {}, {"hashes": {"sha256": SHA}}),
    ],
)
def test_a_mirrors_page_keeps_what_can_be_had_without_its_word(
    kept: Kept, promised: dict[str, object], hashes: dict[str, object]
) -> None:
    told = {"core-metadata": {"sha256": SHA}, "dist-info-metadata": True, "provenance": "/prov"}
    name = "foo-1.0-py3-none-any.whl"
    files = [
        file(filename=name, url=name, **told),
        file(**told),
        file(filename="other.zip", url="other.zip"),
    ]
    out = json_form.rewrite(
        json_form.load(body(*files)),
        URL,
        lambda url, _: "/g" if "foo" in url.rpartition("/")[2] else None,
        kept=kept,
    )
    digests = {"hashes": {}, **hashes}
    assert json.loads(out)["files"] == [
        {"filename": name, "url": "/g", **digests, **promised},
        {"filename": "foo-1.0.zip", "url": "/g", **digests},
    ]
    assert b"index.example" not in out


def test_a_hash_in_the_fragment_is_a_hash() -> None:
    raw = json_form.load(body(file(url=f"foo-1.0.zip#sha256={SHA}", hashes={})))
    assert json_form.parse(raw, URL, "foo").files[0].hashes == {"sha256": SHA}
    assert json.loads(json_form.rewrite(raw, URL, lambda *_: "/g"))["files"][0]["hashes"] == {
        "sha256": SHA
    }


def test_version_1_1_is_claimed_only_with_sizes_and_versions() -> None:
    link = FileLink("foo-1.0.zip", "/g")
    bare = ProjectPage("foo", (link,), api_version="1.4")
    assert json.loads(json_form.render(bare))["meta"]["api-version"] == "1.0"
    whole = ProjectPage(
        "foo", (FileLink("foo-1.0.zip", "/g", size=1),), api_version="1.4", versions=("1.0",)
    )
    assert json.loads(json_form.render(whole))["meta"]["api-version"] == "1.4"
