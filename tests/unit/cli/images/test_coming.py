"""How the layers of an image add up, from one answer of the gateway to the next."""

from __future__ import annotations

from typing import Any

from headrace.cli.images.coming import Coming

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
SIZES = {ONE: 1000, TWO: 500}


def status(*under_way: tuple[str, int], recent: tuple[tuple[str, float], ...] = ()) -> Any:
    return {
        "under_way": [
            {"name": f"pytorch/pytorch@{digest}", "here": here, "given": {"one": here}}
            for digest, here in under_way
        ],
        "transfers": {
            "recent": [
                {
                    "digest": digest,
                    "at": at,
                    "size": SIZES.get(digest, 7),
                    "bytes_by_source": {"two": 9},
                }
                for digest, at in recent
            ]
        },
    }


def under_way(here: int, **given: int) -> Any:
    given = {"" if source == "earlier" else source: n for source, n in given.items()}
    name = f"pytorch/pytorch@{ONE}"
    return {"under_way": [{"name": name, "here": here, "given": given}], "transfers": {}}


def test_layers_under_way_and_those_that_are_done_add_up_by_digest() -> None:
    coming = Coming(SIZES, status())
    assert coming.take(status((ONE, 300), (TWO, 100))).bytes == 400
    came = coming.take(status((ONE, 700), recent=((TWO, 1.0),)))
    assert came.bytes == 1200
    assert came.by_source == {"one": 700, "two": 9}
    # What is done is told again and again, and counts once.
    assert coming.take(status((ONE, 700), recent=((TWO, 1.0),))).by_source == came.by_source


def test_what_was_seen_counts_on_when_the_gateway_begins_anew() -> None:
    coming = Coming(SIZES, None)
    coming.take(status((ONE, 700), recent=((TWO, 1.0),)))
    assert coming.take(None).bytes == 1200
    assert coming.take(status((ONE, 100))).bytes == 1200
    assert coming.take(status(recent=((ONE, 2.0),))).bytes == 1500


def test_sources_add_up_over_gateways_and_over_a_transfer_that_begins_anew() -> None:
    coming = Coming(SIZES, None)
    coming.take({**status((ONE, 400)), "pid": 1})
    # The next one has what is on the disk, and counts what it fetches itself.
    came = coming.take({**under_way(500, earlier=400, one=100), "pid": 2})
    assert (came.bytes, came.by_source) == (500, {"one": 500})
    came = coming.take({**under_way(700, earlier=400, one=300), "pid": 2})
    assert came.by_source == {"one": 700}
    # Wrong bytes came, too; and another task begins with what the first one left.
    came = coming.take({**under_way(600, earlier=400, one=200), "pid": 2})
    assert (came.bytes, came.by_source) == (700, {"one": 700})
    came = coming.take({**under_way(650, earlier=600, two=50), "pid": 2})
    assert came.by_source == {"one": 700, "two": 50}
    done = {**status(recent=((ONE, 2.0),)), "pid": 2}
    assert coming.take(done).by_source == {"one": 700, "two": 9}
    assert coming.take(done).bytes == 1000


def test_other_files_and_older_transfers_are_not_of_this_pull() -> None:
    coming = Coming(SIZES, status(recent=((ONE, 1.0),)))
    other = "sha256:" + "9" * 64
    came = coming.take(status((other, 5000), recent=((ONE, 1.0), (other, 2.0))))
    assert (came.bytes, came.seen) == (0, False)
    assert coming.take(status(recent=((ONE, 3.0),))).bytes == 1000


def test_more_than_a_layer_has_is_not_counted_and_nonsense_is_left() -> None:
    coming = Coming(SIZES, [])
    assert coming.take(status((ONE, 4000))).bytes == 1000
    odd: list[Any] = [7, {"under_way": [{}, None, {"name": 1, "here": "x"}], "transfers": []}]
    for each in odd:
        assert coming.take(each).bytes == 1000
