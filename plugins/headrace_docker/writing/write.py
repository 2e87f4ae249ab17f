"""The files of ``headrace image write``: what was found, and each file that is made of it. Pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from headrace.interface import (
    Explanation,
    FolderFile,
    Host,
    ImageFolder,
    ImageQuestion,
    ImageWishes,
    UsageError,
    host_text,
    load_cuda_tables,
)
from headrace_docker.finding.find import FoundImage, look, newest_named
from headrace_docker.writing.beside.compose import compose, run_alone, secret_names
from headrace_docker.writing.beside.devcontainer import devcontainer
from headrace_docker.writing.beside.ignored import docker_ignored, git_ignored
from headrace_docker.writing.beside.kubernetes import kubernetes
from headrace_docker.writing.beside.naming import label, local_name
from headrace_docker.writing.beside.readme import readme, up
from headrace_docker.writing.containerfile import containerfile, requirements, start_program
from headrace_docker.writing.slim.stages import base_of_slim, chosen_torch, programs
from headrace_docker.writing.wishes import EngineHere, WrittenImage

__all__ = ["files", "folder"]

#: As useradd takes it, also where it is strict.
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
#: Accounts that Debian's, Ubuntu's and Red Hat's bases have, or that their packages make: in their
#: place a person's would have their files, and the programs that run by them would not.
_SYSTEM = frozenset(
    """
    _apt _chrony adm avahi backup bin chrony daemon dbus dnsmasq ftp games gdm gnats halt irc list
    lp mail man messagebus news nobody nfsnobody operator polkitd postgres proxy root rpc rtkit
    shutdown sshd sync sys syslog systemd-coredump systemd-network systemd-oom systemd-resolve
    systemd-timesync tcpdump tss unbound uucp uuidd www-data
    """.split()  # noqa: SIM905 - one that can be read
)
#: Tags of systems whose packages dnf installs, and of those that have no glibc, which torch needs.
_DNF = re.compile(r"(?:^|[-_.])(?:ubi|rockylinux|centos|oraclelinux|almalinux|fedora)\d", re.ASCII)
_NO_GLIBC = re.compile(r"(?:^|[-_.])alpine")


def folder(
    question: ImageQuestion, wishes: ImageWishes, typed: Path, engine: EngineHere
) -> ImageFolder:
    """Find the image, as ``headrace image find`` does, and make the files."""
    if not _USER.fullmatch(wishes.user) or wishes.user in _SYSTEM:
        raise UsageError(
            "bad-user",
            f"--user: {wishes.user!r} is no name of a person's account",
            hint="small letters, digits, - and _, at most 32",
        )
    base = question.place.working_directory if question.place is not None else Path()
    # Where it really is: "." and ".." tell no name.
    directory = Path(_plain(base / typed))
    host = question.find_host()
    if wishes.slim and not host.accelerators:
        explained, image = _for_processors(question, host, wishes, directory)
    else:
        found = look(question.what, question.flavour, host, question.ask)
        explained, image = found.explanation, _written(found, host, wishes, directory)
    if image is not None and wishes.slim:
        explained, image = _slim(image, question, host, directory)
    if image is None:
        return ImageFolder(explained)
    image = replace(image, engine=engine)
    commands = tuple(_commands(image, typed, base))
    return ImageFolder(explained, tuple(files(image)), commands)


def _plain(directory: Path) -> str:
    return posixpath.normpath(directory.as_posix())


def _for_processors(
    question: ImageQuestion, host: Host, wishes: ImageWishes, directory: Path
) -> tuple[Explanation, WrittenImage | None]:
    """Take the newest torch of a family whose images all want a GPU: its wheel has builds that do
    not.
    """
    named = newest_named(question.what, question.flavour, host, question.ask)
    if isinstance(named, FoundImage):
        return named.explanation, None
    asked, tag = named
    lead = asked.family is not None and asked.family.lead
    image = WrittenImage(
        family=asked.family.name if asked.family else "",
        repository=asked.place,
        tag=tag.text,
        digest="",
        pinned="",
        cuda=None,
        rocm=tag.rocm,
        torch=str(tag.version) if lead else "",
        machine=host.machine,
        gpus=False,
        name=label(directory.name),
        wishes=wishes,
    )
    return Explanation("image", ()), image


def _written(
    found: FoundImage, host: Host, wishes: ImageWishes, directory: Path
) -> WrittenImage | None:
    asked, searched = found.asked, found.searched
    if asked is None or searched is None or searched.tag is None or searched.image is None:
        return None
    contents = searched.contents
    assert contents is not None
    tag, digest = searched.tag.text, searched.image.digest
    if _NO_GLIBC.search(tag):
        raise UsageError(
            "unfit-base",
            f"{asked.place}:{tag} is Alpine's, for which torch and most wheels are not made",
            hint="name a tag that is made from Debian, Ubuntu or Red Hat's",
        )
    return WrittenImage(
        family=asked.family.name if asked.family else "",
        repository=asked.place,
        tag=tag,
        digest=digest,
        pinned=f"{asked.place}@{digest}",
        cuda=contents.toolkit,
        rocm=contents.rocm,
        torch=contents.lead,
        machine=host.machine,
        gpus=bool(host.accelerators),
        name=label(directory.name),
        wishes=wishes,
        packages="dnf" if _DNF.search(tag) else "apt",
        wrapper=asked.family.wrapper if asked.family else "",
        several=len(host.accelerators) > 1,
    )


def _slim(
    image: WrittenImage, question: ImageQuestion, host: Host, directory: Path
) -> tuple[Explanation, WrittenImage | None]:
    """Put the torch of what was found on Python's own image; None: its registry gives none."""
    tables = load_cuda_tables()
    torch = chosen_torch(image, tables)
    found = look(base_of_slim(), "", Host(machine=host.machine), question.ask)
    base = _written(found, host, image.wishes, directory)
    if base is None:
        return found.explanation, None
    what = f"CUDA {image.cuda[0]}.{image.cuda[1]}" if image.cuda else "no CUDA"
    where = host_text(host, tables)
    lines = (
        f"{base.repository}:{base.tag}",
        f"gets {torch.requirement} ({what}) from its wheel; here: {where}",
        *(() if image.gpus else ("for a host with GPUs: --for driver=…,gpu=…",)),
        f"pinned: {base.pinned}",
    )
    explained = replace(
        found.explanation,
        lines=lines,
        table={**found.explanation.table, "host": where, "torch": torch.requirement},
    )
    return explained, replace(
        base, family=image.family, cuda=image.cuda, torch=image.torch, slim=torch
    )


def files(image: WrittenImage) -> Iterator[FolderFile]:
    """Make every file of the folder."""
    yield FolderFile(image.wishes.engine_file, containerfile(image).encode())
    yield FolderFile("requirements.txt", requirements(image).encode())
    yield FolderFile("start.py", start_program(image).encode(), 0o755)
    if image.slim is not None:
        for name, data in programs(image):
            yield FolderFile(name, data)
    yield from _beside(image)


def _beside(image: WrittenImage) -> Iterator[FolderFile]:
    """Make what starts it, what editors and clusters read, and places for what is the user's."""
    for path, text in (
        ("compose.yaml", compose(image)),
        (".devcontainer/devcontainer.json", devcontainer(image)),
        ("kubernetes.yaml", kubernetes(image, dict(image.wishes.node))),
        ("README.md", readme(image)),
        (".dockerignore", docker_ignored(image)),
        (".gitignore", git_ignored(image)),
    ):
        yield FolderFile(path, text.encode())
    # An engine would make it as root, and then it is not the user's.
    yield FolderFile("workspace/.gitkeep", b"", worked_in=True)
    for name in secret_names(image):
        yield FolderFile(f"secrets/{name}", b"", private=True)


def _commands(image: WrittenImage, typed: Path, base: Path) -> Iterator[str]:
    """Say how it is built, with all that pip and conda fetch led, and how it is started: as its
    README has it. `base`: where that is typed.
    """
    if _plain(base / typed) != _plain(base):
        name = str(typed)
        yield f"cd {shlex.quote(f'./{name}' if name.startswith('-') else name)}"
    if image.wishes.ssh:
        yield "cat ~/.ssh/id_*.pub > secrets/authorized_keys"
    engine = image.engine
    if engine.name == "docker" and engine.compose:
        yield "headrace build -- docker compose build"
    elif engine.name == "docker":
        file = image.wishes.engine_file
        yield f"headrace build -- docker build --file {file} --tag {local_name(image)} ."
    else:
        # compose would build it unled; it takes what is there by this name.
        file = image.wishes.engine_file
        # OCI's format has no health check.
        options = f"--format docker --file {file} --tag {local_name(image)}"
        yield f"headrace build -- podman build {options} ."
    yield up(image) if engine.compose else run_alone(image)
