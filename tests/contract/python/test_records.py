"""What clients write down: nothing that a user commits names the gateway or a mirror."""

from __future__ import annotations

import json
from pathlib import Path

from lib import wheels
from lib.clients import Pip, Uv
from lib.world import MakeWorld, World


def tree(world: World) -> None:
    world.index.add(
        wheels.wheel("app", "1.0", ["leaf"]),
        wheels.wheel("leaf", "1.0+local", size=50_000),
        wheels.wheel("leaf", "0.9"),
    )


def names_us(world: World, text: str) -> bool:
    """Say whether a text names the gateway or a mirror."""
    ports = [world.gateway.port, *(mirror.port for mirror in world.mirrors)]
    return any(f":{port}" in text for port in ports)


def assert_through_gateway(world: World) -> None:
    """Whoever came to the index since the record was emptied was the gateway."""
    assert world.pages.seen
    assert all(s.headers["user-agent"].startswith("headrace/") for s in world.pages.seen)


def test_freeze_and_installed_metadata_are_clean(world: MakeWorld, pip: Pip) -> None:
    made = world()
    tree(made)
    pip.point_at(made.gateway.index)
    pip.install("app").ok()
    frozen = pip.run("freeze").ok().out
    assert "app==1.0" in frozen
    assert "leaf==1.0+local" in frozen
    for info in pip.environment.packages.glob("*.dist-info"):
        for path in info.iterdir():
            assert not names_us(made, path.read_text("utf-8", "replace")), path
    assert not list(pip.environment.packages.rglob("direct_url.json"))


def test_installed_metadata_of_uv_is_clean(world: MakeWorld, uv: Uv) -> None:
    made = world()
    tree(made)
    uv.point_at(made.gateway.index)
    uv.install("app").ok()
    assert not names_us(made, uv.run("pip", "freeze").ok().out)
    for info in uv.environment.packages.glob("*.dist-info"):
        for path in info.iterdir():
            assert not names_us(made, path.read_text("utf-8", "replace")), path


def project(uv: Uv, world: World) -> Path:
    folder = uv.environment.home / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "0"\nrequires-python = ">=3.11"\n'
        'dependencies = ["app"]\n\n'
        f'[[tool.uv.index]]\nurl = "{world.origin}"\ndefault = true\n',
        "utf-8",
    )
    return folder


def test_uv_lock_stays_the_origins_and_is_not_rewritten(world: MakeWorld, uv: Uv) -> None:
    made = world()
    tree(made)
    folder = project(uv, made)
    uv.run("lock", cwd=folder).ok()
    lock = folder / "uv.lock"
    before = lock.read_bytes()
    uv.point_at(made.gateway.index)
    uv.run("lock", "--check", cwd=folder).ok()
    uv.run("lock", "--refresh", cwd=folder).ok()
    uv.run("sync", "--no-install-project", cwd=folder).ok()
    assert lock.read_bytes() == before
    assert not names_us(made, before.decode())
    # The same user's `uv pip` goes through the gateway all the same.
    made.pages.forget()
    uv.install("--reinstall", "--no-cache", "leaf").ok()
    assert_through_gateway(made)


def test_pip_lock_names_the_origin(world: MakeWorld, pip: Pip) -> None:
    if tuple(map(int, pip.version.split(".")[:2])) < (25, 1):
        return
    made = world()
    tree(made)
    pip.point_at(made.gateway.index, more=f"\n[lock]\nindex-url = {made.origin}\n")
    lock = pip.environment.home / "pylock.toml"
    pip.run("lock", "-o", str(lock), "app").ok()
    text = lock.read_text("utf-8")
    assert made.files.url in text
    assert not names_us(made, text)
    made.pages.forget()
    pip.install("app").ok()
    assert_through_gateway(made)


def test_report_is_of_stable_paths(world: MakeWorld, pip: Pip) -> None:
    made = world()
    tree(made)
    pip.point_at(made.gateway.index)
    out = pip.install("--dry-run", "--quiet", "--report", "-", "app").ok().out
    urls = {i["download_info"]["url"] for i in json.loads(out)["install"]}
    for url in urls:
        path = url.removeprefix(made.gateway.url)
        assert path.startswith("/packages/"), url
    assert not any(f":{mirror.port}" in url for mirror in made.mirrors for url in urls)
