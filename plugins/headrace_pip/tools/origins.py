"""Which index pip uses now: the origin. It is read or asked, never typed.

The default is pip's own, and pip is asked for it: an installed one, the wheel that ensurepip
carries, or the one that a distribution keeps for new virtual environments.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from headrace.interface import (
    Credential,
    DiscoveredOrigin,
    EnvVars,
    LocalError,
    Origin,
    Place,
    Reader,
    split_credential,
)
from headrace.interface.editing import presence
from headrace_pip.index import layouts
from headrace_pip.tools import pip_config
from headrace_pip.tools.beside import of_pip
from headrace_pip.tools.beside.reasons import Reason, front

__all__ = [
    "PIP_DEFAULT",
    "address",
    "configured",
    "default_index",
    "discover",
    "is_public",
    "left_alone",
    "path_of",
    "same_index",
]

PIP_DEFAULT = "pip's own default"

#: What the library requests obeys before anything that its user gives it.
_OF_REQUESTS = (EnvVars.REQUESTS_CA_BUNDLE, EnvVars.CURL_CA_BUNDLE)

_ASK = """\
import sys
sys.path[:0] = sys.argv[1:]
try:
    from pip._internal.models.index import PyPI
except ImportError:
    print("", "", sep="\\n")
else:
    print(PyPI.simple_url, sys.modules[PyPI.__module__].__file__, sep="\\n")
print(*sys.path, sep="\\n")
"""
#: Seconds; a cold start of pip on a slow disk takes two or three.
_PATIENCE = 15.0


def discover(place: Place, read: Reader) -> list[DiscoveredOrigin]:
    """Return the origin of plain pip commands, with the credential that its URL carried."""
    found = _discover(place, read)
    own = _authorities(place, read)
    from headrace_pip.pytorch import index  # noqa: PLC0415 - other commands need not pay

    # A company's index has its own word on what comes from outside.
    variants = () if found.origin.private else index.origins()
    return [replace(each, authorities=own, authorities_alone=False) for each in (found, *variants)]


def _authorities(place: Place, read: Reader) -> str:
    """Return the file that pip trusts; since 24.2 beside the system's, which is what the gateway
    does for every pip. Tried with pip 23.2 and 26.3: requests' variables beat ``cert``.
    """
    cert = pip_config.effective(place, read, ("cert",))
    text = next(filter(None, map(place.environment.get, _OF_REQUESTS)), cert.value if cert else "")
    path = text.strip()
    if not path:
        return ""
    return str(place.home / path[2:] if path.startswith("~/") else place.working_directory / path)


def _discover(place: Place, read: Reader) -> DiscoveredOrigin:
    if (reason := left_alone(place, read)) is not None:
        raise reason.error("pip")
    setting = configured(place, read)
    if setting is None:
        return DiscoveredOrigin(Origin("python", default_index(place)), PIP_DEFAULT)
    url, credential = address(setting.value, setting.where)
    if is_public(url, place):
        return DiscoveredOrigin(Origin("python", default_index(place)), setting.where)
    origin = Origin("python", url, private=True)
    return DiscoveredOrigin(origin, setting.where, credential and Credential(*credential))


def left_alone(place: Place, read: Reader) -> Reason | None:
    """Say why pip's index is not fronted, so that pip is not touched either; None: it is."""
    setting = configured(place, read)
    if setting is not None and (reason := front(setting.value, setting.where)) is not None:
        return reason
    url = split_credential(setting.value)[0] if setting else ""

    def origin() -> str:
        public = setting is None or is_public(url.rstrip("/"), place)
        return default_index(place) if public else url

    return of_pip.left_alone(place, read, origin)


def address(text: str, where: str) -> tuple[str, tuple[str, str] | None]:
    """Read an index's URL as `split_credential` does, without a final slash; ConfigurationError
    where it cannot be fronted. `where` is what sets it.
    """
    if (reason := front(text, where)) is not None:
        raise reason.error("the tool")
    url, credential = split_credential(text)
    return url.rstrip("/"), credential


def configured(place: Place, read: Reader) -> pip_config.Setting | None:
    """Return the index that is configured apart from us.

    For ``headrace run`` whatever the command would have used; for ``on`` what the scope's files
    say: variables and virtual environments go on winning over those, and `overrides` tells.
    """
    setting = _configured(place, read)
    # A value on a line of its own begins with the line's end.
    return setting and replace(setting, value=setting.value.strip())


def _configured(place: Place, read: Reader) -> pip_config.Setting | None:
    if place.command:
        return pip_config.effective(place, read, pip_config.INDEX_URL)
    levels = {"global"} if place.scope == "system" else {"global", "user"}
    lasting = Place(
        place.scope,
        place.home,
        {k: v for k, v in place.environment.items() if not k.startswith("PIP_")},
        place.platform,
        place.working_directory,
    )
    found = [
        setting
        for setting in pip_config.settings(lasting, read, pip_config.INDEX_URL)
        if setting.section in ("global", "install") and setting.level in levels
    ]
    return max(reversed(found), key=lambda s: s.section == "install", default=None)


def path_of(url: str, known: Sequence[Origin]) -> str | None:
    """Return where the gateway serves an index; None: it does not front it."""
    mine = [origin for origin in known if origin.ecosystem == "python"]
    # As `PythonEcosystem` has it: the short paths are the default's, else the first's.
    for origin in mine:
        if origin.url == url:
            return "/simple/" if origin.name == "default" else f"/index/{origin.name}/simple/"
    return None


def same_index(one: str, other: str | None) -> bool:
    """Whether two URLs name one index: scheme, letter case of the host and final slash aside."""
    if other is None:
        return False
    try:
        a, b = urlsplit(one), urlsplit(other)
    except ValueError:
        return False
    return (a.hostname, a.path.rstrip("/")) == (b.hostname, b.path.rstrip("/"))


def is_public(url: str, place: Place) -> bool:
    """Whether this is the official index, or the index of a known public mirror of it.

    Whoever had switched to such a mirror still means the official index by its names: that stays
    the authority, and the mirror is one source of bytes among others.
    """
    return same_index(url, _default_or_none(place)) or _is_public_mirror(url)


def _is_public_mirror(url: str) -> bool:
    """Whether this is the index of a mirror that the catalogue knows as the official index's."""
    for mirror in layouts.mirrors():
        page = layouts.document_url(mirror.layout, mirror.url, "x")
        if page and same_index(f"{url}/x", page):
            return True
    return False


def default_index(place: Place) -> str:
    """Return pip's own default index, without a final slash; LocalError when no pip is found."""
    tried = []
    for python, path in _ways(place):
        if url := _ask(python, path):
            return url.rstrip("/")
        tried.append(python)
    raise LocalError(
        "no-pip",
        "no pip was found that could say which index is its default",
        hint="install pip for one of: " + (", ".join(dict.fromkeys(tried)) or "any Python"),
    )


def _default_or_none(place: Place) -> str | None:
    try:
        return default_index(place)
    except LocalError:
        return None


def _ways(place: Place) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield interpreters with what to put on their path, likeliest first."""
    search = place.environment.get("PATH")
    venv = pip_config.prefix(place)
    bin_folder = "Scripts" if place.platform == "win32" else "bin"
    if venv is not None:
        yield str(venv / bin_folder / "python"), ()
    yield sys.executable, ()
    for name in ("python3", "python"):
        if found := presence.which(name, search):
            yield found, ()
    if (pip := presence.which("pip", search)) and (python := _shebang(Path(pip))):
        yield python, ()
    for wheel in _wheels():
        yield sys.executable, (str(wheel),)


def _shebang(script: Path) -> str | None:
    try:
        with script.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return None
    words = first[2:].split() if first.startswith(b"#!") else []
    return words[0].decode("utf-8", "replace") if len(words) == 1 else None


def _wheels() -> Iterator[Path]:
    folders = [Path("/usr/share/python-wheels")]
    import importlib.util  # noqa: PLC0415 - only here

    spec = importlib.util.find_spec("ensurepip")
    if spec and spec.origin:
        folders.insert(0, Path(spec.origin).parent / "_bundled")
    for folder in folders:
        yield from sorted(folder.glob("pip-*.whl"), reverse=True)


@cache
def _ask(python: str, path: Sequence[str]) -> str | None:
    if python == sys.executable and not path and (own := _own()):
        return own
    try:
        # -I: neither the user's site nor the working directory may answer in pip's place.
        answer = subprocess.run(  # noqa: S603 - the interpreter at hand, our own program
            [python, "-I", "-c", _ASK, *path],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    url, *read = answer.stdout.split("\n")
    # With the folders of packages, whose times change when another pip is installed in them.
    presence.asked((python, *filter(None, read)))
    return url if url.startswith("https://") else None


def _own() -> str | None:
    """Read the pip beside this very headrace: the one file of it that says so, which loads nothing
    but what takes URLs apart. None where that is another file, or elsewhere: then it is asked.
    """
    import importlib.util  # noqa: PLC0415 - only here
    import sysconfig  # noqa: PLC0415 - as above

    file = Path(sysconfig.get_path("purelib"), "pip", "_internal", "models", "index.py")
    spec = importlib.util.spec_from_file_location("headrace_pip.index_of_pip", file)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        url = module.PyPI.simple_url
    except Exception:  # noqa: BLE001 - whatever another pip has there
        return None
    return url if isinstance(url, str) and url.startswith("https://") else None
