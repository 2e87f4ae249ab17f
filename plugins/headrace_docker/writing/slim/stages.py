"""What stands in the base's place where a slim image is wished for. Pure, but for the reading of
what is shipped.

Python's own slim image, and torch's wheel in two layers: NVIDIA's libraries, and the rest. What
``slim.toml`` names is taken out in a stage before, so no layer holds it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from headrace.interface import CudaTables, UsageError, find_release
from headrace_docker.writing.wishes import SlimTorch, WrittenImage

__all__ = ["TAKEN_OUT", "base_of_slim", "chosen_torch", "programs", "shipped", "stages"]

#: The first second that a zip file can name.
_EPOCH = 315532800
_MADE = "/made"
_COMPILER = (
    "# What makes stand-ins for libraries; this stage alone has it.",
    "# hadolint ignore=DL3008",
    "RUN apt-get update && apt-get install --yes --no-install-recommends gcc",
)
#: Distributions that went as a whole, each with its version, as pip's constraints have it.
TAKEN_OUT = "/usr/local/share/taken-out.txt"
_INSIDE = Path(__file__).parent / "inside"


def base_of_slim() -> str:
    """Return what is looked for in its registry, as ``headrace image find`` takes it."""
    about = shipped()["torch"]
    return f"{about['base']}=={about['python']}"


def chosen_torch(image: WrittenImage, tables: CudaTables) -> SlimTorch:
    """Choose the wheel that is what the image holds; UsageError where there can be none."""
    known = find_release(tables, SpecifierSet(f"=={image.torch}")) if image.torch else None
    if image.rocm or known is None or (image.gpus and image.cuda is None):
        raise UsageError(
            "no-slim",
            f"--slim: {image.repository}:{image.tag} does not tell a torch for CUDA or a processor",
            hint="`headrace image write pytorch DIR --slim`; leave out --slim for other images",
        )
    cuda = image.cuda if image.gpus else None
    label = "cpu" if cuda is None else f"cu{cuda[0]}{cuda[1]}"
    if known.default.get(f"linux_{image.machine}") == label:
        return SlimTorch(f"torch=={image.torch}", "")
    index = shipped()["torch"]["index"]
    return SlimTorch(f"torch=={image.torch}+{label}", f"{index}/{label}")


def stages(image: WrittenImage, torch: SlimTorch) -> Iterator[list[str]]:
    """Give the blocks up to a base that has torch."""
    index = [f"    --extra-index-url {torch.index} \\"] if torch.index else []
    yield [
        f"# {image.repository}:{image.tag}, as it was when this was written",
        f"FROM {image.pinned} AS parts",
        f"ARG SOURCE_DATE_EPOCH={_EPOCH}",
        "# slim.toml is yours: a part whose row is gone stays in the image.",
        "COPY slim.py stand_in.py slim.toml /tmp/",
        *(_COMPILER if image.cuda else ()),
        f"RUN python3 -m pip install --no-cache-dir --no-compile --root {_MADE}/rest \\",
        "    --ignore-installed --no-warn-script-location \\",
        *index,
        f"    {torch.requirement} \\",
        f" && python3 /tmp/slim.py {_MADE}/rest {_MADE}/libraries /tmp/slim.toml \\",
        '    "$SOURCE_DATE_EPOCH"',
    ]
    yield [
        f"FROM {image.pinned}",
        "# No bytecode, fixed times: of the same wheels a second build gives the same layers.",
        f"ARG SOURCE_DATE_EPOCH={_EPOCH}",
        "ENV PYTHONDONTWRITEBYTECODE=1",
        f"COPY --from=parts {_MADE}/libraries/ /",
        f"COPY --from=parts {_MADE}/rest/ /",
    ]


def programs(image: WrittenImage) -> Iterator[tuple[str, bytes]]:
    """Give the files that stand beside it: what takes out, what is taken out, and what tries it."""
    for name in ("slim.py", "stand_in.py", "check.py"):
        yield name, _INSIDE.joinpath(name).read_bytes()
    text = _INSIDE.joinpath("slim.toml").read_text("utf-8")
    if image.several:
        rows = text.split("\n\n")
        text = "\n\n".join(row for row in rows if '\ngpus = "one"\n' not in row)
    yield "slim.toml", text.encode()


@cache
def shipped() -> dict[str, Any]:
    """Return what a slim image can be without, and where wheels are."""
    return tomllib.loads(_INSIDE.joinpath("slim.toml").read_text("utf-8"))
