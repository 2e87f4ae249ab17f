"""What another user put there or can write is neither believed nor followed nor left open."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.runs import started
from headrace.config import Folders, Settings
from headrace.errors import ConfigurationError, LocalError
from headrace.interface.hookspecs import DiscoveredOrigin, FileEdit, GatewayAddress, Scope
from headrace.models import Credential, Digest, Document, Origin
from headrace.ownership import files as ownership
from headrace.system import folders as own_folders
from headrace.system.accelerators.cache import Cache
from headrace.system.edits.file_step import read_file
from headrace.system.edits.journal import Journal
from headrace.system.locks import locked
from headrace.system.service import process
from headrace.system.service.managers import account
from headrace.system.state import State
from headrace.system.statistics import Statistics
from headrace.system.storage.copies import Copies
from headrace.system.storage.pages import PageStore
from headrace.system.storage.store import Store
from headrace.upstream.tls import TrustStore
from headrace.variants.hosts import Host
from headrace_docker.credentials import record
from headrace_pip.credentials import recorded
from lib.capabilities import lacks
from lib.clients import Environment
from lib.conda.stub import stub
from lib.gateway import headrace
from lib.hostile.users import MALLORY, needs_two_users, reachable
from lib.waiting import HANG

ROOT = Path(__file__).resolve().parents[2]
#: What is copied into images runs there alone.
CODE = [
    path
    for folder in ("shared", "plugins")
    for path in (ROOT / folder).rglob("*.py")
    if path.parent.name != "inside" or "writing" not in path.parts
]
CREDENTIAL = Credential("builder", "p@ss")

pytestmark = pytest.mark.skipif(os.name == "nt", reason=lacks("system", "modes of POSIX"))


# ------------------------------------------------------------------ how the code does it


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, node.func.attr


def test_rights_are_given_by_descriptor() -> None:
    """But on Windows, where a descriptor has none."""
    by_path = {"chmod", "chown", "lchown", "lchmod"}
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(call)}"
        for path in CODE
        for call, name in calls(path)
        if name in by_path
    ]
    assert found == ["shared/headrace/system/atomic.py: Path(path).chmod(mode)"]


def test_folders_are_made_in_one_place() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in CODE
        for _, name in calls(path)
        if name in ("mkdir", "makedirs")
    }
    # The second one gives back each folder that it made, and knows whose the file is; the third
    # imports next to nothing, and makes one for its own user from the first moment on.
    assert found == {
        "shared/headrace/system/folders.py",
        "shared/headrace/system/edits/file_step.py",
        "shared/headrace/cli/runs/kept/quick.py",
    }


# ------------------------------------------------------------------ what we make


@pytest.fixture
def umask_of_all_doors() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def made_state(base: Path) -> None:
    state = State(Folders(base / "c/o", base / "s/t/state", base / "c/a"))
    state.record_gateway(GatewayAddress("127.0.0.1", 1))
    state.ensure_secret()
    with state.setting_up():
        pass


def made_journal(base: Path) -> None:
    edit = FileEdit(base / "home/.config/tool/tool.conf", None, b"x", "a test")
    Journal(base / "s/t/journal").apply([("tool", edit)])


def made_store(base: Path) -> None:
    store = Store(base / "c/a/store", limit=1 << 20, reserve=0.0)
    partial = store.partial("sha256:x", 1)
    partial.write(0, b"x")
    store.commit(partial, Digest("sha256", "0" * 64))


def made_pages(base: Path) -> None:
    PageStore(base / "c/a/pages").put("key", Document("http://o/", b"page", "text/html"))


def made_copies(base: Path) -> None:
    Copies(base / "c/a/copies").begin("key").discard()


def made_statistics(base: Path) -> None:
    statistics = Statistics(base / "c/a/statistics.sqlite")
    with statistics._connect():
        pass


def made_host(base: Path) -> None:
    Cache(base / "c/a").write({"boot": None}, Host(), passing=True)


def made_for_a_run(base: Path) -> None:
    assert started.usable(Folders(base / "a/config", base / "a/b/state", base / "c/d/cache"))


@pytest.mark.usefixtures("umask_of_all_doors")
@pytest.mark.parametrize(
    "make",
    [
        made_state,
        made_journal,
        made_store,
        made_pages,
        made_copies,
        made_statistics,
        made_host,
        made_for_a_run,
    ],
)
def test_every_folder_that_we_make_is_its_user_s_alone(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    base.mkdir(0o700)
    # A user's own; what root makes elsewhere is the system's, and for all to read.
    monkeypatch.setattr(Path, "home", lambda: base)
    make(base)
    made = [path for path in base.rglob("*") if path.is_dir()]
    assert made
    assert {str(path): oct(path.stat().st_mode & 0o777) for path in made} == {
        str(path): "0o700" for path in made
    }


@pytest.mark.usefixtures("umask_of_all_doors")
def test_what_root_makes_for_the_system_all_may_read_and_none_may_write(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip(lacks("root", "the system's folders are root's"))
    edit = FileEdit(tmp_path / "etc/tool.d/tool.conf", None, b"x", "a test")
    Journal(tmp_path / "journal").apply([("tool", edit)])
    for folder in ("etc", "etc/tool.d"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o755


def test_a_folder_of_ours_that_others_could_write_is_taken_from_them(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o777)
    own_folders.make(folder)
    assert folder.stat().st_mode & 0o777 == 0o755
    (tmp_path / "link").symlink_to(folder)
    folder.chmod(0o777)
    own_folders.make(tmp_path / "link")
    assert folder.stat().st_mode & 0o777 == 0o755
    with pytest.raises(OSError, match="link"):
        own_folders.set_mode(tmp_path / "link", 0o700)


# ------------------------------------------------------------------ what we believe


class Home:
    """Everything that is read of a user, with something to find in each file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {"HEADRACE_HOME": str(root)}
        self.folders = Folders.of_user(self.env)
        self.folders.config.mkdir(parents=True)
        (self.folders.config / "config.toml").write_text("port = 4711\n")
        state = self.state
        origin = Origin("python", "https://corp.example/simple", private=True)
        state.record_origins([DiscoveredOrigin(origin, "pip.conf", CREDENTIAL)])
        state.record_network({"HTTPS_PROXY": "http://p.example"})
        state.record_gateway(GatewayAddress("127.0.0.1", 4711), "holder")
        state.ensure_token()
        state.ensure_secret()
        Journal(state.journal).apply([("tool", FileEdit(root / "tool.conf", None, b"x", "a test"))])

    @property
    def state(self) -> State:
        return State(self.folders)

    def path(self, name: str) -> Path:
        return (self.folders.config if name == "config.toml" else self.folders.state) / name


READERS: dict[str, Callable[[Home], Any]] = {
    "origins.json": lambda home: home.state.origins(),
    "gateway.json": lambda home: home.state.gateway(),
    "token": lambda home: home.state.token(),
    "secret": lambda home: home.state.expected(),
    "network.json": lambda home: home.state.network(),
    "journal": lambda home: Journal(home.state.journal).entries(),
    "config.toml": lambda home: Settings.load(home.folders, home.env),
}


@needs_two_users
@pytest.mark.parametrize("name", READERS)
def test_a_file_of_another_user_s_is_not_believed(name: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    READERS[name](home)
    os.chown(home.path(name), MALLORY, MALLORY)
    with pytest.raises(LocalError, match=f"it belongs to uid {MALLORY}") as told:
        READERS[name](home)
    assert str(home.path(name)) in told.value.message
    assert told.value.hint
    os.chown(home.path(name), 0, 0)
    READERS[name](home)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("where", ["file", "folder"])
def test_what_every_user_can_write_is_not_believed(name: str, where: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    path = home.path(name) if where == "file" else home.path(name).parent
    mode = path.stat().st_mode
    path.chmod(mode | 0o002)
    with pytest.raises(LocalError, match="every user of this machine can write it") as told:
        READERS[name](home)
    assert f"chmod go-w {path}" in told.value.hint
    assert isinstance(told.value, ConfigurationError) is (name == "config.toml")
    path.chmod(mode)
    READERS[name](home)


@needs_two_users
@pytest.mark.parametrize("name", ["gateway.json", "token"])
def test_what_runs_inside_pip_and_conda_believes_no_more(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("HEADRACE_HOME", str(home.root))
    url = "http://127.0.0.1:4711/simple/"
    token = home.state.token()
    assert recorded.lookup(url, None) == ("headrace", token)
    with stub() as conda:
        settings = conda.load("settings")
        assert str(token) in settings._recorded()
        os.chown(home.path(name), MALLORY, MALLORY)
        assert str(token) not in settings._recorded()
    assert recorded.lookup(url, None) is None
    company = "https://corp.example/simple/"
    assert recorded.lookup(company, None) == (CREDENTIAL.username, CREDENTIAL.secret)
    os.chown(home.path("origins.json"), MALLORY, MALLORY)
    assert recorded.lookup(company, None) is None


@needs_two_users
def test_docker_s_helper_starts_no_program_that_another_user_names(tmp_path: Path) -> None:
    path, ran = tmp_path / "headrace-credential", tmp_path / "ran"
    path.write_text("lab 17223\n")
    program = tmp_path / "docker-credential-lab"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    os.chown(path, MALLORY, MALLORY)
    code = "from headrace_docker.credential_helper import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "get"],
        capture_output=True,
        text=True,
        check=False,
        input="x",
        env={
            "PATH": f"{tmp_path}:{os.defpath}",
            "DOCKER_CONFIG": str(tmp_path),
            **{k: v for k, v in os.environ.items() if k == "PYTHONPATH"},
        },
    )
    assert done.returncode == 1
    assert f"it belongs to uid {MALLORY}" in done.stdout
    assert not ran.exists()


def test_a_helper_is_a_name_and_no_path(tmp_path: Path) -> None:
    path = tmp_path / "headrace-credential"
    path.write_text("../../tmp/evil 17223\n")
    assert record.read(str(path)) == ("", 17223)


@needs_two_users
def test_content_of_another_user_s_is_no_content(tmp_path: Path) -> None:
    made_pages(tmp_path)
    made_store(tmp_path)
    pages, store = (
        PageStore(tmp_path / "c/a/pages"),
        Store(tmp_path / "c/a/store", limit=1 << 20, reserve=0.0),
    )
    digest = Digest("sha256", "0" * 64)
    assert pages.get("key") is not None
    found = store.find(digest)
    assert found is not None
    for path in (tmp_path / "c").rglob("*"):
        os.chown(path, MALLORY, MALLORY)
    assert PageStore(tmp_path / "c/a/pages").get("key") is None
    assert store.find(digest) is None
    os.chown(found.path, 0, 0)
    aside = found.path.with_name("aside")
    found.path.rename(aside)
    found.path.symlink_to(aside)
    assert store.find(digest) is None


@needs_two_users
def test_a_gateway_whose_folder_is_another_user_s_does_not_begin(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", MALLORY, MALLORY)
    done = subprocess.run(
        [*headrace(), "gateway", "--port", "0", "--origin", "python=http://127.0.0.1:9/simple"],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
        env={
            "PATH": os.defpath,
            "HEADRACE_HOME": str(tmp_path),
            **{k: v for k, v in os.environ.items() if k == "PYTHONPATH"},
        },
    )
    assert done.returncode == 1
    assert f"it belongs to uid {MALLORY}" in done.stderr


# ------------------------------------------------------------------ what the machine runs


@needs_two_users
def test_an_installation_that_another_user_can_change_is_not_the_machine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "opt" / "lib" / "site-packages"
    package = installed / "package" / "room"
    package.mkdir(parents=True)
    module = package / "module.py"
    module.touch()
    monkeypatch.setattr(sys, "path", [str(installed)])
    for name in ("executable", "prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, "/usr")
    monkeypatch.setattr(account, "base_python", lambda: "/usr")
    monkeypatch.setattr(account, "__file__", str(tmp_path / "opt" / "1" / "2" / "3" / "4"))
    account.check_installation()
    library = tmp_path / "opt" / "lib"
    for path, owner, group, mode in (
        (tmp_path / "opt", MALLORY, MALLORY, 0o755),
        (library, 0, 0, 0o777),
        (installed, 0, MALLORY, 0o775),
        # Also what lies in it: a whole package, or one module of it.
        (package, 0, MALLORY, 0o775),
        (package, MALLORY, 0, 0o755),
        (module, MALLORY, 0, 0o644),
        (module, 0, 0, 0o666),
    ):
        os.chown(path, owner, group)
        path.chmod(mode)
        with pytest.raises(LocalError, match="cannot be the machine's") as told:
            account.check_installation()
        assert "sudo python3 -m venv /opt/headrace" in told.value.hint
        assert "nothing was changed" in told.value.hint
        os.chown(path, 0, 0)
        path.chmod(0o755)
    # A link leads out of what root has into what another user has.
    theirs = tmp_path / "theirs"
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "module.py").touch()
    os.chown(linked / "module.py", MALLORY, MALLORY)
    (installed / "linked").symlink_to(linked)
    with pytest.raises(LocalError, match=f"it belongs to uid {MALLORY}"):
        account.check_installation()
    (installed / "linked").unlink()
    (installed / "nowhere").symlink_to(tmp_path / "nowhere")
    account.check_installation()
    installed.rename(theirs)
    os.chown(theirs, MALLORY, MALLORY)
    installed.symlink_to(theirs)
    with pytest.raises(LocalError, match=f"it belongs to uid {MALLORY}"):
        account.check_installation()


@needs_two_users
def test_sudo_on_from_another_user_s_installation_changes_nothing(tmp_path: Path) -> None:
    try:
        account.check_installation()
    except LocalError as error:
        pytest.skip(lacks("root", f"an installation that is root's: {error.message}"))
    environment = Environment(tmp_path / "admin")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, MALLORY, MALLORY)
    (environment.home / "headrace").mkdir()
    env = {
        "HEADRACE_HOME": str(environment.home / "headrace"),
        "PYTHONPATH": os.pathsep.join([*os.environ.get("PYTHONPATH", "").split(":"), str(theirs)]),
    }
    result = environment.run(*headrace(), "on", "--scope", "system", env=env).failed()
    assert "cannot be the machine's" in result.err, result.told()
    assert str(theirs) in result.err
    assert not (environment.home / "headrace/config/journal").exists()
    assert not (environment.home / "headrace/state/gateway.json").exists()


# ------------------------------------------------------------------ what lies in our way


@needs_two_users
def test_what_the_account_puts_into_its_folder_leads_root_nowhere(tmp_path: Path) -> None:
    folder, roots = tmp_path / "state", tmp_path / "of-root"
    folder.mkdir()
    roots.write_text("root's own")
    (folder / "hard").hardlink_to(roots)
    (folder / "soft").symlink_to(roots)
    os.mkfifo(folder / "pipe")
    (folder / "left").write_text("what root wrote before the account was there")
    for path in folder.iterdir():
        account._hand_over(path, MALLORY, MALLORY)
    assert roots.stat().st_uid == 0
    assert (folder / "left").stat().st_uid == MALLORY
    for name in ("hard", "soft", "pipe"):
        with pytest.raises(OSError, match=r".+"):
            process._open_log(folder / name, (MALLORY, MALLORY))
    assert roots.stat().st_uid == 0
    assert roots.read_text() == "root's own"
    os.close(process._open_log(folder / "log", (MALLORY, MALLORY)))
    assert (folder / "log").stat().st_uid == MALLORY


def test_a_lock_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"), locked(tmp_path / "lock"):
        pass
    holder = Path(process.__file__).with_name("holder.py")
    words = ["--lock", str(tmp_path / "lock"), "--fd", "0", "--", "true"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(holder), *words], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("scope", list(Scope))
def test_a_secret_is_for_its_owner_alone(scope: Scope, tmp_path: Path) -> None:
    state = State(Folders(tmp_path / "c", tmp_path / "s", tmp_path / "k"), scope)
    state.ensure_secret()
    state.ensure_token()
    for name in ("secret", "token"):
        assert (tmp_path / "s" / name).stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "s" / "secret").read_text()) == state.secret()
    assert ownership.who_else((tmp_path / "s").stat(), ownership.trusted()) == ""


# ------------------------------------------------------------------ what is no file


def test_a_pipe_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    """In a folder that is everybody's anybody can make one, under the name of a configuration."""
    pipe = tmp_path / "config" / "pip.conf"
    pipe.parent.mkdir(mode=0o700)
    os.mkfifo(pipe, 0o600)
    (pipe.parent / "config.toml").symlink_to(pipe)
    with pytest.raises(ConfigurationError, match="no file"):
        read_file(pipe)
    with pytest.raises(ConfigurationError, match="no file"):
        TrustStore({"SSL_CERT_FILE": str(pipe)})
    with pytest.raises(ConfigurationError, match="no file"):
        Settings.load(Folders.of_user({"HEADRACE_HOME": str(tmp_path)}), {})
    with pytest.raises(OSError, match="no file"):
        ownership.read(pipe)


def test_what_a_shell_pipes_is_left_for_the_tool() -> None:
    """``PIP_CONFIG_FILE=<(…)``: it can be read once."""
    reader, writer = os.pipe()
    os.write(writer, b"[global]\n")
    os.close(writer)
    with pytest.raises(ConfigurationError, match="no file"):
        read_file(Path(f"/dev/fd/{reader}"))
    assert os.read(reader, 100) == b"[global]\n"
    os.close(reader)


def test_nothing_is_an_empty_file_and_a_folder_is_none(tmp_path: Path) -> None:
    assert read_file(Path(os.devnull)) == b""
    with pytest.raises(ConfigurationError, match="directory"):
        read_file(tmp_path)
    assert read_file(tmp_path / "x") is None
    with pytest.raises(ConfigurationError, match="no file"):
        read_file(Path("/dev/zero"))


# ------------------------------------------------------------------ what a user may not look into


def test_no_plugin_asks_a_path_whether_it_is_there() -> None:
    """Its methods raise where the user may not look (before Python 3.14): `presence` does not."""
    wrong = [
        f"{path}:{node.lineno}"
        for path in CODE
        if "plugins" in path.parts
        for node, name in calls(path)
        if name in ("exists", "is_file", "is_dir") and not node.args and not node.keywords
    ]
    assert not wrong


@needs_two_users
def test_a_folder_that_a_user_may_not_look_into_breaks_no_tool(tmp_path: Path) -> None:
    """A conda of another user's, on the PATH or in conda's own list of environments."""
    if not reachable():
        pytest.skip(lacks("root", "an interpreter outside of root's home"))
    home, base = tmp_path / "home", tmp_path / "base"
    (home / ".conda").mkdir(parents=True)
    (home / ".conda" / "environments.txt").write_text(f"{base}\n")
    (base / "bin").mkdir(parents=True)
    base.chmod(0o700)
    for folder in (tmp_path, home, home / ".conda"):
        folder.chmod(0o755)
    os.chown(home, MALLORY, MALLORY)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "CONDA_ROOT": str(base)}
    words = ["status", "--json"]
    done = subprocess.run(
        [*headrace(), *words],
        env={**env, "CONDA_EXE": str(base / "bin" / "conda")},
        user=MALLORY,
        group=MALLORY,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Permission denied" not in done.stdout + done.stderr
    assert json.loads(done.stdout)
