"""Settings, folders, and the only reader of environment variables.

`config.toml` is the user's: headrace writes it where the user says so (`headrace mirrors`,
`headrace config edit`) and at no other time. What headrace itself remembers (origins found at
``on``, the journal, statistics) lies in the state folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from headrace.errors import ConfigurationError, LocalError, SettingsError
from headrace.foreign import read_toml
from headrace.models import Mirror
from headrace.ownership import files as ownership
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.fleet_settings import FleetSettings
    from headrace.serve_settings import ServeSettings

__all__ = [
    "DEFAULT_PORT",
    "FLEET",
    "NO_FILE",
    "SERVE",
    "EnvVars",
    "Folders",
    "Settings",
    "environment",
    "home_folder",
]

#: Outside the ephemeral ranges of Linux (32768 up), macOS and Windows (49152 up), and no
#: service is registered for it.
DEFAULT_PORT = 17223
#: The reference of the mistake that a variable names a file which is not there.
NO_FILE = "no-settings-file"
#: The table of settings that only a gateway reads which others reach (`serve_settings`).
SERVE = "serve"
#: That of a machine which shares one (`fleet_settings`).
FLEET = "fleet"
#: Bytes of a settings file: a gateway that runs reads it again whenever it changes.
_LARGEST = 4 << 20
_MEND = "mend or remove the file"


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
    HEADRACE_SHELL = "HEADRACE_SHELL"
    """Set by the functions of a shell that lead tools: the shell's name and process number."""
    VISUAL = "VISUAL"
    """The program that ``headrace config edit`` opens the settings with, first choice."""
    EDITOR = "EDITOR"
    """The same, second choice."""
    NO_COLOR = "NO_COLOR"
    """Set and not empty: no colours (no-color.org)."""
    FORCE_COLOR = "FORCE_COLOR"
    """Set and not empty: colours also where no terminal is (force-color.org)."""
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
    LANGUAGE = "LANGUAGE"
    """Languages of the reader, the best first (``zh_CN:en``), where a locale is set."""
    LC_ALL = "LC_ALL"
    """The locale: ``zh_CN.UTF-8`` has people told in Chinese; logs and JSON are English."""
    LC_MESSAGES = "LC_MESSAGES"
    """As LC_ALL, second choice."""
    LANG = "LANG"
    """As LC_ALL, last choice."""
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
            fault_of="this machine",
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
    """Where the gateway listens on loopback. HEADRACE_PORT goes before it."""
    documents: str = "provisional"
    """``origin``: index pages come from the origin alone, however slow. ``provisional``: a named
    operator's page may be used while each file that it names is confirmed at the origin."""
    provisional_after: float = 1.0
    """Seconds that the origin must be slower than a mirror before its page is used."""
    store_limit: int = 20 * 1024**3
    """Bytes that the content store may hold."""
    disk_reserve: float = 0.10
    """Share of the disk that stays free whatever the limit says; 10 GiB of it at most."""
    connections_per_mirror: int | None = None
    """At most, over all downloads, also to an origin; more than four only while they bring more, or
    where nobody else has what several downloads want. Unless it is said, as many as a mirror's
    operator allows; eight where he names no number."""
    connections: int = 32
    """Over all downloads. A file that nobody brings has one to its origin beside these limits."""
    downloads: int = 6
    """Large downloads at a time; more wait in turn. Clients have up to five files on their way."""
    mirrors: tuple[Mirror, ...] = ()
    """The user's own, from ``[[mirror]]`` tables."""
    disabled_mirrors: frozenset[str] = frozenset()
    """Ids of mirrors that are never asked."""
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
    serve: ServeSettings | None = None
    """Of a gateway that others reach, from the table ``[serve]``; None: there is none."""
    fleet: FleetSettings | None = None
    """Of a machine that shares a gateway, from the table ``[fleet]``; None: there is none."""
    source: Path | None = field(default=None, compare=False)
    """The file that this came from."""

    @classmethod
    def load(cls, folders: Folders, env: Mapping[str, str]) -> Settings:
        """Read the settings file; SettingsError names the first mistake and counts the others."""
        settings, mistakes = cls.read(folders, env)
        if mistakes:
            from headrace.setting_rules import all_in_one  # noqa: PLC0415 - as below

            raise all_in_one(mistakes)
        return settings

    @classmethod
    def read(
        cls, folders: Folders, env: Mapping[str, str]
    ) -> tuple[Settings, tuple[SettingsError, ...]]:
        """Read the settings file as far as it is understood, and return every mistake in it.

        What is wrong has its default; of a list only the entries that are wrong are left out.
        """
        from headrace import setting_rules  # noqa: PLC0415 - other tools' start-up loads this file

        named = env.get(EnvVars.HEADRACE_CONFIG)
        path = Path(named or folders.config / "config.toml")
        mistakes: list[SettingsError] = []
        settings = cls(source=path)
        try:
            table = read_toml(_content(path, named), path, hint=_MEND)
        except LocalError as error:
            mistakes.append(SettingsError(error.reference, error.message, hint=error.hint))
        else:
            settings, found = cls.understood(table, path)
            mistakes += found
        if port := env.get(EnvVars.HEADRACE_PORT):
            try:
                settings = replace(
                    settings, port=setting_rules.port_of(EnvVars.HEADRACE_PORT, port)
                )
            except SettingsError as error:
                mistakes.append(error)
        return settings, tuple(mistakes)

    @classmethod
    def parse(cls, table: Mapping[str, Any], path: Path) -> Settings:
        """Check the table; SettingsError as in `load`."""
        settings, mistakes = cls.understood(table, path)
        if mistakes:
            from headrace.setting_rules import all_in_one  # noqa: PLC0415 - as below

            raise all_in_one(mistakes)
        return settings

    @classmethod
    def understood(
        cls, table: Mapping[str, Any], path: Path
    ) -> tuple[Settings, tuple[SettingsError, ...]]:
        """Read the table as far as it is understood, and return every mistake in it."""
        from headrace import setting_rules  # noqa: PLC0415 - as above

        tables = ("mirrors", "source", SERVE, FLEET)
        known = {f.name: f.default for f in fields(cls) if f.name not in tables}
        plain = {key: value for key, value in table.items() if key not in (SERVE, FLEET)}
        values, mistakes = setting_rules.read(plain, known, path)
        if SERVE in table:
            from headrace.serve_settings import ServeSettings  # noqa: PLC0415 - as above

            values[SERVE], wrong = ServeSettings.parse(table[SERVE], path)
            mistakes += wrong
        if FLEET in table:
            from headrace.fleet_settings import FleetSettings  # noqa: PLC0415 - as above

            values[FLEET], wrong = FleetSettings.parse(table[FLEET], path)
            mistakes += wrong
        return cls(**values, source=path), tuple(mistakes)


def _content(path: Path, named: str | None) -> bytes:
    """Return the settings file's bytes; none where there is no file; LocalError."""
    try:
        return ownership.read(path, most=_LARGEST)
    except FileNotFoundError as error:
        if not named:
            return b""
        raise LocalError(
            NO_FILE,
            f"the variable {EnvVars.HEADRACE_CONFIG} names {path}, which is not there",
            hint=f"make that file (an empty one will do), or unset {EnvVars.HEADRACE_CONFIG}",
        ) from error
    except OSError as error:
        why = error.strerror or error
        raise LocalError("bad-settings", f"{path} cannot be read: {why}", hint=_MEND) from error
