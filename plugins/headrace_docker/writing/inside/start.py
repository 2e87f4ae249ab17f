"""What a container of this image begins with.

With a command it becomes that command, so that signals and the exit code are the command's own.
Without one it starts what START_SERVICES names (jupyter, ssh), passes on what they say, and ends
with them; where that is nothing it is a shell in a terminal, and waits elsewhere.
`start health` ends with 0 where all of them answer.

Python's standard library alone, from 3.8 on: it runs with whatever Python the image has.
"""

from __future__ import annotations

import codecs
import contextlib
import datetime
import http.client
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO, Mapping, NoReturn

WORKSPACE = Path("/workspace")
HOST_KEYS = Path("/var/lib/ssh-host-keys")
SECRETS = Path("/run/secrets")
JUPYTER_PORT, SSH_PORT = 8888, 2222
#: Seconds that services have after SIGTERM before they are killed: with these the whole container
#: ends within two.
STOP = 1.5
#: Of sessions over SSH, these are the server's or the client's to say.
NOT_FOR_SESSIONS = {
    *("HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "TERM", "HOSTNAME", "_"),
    *("JUPYTER_TOKEN", "AUTHORIZED_KEYS", "LD_PRELOAD"),
}
#: How Jupyter begins a line: [W 2026-11-30 12:00:00.000 ServerApp].
LEVELS = {"D": "debug", "I": "info", "W": "warn", "E": "error", "C": "fatal"}
LEVEL = re.compile(r"\[([DIWEC]) [^\]]*\] ?")
#: Bytes of a line that are one message; a longer one is several. Engines cut at 16 KiB what a
#: container says, and half an object is none; quoted, a character may be two.
LONGEST = 7 << 10
#: What every public key of SSH has, whatever its kind.
PUBLIC_KEY = re.compile(r"^[^#\n]*\bAAAA[0-9A-Za-z+/]{20}", re.MULTILINE)
saying = threading.Lock()


def say(text: str, level: str = "info", service: str = "start") -> None:
    """Write one line to standard output: as it is, or as an object with ECS's names."""
    if os.environ.get("START_LOGS") == "json":
        now = datetime.datetime.now(datetime.timezone.utc)
        text = json.dumps(
            {
                "@timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "log.level": level,
                "message": text,
                "service.name": service,
                "ecs.version": "8.11.0",
            },
            ensure_ascii=False,
        )
    left = memoryview(f"{text}\n".encode(errors="replace"))
    # Two that speak at once each have their line.
    with saying:
        while left:
            left = left[os.write(1, left) :]


def fail(text: str) -> NoReturn:
    """Say what is wrong and what to do, and end."""
    say(text, "error")
    sys.exit(1)


def secret(name: str, variable: str) -> str:
    """Read what the user gave as a secret, else as a variable; empty: neither."""
    path = SECRETS / name
    given = ""
    try:
        given = path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or error
        fail(
            f"the secret {path} cannot be read by user {os.getuid()} ({why}): it has to be that "
            "user's, or readable for others; podman without root wants --userns=keep-id"
        )
    return given or os.environ.get(variable, "").strip()


# ------------------------------------------------------------------ who this is


def settle() -> None:
    """Give this process a home and a name, also where it was started with another --user."""
    try:
        account: pwd.struct_passwd | None = pwd.getpwuid(os.getuid())
    except KeyError:
        account = None
    home = Path(os.environ.get("HOME") or (account.pw_dir if account else "/"))
    if str(home) == "/" or not os.access(home, os.W_OK | os.X_OK):
        home = Path(tempfile.gettempdir()) / f"home-{os.getuid()}"
        with contextlib.suppress(FileExistsError):
            home.mkdir(mode=0o700)
        found = home.lstat()
        if found.st_uid != os.getuid() or home.is_symlink():
            fail(f"{home} belongs to somebody else, and there is no other home")
    os.environ["HOME"] = str(home)
    # Libraries ask these before they ask for an account, which another --user has not.
    name = account.pw_name if account else f"user{os.getuid()}"
    os.environ.setdefault("USER", name)
    os.environ.setdefault("LOGNAME", os.environ["USER"])


def wrapped(command: list[str]) -> list[str]:
    """Put the base image's own entry program before a command, where it has one that ends in it."""
    own = os.environ.get("START_WRAPPER", "")
    return [own, *command] if own and os.access(own, os.X_OK) else command


def become(command: list[str]) -> NoReturn:
    """Be that command, with the signals as they were before Python."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    command = wrapped(command)
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        say(f"{command[0]}: there is no such program in this image", "error")
        sys.exit(127)
    except OSError as error:
        say(f"{command[0]}: {error.strerror}", "error")
        sys.exit(126)


def private(name: str, text: str) -> Path:
    """Write a file that nobody else can read, new at each start."""
    folder = Path(os.environ["HOME"]) / ".start"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


# ------------------------------------------------------------------ Jupyter


def jupyter() -> subprocess.Popen[bytes]:
    """Start it in the workspace, with a token; only one that was made here is printed."""
    given = secret("jupyter_token", "JUPYTER_TOKEN")
    token = given or secrets.token_urlsafe(32)
    address = os.environ.get("START_ADDRESS") or "0.0.0.0"
    command = [
        *("jupyter", "lab", "--no-browser", f"--ip={address}", f"--port={JUPYTER_PORT}"),
        *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={WORKSPACE}"),
    ]
    if os.getuid() == 0:
        # The image's own user is another: who started it as root has said so.
        command.append("--allow-root")
    environment = {**os.environ, "JUPYTER_TOKEN_FILE": str(private("jupyter-token", token))}
    # From here on the file says it: what runs in notebooks need not see it.
    environment.pop("JUPYTER_TOKEN", None)
    process = run("jupyter", wrapped(command), environment)
    page = f"Jupyter: http://127.0.0.1:{JUPYTER_PORT}/lab"
    say(f"{page}, with the token that you gave" if given else f"{page}?token={token}")
    return process


# ------------------------------------------------------------------ SSH


def ssh() -> subprocess.Popen[bytes]:
    """Start a server that lets in who has one of the user's keys, and nobody by a password."""
    server = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if server is None:
        fail("there is no sshd in this image: write it with --ssh, and build it again")
    home = Path(os.environ["HOME"])
    keys = public_keys(home)
    name, environment = account_of(home)
    root = os.getuid() == 0
    allowed = [name]
    if root:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        # Started as root it can let in the image's own user, too, and root only if that is said.
        root_login = os.environ.get("START_ROOT_LOGIN") == "yes"
        others = [each.pw_name for each in pwd.getpwall() if each.pw_dir.startswith("/home/")]
        allowed = [*(["root"] if root_login else []), *others]
        permit = "prohibit-password" if root_login else "no"
    else:
        permit = "no"
    address = os.environ.get("START_ADDRESS") or "0.0.0.0"
    lines = [
        f"Port {SSH_PORT}",
        f"ListenAddress {address}",
        f"HostKey {host_key(home, environment)}",
        "PidFile none",
        f"AuthorizedKeysFile {keys} .ssh/authorized_keys",
        f"AllowUsers {' '.join(allowed)}",
        f"PermitRootLogin {permit}",
        "AuthenticationMethods publickey",
        "PubkeyAuthentication yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitEmptyPasswords no",
        "UsePAM no",
        "X11Forwarding no",
        "PrintMotd no",
        "Subsystem sftp internal-sftp",
    ]
    if told := for_sessions(os.environ):
        lines.append(f"SetEnv {' '.join(told)}")
    if root or home.parent == Path(tempfile.gettempdir()):
        # The keys' folder is this process's own; what is above it is not the account's home.
        lines.append("StrictModes no")
    settings = private("sshd_config", "\n".join(lines) + "\n")
    process = run("ssh", [server, "-D", "-e", "-f", str(settings)], environment)
    say(f"SSH: ssh -p {SSH_PORT} {allowed[0] if allowed else name}@127.0.0.1")
    return process


def public_keys(home: Path) -> Path:
    """Return a file of the keys that were given, and set those of the home right."""
    given = secret("authorized_keys", "AUTHORIZED_KEYS")
    folder = home / ".ssh"
    own = folder / "authorized_keys"
    if "PRIVATE KEY" in given:
        fail("AUTHORIZED_KEYS holds a private key: give the public one, which ends in .pub")
    if given and not PUBLIC_KEY.search(given):
        fail(
            "what was given as AUTHORIZED_KEYS is no public key: it wants the content of the file, "
            'as in --env AUTHORIZED_KEYS="$(cat ~/.ssh/id_ed25519.pub)"'
        )
    if not given and not own.is_file():
        fail(
            "SSH has no key to let anybody in: give your public key as the secret authorized_keys, "
            'or by --env AUTHORIZED_KEYS="$(cat ~/.ssh/id_ed25519.pub)"'
        )
    # What is mounted may be another's, or for reading alone; then the server says so.
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    with contextlib.suppress(OSError):
        own.chmod(0o600)
    path = private("authorized_keys", given + "\n")
    if os.getuid() == 0:
        # The server reads it as the user who logs in.
        path.parent.chmod(0o711)
        path.chmod(0o644)
        home.chmod(home.stat().st_mode | 0o011)
    return path


def host_key(home: Path, environment: Mapping[str, str]) -> Path:
    """Return the server's own key: made at the first start, kept by the volume."""
    folder = HOST_KEYS
    if not os.access(folder, os.W_OK | os.X_OK):
        folder = home / ".ssh-host-keys"
        folder.mkdir(mode=0o700, exist_ok=True)
        say(f"{HOST_KEYS} is not for user {os.getuid()} to write: host keys go to {folder}", "warn")
    path = folder / "ssh_host_ed25519_key"
    if not path.exists():
        # A start that was broken off leaves none that is half written.
        made = folder / f".new-{secrets.token_hex(4)}"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(made)]
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            said = " ".join(done.stdout.decode("utf-8", "replace").split())
            fail(f"ssh-keygen could not make a host key in {folder}: {said}")
        made.with_name(f"{made.name}.pub").replace(path.with_name(f"{path.name}.pub"))
        made.replace(path)
    # Volumes of some kinds widen it for a group, and then the server refuses it.
    with contextlib.suppress(PermissionError):
        path.chmod(0o600)
    return path


def account_of(home: Path) -> tuple[str, dict[str, str]]:
    """Return this process's account, and the environment in which the server finds it."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name, dict(os.environ)
    # Started with another --user: nss_wrapper tells of an account that /etc/passwd has not.
    name = os.environ["USER"]
    line = f"{name}:x:{os.getuid()}:{os.getgid()}::{home}:{shell()}\n"
    accounts = private("passwd", Path("/etc/passwd").read_text(encoding="utf-8") + line)
    told = {
        "LD_PRELOAD": "libnss_wrapper.so",
        "NSS_WRAPPER_PASSWD": str(accounts),
        "NSS_WRAPPER_GROUP": "/etc/group",
    }
    return name, {**os.environ, **told}


def for_sessions(environment: Mapping[str, str]) -> list[str]:
    """Quote the image's own environment for sshd, so that a session has CUDA and the PATH, too."""
    # What sshd cannot quote in every version stays away.
    pairs = {
        name: value
        for name, value in environment.items()
        if name not in NOT_FOR_SESSIONS and not re.search(r'["\\\x00-\x1f]', name + value)
    }
    return [f'"{name}={value}"' for name, value in sorted(pairs.items())]


def shell() -> str:
    """Return the shell that the image has."""
    return shutil.which("bash") or "/bin/sh"


# ------------------------------------------------------------------ running and ending

SERVICES = {"jupyter": jupyter, "ssh": ssh}
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM}
readers: list[threading.Thread] = []


def run(name: str, command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a service; what it says goes to standard output, line by line where that is JSON."""
    as_json = os.environ.get("START_LOGS") == "json"
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if as_json else None,
            stderr=subprocess.STDOUT if as_json else None,
            start_new_session=True,
            # The mask goes on into what is started.
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS),
        )
    except OSError as error:
        fail(f"{command[0]} cannot be started: {error.strerror}")
    if process.stdout is not None:
        reader = threading.Thread(target=pass_on, args=(name, process.stdout), daemon=True)
        readers.append(reader)
    return process


def pass_on(name: str, output: BinaryIO) -> None:
    """Say each line of a service, a long one in parts."""
    # What is not UTF-8 is told all the same, and a character that a part ends in is in the next.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    level, begins = "info", True
    for line in iter(lambda: output.readline(LONGEST), b""):
        ends = line.endswith(b"\n")
        text = decoder.decode(line, ends).rstrip("\r\n")
        if begins:
            found = LEVEL.match(text)
            level = LEVELS[found[1]] if found else "info"
            text = text[found.end() :] if found else text
        if text.strip():
            say(text, level, name)
        begins = ends
    if text := decoder.decode(b"", True):
        say(text, level, name)


def serve(names: list[str]) -> int:
    """Run services until one ends or somebody ends this; the exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    running = {}
    # SSH first: without a key it ends all, and no token is told that nobody can use.
    for name in sorted(names, key=["ssh", "jupyter"].index):
        process = SERVICES[name]()
        running[process.pid] = name
    for reader in readers:
        reader.start()
    if not os.access(WORKSPACE, os.W_OK | os.X_OK):
        say(
            f"{WORKSPACE} is not for user {os.getuid()} to write: build the image with that "
            "folder's owner as USER_ID, or give the folder to this user; podman without root wants "
            "--userns=keep-id",
            "warn",
        )
    if not names:
        say("nothing to start: waiting for `docker exec`, or for the end")
    code, ending = 0, False
    while True:
        got = signal.sigwait(SIGNALS)
        if got == signal.SIGALRM:
            end(running, signal.SIGKILL)
        elif got == signal.SIGCHLD:
            for ended, status in gone(running):
                name = running.pop(ended)
                if not ending:
                    code = status or 1
                    say(f"{name} ended with {status}: the container ends, too", "error")
                    ending = True
                    end(running, signal.SIGTERM)
        elif not ending:
            ending = True
            end(running, signal.SIGTERM)
        if ending and not running:
            break
    for reader in readers:
        # A process that a service left behind may hold its output; it ends with the container.
        reader.join(0.2)
    return code


def end(running: Mapping[int, str], how: signal.Signals) -> None:
    """Send a signal to all; those that are asked politely have their time."""
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            if how == signal.SIGKILL:
                os.killpg(pid, how)
            else:
                os.kill(pid, how)
    if how == signal.SIGTERM and running:
        signal.setitimer(signal.ITIMER_REAL, STOP)


def gone(running: Mapping[int, str]) -> list[tuple[int, int]]:
    """Collect what has ended: services with their codes; orphans, where this is the first process,
    are only collected.
    """
    found = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid in running:
                signalled = os.WIFSIGNALED(status)
                code = 128 + os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
                found.append((pid, code))
    return found


# ------------------------------------------------------------------ health


def health(names: list[str]) -> int:
    """Ask each service."""
    for name in names:
        try:
            answers(name)
        except (OSError, http.client.HTTPException, ValueError) as error:
            say(f"{name} does not answer: {error}", "error")
            return 1
    return 0


def answers(name: str) -> None:
    """Raise OSError or ValueError where a service does not do what it is there for."""
    port = {"jupyter": JUPYTER_PORT, "ssh": SSH_PORT}[name]
    address = os.environ.get("START_ADDRESS", "")
    host = "127.0.0.1" if address in {"", "0.0.0.0", "*", "::"} else address
    if name == "ssh":
        # To connect would be a line in its log each time.
        if not listening(port):
            raise ValueError(f"nobody listens on port {port}")
        return
    connection = http.client.HTTPConnection(host, port, timeout=3)
    with contextlib.closing(connection):
        # The one path that Jupyter answers without a token.
        connection.request("GET", "/api")
        if (status := connection.getresponse().status) != 200:
            raise ValueError(f"status {status}")


def listening(port: int) -> bool:
    """Say whether somebody listens on a port, by the kernel's tables."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                    return True
    return False


def main(command: list[str]) -> int:
    """Do what the container was started for."""
    names = os.environ.get("START_SERVICES", "").split()
    if unknown := [name for name in names if name not in SERVICES]:
        fail(f"START_SERVICES names what this image does not know: {', '.join(unknown)}")
    if command == ["health"]:
        return health(names)
    settle()
    if command:
        become(command)
    if not names and os.isatty(0):
        become([shell()])
    return serve(names)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        # A disk that is full, or a home for reading alone.
        fail(str(error))
