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


def test_layers_under_way_and_those_that_are_done_add_up_by_digest() -> None:
    coming = Coming(SIZES, status())
    assert coming.take(status((ONE, 300), (TWO, 100))).bytes == 400
    came = coming.take(status((ONE, 700), recent=((TWO, 1.0),)))
    assert came.bytes == 1200
    assert came.by_source == {"one": 700, "two": 9}


def test_what_was_seen_counts_on_when_the_gateway_begins_anew() -> None:
    coming = Coming(SIZES, None)
    coming.take(status((ONE, 700), recent=((TWO, 1.0),)))
    assert coming.take(None).bytes == 1200
    assert coming.take(status((ONE, 100))).bytes == 1200
    assert coming.take(status(recent=((ONE, 2.0),))).bytes == 1500


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
