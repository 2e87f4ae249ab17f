"""What a user installs, through the gateway, with every client: the result is the origin's."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from lib import wheels
from lib.capabilities import lacks
from lib.clients import Installer, Pip, Uv
from lib.index import JSON
from lib.serving import modes
from lib.world import MakeWorld, World


def install(world: World, client: Installer, *what: str, fails: bool = False) -> str:
    client.point_at(world.gateway.index)
    result = client.install(*what)
    if fails:
        result.failed()
    else:
        result.ok()
    world.assert_polite()
    return result.out + result.err


def test_tree_of_packages_with_an_extra(world: MakeWorld, client: Installer) -> None:
    made = world()
    made.files.delay = 0.1  # far away
    parts = [
        wheels.wheel("app", "2.0", ["lib-a>=1", "Lib_B[fast]"], modules=30),
        wheels.wheel("app", "1.0"),
        wheels.wheel("lib-a", "1.5", size=300_000),
        wheels.wheel("lib-b", "0.1", extras={"fast": ["accel"]}),
        wheels.wheel("accel", "3.0", size=2_000_000),
    ]
    made.index.add(*parts)
    install(made, client, "app")
    for part in parts:
        if part.name != "app-1.0-py3-none-any.whl":
            assert client.environment.holds(part.files()), part.name
    assert made.at_mirrors("*.whl"), "no mirror was used"
    assert not made.at_mirrors("*/simple/*")


def test_names_that_are_not_normalised(world: MakeWorld, either: Installer) -> None:
    made = world()
    built = wheels.wheel("Zope.Some_Thing", "1.0")
    made.index.add(built)
    install(made, either, "zope-SOME.thing")
    assert either.environment.holds(built.files())
    assert {s.path for s in made.pages.requests("/simple/*")} == {"/simple/zope-some-thing/"}


def test_local_version_with_a_plus_in_its_name(world: MakeWorld, either: Installer) -> None:
    made = world()
    built = wheels.wheel("torchlike", "2.0+cu126", size=500_000)
    made.index.add(wheels.wheel("torchlike", "2.0"), built)
    install(made, either, "torchlike")
    assert either.environment.holds(built.files())


def test_newest_fitting_python_is_chosen(world: MakeWorld, either: Installer) -> None:
    made = world()
    fitting = wheels.wheel("thing", "1.0", requires_python=">=3.8")
    made.index.add(fitting, wheels.wheel("thing", "2.0", requires_python=">=4"))
    install(made, either, "thing")
    assert either.environment.holds(fitting.files())


def test_yanked_release_is_passed_over_unless_pinned(world: MakeWorld, client: Installer) -> None:
    made = world()
    good, bad = wheels.wheel("thing", "1.0"), wheels.wheel("thing", "2.0")
    made.index.add(good)
    made.index.add(bad, yanked="eats disks")
    install(made, client, "thing")
    assert client.environment.holds(good.files())
    told = install(made, client, "thing==2.0")
    assert client.environment.holds(bad.files())
    assert "eats disks" in told


def test_hash_mode_takes_the_right_file_and_refuses_the_wrong_one(
    world: MakeWorld, client: Installer
) -> None:
    made = world()
    built, other = wheels.wheel("thing", "1.0", size=50_000), wheels.wheel("other", "1.0")
    made.index.add(built, other)
    good = client.environment.write("good.txt", f"thing==1.0 --hash=sha256:{built.sha256}\n")
    install(made, client, "--require-hashes", "-r", str(good))
    assert client.environment.holds(built.files())
    bad = client.environment.write("bad.txt", f"other==1.0 --hash=sha256:{built.sha256}\n")
    told = install(made, client, "--require-hashes", "-r", str(bad), fails=True)
    assert "hash" in told.lower()
    assert not client.environment.holds(other.files())


def test_requirements_file_that_names_its_own_index_goes_there(world: MakeWorld, pip: Pip) -> None:
    made = world()
    built = wheels.wheel("thing", "1.0")
    made.index.add(built)
    # It is started, so that going past it is the file's doing.
    pip.point_at(made.gateway.index)
    file = pip.environment.write("r.txt", f"-i {made.origin}\nthing\n")
    pip.install("-r", str(file)).ok()
    assert pip.environment.holds(built.files())
    assert not made.at_mirrors()


def test_uv_takes_its_settings_before_the_index_of_a_requirements_file(
    world: MakeWorld, uv: Uv
) -> None:
    # uv's own order, with or without headrace: settings and command line, then the file.
    made = world()
    built = wheels.wheel("thing", "1.0")
    made.index.add(built)
    uv.point_at(made.gateway.index)
    file = uv.environment.write("r.txt", f"-i {made.origin}\nthing\n")
    uv.install("-r", str(file)).ok()
    assert uv.environment.holds(built.files())
    named = uv.install("--reinstall", "--no-cache", "-i", made.origin, "-r", str(file))
    assert made.gateway.url not in named.ok().err


def test_source_distribution_with_build_isolation(world: MakeWorld, client: Installer) -> None:
    made = world()
    source = wheels.sdist("from-source", "1.0", ["leaf"], size=200_000)
    leaf = wheels.wheel("leaf", "1.0")
    made.index.add(source, leaf, wheels.backend())
    install(made, client, "from-source")
    assert {"from_source-1.0", "leaf-1.0"} <= client.environment.distributions()
    # The backend was asked of the gateway too: pip's own child has the same index.
    assert made.pages.requests("/simple/headrace-test-backend/")


def test_origin_that_knows_only_html(world: MakeWorld, either: Installer) -> None:
    made = world()
    made.index.html_only = True
    leaf, app = wheels.wheel("leaf", "1.0", size=9_000_000), wheels.wheel("app", "1.0", ["leaf"])
    made.index.add(leaf, app)
    install(made, either, "app")
    assert either.environment.holds(leaf.files() | app.files())


def test_stale_mirror_lacks_the_newest_file(world: MakeWorld, either: Installer) -> None:
    new = wheels.wheel("thing", "2.0", size=9_000_000)
    made = world(missing=[new.name])
    made.index.add(wheels.wheel("thing", "1.0"), new)
    install(made, either, "thing")
    assert either.environment.holds(new.files())


def test_unknown_project_is_not_found_and_no_mirror_hears_of_it(
    world: MakeWorld, either: Installer
) -> None:
    made = world()
    told = install(made, either, "our-secret-project", fails=True)
    assert made.at_mirrors() == []
    # As whole numbers: a port of the test's own may hold the digits of either.
    assert not re.findall(r"\b50[02]\b", told)


def test_no_mirror_is_asked_for_metadata(world: MakeWorld, uv: Uv) -> None:
    """It is the origin's own, or cut from a wheel that is here already."""
    made = world()
    leaf, app = wheels.wheel("leaf", "1.0"), wheels.wheel("app", "1.0", ["leaf"])
    made.index.add(leaf, app)
    for each in made.mirrors:
        each.delay = 0.1  # none is so near that it would be asked while the origin is asked too
    install(made, uv, "app")
    assert made.at_mirrors("*.metadata") == []
    assert made.files.requests("*.metadata")
    assert uv.environment.holds(app.files() | leaf.files())


def test_without_core_metadata_ranged_reads_serve(world: MakeWorld, uv: Uv) -> None:
    made = world()
    app = wheels.wheel("app", "1.0", ["leaf"], size=12_000_000)
    leaf = wheels.wheel("leaf", "1.0")
    made.index.add(app, core_metadata=False)
    made.index.add(leaf)
    install(made, uv, "app")
    assert uv.environment.holds(app.files() | leaf.files())


def test_project_of_many_files(world: MakeWorld, either: Installer) -> None:
    made = world()
    for number in range(1200):
        made.index.add(wheels.wheel("many", f"0.{number}"))
    last = wheels.wheel("many", "1.0")
    made.index.add(last)
    install(made, either, "many")
    assert either.environment.holds(last.files())


def test_download_of_forty_packages(world: MakeWorld, newest: Pip, tmp_path: Path) -> None:
    made = world()
    parts = [wheels.wheel(f"part-{n:02}", "1.0", size=20_000 + n) for n in range(40)]
    made.index.add(*parts)
    made.index.add(wheels.wheel("all-parts", "1.0", [p.project for p in parts]))
    newest.point_at(made.gateway.index)
    newest.run("download", "-d", str(tmp_path / "got"), "all-parts").ok()
    for part in parts:
        assert (tmp_path / "got" / part.name).read_bytes() == part.data
    made.assert_polite()


def test_fields_of_the_page_reach_the_client(world: MakeWorld) -> None:
    made = world()
    made.index.statuses["thing"] = "archived"
    built = wheels.wheel("thing", "1.0+x", requires_python=">=3.8")
    made.index.add(built, yanked="because", provenance=True)
    status, headers, body = made.gateway.get("/simple/thing/", {"Accept": JSON})
    assert (status, headers["content-type"]) == (200, JSON)
    page = json.loads(body)
    (entry,) = page["files"]
    assert entry["hashes"] == {"sha256": built.sha256}
    assert entry["size"] == len(built.data)
    assert entry["upload-time"] == "2024-01-02T03:04:05.000000Z"
    assert entry["requires-python"] == ">=3.8"
    assert entry["yanked"] == "because"
    assert entry["core-metadata"]["sha256"]
    assert entry["provenance"]
    assert page["project-status"] == {"status": "archived"}
    assert page["versions"] == ["1.0+x"]
    assert entry["url"].startswith("/packages/")
    text = made.gateway.get("/simple/thing/", {"Accept": "text/html"})[2].decode()
    assert f"#sha256={built.sha256}" in text
    assert 'data-yanked="because"' in text
    assert "&gt;=3.8" in text


@pytest.mark.skipif(sys.platform == "win32", reason=lacks("system", "POSIX signals"))
def test_pip_rests_on_its_wheel_cache_across_restarts_of_the_gateway(
    world: MakeWorld, newest: Pip
) -> None:
    made = world()
    made.index.add(wheels.sdist("from-source", "1.0"), wheels.backend())
    install(made, newest, "from-source")
    made.gateway.close()
    made.gateway.start()
    newest.run("uninstall", "-y", "-q", "from-source").ok()
    told = install(made, newest, "from-source")
    assert "Using cached from_source" in told or "cached" in told.lower()
    assert "Building wheel" not in told


def test_mirror_that_lacks_ranges_still_serves(world: MakeWorld, either: Installer) -> None:
    made = world(mirrors=1)
    built = wheels.wheel("thing", "1.0", size=300_000)
    made.index.add(built)
    made.mirrors[0].fail(modes.NO_RANGES)
    install(made, either, "thing")
    assert either.environment.holds(built.files())
