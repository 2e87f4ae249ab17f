"""What pip is asked for: every form in which a request can say something of torch's family."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lib.wheels import BACKEND, escaped, metadata
from variants_study.facts import FACTS

__all__ = ["ASKED", "LIBRARIES", "Asked", "by_name", "pairs", "specifiers"]

Needs = tuple[tuple[str, str], ...]
"""Projects, each with its specifier."""

#: Projects of others, by what they require.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "anylib": ("torch",),
    "newlib": ("torch>=2.15",),
    "pinlib": ("torch==2.10.0",),
    "oldlib": ("torch<2.8",),
    "rangelib": ("torch>=2.4,<2.12", "torchvision"),
    "toplib": ("newlib",),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. In words and variables ``{whl}`` is the variant indexes' own address, and
    ``{newest}`` that of the newest torch of the default index.
    """

    words: tuple[str, ...]
    """Of ``pip install``, without those that only look."""
    needs: Needs
    """What is asked of the family in the end, by whomsoever."""
    files: tuple[tuple[str, str], ...] = ()
    """Files to write, by name; ``{hash}`` is the SHA-256 of that newest torch."""
    variables: tuple[tuple[str, str], ...] = ()
    """Of the environment."""
    named: bool = False
    """The user has chosen the build: what plain pip takes is what must come."""
    before: str = ""
    """Files that came later are out; ISO."""
    installed: str = ""
    """The torch that is there already."""
    indirect: bool = False
    """`explain` cannot be asked this: what is asked of the family is in no word."""

    def __str__(self) -> str:
        """Name it as the user would type it, with the files' content."""
        said = " ".join(self.words)
        for name, text in self.files:
            said = said.replace(name, f"({', '.join(text.split())})")
        said = " ".join([*(f"{name}={value}" for name, value in self.variables), said])
        return f"{said} [torch {self.installed} is there]" if self.installed else said

    @property
    def explained(self) -> bool:
        """Say whether `explain` can be asked the same: projects and specifiers, nothing else."""
        more = (self.indirect, self.files, self.variables, self.named, self.before, self.installed)
        return not any(more) and len(self.words) == len(self.needs)


def _one(text: str) -> Asked:
    return Asked((text,), (_need(text),))


def _family(*words: str) -> Asked:
    return Asked(words, tuple(map(_need, words)))


def _library(*words: str, needs: Sequence[str]) -> Asked:
    return Asked(words, tuple(map(_need, needs)), indirect=True)


def _file(option: str, text: str, *words: str, needs: Sequence[str]) -> Asked:
    name = "constraints.txt" if option == "-c" else "requirements.txt"
    return Asked((option, name, *words), tuple(map(_need, needs)), files=((name, text),))


def _need(text: str) -> tuple[str, str]:
    end = next((n for n, letter in enumerate(text) if letter in "<>=!~"), len(text))
    return text[:end], text[end:]


def _there(installed: str, *words: str) -> Asked:
    needs = tuple(_need(word) for word in words if not word.startswith("-"))
    return Asked(words, needs, installed=installed)


def _named(*words: str, need: str, **rest: tuple[tuple[str, str], ...]) -> Asked:
    return Asked(words, (_need(need),), named=True, **rest)  # type: ignore[arg-type]


_OF_TORCH = (
    *("", ">=2.15", ">=2.13", ">=2.4", "~=2.15.0", "~=2.13", "~=2.13.0", "==2.15.*", "==2.14.*"),
    *("==2.15.0", "==2.14.1", "==2.13.0", "==2.10.0", "==2.8.0", "==2.7.1", "==2.6.0", "==2.5.1"),
    *("===2.11.0", "===2.15.0", "<2.8", "<2.15", "<2.12", "<=2.10", "!=2.15.0", ">2.14.0"),
    *(">=2.12,<2.14", ">=2.5,!=2.15.0,<2.15", "==9.9", "<1"),
)
_OF_VISION = (
    "",
    ">=0.29.2",
    "~=0.28.0",
    "==0.29.2",
    "==0.25.0",
    "==0.29.0",
    "<0.23",
    "!=0.29.2",
    "==0.15.2",
)
_COOL = "2026-10-01"
_VENDOR = "--extra-index-url"
#: A user's own, beside its metadata for the tests' build backend.
_PROJECT = (
    (
        "project/pyproject.toml",
        (
            f'[build-system]\nrequires = ["{BACKEND}"]\nbuild-backend = "{escaped(BACKEND)}"\n'
            '[project]\nname = "project"\nversion = "1"\n'
            'dependencies = ["torch>=2.15", "torchvision"]\n'
        ),
    ),
    ("project/PKG-INFO", metadata("project", "1", ["torch>=2.15", "torchvision"]).decode()),
    ("project/project/__init__.py", ""),
)

ASKED: tuple[Asked, ...] = (
    *(_one(f"torch{specifier}") for specifier in _OF_TORCH),
    *(_one(f"torchvision{specifier}") for specifier in _OF_VISION),
    _one("torchaudio"),
    _one("torchaudio==2.8.0"),
    _one("torchaudio~=2.1.2"),
    _family("torch", "torchvision"),
    _family("torchvision", "torch"),
    _family("torch", "torchvision", "torchaudio"),
    _family("torch==2.15.0", "torchvision"),
    _family("torch==2.14.1", "torchvision"),
    _family("torch==2.10.0", "torchvision", "torchaudio"),
    _family("torch>=2.15", "torchvision"),
    _family("torch<2.9", "torchvision", "torchaudio"),
    _family("torch", "torchvision==0.25.0"),
    _family("torch~=2.13.0", "torchaudio"),
    _file("-c", "torch==2.15.0\n", "torchvision", needs=("torchvision", "torch==2.15.0")),
    _file("-c", "torch>=2.15\n", "torch", needs=("torch>=2.15",)),
    _file(
        *("-c", "torch==2.12.1\n", "torchvision", "torch"),
        needs=("torchvision", "torch==2.12.1"),
    ),
    _file(
        *("-r", "# what it needs\ntorch ~= 2.14.0\ntorchvision\n"),
        needs=("torch~=2.14.0", "torchvision"),
    ),
    _file("-r", "torch>=2.15 ; python_version>'3'\n", needs=("torch>=2.15",)),
    _library("anylib", needs=("torch",)),
    _library("newlib", needs=("torch>=2.15",)),
    _library("pinlib", needs=("torch==2.10.0",)),
    _library("oldlib", needs=("torch<2.8",)),
    _library("rangelib", needs=("torch>=2.4,<2.12", "torchvision")),
    _library("toplib", needs=("torch>=2.15",)),
    _library("pinlib", "torchvision", needs=("torch==2.10.0", "torchvision")),
    _library("newlib", "torchvision", needs=("torch>=2.15", "torchvision")),
    Asked(("--uploaded-prior-to", _COOL, "torch"), (("torch", ""),), before=_COOL),
    Asked(
        ("--uploaded-prior-to", _COOL, "torch", "torchvision"),
        (("torch", ""), ("torchvision", "")),
        before=_COOL,
    ),
    _named(_VENDOR, "{whl}/cu121", "torch==2.4.1", need="torch==2.4.1"),
    _named(_VENDOR, "{whl}/cu118", "torch==2.7.1", need="torch==2.7.1"),
    _named(_VENDOR, "{whl}/cpu", "torch==2.13.0", need="torch==2.13.0"),
    _named(_VENDOR, "{whl}/cu126", "torch==2.14.1+cu126", need="torch==2.14.1+cu126"),
    _named(_VENDOR, "{whl}/cu128", "torch", need="torch"),
    _named(
        *("-r", "locked.txt", "--no-deps"),
        need="torch",
        files=(("locked.txt", "torch --hash=sha256:{hash}\n"),),
    ),
    _named(
        "torch==2.4.1",
        need="torch==2.4.1",
        variables=(("PIP_EXTRA_INDEX_URL", "{whl}/cu121"),),
    ),
    _named("torch @ {newest}", "torchvision", need="torch==2.15.0"),
    _library("torch[opt-einsum]>=2.15", needs=("torch>=2.15",)),
    _library("--pre", "torch~=2.15.0", needs=("torch~=2.15.0",)),
    Asked(
        *(("torch",), (("torch", ">=2.15"),), (("held.txt", "torch>=2.15\n"),)),
        variables=(("PIP_CONSTRAINT", "held.txt"),),
    ),
    Asked(("./project",), (("torch", ">=2.15"), ("torchvision", "")), _PROJECT),
    _there("2.15.0", "torchvision"),
    _there("2.7.1", "-U", "torch"),
    _there("2.10.0", "torch>=2.15"),
    _there("2.14.1+cu126", "torchvision"),
    _there("2.14.1", "torchvision"),
    _there("2.10.0", "torchvision==0.25.0"),
    _there("2.10.0+cpu", "torchvision==0.25.0"),
    _there("2.8.0+cu126", "torchaudio==2.8.0"),
)


def by_name(name: str) -> Asked:
    """Return the request that is written so; KeyError."""
    return {str(each): each for each in ASKED}[name]


def specifiers(draw: random.Random) -> Iterator[str]:
    """Draw specifiers without end: each operator, alone and with another."""
    versions = [version for project, version in FACTS.released if project == "torch"]
    operators = ("==", ">=", "<=", "<", ">", "!=", "~=", "===")

    def clause() -> str:
        operator, version = draw.choice(operators), draw.choice(versions)
        if operator in ("==", "!=") and draw.random() < 0.3:
            version = f"{version.rpartition('.')[0]}.*"
        return operator + version

    while True:
        yield ",".join(clause() for _ in range(draw.choice((1, 1, 2))))


def pairs(draw: random.Random) -> Iterator[Asked]:
    """Draw requests of one project without end, three of four of them for torch."""
    followers = [key for key in FACTS.defaults if key[0] != "torch"]
    for specifier in specifiers(draw):
        if draw.random() < 0.75:
            yield _one(f"torch{specifier}")
        else:
            project, version = draw.choice(followers)
            yield _one(f"{project}{draw.choice(('==', '>=', '<=', '!=', '~='))}{version}")
