"""``headrace image write``: its folder built by real engines, on a base in the family's shape from
a real registry, and what comes out of it used as its user would.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import GatewayAddress
from headrace.system.state import State
from lib.capabilities import lacks
from lib.engines.kinds import HERE, why_not
from lib.engines.network import own_network
from lib.gateway import Gateway, headrace
from lib.images import debian_root
from lib.images.plain_registry import Running
from lib.waiting import HANG, until

#: Layers of 250 MB are packed and unpacked four times; what needs no container is in
#: `tests/unit/headrace_docker/writing`.
pytestmark = pytest.mark.nightly

TAG = "2.14.1-cuda12.6-cudnn9-runtime"
#: What this machine needs, where more than the limits of a container would be asked for.
LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
BASE = """\
FROM localhost/plain
RUN useradd --uid 1000 --create-home ubuntu
ENV CUDA_VERSION=12.6.3 PYTORCH_VERSION=2.14.1 LD_LIBRARY_PATH=/usr/local/nvidia/lib
"""
ACCOUNT = 4321
SSH = (
    *("ssh", "-p", "2222", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"),
    *("-o", "LogLevel=ERROR"),
)


@dataclass
class Site:
    """Somebody with podman, and a registry that has the base."""

    root: Path
    gateway: Gateway
    engine: tuple[str, ...]
    registry: Running
    built: dict[str, Path] = field(default_factory=dict)

    def run(self, *words: object, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(word) for word in words],
            env={**self.gateway.env, "CONTAINERS_REGISTRIES_CONF": f"{self.root}/registries.conf"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def podman(self, *words: object, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run(*self.engine, *words, code=code)

    def write(self, name: str, *words: str) -> Path:
        folder = self.root / name
        self.run(
            *headrace(), "image", "write", "pytorch", folder, "--for", "driver=550,gpu=A100", *words
        )
        return folder

    def build(self, name: str, *words: str) -> None:
        """Write and build, once for all tests."""
        if name not in self.built:
            folder = self.built[name] = self.write(name, *words)
            numbers = (f"--build-arg=USER_ID={ACCOUNT}", f"--build-arg=GROUP_ID={ACCOUNT}")
            options = ("--network=host", "--format=docker", *numbers, *LIMITS)
            self.podman("build", *options, "--tag", f"localhost/{name}", folder)

    @contextlib.contextmanager
    def running(self, image: str, *options: object) -> Iterator[str]:
        """A container without a command, until it is healthy."""
        words = ("run", "--detach", "--network=host", *LIMITS, *options, f"localhost/{image}")
        name = self.podman(*words).stdout.strip()
        try:
            until(
                lambda: self.podman("exec", name, "start", "health", code=None).returncode == 0,
                lambda: self.podman("logs", name, code=None).stdout[-3000:],
                pause=0.1,
            )
            yield name
        finally:
            self.podman("rm", "--force", "--time=0", name, code=None)

    def stopped(self, name: str) -> int:
        """Stop it with far more time than it needs; the code says whether it was killed."""
        self.podman("stop", "--time=60", name)
        return int(self.podman("inspect", "--format={{.State.ExitCode}}", name).stdout)

    def logs(self, name: str) -> list[str]:
        done = self.podman("logs", name)
        return (done.stdout + done.stderr).splitlines()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """On a network of its own: nothing of what a build needs may come from elsewhere."""
    with contextlib.ExitStack() as stack:
        yield made(stack, alone=True)


@pytest.fixture(scope="module")
def online() -> Iterator[Site]:
    """On this machine's network, where pip has an index."""
    with contextlib.ExitStack() as stack:
        yield made(stack, alone=False)


def made(stack: contextlib.ExitStack, *, alone: bool) -> Site:
    if reason := why_not(HERE["podman"]):
        pytest.skip(reason)
    missing = [name for name in ("docker-registry", "ssh", "ssh-keygen") if not shutil.which(name)]
    if missing:
        pytest.skip(lacks("engines", f"{', '.join(missing)} is not installed here"))
    if reason := debian_root.why_not():
        pytest.skip(lacks("engines of other ages", reason))
    if alone:
        stack.enter_context(own_network())
    root = Path(tempfile.mkdtemp(prefix="hr"))
    stack.callback(shutil.rmtree, root, ignore_errors=True)
    stack.callback(unmount, root)
    registry = Running(root, "hub", root / "storage", stack)
    gateway = Gateway(root / "home", ecosystem="docker", named={"docker.io": registry.url})
    stack.enter_context(gateway)
    home = gateway.root
    state = State(Folders(home / "config", home / "state", home / "cache"))
    state.record_gateway(GatewayAddress("127.0.0.1", gateway.port))
    store = (f"--root={root}/store", f"--runroot={root}/runroot", "--storage-driver=overlay")
    engine = ("podman", *store, "--events-backend=none", "--cgroup-manager=cgroupfs")
    (root / "registries.conf").write_text(
        f'[[registry]]\nprefix = "docker.io"\nlocation = "127.0.0.1:{registry.port}"\n'
        "insecure = true\n"
    )
    site = Site(root, gateway, engine, registry)
    site.podman("import", debian_root.packed(), "localhost/plain")
    (root / "base").mkdir()
    # All that apt is asked for is there, and to look for an archive in vain takes its time.
    offline = "RUN : > /etc/apt/sources.list\n" if alone else ""
    (root / "base" / "Dockerfile").write_text(BASE + offline)
    site.podman("build", *LIMITS, "--tag", "localhost/base", root / "base")
    to = f"docker://127.0.0.1:{registry.port}/pytorch/pytorch:{TAG}"
    site.podman("push", "--tls-verify=false", "localhost/base", to)
    site.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / "key")
    return site


def unmount(root: Path) -> None:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if (place := line.split()[1]).startswith(str(root)):
            subprocess.run(["umount", "-l", place], check=False)


def keys(site: Site) -> str:
    return f"--env=AUTHORIZED_KEYS={(site.root / 'key.pub').read_text().strip()}"


def login(
    site: Site, *words: str, user: str = "me", options: Sequence[object] = ()
) -> list[object]:
    known = ("-o", f"UserKnownHostsFile={site.root}/known")
    return [*SSH, *known, "-i", site.root / "key", *options, f"{user}@127.0.0.1", *words]


def test_ssh_lets_in_who_has_the_key_and_the_session_is_the_images(site: Site) -> None:
    site.build("reached", "--ssh")
    with site.running("reached", keys(site)) as name:
        told = site.run(*login(site, "id -u; id -un; printenv LD_LIBRARY_PATH CUDA_VERSION; id -G"))
        assert told.stdout.split() == [
            *(str(ACCOUNT), "me", "/usr/local/nvidia/lib", "12.6.3", str(ACCOUNT)),
        ]
        site.run(*login(site, "touch /workspace/mine"))
        password = ("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password")
        assert "(publickey)" in site.run(*login(site, "id", options=password), code=255).stderr
        assert "(publickey)" in site.run(*login(site, "id", user="root"), code=255).stderr
        # Neither another's key, nor what a package made at build time.
        site.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", site.root / f"other-{name}")
        other = login(site, "id")
        other[other.index(site.root / "key")] = site.root / f"other-{name}"
        assert "(publickey)" in site.run(*other, code=255).stderr
        assert not site.podman("exec", name, "sh", "-c", "ls /etc/ssh/*key* 2>&1", code=2).stderr
        # sshd's own sentences are among the container's.
        assert any("Server listening" in line for line in site.logs(name))
        assert site.stopped(name) == 0


def test_server_is_the_same_one_in_a_new_container_with_its_volume(site: Site) -> None:
    site.build("reached", "--ssh")
    shown = set()
    for _ in range(2):
        with site.running("reached", keys(site), "--volume=hosts:/var/lib/ssh-host-keys"):
            asked = site.run("ssh-keyscan", "-p", "2222", "127.0.0.1")
            shown |= {line for line in asked.stdout.splitlines() if not line.startswith("#")}
    assert len(shown) == 1


@pytest.mark.parametrize("options", [(), (f"--user={ACCOUNT + 1}",), ("--user=0",)])
def test_code_of_a_command_is_its_own_and_the_workspace_is_writable_for_any_user(
    site: Site, options: tuple[str, ...]
) -> None:
    site.build("reached", "--ssh")
    run = ("run", "--rm", "--network=none", *LIMITS, *options, "localhost/reached")
    script = "touch /workspace/x $HOME/x && echo $(id -u) $USER && exit 42"
    done = site.podman(*run, "sh", "-c", script, code=42)
    user, name = done.stdout.split()
    assert user == (options[0].partition("=")[2] if options else str(ACCOUNT))
    assert name
    site.podman(*run, "no-such-program", code=127)
    site.podman(*run, "sh", "-c", "kill -TERM $$", code=143)


def test_mounted_folder_of_the_callers_is_theirs_inside_and_outside(site: Site) -> None:
    site.build("reached", "--ssh")
    mine = site.root / "mine"
    mine.mkdir(exist_ok=True)
    os.chown(mine, ACCOUNT, ACCOUNT)
    site.root.chmod(0o755)
    volume = f"--volume={mine}:/workspace"
    site.podman(
        "run", "--rm", "--network=none", *LIMITS, volume, "localhost/reached", "touch", "made"
    )
    assert (mine / "made").stat().st_uid == ACCOUNT


def test_container_without_a_key_ends_and_says_what_to_give(site: Site) -> None:
    site.build("reached", "--ssh")
    done = site.podman("run", "--rm", "--network=none", *LIMITS, "localhost/reached", code=1)
    assert "AUTHORIZED_KEYS" in done.stdout + done.stderr


def test_another_user_without_an_account_can_have_ssh_too(site: Site) -> None:
    site.build("reached", "--ssh")
    # podman would add an account of its own.
    other = (f"--user={ACCOUNT + 5}:{ACCOUNT + 5}", "--passwd=false")
    with site.running("reached", keys(site), *other):
        said = site.run(*login(site, "id -u", user=f"user{ACCOUNT + 5}"))
        assert said.stdout.strip() == str(ACCOUNT + 5)


def test_image_starts_by_an_init_as_the_user_by_number_and_nothing_of_ours_is_in_it(
    site: Site,
) -> None:
    site.build("reached", "--ssh")
    (about,) = json.loads(site.podman("image", "inspect", "localhost/reached").stdout)
    assert about["Config"]["Entrypoint"] == ["/usr/bin/tini", "--", "/usr/local/bin/start"]
    assert about["Config"]["User"] == f"{ACCOUNT}:{ACCOUNT}"
    assert about["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/start", "health"]
    assert "headrace" not in json.dumps(about).replace("image-write", "")


# ------------------------------------------------------------------ with packages of pip's


@pytest.mark.network
def test_jupyter_answers_with_its_token_alone_in_an_image_with_everything(online: Site) -> None:
    site = online
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    (site.root / "base" / "ca.crt").write_bytes(certificates.read_bytes())
    site.built["full"] = folder = site.write(
        "full", "--jupyter", "--ssh", "--science", "--logs=json"
    )
    trusted = (f"--volume={certificates}:{certificates}:ro", "--env=PIP_NO_INPUT=1")
    words = ("--network=host", "--format=docker", *LIMITS, *trusted)
    site.podman("build", *words, "--tag", "localhost/full", folder)
    with site.running("full", keys(site)) as name:
        said = [json.loads(line) for line in site.logs(name)]
        assert {each["service.name"] for each in said} == {"start", "jupyter", "ssh"}
        (token,) = (
            each["message"].partition("token=")[2]
            for each in said
            if each["service.name"] == "start" and "token=" in each["message"]
        )
        page = "http://127.0.0.1:8888/api/contents"
        with urllib.request.urlopen(f"{page}?token={token}") as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(page)
        site.run(*login(site, "python3 -c 'import numpy, pandas, matplotlib, sklearn'"))
        assert site.stopped(name) == 0
