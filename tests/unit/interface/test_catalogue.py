from __future__ import annotations

import datetime as dt
import importlib.resources
import tomllib
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import pytest

from headrace.errors import ConfigurationError
from headrace.interface import catalogue
from headrace.interface.catalogue import CatalogueEntry, KnownOrigin, Status
from headrace.models import Mirror, OperatorClass
from headrace_conda.channels.layouts import LAYOUTS as CONDA_LAYOUTS
from headrace_docker.registry_api.registries import LAYOUTS as DOCKER_LAYOUTS
from headrace_pip.index import layouts
from lib.capabilities import NO_PIP

TEXT = (importlib.resources.files("headrace") / "data" / "python.toml").read_text("utf-8")
SHIPPED = catalogue.load("python", layouts.LAYOUTS)
CONDA = catalogue.load("conda", CONDA_LAYOUTS)
ROWS = [*SHIPPED.rows, *CONDA.rows]

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


ORIGIN = """
[[origin]]
url = "https://o.example/"
family = "packages"
evidence_date = 2026-01-01
sources = ["its own page"]
"""


def parse(text: str) -> CatalogueEntry:
    return catalogue.parse("python", text, layouts.LAYOUTS).rows[0]


# ---------------------------------------------------------------- the shipped rows


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_says_who_where_and_since_when(row: CatalogueEntry) -> None:
    assert row.name
    assert row.operator
    assert row.sources
    assert row.url == row.url.strip("/ ")
    assert all(len(country) == 2 and country.isupper() for country in row.countries)
    assert all(len(note) < 110 and not note.endswith(".") for note in row.notes)
    assert row.evidence_date or not row.by_default
    assert row.evidence_date is None or row.evidence_date <= dt.date(2026, 12, 31)
    assert row.status is Status.OK or row.notes or row.status is Status.UNKNOWN
    if row.gives_documents:
        assert row.by_default


@pytest.mark.parametrize("row", SHIPPED.rows, ids=lambda row: row.id)
def test_no_row_is_the_official_index(row: CatalogueEntry) -> None:
    index = pytest.importorskip("pip._internal.models.index", reason=NO_PIP).PyPI
    official = {urlsplit(index.url).hostname, index.file_storage_domain}
    for url in (row.url, *row.other_urls):
        assert urlsplit(url).hostname not in official
    assert not any(host in TEXT for host in official)


@pytest.mark.parametrize("row", [r for r in SHIPPED.rows if r.offered], ids=lambda row: row.id)
def test_a_row_that_is_offered_has_a_layout_of_the_code(row: CatalogueEntry) -> None:
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
    urls = [url for row in ROWS for url in (row.url, *row.other_urls)]
    assert len(urls) == len(set(urls))


def test_a_name_is_one_mirrors_in_all_files() -> None:
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids))


# ---------------------------------------------------------------- the shipped rows of conda


@pytest.mark.parametrize("row", CONDA.rows, ids=lambda row: row.id)
def test_a_row_of_conda_has_a_date_and_says_what_it_carries(row: CatalogueEntry) -> None:
    assert row.evidence_date
    assert bool(row.carries) is row.offered
    assert set(row.capabilities) == {"sharded", "zst", "range", "ipv6"}
    if row.offered:
        assert row.layout in CONDA_LAYOUTS
        assert row.mirror("conda").carries == row.carries
    patterns = [pattern.removeprefix("!") for pattern in row.carries]
    assert all(pattern.startswith(("cloud/", "pkgs/", "*/")) for pattern in patterns)
    assert all(pattern.count("/") in (1, 2) for pattern in patterns)


def test_the_set_of_conda_is_certain_and_needs_no_licence() -> None:
    default = {m.id for m in CONDA.mirrors() if not m.opt_in}
    assert {"tuna-conda", "ustc-conda", "anaconda-org", "prefix-dev", "sustech-extra"} <= default
    asked_for = {m.id for m in CONDA.mirrors() if m.opt_in}
    assert {"cernet-conda", "cernet-extra", "aliyun-conda", "anaconda-defaults"} <= asked_for
    assert not {"ghcr-conda-forge", "huawei-conda"} & {m.id for m in CONDA.mirrors()}
    assert {"ghcr-conda-forge", "huawei-conda"} <= {row.id for row in CONDA.rows}


@pytest.mark.parametrize("origin", CONDA.origins, ids=lambda origin: origin.url)
def test_an_origin_says_what_is_public_there_and_who_says_so(origin: KnownOrigin) -> None:
    assert origin.family in CONDA_LAYOUTS
    assert origin.sources
    assert origin.evidence_date <= dt.date(2026, 12, 31)
    assert origin.public
    words = (*origin.public, *origin.unmirrored)
    assert all(word.startswith(("cloud/", "pkgs/")) and word.count("/") == 1 for word in words)
    assert all(len(note) < 110 and not note.endswith(".") for note in origin.notes)


def test_a_channel_that_a_mirror_names_is_public_at_its_origin() -> None:
    public = {word for origin in CONDA.origins for word in origin.public}
    for row in CONDA.rows:
        named = {
            pattern.rpartition("/")[0]
            for pattern in row.carries
            if pattern.count("/") == 2 and not pattern.startswith("!")
        }
        assert named <= public, row.id


def test_no_mirror_carries_what_none_is_said_to_have() -> None:
    for word in {word for origin in CONDA.origins for word in origin.unmirrored}:
        folder = f"{word.replace('*', 'x')}/linux-64"
        sources = {m.id for m in CONDA.mirrors() if not m.opt_in and m.has(folder)}
        assert sources <= {"anaconda-org"}, word


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
        (("can", '{ flight = "yes" }'), "flight"),
        (("carries", '"cloud/*"'), "carries"),
        (("carries", "[1]"), "carries"),
        (("carries", '[""]'), "carries"),
        (("notes", '"one"'), "notes"),
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


def test_what_it_carries_and_what_it_can_do_come_along() -> None:
    lines = 'carries = ["a/*", "!a/b"]\ncan = { flight = "yes" }'
    row = parse(f'capabilities = ["flight"]\n{GOOD}{lines}')
    assert row.capabilities == {"range": "unknown", "ipv6": "unknown", "flight": "yes"}
    assert row.mirror("python").carries == ("a/*", "!a/b")
    assert parse(GOOD).mirror("python").carries == ()


def test_what_no_code_can_read_stays_as_a_fact_and_is_not_offered() -> None:
    text = GOOD.replace('"ok"', '"unknown"').replace('"packages"', '"none"')
    assert not parse(text).offered
    assert not list(catalogue.parse("python", text, layouts.LAYOUTS).mirrors())


@pytest.mark.parametrize(
    ("ecosystem", "known"),
    [("python", layouts.LAYOUTS), ("conda", CONDA_LAYOUTS), ("docker", DOCKER_LAYOUTS)],
)
def test_the_origins_alone_are_those_of_the_whole_file(
    monkeypatch: pytest.MonkeyPatch, ecosystem: str, known: Collection[str]
) -> None:
    every = catalogue.load(ecosystem, known).origins
    read: list[str] = []
    real = tomllib.loads

    def loads(text: str) -> Any:
        read.append(text)
        return real(text)

    monkeypatch.setattr(tomllib, "loads", loads)
    assert catalogue.origins(ecosystem, known) == every
    assert every
    assert not real(read[0]).get("mirror")


def test_an_origin_is_read_with_the_mirrors() -> None:
    more = 'public = ["a"]\nunmirrored = ["b"]\nown_names = true\nnotes = ["n"]\n'
    (origin,) = catalogue.parse("python", GOOD + ORIGIN + more, layouts.LAYOUTS).origins
    assert origin == KnownOrigin(
        url="https://o.example",
        family="packages",
        names=(),
        own_names=True,
        public=("a",),
        unmirrored=("b",),
        evidence_date=dt.date(2026, 1, 1),
        notes=("n",),
        sources=("its own page",),
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"packages"', '"flat"', "flat"),
        ("https:", "http:", "plain https"),
        ("evidence_date =", "#", "has no evidence_date"),
        ("2026-01-01", "1", "not a date"),
        ('["its own page"]', "[]", "has no source"),
        ("family =", "colour =", "colour"),
        ("[[origin]]", "[[place]]", "place"),
        (ORIGIN, ORIGIN + ORIGIN, "twice"),
    ],
)
def test_a_mistake_in_an_origin_is_named(old: str, new: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        catalogue.parse("python", GOOD + ORIGIN.replace(old, new), layouts.LAYOUTS)
    assert "o.example" in str(caught.value) or complaint == "place"


@pytest.mark.parametrize(
    ("carries", "has"),
    [
        ((), True),
        (("cloud/conda-forge/*",), True),
        (("cloud/*",), True),
        (("cloud/bioconda/*",), False),
        (("cloud/Conda-Forge/*",), False),
        (("cloud/*", "!*/linux-64"), False),
        (("cloud/*", "!*/linux-64", "cloud/conda-forge/*"), True),
        (("!*/linux-64", "cloud/*"), True),
        (("!pkgs/*",), False),
    ],
)
def test_the_last_pattern_that_fits_decides(
    carries: tuple[str, ...],
    has: bool,  # noqa: FBT001 - a column of the table
) -> None:
    mirror = Mirror("m", "python", "https://m.example", "packages", carries=carries)
    assert mirror.has("cloud/conda-forge/linux-64") is has


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
