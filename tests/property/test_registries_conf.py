"""registries.conf: whatever tables the user has, what counts afterwards is his, with the gateway
before his mirrors.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from headrace_docker.config_files import registries_conf
from lib.engines.machine import URL

PATH = Path("/etc/containers/registries.conf.d/x.conf")
NAMES = ["docker.io", "ghcr.io", "quay.io"]

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
keys = st.sampled_from(["insecure", "mirror-by-digest-only", "what-comes", "ü"])
more = st.dictionaries(keys, st.booleans() | st.integers(-9, 9) | text, max_size=3)
mirrors = st.lists(
    st.builds(lambda location, rest: {"location": location, **rest}, text, more), max_size=3
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a table of the user's for a registry."""
    name = draw(st.sampled_from([*NAMES, "company.example"]))
    table: dict[str, Any] = {"prefix": name, **draw(more)}
    if draw(st.booleans()):
        table["location"] = name
    if draw(st.booleans()):
        table["mirror"] = draw(mirrors)
    return table


@given(st.lists(st.lists(tables(), max_size=4), max_size=3))
def test_what_counts_is_the_users_with_the_gateway_first(files: list[list[dict[str, Any]]]) -> None:
    written = [(PATH, tomlkit.dumps({"registry": each}).encode()) for each in files if each]
    theirs = registries_conf.tables(written)
    ours = registries_conf.render(NAMES, URL, theirs, PATH)
    counts = registries_conf.tables([*written, (PATH, ours)])
    for name in NAMES:
        table = dict(counts[name].value)
        his = dict(theirs[name].value) if name in theirs else {"prefix": name}
        first, *rest = table.pop("mirror")
        assert first == {"location": f"127.0.0.1:17223/{name}", "insecure": True}
        assert rest == his.pop("mirror", [])
        assert table == {"location": name, **his}
        assert registries_conf.leads_to(counts, name, URL)
    if "company.example" in theirs:
        assert counts["company.example"].value == theirs["company.example"].value
    # Once more over our own file is the same file.
    assert registries_conf.render(NAMES, URL, theirs, PATH) == ours
    assert set(tomllib.loads(ours.decode())) == {"registry"}
