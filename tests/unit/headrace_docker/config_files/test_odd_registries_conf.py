"""registries.conf files that people have: what is blocked stays blocked, whatever its spelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace_docker.config_files import registries_conf
from lib.engines.machine import URL
from lib.odd_files import OddFile, odd_files

FILES = odd_files("registries_conf")
READ = [each for each in FILES if each.reads]
MAIN = Path("/etc/containers/registries.conf")
DROP_IN = Path("/etc/containers/registries.conf.d/zz-headrace.conf")
HUB = "docker.io"


def result(odd: OddFile, counts: dict[str, registries_conf.Table]) -> str:
    table = registries_conf.decides(counts, HUB)
    if registries_conf.leads_to(counts, HUB, URL):
        assert table is not None
        kept = [mirror["location"] for mirror in table.value["mirror"][1:]]
        assert kept == odd.told.get("keeps", [])
        assert not table.value.get("blocked")
        return "led"
    return "blocked" if table and table.value.get("blocked") else "theirs"


@pytest.mark.parametrize("odd", READ, ids=str)
def test_the_drop_in_leaves_to_the_user_what_is_his(odd: OddFile) -> None:
    main = [(MAIN, odd.content)]
    theirs = registries_conf.tables(main)
    names = registries_conf.ours([HUB, "quay.io"], theirs)
    drop_in = registries_conf.render(names, URL, theirs, DROP_IN)
    assert result(odd, registries_conf.tables([*main, (DROP_IN, drop_in)])) == odd.told["docker"]


@pytest.mark.parametrize("odd", READ, ids=str)
def test_the_file_of_run_says_what_the_users_does(odd: OddFile) -> None:
    main = [(MAIN, odd.content)]
    theirs = registries_conf.tables(main)
    content = registries_conf.whole(main, registries_conf.ours([HUB], theirs), URL, MAIN)
    counts = registries_conf.tables([(MAIN, content)])
    assert {prefix for prefix in theirs if prefix != HUB} <= set(counts)
    # A location that the file speaks of twice must be spoken of alike.
    expected = "theirs" if "registry's own location" in odd.name else odd.told["docker"]
    assert result(odd, counts) == expected


@pytest.mark.parametrize("odd", [each for each in FILES if not each.reads], ids=str)
def test_what_podman_cannot_read_is_refused(odd: OddFile) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        registries_conf.tables([(MAIN, odd.content)])
