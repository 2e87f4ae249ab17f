"""``headrace image write``: its folder built by real engines, on a base in the family's shape from
a real registry, and what comes out of it used as its user would.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

import pytest

from lib.images.workplace import ACCOUNT, LIMITS, Site, keys, login, made

#: Layers of 250 MB are packed and unpacked four times; what needs no container is in
#: `tests/unit/headrace_docker/writing`.
pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """On a network of its own: nothing of what a build needs may come from elsewhere."""
    with contextlib.ExitStack() as stack:
        yield made(stack, alone=True)


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
