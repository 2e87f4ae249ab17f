"""Mirrors that give a whole wrong file: never installed, and what is kept of it does no harm."""

from __future__ import annotations

import pytest

from lib.clients import ALL
from lib.conda.clients import Rattler
from lib.conda.world import NEWEST, OLDEST, Client, MakeWorld, World, large
from lib.serving import modes

LIED_TO = (NEWEST, OLDEST, "py-rattler") if ALL else (NEWEST, "py-rattler")


def lied_to(world: World, client: Client) -> None:
    """Let every mirror give a whole wrong file, and the client fall for it as far as it can."""
    for mirror in world.mirrors:
        mirror.fail(modes.swapped(large("evil").data), "*.conda")
    world.install(client, "env", "large")
    assert world.at_mirrors("*.conda"), "the liars were not even asked"


@pytest.mark.parametrize("name", LIED_TO)
def test_lie_at_every_mirror_is_never_installed(world: MakeWorld, name: str) -> None:
    made = world(large(), origin_rate=24 << 20)
    client = made.client(name)
    lied_to(made, client)
    # Nearly always the next try works; one that comes at once may meet the second liar.
    for _ in made.mirrors:
        assert not large("evil").installed_in(client.prefix("env"))
        result = made.install(client, "env", "large")
        if result.code == 0:
            break
    assert large().installed_in(client.prefix("env")), made.told(result)
    made.assert_polite()


@pytest.mark.parametrize("name", LIED_TO)
def test_when_even_the_origin_lies_nothing_is_installed(world: MakeWorld, name: str) -> None:
    made = world(large(), origin_rate=None)
    made.origin.fail(modes.swapped(large("evil").data), "*.conda")
    client = made.client(name)
    if isinstance(client, Rattler):
        client.retries = 0
    lied_to(made, client)
    made.install(client, "again", "large").failed()
    for env in ("env", "again"):
        assert not (client.prefix(env) / "share" / "large").exists()
    assert made.gateway.get("/healthz")[0] == 200


def test_part_of_a_lie_that_conda_kept_is_not_put_before_the_right_end(world: MakeWorld) -> None:
    # conda keeps what came and asks for the rest next time, without If-Range.
    made = world(large(), origin_rate=24 << 20)
    conda = made.conda()
    conda.pkgs.mkdir()
    part = conda.pkgs / f"{large().filename}.partial"
    part.write_bytes(large("evil").data[: 10 << 20])
    result = made.install(conda, "env", "large")
    if conda.base.release >= (25, 1):
        assert "Retry failed partial download" in result.err
    else:
        # It drops the part and says so; the next try is the user's.
        assert "ChecksumMismatchError" in result.failed().err
        assert not part.exists()
        result = made.install(conda, "env", "large")
    result.ok()
    assert large().installed_in(conda.prefix("env"))
    assert not part.exists()


def test_part_of_a_lie_is_not_completed_by_a_gateway_that_started_anew(world: MakeWorld) -> None:
    made = world(large(), origin_rate=24 << 20)
    conda = made.conda()
    lied_to(made, conda)
    made.gateway.kill()
    made.gateway.start()
    for mirror in made.mirrors:
        mirror.heal()
    # What the killed one had on its disk may be a lie, too: found at the end, and fetched anew.
    made.install(conda, "again", "large")
    assert not large("evil").installed_in(conda.prefix("again"))
    made.install(conda, "last", "large").ok()
    assert large().installed_in(conda.prefix("last"))
