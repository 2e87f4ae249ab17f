"""Files that name images cost no more than they are long, whoever wrote them."""

from __future__ import annotations

import pytest

from headrace.interface import ImageFile
from headrace_docker.naming.files import named_in
from lib.hostile.cost import growth

DIGEST = f"sha256:{'a' * 64}"
#: More than linear, and far from quadratic: sixteen times.
MUCH = 9.0

SHAPES = {
    "Dockerfile": {
        "bases": f"FROM a@{DIGEST}\n",
        "comments": "# a:1 a:2 b:3\n",
        "variables": "ARG A=${A}${B:-$C}\n",
        "flags": "RUN --mount=from=a --mount=from=b\n",
        "one that goes on": "RUN a \\\n",
        "heredocs": "RUN <<A <<B\n",
        "braces": "FROM ${a:-${b\n",
    },
    "devcontainer.json": {
        "quotes that are not closed": '"\\"',
        "comments that are not closed": "/*",
        "commas": ",  ",
        "lines": '"a" //\n',
    },
    "compose.yaml": {
        "documents": "---\nservices: {}\n",
        "comments": "# a:1\n",
        "lists": "- - a\n",
    },
}


@pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name, shapes in SHAPES.items() for shape in shapes]
)
def test_cost_grows_as_the_file_does(name: str, shape: str) -> None:
    def of(size: int) -> object:
        text = (SHAPES[name][shape] * (size // len(SHAPES[name][shape]) + 1)).encode()
        return lambda: named_in(ImageFile(name, text))

    assert growth(of, 64 << 10) < MUCH  # type: ignore[arg-type]


def test_what_is_merged_again_and_again_is_bounded() -> None:
    keys = ", ".join(f"k{n}: v" for n in range(200))
    merged = ", ".join(["*b"] * 500)
    lines = [f"  s{n}: {{<<: [{merged}]}}" for n in range(50)]
    text = f"x: &b {{{keys}}}\nservices:\n" + "\n".join(lines)
    assert named_in(ImageFile("compose.yaml", text.encode())) == []
