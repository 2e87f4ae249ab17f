"""An explicit list, whose packages no document here names: never more than without headrace."""

from __future__ import annotations

import pytest

from lib.conda.channels import package
from lib.conda.clients import Conda
from lib.conda.world import NEWEST, MakeWorld
from lib.serving import modes

CONTENT = [
    package(name, "1.0", subdir=subdir)
    for name, subdir in (("alpha", "linux-64"), ("beta", "noarch"))
]


@pytest.mark.parametrize("digest", ["", "md5", "sha256"])
def test_packages_of_an_explicit_list_come_from_the_origin_at_once(
    world: MakeWorld, digest: str
) -> None:
    made = world(*CONTENT, sharded=False)
    conda = made.conda(NEWEST)
    assert isinstance(conda, Conda)
    # Whoever waited for repodata would wait for ever.
    made.origin.fail(modes.SILENT, "*repodata*")
    marks = {"": "", "md5": "#{0.md5}", "sha256": "#sha256:{0.sha256}"}
    lines = [f"{made.url}/{each.path}{marks[digest].format(each)}" for each in CONTENT]
    file = conda.home / "explicit.txt"
    file.write_text("\n".join(["@EXPLICIT", *lines, ""]), "utf-8")
    conda.run("create", "-y", "-q", "-n", "env", "--file", str(file)).ok()
    for each in CONTENT:
        assert each.installed_in(conda.prefix("env"))
        (seen,) = made.origin.requests(f"*/{each.filename}", "GET")
        assert (seen.range, seen.headers["user-agent"].partition("/")[0]) == (None, "headrace")
    # One look for an index of shards, which is small where it is, and nothing of what is not.
    assert not [seen.path for seen in made.origin.requests("*repodata.json*")]
