from __future__ import annotations

import datetime as dt
import importlib.resources
from urllib.parse import urlsplit

import pytest

from headrace import catalogue
from headrace.catalogue import Row, Status
from headrace.errors import ConfigurationError
from headrace.models import OperatorClass
from headrace_pip import layouts

TEXT = (importlib.resources.files("headrace") / "data" / "python.toml").read_text("utf-8")
SHIPPED = catalogue.load("python", layouts.LAYOUTS)

GOOD = """
[[mirror]]
id = "m"
name = "M"
operator = "O"
class = "university"
status = "ok"
confidence = "high"
evidence = "operator"
evidence_date = 2026-01-01
url = "https://m.example/simple/"
layout = "packages"
sources = ["its own page"]
"""


def parse(text: str) -> Row:
    return catalogue.parse("python", text, layouts.LAYOUTS).rows[0]


# ---------------------------------------------------------------- the shipped rows


@pytest.mark.parametrize("row", SHIPPED.rows, ids=lambda row: row.id)
def test_a_row_says_who_where_and_since_when(row: Row) -> None:
    assert row.name
    assert row.operator
    assert row.url == row.url.strip("/ ")
    assert all(len(country) == 2 and country.isupper() for country in row.countries)
    assert all(len(note) < 110 and not note.endswith(".") for note in row.notes)
    assert row.evidence_date or not row.by_default
    assert row.evidence_date is None or row.evidence_date <= dt.date(2026, 12, 31)
    assert row.status is Status.OK or row.notes or row.status is Status.UNKNOWN
    if row.gives_documents:
        assert row.by_default


@pytest.mark.parametrize("row", SHIPPED.rows, ids=lambda row: row.id)
def test_no_row_is_the_official_index(row: Row) -> None:
    index = pytest.importorskip("pip._internal.models.index").PyPI
    official = {urlsplit(index.url).hostname, index.file_storage_domain}
    for url in (row.url, *row.other_urls):
        assert urlsplit(url).hostname not in official
    assert not any(host in TEXT for host in official)


@pytest.mark.parametrize("row", [r for r in SHIPPED.rows if r.offered], ids=lambda row: row.id)
def test_a_row_that_is_offered_has_a_layout_of_the_code(row: Row) -> None:
    assert row.layout in layouts.LAYOUTS
    mirror = row.mirror("python")
    assert mirror.opt_in is not row.by_default
    assert mirror.rank > 0  # the user's own have 0


def test_the_default_set_is_certain_and_the_best_guess_comes_first() -> None:
    mirrors = list(SHIPPED.mirrors())
    default = [m.id for m in mirrors if not m.opt_in]
    assert {"tuna", "ustc", "huawei"} <= set(default)
    assert not {"agentsmirror", "aliyun", "cernet", "zju", "volc", "runflare"} & set(default)
    assert not {"jlu", "opentuna", "pardisco", "douban"} & {m.id for m in mirrors}
    ranks = [m.rank for m in mirrors]
    assert ranks == sorted(ranks)


def test_no_address_is_there_twice() -> None:
    urls = [url for row in SHIPPED.rows for url in (row.url, *row.other_urls)]
    assert len(urls) == len(set(urls))


# ---------------------------------------------------------------- the loader


def test_a_row_becomes_a_mirror() -> None:
    mirror = parse(GOOD + 'connections = 2\nprobe = false\ncountries = ["CN"]').mirror("python")
    assert (mirror.id, mirror.url, mirror.layout) == ("m", "https://m.example/simple", "packages")
    assert mirror.operator_class is OperatorClass.UNIVERSITY
    assert (mirror.limits.connections, mirror.limits.probe) == (2, False)
    assert mirror.countries == ("CN",)
    assert not mirror.opt_in
    assert not mirror.gives_documents


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("status", '"fine"'), "fine"),
        (("class", '"friend"'), "friend"),
        (("confidence", '"some"'), "some"),
        (("evidence", '"hearsay"'), "hearsay"),
        (("layout", '"flat"'), "flat"),
        (("layout", '"none"'), "none"),
        (("url", '"http://m.example"'), "https"),
        (("url", '"https://user:x@m.example"'), "https"),
        (("url", '"https:///x"'), "https"),
        (("sources", "[]"), "source"),
        (("evidence_date", '"2026"'), "date"),
        (("can", '{ range = "maybe" }'), "range"),
        (("colour", '"blue"'), "colour"),
        (("name", "1 ]"), "file"),
    ],
)
def test_a_mistake_is_named_with_its_row(change: tuple[str, str], complaint: str) -> None:
    key, value = change
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key} =")]
    with pytest.raises(ConfigurationError) as caught:
        parse("\n".join([*lines, f"{key} = {value}"]))
    assert complaint in str(caught.value)
    assert "python, m" in str(caught.value) or complaint == "file"


def test_a_missing_field_and_a_second_row_are_mistakes() -> None:
    with pytest.raises(ConfigurationError, match="has no url"):
        parse(GOOD.replace("url =", "#"))
    with pytest.raises(ConfigurationError, match="twice"):
        parse(GOOD + GOOD)


@pytest.mark.parametrize(
    ("change", "by_default"),
    [
        ("", True),
        ("account = true", False),
        ("status=degraded", False),
        ("status=unknown", False),
        ("status=restricted", False),
        ("confidence=medium", True),
        ("confidence=low", False),
        ("class=community", False),
        ("class=cloud", True),
    ],
)
def test_what_is_used_without_being_named(
    change: str,
    by_default: bool,  # noqa: FBT001 - a column of the table
) -> None:
    key, equals, word = change.partition("=")
    if equals and " " not in change:
        lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key} =")]
        text = "\n".join([*lines, f'{key} = "{word}"'])
    else:
        text = GOOD + change
    assert parse(text).by_default is by_default


@pytest.mark.parametrize(("kind", "days"), [("operator", 90), ("list", 30), ("community", 7)])
def test_evidence_holds_as_long_as_its_kind(kind: str, days: int) -> None:
    row = parse(GOOD.replace('evidence = "operator"', f'evidence = "{kind}"'))
    assert row.expires == dt.date(2026, 1, 1) + dt.timedelta(days=days)
    assert parse(GOOD.replace("evidence_date = 2026-01-01", "")).expires is None
