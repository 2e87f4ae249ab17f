"""What an environment of Python has of a family of projects: its files tell, nothing is imported.

What a wheel was built for is its local version; where its index writes none, the module that its
build leaves in it says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from headrace.cli.context import Context
from headrace.config import EnvVars
from headrace.foreign import UnreadableError, foreign
from headrace.values import dataclass
from headrace.variants.builds import CudaTables

__all__ = ["Installed", "InstalledFamily", "environments", "family_in"]

#: How a build says which CUDA it was made with.
_CUDA = re.compile(r"^cuda\s*(?::[^=]+)?=\s*['\"](\d+)\.(\d+)['\"]", re.MULTILINE)
_VERSION = re.compile(r"^__version__\s*(?::[^=]+)?=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_PYTHON = re.compile(r"python(\d+\.\d+)")
#: Where an environment, and a system with rules of its own, keep what was installed.
_SITES = (
    "lib/python3*/site-packages",
    "lib64/python3*/site-packages",
    "Lib/site-packages",
    "local/lib/python3*/dist-packages",
    "lib/python3*/dist-packages",
)
#: Entries of a folder that are looked at, and bytes of a file that are read.
_MOST_ENTRIES = 50_000
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Installed:
    """A project as it is installed somewhere."""

    project: str
    """Normalised name."""
    version: str
    """Public version."""
    label: str = ""
    """What its files say it was built for."""
    requires: str = ""
    """What it requires of the lead, as a specifier."""
    plain: bool = False
    """Without code for any machine, so for all kinds of accelerators."""
    recorded: str = ""
    """The version that installers see, with its local part; empty: as `name`."""

    @property
    def name(self) -> str:
        """``2.15.0+cu132``."""
        return f"{self.version}+{self.label}" if self.label else self.version


@dataclass(frozen=True, slots=True)
class InstalledFamily:
    """What is installed of the family in one place."""

    prefix: Path
    python: str | None
    """``3.12``; None: not known."""
    lead: Installed | None
    others: tuple[Installed, ...] = ()
    """Those that have to go with it, by name."""


def environments(context: Context, tables: CudaTables) -> Iterator[InstalledFamily]:
    """Look where the user's commands would: the active environments, what they build upon, else
    the first Python, and what belongs to the user.
    """
    import shutil  # noqa: PLC0415 - start-up time

    env = context.env
    prefixes = [env.get(name) for name in (EnvVars.VIRTUAL_ENV, EnvVars.CONDA_PREFIX)]
    first = shutil.which("python3", path=env.get(EnvVars.PATH))
    if first is not None:
        prefixes.append(str(Path(first).parent.parent))
    places = [Path(each) for each in prefixes if each]
    places += [base for each in places if (base := _base(each)) is not None]
    if not env.get(EnvVars.VIRTUAL_ENV):
        places.append(context.place().home / ".local")
    for prefix in dict.fromkeys(places):
        there = family_in(prefix, tables)
        if there is not None:
            yield there


def _base(prefix: Path) -> Path | None:
    """Return the prefix of the Python whose packages a virtual environment has, too."""
    lines = (line.partition("=") for line in _text(prefix / "pyvenv.cfg").splitlines())
    said = {key.strip(): value.strip() for key, _, value in lines}
    if said.get("include-system-site-packages", "").lower() != "true" or "home" not in said:
        return None
    return Path(said["home"]).parent


def family_in(prefix: Path, tables: CudaTables) -> InstalledFamily | None:
    """Read what is installed of the family; None: nothing."""
    family = tables.family | tables.same_major
    for site in (site for pattern in _SITES for site in sorted(prefix.glob(pattern))):
        there = {each.project: each for each in _distributions(site, family, tables.lead)}
        if tables.lead not in there and (lead := _by_module(site, tables.lead)) is not None:
            there[tables.lead] = lead
        if there:
            python = _PYTHON.fullmatch(site.parent.name)
            others = sorted(there.keys() - {tables.lead})
            return InstalledFamily(
                prefix,
                python[1] if python else None,
                there.get(tables.lead),
                tuple(there[project] for project in others),
            )
    return None


def _by_module(site: Path, project: str) -> Installed | None:
    """Read what is there without a record of any installer."""
    told = _told(site, project)
    return Installed(project, *told) if told is not None else None


def _distributions(site: Path, family: Iterable[str], lead: str) -> Iterator[Installed]:
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - start-up time
    from packaging.version import Version  # noqa: PLC0415 - as above

    for folder in _records(site):
        name, _, version = folder.removesuffix(".dist-info").partition("-")
        project = canonicalize_name(name)
        if project not in family:
            continue
        try:
            with foreign("a version"):
                recorded = Version(version)
        except UnreadableError:
            continue
        label = recorded.local or ""
        told = _told(site, project)
        if not label and told is not None and told[0] == recorded.public:
            label = told[1]
        record = site / folder
        tags = re.findall(r"^Tag:\s*(\S+)", _text(record / "WHEEL"), re.MULTILINE)
        requires = _required(_text(record / "METADATA"), lead) if project != lead else ""
        plain = bool(tags) and all(tag.endswith("-none-any") for tag in tags)
        yield Installed(project, recorded.public, label, requires, plain, str(recorded))


def _records(site: Path) -> list[str]:
    found = []
    try:
        with os.scandir(site) as entries:
            for count, entry in enumerate(entries):
                if count >= _MOST_ENTRIES:
                    break
                if entry.name.endswith(".dist-info"):
                    found.append(entry.name)
    except OSError:
        return []
    return sorted(found)


def _told(site: Path, project: str) -> tuple[str, str] | None:
    """Return the public version and the label that a project's own module says."""
    text = _text(site / project.replace("-", "_") / "version.py")
    version = _VERSION.search(text)
    if version is None:
        return None
    public, _, local = version[1].partition("+")
    cuda = _CUDA.search(text)
    return public, local or (f"cu{cuda[1]}{cuda[2]}" if cuda else "")


def _required(metadata: str, lead: str) -> str:
    """Return what metadata requires of the lead, where nothing but that decides."""
    from packaging.requirements import Requirement  # noqa: PLC0415 - start-up time
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - as above

    head, _, _ = metadata.partition("\n\n")
    for text in re.findall(r"^Requires-Dist:\s*(.+)$", head, re.MULTILINE):
        try:
            with foreign("a requirement"):
                requirement = Requirement(text)
                if canonicalize_name(requirement.name) == lead and requirement.marker is None:
                    return str(requirement.specifier)
        except UnreadableError:
            continue
    return ""


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return ""
