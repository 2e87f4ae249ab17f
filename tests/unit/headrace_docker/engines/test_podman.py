"""podman, skopeo, buildah, CRI-O: one drop-in, and what the user has for the same registries."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import Place, Reload, Scope, Standing
from headrace_docker.engines.podman import NAME, ContainersActivation
from lib.engines.machine import ORIGINS, Engines, edits_of, put, read, round_trip
from lib.places import GATEWAY, place


def podman(base: Path) -> ContainersActivation:
    return ContainersActivation(Engines(base, ["podman"]).machine())


def drop_in(base: Path) -> Path:
    return base / "home/.config/containers/registries.conf.d" / NAME


def tables(content: bytes) -> dict[str, dict[str, Any]]:
    return {each["prefix"]: each for each in tomllib.loads(content.decode())["registry"]}


def written(base: Path, where: Place | None = None) -> dict[str, dict[str, Any]]:
    (edit,) = edits_of(podman(base), where or place(base))
    return tables(edit.after or b"")


def test_a_user_gets_a_drop_in_of_his_own_and_every_byte_comes_back(tmp_path: Path) -> None:
    put(tmp_path / "home/.config/containers/registries.conf.d/001.conf", "# mine\n")
    (content,) = round_trip(podman(tmp_path), place(tmp_path), tmp_path).values()
    assert tables(content)["ghcr.io"] == {
        "prefix": "ghcr.io",
        "location": "ghcr.io",
        "mirror": [{"location": "127.0.0.1:17223/ghcr.io", "insecure": True}],
    }
    assert set(tomllib.loads(content.decode())) == {"registry"}


def test_the_machines_drop_in_is_for_cri_o_too_which_is_told(tmp_path: Path) -> None:
    (edit,) = edits_of(podman(tmp_path), place(tmp_path, scope=Scope.SYSTEM))
    assert edit.path == tmp_path / "etc/containers/registries.conf.d" / NAME
    assert edit.reload == Reload("crio")


HIS = (
    '[[registry]]\nprefix = "quay.io"\nlocation = "quay.io"\ninsecure = false\n'
    'mirror-by-digest-only = true\n\n[[registry.mirror]]\nlocation = "near.example/q"\n'
    'pull-from-mirror = "tag-only"\n'
)


@pytest.mark.parametrize(
    "name",
    [
        "etc/containers/registries.conf",
        "etc/containers/registries.conf.d/50-x.conf",
        "home/.config/containers/registries.conf",
        "home/.config/containers/registries.conf.d/50-x.conf",
    ],
)
def test_the_users_table_is_repeated_with_the_gateway_before_his_mirrors(
    tmp_path: Path, name: str
) -> None:
    put(tmp_path / name, HIS)
    assert written(tmp_path)["quay.io"] == {
        "prefix": "quay.io",
        "location": "quay.io",
        "insecure": False,
        "mirror-by-digest-only": True,
        "mirror": [
            {"location": "127.0.0.1:17223/quay.io", "insecure": True},
            {"location": "near.example/q", "pull-from-mirror": "tag-only"},
        ],
    }
    round_trip(podman(tmp_path), place(tmp_path), tmp_path)


def test_the_users_main_file_is_read_instead_of_the_machines(tmp_path: Path) -> None:
    put(tmp_path / "etc/containers/registries.conf", HIS)
    put(tmp_path / "home/.config/containers/registries.conf", "")
    assert len(written(tmp_path)["quay.io"]["mirror"]) == 1


def test_the_last_of_his_tables_counts(tmp_path: Path) -> None:
    put(tmp_path / "etc/containers/registries.conf.d/99.conf", HIS)
    later = HIS.replace("near.example", "later.example")
    put(tmp_path / "home/.config/containers/registries.conf.d/00.conf", later)
    assert written(tmp_path)["quay.io"]["mirror"][1]["location"] == "later.example/q"


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('[[registry]]\nlocation = "quay.io"\nblocked = true\n', "blocks"),
        ('[[registry]]\nprefix = "quay.io"\nlocation = "company.example/q"\n', "company.example"),
    ],
)
def test_a_registry_that_he_blocks_or_leads_elsewhere_stays_so(
    tmp_path: Path, table: str, why: str
) -> None:
    path = put(tmp_path / "etc/containers/registries.conf", table)
    assert "quay.io" not in written(tmp_path)
    (told,) = podman(tmp_path).overrides(place(tmp_path), GATEWAY, read)
    assert (told.where, told.wins) == (str(path), False)
    assert why in told.what


def test_a_table_for_a_part_of_a_registry_stands_beside_ours(tmp_path: Path) -> None:
    put(tmp_path / "etc/containers/registries.conf", '[[registry]]\nlocation = "quay.io/me"\n')
    (told,) = podman(tmp_path).overrides(place(tmp_path), GATEWAY, read)
    assert "quay.io/me" in told.what


def test_a_later_file_of_his_that_replaces_ours_is_seen(tmp_path: Path) -> None:
    activation, where = podman(tmp_path), place(tmp_path)
    (edit,) = edits_of(activation, where)
    put(edit.path, edit.after or b"")
    assert activation.standing(where, GATEWAY, read) is Standing.ROUTED
    assert activation.overrides(where, GATEWAY, read) == []
    put(edit.path.with_name("zzz.conf"), HIS.replace("quay.io", "docker.io"))
    assert activation.standing(where, GATEWAY, read) is Standing.NOT_ROUTED
    (told,) = activation.overrides(where, GATEWAY, read)
    assert told.wins
    assert "docker.io" in told.what


def test_broken_files_and_files_of_somebody_else_are_refused(tmp_path: Path) -> None:
    path = put(drop_in(tmp_path), "# not headrace's\n")
    with pytest.raises(ConfigurationError, match="somebody else's"):
        edits_of(podman(tmp_path), place(tmp_path))
    path.unlink()
    put(tmp_path / "etc/containers/registries.conf.d/x.conf", "[[registry\n")
    with pytest.raises(ConfigurationError, match=r"x\.conf cannot be read"):
        edits_of(podman(tmp_path), place(tmp_path))


def test_short_names_are_not_touched(tmp_path: Path) -> None:
    main = 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "enforcing"\n'
    put(tmp_path / "etc/containers/registries.conf", main)
    (edit,) = edits_of(podman(tmp_path), place(tmp_path))
    assert b"short" not in (edit.after or b"")
    assert b"unqualified" not in (edit.after or b"")


def test_a_run_gets_a_main_file_that_says_what_the_users_says(tmp_path: Path) -> None:
    main = (
        'unqualified-search-registries = ["docker.io"]\n' + HIS + "[[registry]]\n"
        'location = "company.example"\ninsecure = true\n\n[aliases]\n"a" = "docker.io/b/a"\n'
    )
    put(tmp_path / "etc/containers/registries.conf", main)
    scratch = tmp_path / "scratch"
    env, (edit,) = podman(tmp_path).environment(
        place(tmp_path, command=("podman", "pull", "x")), GATEWAY, ORIGINS, read, scratch
    )
    assert env == {"CONTAINERS_REGISTRIES_CONF": str(edit.path)}
    assert edit.path.is_relative_to(scratch)
    before, after = tomllib.loads(main), tomllib.loads((edit.after or b"").decode())
    assert after["aliases"] == before["aliases"]
    assert after["unqualified-search-registries"] == ["docker.io"]
    found = {each.get("prefix") or each["location"]: each for each in after["registry"]}
    assert found["company.example"] == {"location": "company.example", "insecure": True}
    assert found["quay.io"]["mirror"][1]["location"] == "near.example/q"


def test_where_none_of_the_programs_is_nothing_is_said(tmp_path: Path) -> None:
    activation = ContainersActivation(Engines(tmp_path).machine())
    assert edits_of(activation, place(tmp_path)) == ()
    assert activation.standing(place(tmp_path), GATEWAY, read) is Standing.NOT_FOUND
    mac = place(tmp_path, platform="darwin")
    assert podman(tmp_path).standing(mac, GATEWAY, read) is Standing.NOT_FOUND
