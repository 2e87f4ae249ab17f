"""Settings, folders, and the only reader of environment variables.

`config.toml` is the user's: headrace reads it and never writes it. What headrace itself remembers
(origins found at ``on``, the journal, statistics) lies in the state folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import platformdirs

from headrace import redact
from headrace.errors import ConfigurationError, LocalError
from headrace.foreign import read_toml
from headrace.models import Limits, Mirror, OperatorClass
from headrace.ownership import files as ownership

__all__ = ["DEFAULT_PORT", "EnvVars", "Folders", "Settings", "environment", "home_folder"]

#: Outside the ephemeral ranges of Linux (32768 up), macOS and Windows (49152 up), and no
#: service is registered for it.
DEFAULT_PORT = 17223
_THIS_MACHINE = frozenset(("127.0.0.1", "::1", "localhost"))


class EnvVars:
    """Every environment variable that the core reads. Those of one tool are in its plugin."""

    HEADRACE_HOME = "HEADRACE_HOME"
    """One folder for configuration, state and cache, instead of the platform's three."""
    HEADRACE_CONFIG = "HEADRACE_CONFIG"
    """Path of the settings file."""
    HEADRACE_PORT = "HEADRACE_PORT"
    """Port of the gateway on loopback."""
    HEADRACE_ACCEPT_SHARED_PORT = "HEADRACE_ACCEPT_SHARED_PORT"
    """Set and not empty: as ``headrace on --accept-shared-port``, for scripts that set hosts up."""
    HEADRACE_CONDA_BASE = "HEADRACE_CONDA_BASE"
    """The only base environment to put the plugin of its package manager in."""
    HEADRACE_CUDA = "HEADRACE_CUDA"
    """The build for accelerators that installers get (``cu126``, ``cpu``, ``off``)."""
    HEADRACE_TARGET = "HEADRACE_TARGET"
    """The host to choose builds for (``driver=550,gpu=A100``), second choice."""
    UV_TORCH_BACKEND = "UV_TORCH_BACKEND"
    """As HEADRACE_CUDA, last choice."""
    HEADRACE_LOG = "HEADRACE_LOG"
    """Level of the log: debug (every hook call), info, warning, error."""
    HEADRACE_RUN = "HEADRACE_RUN"
    """Set by ``headrace run`` for its command: the gateway's port. Another one inside uses it."""
    NO_COLOR = "NO_COLOR"
    """Set and not empty: no colours (no-color.org)."""
    SSL_CERT_FILE = "SSL_CERT_FILE"
    """PEM file of the certificate authorities to trust upstream, first choice."""
    SSL_CERT_DIR = "SSL_CERT_DIR"
    """Folder of hashed certificates to trust upstream."""
    REQUESTS_CA_BUNDLE = "REQUESTS_CA_BUNDLE"
    """As SSL_CERT_FILE, second choice."""
    CURL_CA_BUNDLE = "CURL_CA_BUNDLE"
    """As SSL_CERT_FILE, third choice."""
    PIP_CERT = "PIP_CERT"
    """As SSL_CERT_FILE, last choice."""
    HTTP_PROXY = "HTTP_PROXY"
    """Outgoing proxy for http upstreams (lower case too)."""
    HTTPS_PROXY = "HTTPS_PROXY"
    """Outgoing proxy for https upstreams (lower case too)."""
    ALL_PROXY = "ALL_PROXY"
    """Outgoing proxy for all upstreams (lower case too)."""
    NO_PROXY = "NO_PROXY"
    """Hosts that are reached without the proxy (lower case too)."""
    DOCKER_CONFIG = "DOCKER_CONFIG"
    """Folder of docker's config.json, where not ~/.docker."""
    REGISTRY_AUTH_FILE = "REGISTRY_AUTH_FILE"
    """Path of podman's auth.json."""
    XDG_RUNTIME_DIR = "XDG_RUNTIME_DIR"
    """Folder of the user's run-time files; podman's auth.json is below it."""
    XDG_CONFIG_HOME = "XDG_CONFIG_HOME"
    """Folder of the user's configuration; podman's other auth.json is below it."""
    NETRC = "NETRC"
    """Path of the netrc file, where not ~/.netrc."""
    NV_VARIANT_PROVIDER_FORCE_CUDA_DRIVER_VERSION = "NV_VARIANT_PROVIDER_FORCE_CUDA_DRIVER_VERSION"
    """CUDA of the target host's driver (``12.8``); nothing is detected. First choice."""
    NV_VARIANT_PROVIDER_FORCE_SM_ARCH = "NV_VARIANT_PROVIDER_FORCE_SM_ARCH"
    """Compute capability of the target host's GPU (``9.0``). First choice."""
    UV_CUDA_DRIVER_VERSION = "UV_CUDA_DRIVER_VERSION"
    """Driver of the target host (``550.144.03``); nothing is detected. Second choice."""
    UV_AMD_GPU_ARCHITECTURE = "UV_AMD_GPU_ARCHITECTURE"
    """AMD GPU of the target host (``gfx1100``); nothing is detected. Third choice."""
    CONDA_OVERRIDE_CUDA = "CONDA_OVERRIDE_CUDA"
    """CUDA of the target host's driver, last choice; set and empty: it has no GPU."""
    CONDA_OVERRIDE_CUDA_ARCH = "CONDA_OVERRIDE_CUDA_ARCH"
    """Compute capability of the target host's GPU, last choice."""
    NVIDIA_REQUIRE_CUDA = "NVIDIA_REQUIRE_CUDA"
    """Set by images: the drivers that they run on."""
    NVIDIA_DISABLE_REQUIRE = "NVIDIA_DISABLE_REQUIRE"
    """Set by users of images: NVIDIA_REQUIRE_CUDA does not count."""
    CUDA_VERSION = "CUDA_VERSION"
    """Set by images: the CUDA that is in them."""
    NVIDIA_VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES"
    """Set by images and by whoever starts them: the GPUs that a container is to get."""
    NVIDIA_DRIVER_CAPABILITIES = "NVIDIA_DRIVER_CAPABILITIES"
    """As above: which of the driver's libraries a container is to get."""
    CONTAINER = "container"
    """Set by some that start containers."""
    KUBERNETES_SERVICE_HOST = "KUBERNETES_SERVICE_HOST"
    """Set in every Kubernetes pod."""
    APPTAINER_CONTAINER = "APPTAINER_CONTAINER"
    """Set in containers of Apptainer."""
    SINGULARITY_CONTAINER = "SINGULARITY_CONTAINER"
    """Set in containers of Singularity."""
    RUNNER_ENVIRONMENT = "RUNNER_ENVIRONMENT"
    """Set in jobs of GitHub Actions: who has the machine."""
    AGENT_ISSELFHOSTED = "AGENT_ISSELFHOSTED"
    """Set in jobs of Azure Pipelines: who has the machine."""
    BUILDKITE_COMPUTE_TYPE = "BUILDKITE_COMPUTE_TYPE"
    """Set in jobs of Buildkite: who has the machine."""
    SLURM_CONF = "SLURM_CONF"
    """Set on hosts of a Slurm cluster."""
    SLURM_JOB_ID = "SLURM_JOB_ID"
    """Set where Slurm has given an allocation."""
    SLURM_JOB_NODELIST = "SLURM_JOB_NODELIST"
    """The hosts of a Slurm allocation."""
    SLURMD_NODENAME = "SLURMD_NODENAME"
    """Set on the hosts of a Slurm allocation, not in a shell of ``salloc`` on the login node."""
    SLURM_PROCID = "SLURM_PROCID"
    """Set in the tasks of a Slurm job."""
    PBS_SERVER = "PBS_SERVER"
    """Set on hosts of a PBS cluster."""
    PBS_JOBID = "PBS_JOBID"
    """Set in PBS jobs."""
    LSF_ENVDIR = "LSF_ENVDIR"
    """Set on hosts of an LSF cluster."""
    LSB_JOBID = "LSB_JOBID"
    """Set in LSF jobs."""
    SGE_ROOT = "SGE_ROOT"
    """Set on hosts of a Grid Engine cluster."""
    JOB_ID = "JOB_ID"
    """Set in Grid Engine jobs."""
    CUDA_VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
    """Taken out of the environment of those that look for GPUs: an install is for all of them."""
    LD_LIBRARY_PATH = "LD_LIBRARY_PATH"
    """Folders of shared libraries; what was found is found anew when it changes."""
    VIRTUAL_ENV = "VIRTUAL_ENV"
    """The active virtual environment's folder."""
    CONDA_PREFIX = "CONDA_PREFIX"
    """The active conda environment's folder."""
    PATH = "PATH"
    """Folders of programs."""
    WINDIR = "WINDIR"
    """Windows' own folder."""
    PROGRAMFILES = "ProgramFiles"
    """Windows' folder of programs."""


#: What a service does not inherit from the user's shell and `on` therefore writes down.
NETWORK_VARIABLES = (
    EnvVars.SSL_CERT_FILE,
    EnvVars.SSL_CERT_DIR,
    EnvVars.REQUESTS_CA_BUNDLE,
    EnvVars.CURL_CA_BUNDLE,
    EnvVars.PIP_CERT,
    EnvVars.HTTP_PROXY,
    EnvVars.HTTPS_PROXY,
    EnvVars.ALL_PROXY,
    EnvVars.NO_PROXY,
    EnvVars.HTTP_PROXY.lower(),
    EnvVars.HTTPS_PROXY.lower(),
    EnvVars.ALL_PROXY.lower(),
    EnvVars.NO_PROXY.lower(),
    EnvVars.NETRC,
)


def environment() -> dict[str, str]:
    """Return a copy of this process's environment. Every other module is handed one."""
    return dict(os.environ)


def home_folder() -> Path:
    """Return the user's home; ConfigurationError for a user who has none (a container's number)."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise ConfigurationError(
            "no-home",
            "this user has no home folder: HOME is not set, and the system knows no such account",
            hint="set HOME to a folder that this user can write",
        ) from error


@dataclass(frozen=True, slots=True)
class Folders:
    """Where headrace keeps what."""

    config: Path
    state: Path
    cache: Path

    @classmethod
    def of_user(cls, env: Mapping[str, str]) -> Folders:
        """Return the user's folders, by the platform's custom or below HEADRACE_HOME.

        ConfigurationError for a user without a home.
        """
        if home := env.get(EnvVars.HEADRACE_HOME):
            base = Path(home)
            return cls(base / "config", base / "state", base / "cache")
        home_folder()
        dirs = platformdirs.PlatformDirs("headrace", appauthor=False)
        return cls(dirs.user_config_path, dirs.user_state_path, dirs.user_cache_path)

    @classmethod
    def of_system(cls) -> Folders:
        """Return the machine's folders (the gateway of ``sudo headrace on``)."""
        return cls(Path("/etc/headrace"), Path("/var/lib/headrace"), Path("/var/cache/headrace"))


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user decided, with our defaults. The names are those of `config.toml`."""

    port: int = DEFAULT_PORT
    documents: str = "provisional"
    """``origin``: index pages come from the origin alone, however slow. ``provisional``: a named
    operator's page may be used while each file that it names is confirmed at the origin."""
    provisional_after: float = 1.0
    """Seconds that the origin must be slower than a mirror before its page is used."""
    store_limit: int = 20 * 1024**3
    """Bytes that the content store may hold."""
    disk_reserve: float = 0.10
    """Share of the disk that stays free whatever the limit says; 10 GiB of it at most."""
    connections_per_mirror: int = 4
    connections: int = 32
    """Over all downloads."""
    downloads: int = 6
    """Large downloads at a time; more wait in turn. Clients have up to five files on their way."""
    mirrors: tuple[Mirror, ...] = ()
    """The user's own, from ``[[mirror]]`` tables."""
    disabled_mirrors: frozenset[str] = frozenset()
    enabled_mirrors: frozenset[str] = frozenset()
    """Ids of catalogue mirrors that are used only when named here: degraded, little known."""
    catalogue: bool = True
    """False: the shipped catalogue is not used, only own mirrors and the origin."""
    origins: frozenset[str] = frozenset()
    """More origins, as ``ECOSYSTEM/NAME=URL``: what no tool names by itself and no catalogue knows.
    Without passwords."""
    public_origins: frozenset[str] = frozenset()
    """URLs of origins that the user calls public although the catalogue does not know them: their
    names are no secret, so mirrors may be asked."""
    also: frozenset[str] = frozenset()
    """Tools that ``on`` points at the gateway only when they are named here."""
    variants: str = "auto"
    """Which builds for accelerators installers get: ``auto`` those that this host can run, ``off``
    what the index lists, or a label (``cu126``, ``cpu``). HEADRACE_CUDA goes before it."""
    target: str = ""
    """The host to choose builds for, where that is not this one (``driver=550,gpu=A100``).
    HEADRACE_TARGET goes before it."""
    source: Path | None = field(default=None, compare=False)
    """The file that this came from."""

    @classmethod
    def load(cls, folders: Folders, env: Mapping[str, str]) -> Settings:
        """Read the settings file; ConfigurationError with the line where it is wrong."""
        path = Path(env.get(EnvVars.HEADRACE_CONFIG) or folders.config / "config.toml")
        hint = "mend or remove the file"
        try:
            content = ownership.read(path)
        except FileNotFoundError:
            content = b""
        except LocalError as error:
            raise ConfigurationError(error.reference, error.message, hint=error.hint) from error
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror or error}"
            raise ConfigurationError("bad-settings", msg, hint=hint) from error
        settings = cls.parse(read_toml(content, path, hint=hint), path)
        if port := env.get(EnvVars.HEADRACE_PORT):
            return replace(settings, port=_port(port))
        return settings

    @classmethod
    def parse(cls, table: Mapping[str, Any], path: Path) -> Settings:
        """Check the table; every mistake is named with its key."""
        known = {f.name: f for f in fields(cls) if f.name not in ("mirrors", "source")}
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key == "mirror":
                if not isinstance(value, list) or not all(isinstance(e, dict) for e in value):
                    raise _bad(path, key, "must be tables, each under [[mirror]]")
                values["mirrors"] = tuple(_mirror(entry, path) for entry in value)
                continue
            default = known.get(key)
            if default is None:
                raise _bad(path, key, f"is not a setting; there are {', '.join(sorted(known))}")
            values[key] = _typed(path, key, value, default.default)
        if "public_origins" in values:
            urls = values["public_origins"]
            values["public_origins"] = frozenset(_public_origin(url, path) for url in urls)
        for text in values.get("origins", ()):
            _origin(text, path)
        return cls(**values, source=path)


#: What the numbers may be: from, to, and of what.
_RANGES: Mapping[str, tuple[float, float, str]] = {
    "port": (0, 65535, "a port"),
    "provisional_after": (0, 3600, "seconds"),
    "store_limit": (0, 2**63 - 1, "bytes"),
    "disk_reserve": (0, 1, "a share of the disk"),
    "connections_per_mirror": (1, 64, "connections"),
    "connections": (1, 1024, "connections"),
    "downloads": (1, 1024, "downloads"),
}
#: What the words may be.
_WORDS: Mapping[str, tuple[str, str]] = {
    "documents": (r"origin|provisional", "'origin' or 'provisional'"),
    "variants": (
        r"auto|off|cpu|xpu|cu[0-9]{2,3}|rocm[0-9]+(\.[0-9]+)*",
        "'auto', 'off', or a label as 'cu126', 'rocm6.4', 'xpu', 'cpu'",
    ),
}


def _typed(path: Path, key: str, value: object, default: object) -> object:
    if isinstance(default, frozenset):
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return frozenset(value)
        raise _bad(path, key, "must be a list of strings")
    if isinstance(default, bool) and not isinstance(value, bool):
        raise _bad(path, key, "must be true or false")
    if key in _RANGES:
        return _number(path, key, value, whole=not isinstance(default, float))
    if isinstance(default, str) and not isinstance(value, str):
        raise _bad(path, key, "must be a string")
    if key in _WORDS and isinstance(value, str):
        pattern, allowed = _WORDS[key]
        value = value.lower()
        if not re.fullmatch(pattern, value):
            raise _bad(path, key, f"must be {allowed}")
    return value


def _number(path: Path, key: str, value: object, *, whole: bool) -> float:
    least, most, what = _RANGES[key]
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    # A number that is none (nan) is in no range.
    if not fits or not least <= cast("float", value) <= most:
        kind = "a whole number" if whole else "a number"
        raise _bad(path, key, f"must be {kind} from {least} to {most} ({what})")
    number = cast("float", value)
    return number if whole else float(number)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535:
        return int(text)
    raise ConfigurationError(
        "bad-settings",
        f"the variable {EnvVars.HEADRACE_PORT} must be a whole number from 0 to 65535 (a port)",
        hint="set it right or unset it; nothing was changed",
    )


def _is_address(url: str) -> bool:
    """Whether it is an http(s) URL with a host, and a port that can be one if any."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _origin(text: str, path: Path) -> None:
    """Check one of `Settings.origins`; what might be a secret in it is not repeated."""
    what, _, url = text.partition("=")
    if not what.partition("/")[0] or not _is_address(url):
        raise _bad(path, "origins", "must be texts as ECOSYSTEM/NAME=URL with http or https URLs")
    if redact.has_secret(url):
        raise _bad(path, "origins", "must be addresses without user or token")


def _public_origin(url: str, path: Path) -> str:
    """Check one address; what might be a secret in it is not repeated in the message."""
    plain = _is_address(url) and not redact.has_secret(url)
    if not plain or urlsplit(url).query or urlsplit(url).fragment:
        shown = redact.for_display(url)
        what = f"must be http or https addresses without user or token: {shown}"
        raise _bad(path, "public_origins", what)
    return url.rstrip("/")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


#: The fields of a ``[[mirror]]`` table: whether a value is right, and what is.
_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "id": (lambda v: _is_text(v) and bool(v), "a word"),
    "ecosystem": (lambda v: _is_text(v) and bool(v), "a word"),
    "url": (lambda v: _is_text(v) and _is_address(v), "an http or https address"),
    "layout": (lambda v: _is_text(v) and bool(v), "a word"),
    "operator": (_is_text, "a string"),
    "operator_class": (
        lambda v: _is_text(v) and v in set(OperatorClass),
        f"one of {', '.join(OperatorClass)}",
    ),
    "connections": (lambda v: type(v) is int and 1 <= v <= 64, "a whole number from 1 to 64"),
    "gives_documents": (lambda v: isinstance(v, bool), "true or false"),
    "rank": (lambda v: type(v) is int and abs(v) <= 10**6, "a whole number"),
    "carries": (
        lambda v: isinstance(v, list) and all(_is_text(word) for word in v),
        "a list of strings",
    ),
    "login": (lambda v: isinstance(v, bool), "true or false"),
}


def _mirror(entry: Mapping[str, Any], path: Path) -> Mirror:
    """Read a ``[[mirror]]`` table; every mistake is named with its field."""
    named = str(entry.get("id") or "of no id")[:80]
    for field_name in ("id", "url"):
        if field_name not in entry:
            raise _bad(path, "mirror", f"{named}: {field_name} is missing")
    for field_name, (right, allowed) in _FIELDS.items():
        if field_name in entry and not right(entry[field_name]):
            raise _bad(path, "mirror", f"{named}: {field_name} must be {allowed}")
    mirror = Mirror(
        id=entry["id"],
        ecosystem=entry.get("ecosystem", "python"),
        url=entry["url"].rstrip("/"),
        layout=entry.get("layout", "packages"),
        operator=entry.get("operator", ""),
        operator_class=OperatorClass(entry.get("operator_class", "organisation")),
        limits=Limits(connections=entry.get("connections", 4)),
        gives_documents=entry.get("gives_documents", False),
        rank=entry.get("rank", 0),
        carries=tuple(entry.get("carries", ())),
        login=entry.get("login", False),
        own=True,
    )
    parts = urlsplit(mirror.url)
    if mirror.login and parts.scheme != "https" and parts.hostname not in _THIS_MACHINE:
        what = f"{mirror.id} has a login, which would cross the network readable: use https"
        raise _bad(path, "mirror", what)
    return mirror


def _bad(path: Path, key: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-settings", f"{path}: {key} {what}", hint="mend that line; nothing was changed"
    )
