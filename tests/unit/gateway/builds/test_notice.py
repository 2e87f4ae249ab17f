"""The sentence for the next shell: when it lies there, and when not."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

from headrace.errors import ConfigurationError
from headrace.gateway.builds.notice import Notice
from headrace.variants.builds import Candidate

TAGS = "cp312-cp312-manylinux_2_28_x86_64.whl"


def test_it_lies_there_until_a_build_came_that_is_used(tmp_path: Path) -> None:
    path = tmp_path / "notice"

    async def why(build: Candidate) -> str:
        if build.version == "2.0":
            raise ConfigurationError("bad-target", "no such host")
        return "" if build.label == "cu126" else "2.15.0 needs\x1b[2J driver >= 580"

    notice = Notice(path, why)
    asyncio.run(notice.given(f"torch-2.15.0-{TAGS}"))
    assert path.read_text() == (
        "headrace: torch 2.15.0, which was installed last, will not use the GPU: 2.15.0 needs[2J "
        "driver >= 580; `headrace doctor` says what will\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for other in (f"numpy-2.0-{TAGS}", f"torchvision-0.30.0-{TAGS}", "torch-2.15.0.tar.gz"):
        asyncio.run(notice.given(other))
    asyncio.run(notice.given(f"torch-2.0-{TAGS}"))
    assert path.exists()
    asyncio.run(notice.given(f"torch-2.14.1+cu126-{TAGS}"))
    assert not path.exists()


def test_it_follows_no_link_and_a_folder_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    async def why(_: Candidate) -> str:
        return "it is a build for processors alone"

    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "notice").symlink_to(other)
    asyncio.run(Notice(tmp_path / "notice", why).given(f"torch-2.15.0+cpu-{TAGS}"))
    assert other.read_text() == "mine"
    assert "2.15.0+cpu" in (tmp_path / "notice").read_text()
    asyncio.run(Notice(tmp_path / "gone" / "notice", why).given(f"torch-2.15.0+cpu-{TAGS}"))
