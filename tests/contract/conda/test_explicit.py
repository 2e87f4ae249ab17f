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


#: How a channel's label is named, and what of conda's settings makes a URL of it.
NAMED = {
    "{url}": "",
    "conda-forge/label/dev": 'channel_alias: "{base}"',
    "conda-forge/label/dev/": 'custom_channels: {{conda-forge: "{base}"}}',
    "mine": 'custom_multichannels: {{mine: ["{url}"]}}',
}


def test_packages_of_a_label_come_from_mirrors_however_it_is_named(world: MakeWorld) -> None:
    alpha = package("alpha", "1.0", size=2 << 20)
    made = world(alpha, name="conda-forge/label/dev")
    base = made.url.removesuffix("/conda-forge/label/dev")
    conda = made.conda(NEWEST)
    for number, (named, setting) in enumerate(NAMED.items()):
        made.route(conda, more=setting.format(url=made.url, base=base))
        channel = named.format(url=made.url).rstrip("/")
        words = ("--override-channels", "-c", channel, "-n", f"env{number}", "alpha")
        conda.run("create", "-y", "-q", *words).ok()
        assert conda.meta(f"env{number}")["alpha"]["url"] == f"{made.url}/{alpha.path}"
    made.assert_through()
    assert sum(mirror.bytes_sent("*.conda") for mirror in made.mirrors) > 0
