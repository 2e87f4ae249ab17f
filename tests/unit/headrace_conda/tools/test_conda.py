"""conda's activation against bases that are really there: what is written, and what is not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import FileEdit, GatewayAddress, Override, Place, Scope, Standing
from headrace.models import Origin
from headrace_conda.tools import bases
from headrace_conda.tools.bridge import NAME
from headrace_conda.tools.conda import CondaActivation
from lib.conda.bases import at, site_of, stand_in
from lib.places import GATEWAY, place, reader

FORGE = [Origin("conda", "https://conda.anaconda.org", name="conda.anaconda.org")]
ALIAS = {"scheme": "https", "location": "conda.anaconda.org", "name": "", "auth": None}
CONFIG = {"channels": ["conda-forge"], "channel_alias": ALIAS}


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    bases._seen.cache_clear()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return stand_in(tmp_path / "base", answers={"config": CONFIG})


def enable(where: Place, gateway: GatewayAddress = GATEWAY) -> dict[Path, FileEdit]:
    edits = CondaActivation().enable(where, gateway, FORGE, reader)
    found = {edit.path: edit for edit in edits}
    assert len(found) == len(edits)
    return found


def perform(edits: Mapping[Path, FileEdit]) -> None:
    for path, edit in edits.items():
        assert edit.after is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(edit.after)


def standing(where: Place) -> Standing:
    return CondaActivation().standing(where, GATEWAY, reader)


def overrides(where: Place) -> list[Override]:
    return list(CondaActivation().overrides(where, GATEWAY, reader))


def packed(tmp_path: Path) -> Path:
    return tmp_path / "headrace" / "config" / NAME


# ------------------------------------------------------------------ on


def test_on_writes_the_drop_in_the_archive_and_the_way_to_it(tmp_path: Path, base: Path) -> None:
    where = at(tmp_path, base)
    edits = enable(where)
    drop_in, archive, pth = edits
    assert drop_in == where.home / ".conda" / "condarc.d" / "headrace.yml"
    assert archive == packed(tmp_path)
    assert pth.parent == site_of(base)
    assert pth.name.startswith("headrace-")
    assert edits[pth].after == f"{archive}\n".encode()
    assert all(edit.before is None for edit in edits.values())
    assert not any(edit.private for edit in edits.values())


def test_the_base_loads_the_plugin_when_the_files_are_there_and_is_whole_when_they_are_not(
    tmp_path: Path, base: Path
) -> None:
    where = at(tmp_path, base)
    edits = enable(where)
    perform(edits)
    code = (
        "import importlib.metadata as m, importlib.util as u\n"
        "print([e.value for e in m.entry_points(group='conda')], "
        "bool(u.find_spec('headrace_conda_inside')))"
    )
    python = [str(base / "bin" / "python"), "-c", code]

    def said() -> str:
        return subprocess.run(python, capture_output=True, text=True, check=True).stdout.strip()

    assert said() == "['headrace_conda_inside'] True"
    packed(tmp_path).unlink()
    assert said() == "[] False"


def test_doing_it_again_changes_nothing(tmp_path: Path, base: Path) -> None:
    where = at(tmp_path, base)
    perform(enable(where))
    assert all(edit.before == edit.after for edit in enable(where).values())


def test_a_token_makes_the_drop_in_private_and_nothing_else_names_it(
    tmp_path: Path, base: Path
) -> None:
    edits = enable(at(tmp_path, base), GatewayAddress("127.0.0.1", 17223, "t0k-en"))
    private, *others = edits.values()
    assert private.private
    assert b"t0k-en" in (private.after or b"")
    assert not any(edit.private or b"t0k-en" in (edit.after or b"") for edit in others)


def test_the_machines_drop_in_leads_to_the_machines_archive(tmp_path: Path, base: Path) -> None:
    where = place(tmp_path, {"HEADRACE_CONDA_BASE": str(base)}, scope=Scope.SYSTEM)
    drop_in, archive, pth = enable(where)
    assert drop_in == Path("/etc/conda/condarc.d/headrace.yml")
    assert archive == Path("/etc/headrace", NAME)
    assert pth.parent == site_of(base)


def test_a_base_with_headrace_needs_the_drop_in_alone(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "base", has_headrace=True)
    assert list(enable(at(tmp_path, base))) == [tmp_path / "home/.conda/condarc.d/headrace.yml"]


def test_two_bases_get_one_archive_and_a_way_each(tmp_path: Path, base: Path) -> None:
    other = stand_in(tmp_path / "other", "24.5.0")
    edits = enable(at(tmp_path, base, other))
    ways = [path for path in edits if path.suffix == ".pth"]
    assert [path.parent for path in ways] == [site_of(base), site_of(other)]
    assert ways[0].name == ways[1].name
    assert len(edits) == 4


def test_two_users_of_one_base_have_two_ways_and_do_not_touch_each_other(
    tmp_path: Path, base: Path
) -> None:
    names = set()
    for user in ("ann", "bob"):
        edits = enable(at(tmp_path / user, base))
        perform(edits)
        names |= {path.name for path in edits if path.suffix == ".pth"}
    assert len(names) == 2


def test_a_conda_before_24_5_gets_channels_by_name_too(tmp_path: Path, base: Path) -> None:
    assert b'"conda-forge"' not in (next(iter(enable(at(tmp_path, base)).values())).after or b"")
    old = stand_in(tmp_path / "old", "24.4.0")
    drop_in = next(iter(enable(at(tmp_path, base, old)).values()))
    assert b'"conda-forge"' in (drop_in.after or b"")


def test_a_conda_before_23_7_is_left_as_it_is_and_status_says_why(tmp_path: Path) -> None:
    old = stand_in(tmp_path / "old", "23.5.2", answers={"config": CONFIG})
    where = at(tmp_path, old)
    assert enable(where) == {}
    assert CondaActivation().environment(where, GATEWAY, FORGE, reader, tmp_path / "s") == ({}, ())
    (told,) = overrides(where)
    assert "23.5.2" in told.what
    assert not told.wins


def test_without_conda_nothing_is_done_and_nothing_is_found(tmp_path: Path) -> None:
    where = at(tmp_path)
    assert enable(where) == {}
    assert CondaActivation().discover(where, reader) == ()
    assert standing(where) is Standing.NOT_FOUND
    assert overrides(where) == []
    assert CondaActivation().environment(where, GATEWAY, FORGE, reader, tmp_path / "s") == ({}, ())


def test_without_an_origin_of_condas_nothing_is_done(tmp_path: Path, base: Path) -> None:
    pypi = [Origin("python", "https://index.example/simple")]
    assert CondaActivation().enable(at(tmp_path, base), GATEWAY, pypi, reader) == ()


@pytest.fixture
def locked(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base that this user may not write in; root may everywhere, so the answer is given."""
    site, access = site_of(base), os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != site and access(path, mode))
    return base


def test_a_base_that_may_not_be_written_in_is_refused_with_what_to_do(
    tmp_path: Path, locked: Path
) -> None:
    with pytest.raises(ConfigurationError, match="may not write") as caught:
        enable(at(tmp_path, locked))
    assert "pip install headrace" in caught.value.hint


def test_beside_it_another_base_is_routed_and_status_tells_of_both(
    tmp_path: Path, locked: Path
) -> None:
    other = stand_in(tmp_path / "other", answers={"config": CONFIG})
    where = at(tmp_path, other, locked)
    edits = enable(where)
    assert [path.parent for path in edits if path.suffix == ".pth"] == [site_of(other)]
    perform(edits)
    assert standing(where) is Standing.ROUTED
    (told,) = overrides(where)
    assert (told.where, told.wins) == (str(locked), False)
    # The conda that is typed is the first; it goes past the gateway.
    assert standing(at(tmp_path, locked, other)) is Standing.NOT_ROUTED


def test_what_is_installed_in_it_needs_no_writing(tmp_path: Path, locked: Path) -> None:
    (site_of(locked) / "headrace-0.1.0.dist-info").mkdir()
    assert len(enable(at(tmp_path, locked))) == 1
    assert overrides(at(tmp_path, locked)) == []


# ------------------------------------------------------------------ status


def test_standing_needs_drop_in_archive_and_way(tmp_path: Path, base: Path) -> None:
    where = at(tmp_path, base)
    assert standing(where) is Standing.NOT_ROUTED
    edits = enable(where)
    perform(edits)
    assert standing(where) is Standing.ROUTED
    assert CondaActivation().standing(where, None, reader) is Standing.NOT_ROUTED
    other = GatewayAddress("127.0.0.1", 1722)
    assert CondaActivation().standing(where, other, reader) is Standing.NOT_ROUTED
    for path, edit in edits.items():
        path.unlink()
        assert standing(where) is Standing.NOT_ROUTED, path
        path.write_bytes(edit.after or b"")
    assert standing(where) is Standing.ROUTED


def test_a_base_that_headrace_is_installed_in_is_routed_without_on(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "base", has_headrace=True)
    where = at(tmp_path, base)
    assert standing(where) is Standing.NOT_ROUTED
    installed = base / "condarc.d" / "headrace.yml"
    installed.parent.mkdir()
    installed.write_text("# installed\n")
    assert standing(where) is Standing.ROUTED
    assert CondaActivation().standing(where, None, reader) is Standing.NOT_ROUTED
    # A drop-in goes before it.
    other = GatewayAddress("127.0.0.1", 1722)
    perform(enable(where, other))
    assert standing(where) is Standing.NOT_ROUTED


def test_a_users_conda_is_routed_by_the_machines_files_too(tmp_path: Path, base: Path) -> None:
    where = place(tmp_path, {"HEADRACE_CONDA_BASE": str(base)})
    machine = place(tmp_path, {"HEADRACE_CONDA_BASE": str(base)}, scope=Scope.SYSTEM)
    files = {path: edit.after for path, edit in enable(machine).items()}
    assert CondaActivation().standing(where, GATEWAY, files.get) is Standing.ROUTED


# ------------------------------------------------------------------ off


def test_every_file_of_ours_is_taken_out_whole(tmp_path: Path, base: Path) -> None:
    for path, edit in enable(at(tmp_path, base)).items():
        after = edit.after or b""
        assert CondaActivation().withdraw(path, None, after, after) == b""
        assert CondaActivation().withdraw(path, b"was", after, after) == b"was"


def test_what_somebody_wrote_since_or_named_so_before_is_his(tmp_path: Path, base: Path) -> None:
    for path, edit in enable(at(tmp_path, base)).items():
        after = edit.after or b""
        assert CondaActivation().withdraw(path, None, after, after + b"more") is None
        if path.name != NAME:
            his = b"channels: [x]\n"
            assert CondaActivation().withdraw(path, None, his, his) is None


# ------------------------------------------------------------------ what stands beside


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"ssl_verify": False}, "ssl_verify"),
        ({"client_ssl_cert": "/home/me/me.pem"}, "client_ssl_cert"),
    ],
)
def test_conda_is_left_alone_where_the_gateway_could_not_ask_as_it_does(
    tmp_path: Path, said: dict[str, object], named: str
) -> None:
    base = stand_in(tmp_path / "base", answers={"config": {**CONFIG, **said}})
    where = at(tmp_path, base)
    for asked in (lambda: CondaActivation().discover(where, reader), lambda: enable(where)):
        with pytest.raises(ConfigurationError, match=f"conda's {named} "):
            asked()
    assert [each.where for each in overrides(where) if each.wins] == [f"conda's {named}"]
    running = replace(where, command=("conda", "install", "x"))
    with pytest.raises(ConfigurationError, match=named):
        CondaActivation().environment(running, GATEWAY, FORGE, reader, tmp_path / "scratch")


@pytest.mark.parametrize("said", [{"ssl_verify": True}, {"ssl_verify": "/etc/corp.pem"}, {}])
def test_authorities_of_condas_own_go_along(tmp_path: Path, said: dict[str, object]) -> None:
    base = stand_in(tmp_path / "base", answers={"config": {**CONFIG, **said}})
    where = at(tmp_path, base)
    assert enable(where)
    assert not [each for each in overrides(where) if each.wins]
    (found, *_) = CondaActivation().discover(where, reader)
    named = said.get("ssl_verify")
    assert found.authorities == (named if isinstance(named, str) else "")
