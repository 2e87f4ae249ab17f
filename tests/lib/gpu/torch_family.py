"""A copy of torch's family on a default index and on variant indexes, as PyTorch lays them out.

What there is comes from the shipped tables, each wheel a few hundred bytes long. Of the variant
indexes the pages are on one host and the files on another, by absolute links; "+" is written %2B.
"""

from __future__ import annotations

import hashlib
import html
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

from packaging.specifiers import SpecifierSet

from headrace.variants.builds import Candidate
from lib import wheels
from lib.gateway import TestMirror
from lib.gpu.variant_listing import TABLES, listing
from lib.index import Index
from lib.serving.answers import Reply
from lib.serving.servers import NOT_FOUND, RecordingServer
from lib.world import World

__all__ = ["TAG", "Family", "family", "family_in"]

_CP = f"cp{sys.version_info[0]}{sys.version_info[1]}"
#: The wheels that are made: this interpreter's, on one kind of machine.
TAG = f"{_CP}-{_CP}-manylinux_2_28_x86_64"
#: What torch needs of NVIDIA, by CUDA major.
_RUNTIME = "nvidia-cuda-runtime-cu{}"
#: What it needs for others, by the beginning of its label: only variant indexes have that.
_COMPILERS = {"rocm": "triton-rocm", "xpu": "triton-xpu"}


@dataclass(slots=True)
class Family:
    """The variant indexes. Changing `files` changes their pages."""

    files: dict[str, list[wheels.Built]] = field(default_factory=dict)
    """By label."""
    claimed: dict[str, str] = field(default_factory=dict)
    """File name to the SHA-256 that its page claims; empty: none at all."""
    uploaded: str = "2024-01-02T03:04:05Z"
    """What is said of when each file came; empty: nothing."""
    times: dict[str, str] = field(default_factory=dict)
    """File name to what is said of that file instead."""

    def mount(self, pages: RecordingServer, files: RecordingServer) -> str:
        """Serve the indexes; give their address."""

        def page(path: str, _: Mapping[str, str]) -> Reply:
            label, slash, project = path.removeprefix("/whl/").strip("/").partition("/")
            listed = [each for each in self.files.get(label, []) if each.project == project]
            if not listed or not slash:
                return Reply(b"<Error><Code>AccessDenied</Code></Error>", 403)
            links = "".join(self._link(files.url, label, each) for each in listed)
            body = f"<!DOCTYPE html><html><body><h1>Links for {project}</h1>{links}</body></html>"
            return Reply(body.encode(), content_type="text/html; charset=utf-8")

        def file(path: str, _: Mapping[str, str]) -> Reply:
            label, slash, name = path.removeprefix("/whl/").partition("/")
            for each in self.files.get(label, []) if slash else ():
                if name == each.name:
                    return Reply(each.data)
                if name == f"{each.name}.metadata":
                    return Reply(each.metadata or b"", content_type="text/plain")
            return NOT_FOUND

        pages.mounts["/whl/"] = page
        files.mounts["/whl/"] = file
        return f"{pages.url}/whl"

    def mount_mirror(self, server: RecordingServer) -> str:
        """Serve the files as a mirror does; give its base."""
        server.mounts["/wheels/"] = lambda path, _: next(
            (
                Reply(each.data)
                for label, listed in self.files.items()
                for each in listed
                if path == f"/wheels/{label}/{each.name}"
            ),
            NOT_FOUND,
        )
        return f"{server.url}/wheels"

    def _link(self, host: str, label: str, each: wheels.Built) -> str:
        sha256 = self.claimed.get(each.name, each.sha256)
        digest = f"#sha256={sha256}" if sha256 else ""
        about = hashlib.sha256(each.metadata or b"").hexdigest()
        told = f'data-dist-info-metadata="sha256={about}" data-core-metadata="sha256={about}"'
        if uploaded := self.times.get(each.name, self.uploaded):
            told += f' data-upload-time="{uploaded}"'
        href = f"{host}/whl/{label}/{quote(each.name)}{digest}"
        return f'<a href="{href}" {told}>{html.escape(each.name)}</a><br/>\n'


def family_in(world: World) -> Family:
    """Put the family on a world's index, and its variant indexes beside that, with a mirror."""
    made = family(world.index)
    world.named["pytorch"] = made.mount(world.pages, world.files)
    base = made.mount_mirror(world.mirrors[0])
    world.described.append(TestMirror("wheels", base, "pytorch-copy"))
    return made


def family(index: Index, *projects: str) -> Family:
    """Put the projects on the default index, and make their variant indexes."""
    made = Family()
    for label, built in _built(projects or ("torch", "torchvision", "torchaudio")):
        if label:
            made.files.setdefault(label, []).append(built)
        else:
            index.add(built)
    return made


# Six hundred wheels, always the same, for whatever test asks.
@lru_cache(maxsize=4)
def _built(projects: tuple[str, ...]) -> tuple[tuple[str, wheels.Built], ...]:
    """Make the wheels, each with the label of its variant index; empty: the default index."""
    found: list[tuple[str, wheels.Built]] = []
    runtimes: set[str] = set()
    for each in listing():
        if each.project not in projects:
            continue
        if not any(tag.startswith(_CP) and "x86_64" in tag for tag in each.wheels):
            continue
        needs = _needs(each)
        runtimes.update(need.partition("=")[0] for need in needs if need.startswith("nvidia"))
        found.append((each.index, wheels.wheel(each.project, each.name, needs, tag=TAG)))
    for label in dict.fromkeys(label for label, _ in found):
        for kind, name in _COMPILERS.items():
            if label.startswith(kind):
                found.append((label, wheels.wheel(name, "3.7.1", tag=TAG)))
    plain = "py3-none-manylinux_2_28_x86_64"
    found += [("", wheels.wheel(name, "1.0", tag=plain)) for name in sorted(runtimes)]
    return tuple(found)


def _needs(each: Candidate) -> list[str]:
    if each.project == TABLES.lead:
        label = each.label or _default(each.version)
        if label.startswith("cu"):
            return [f"{_RUNTIME.format(label[2:4])}==1.0"]
        return [f"{name}==3.7.1" for kind, name in _COMPILERS.items() if label.startswith(kind)]
    texts = {
        version: text
        for version, partners in _partners().items()
        if (text := partners.get(each.project))
        and SpecifierSet(text).contains(each.version, prereleases=True)
    }
    # What a later release takes too ("at least") has no pin in its metadata.
    if len(texts) == 1 and set(texts.values()) == {f"=={each.version}"}:
        return [f"torch=={next(iter(texts))}"]
    # The newest releases of the followers pin nothing (0.29.1 and later of torchvision).
    return ["torch>=2.14.0"] if each.project == "torchvision" else ["torch"]


def _default(version: str) -> str:
    return next(
        (each.default["linux_x86_64"] for each in TABLES.releases if each.version == version), ""
    )


def _partners() -> dict[str, Mapping[str, str]]:
    rows = {each.version: each.partners for each in TABLES.releases}
    return {**rows, **TABLES.patches}
