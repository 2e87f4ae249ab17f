"""Stands in the place of an OCI runtime for one build: adds to each container what leads it.

A program of its own, with Python's own modules alone: ``oci_runtime.py TABLE WORDS…``. It changes
the ``config.json`` of a container that is about to be made (OCI runtime-spec 1.0) and becomes the
real runtime. What the image says itself stays: a proxy of its own means that it is not led, and
authorities of its own, by a variable or in its files, are trusted beside ours. Whatever goes wrong,
the container is made as it would have been.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["changed", "inside"]

#: Where containers find it: memory of their own, in which no image has anything.
FOLDER = "/dev/headrace"
#: Where systems keep the authorities that everybody trusts, as one file.
_SYSTEMS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
#: Bytes of a file of authorities; symbolic links on the way to it.
_LARGEST, _LINKS = 8 << 20, 40
_PROXY = ("HTTPS_PROXY", "https_proxy")
_EXCEPTED = ("NO_PROXY", "no_proxy")
#: Read beside a tool's own authorities, not in their place.
_BESIDE = "NODE_EXTRA_CA_CERTS"


def main(words: list[str]) -> None:
    """Change what is to be changed; become the runtime."""
    table = json.loads(Path(words[0]).read_text("utf-8"))
    runtime, rest = table["runtime"], words[1:]
    try:
        bundle = _bundle_of(rest)
        if bundle is not None:
            path = bundle / "config.json"
            config = json.loads(path.read_text("utf-8"))
            if changed(config, table, bundle):
                path.write_text(json.dumps(config), "utf-8")
    except Exception as error:  # noqa: BLE001 - a step that is not led is a step that works
        sys.stderr.write(f"headrace: this step is not led: {error!r}\n")
    os.execv(runtime, [runtime, *rest])  # noqa: S606 - the engine's own runtime


def _bundle_of(words: list[str]) -> Path | None:
    """Return the folder of the container that is made; None: none is."""
    if "create" not in words and "run" not in words:
        return None
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("--bundle", "-b"):
            return Path(value if equals else words[number + 1])
    return Path()


def changed(config: dict[str, Any], table: dict[str, Any], bundle: Path) -> bool:
    """Change the configuration of a container; False: it is let be. It has a proxy of its own, or
    users of its own, who could not reach our files.
    """
    process, linux = config["process"], config.get("linux") or {}
    env = dict(entry.partition("=")[::2] for entry in process.get("env") or [])
    users = table["environment"]
    if linux.get("uidMappings") or any(env.get(n) not in (None, "", users.get(n)) for n in _PROXY):
        return False
    label = str(linux.get("mountLabel") or "")
    root = Path(config["root"]["path"])
    root = root if root.is_absolute() else bundle / root
    ours = Path(table["certificate"]).read_bytes()
    files = {FOLDER + "/authority.pem": _written(ours, table, label)}
    made: dict[str, str] = {}
    for variable in table["variables"]:
        name = env.get(variable, "")
        if not name and not _is_usual(variable):
            continue
        if name not in made:
            content = _trusted(root, name, table)
            if content is None:
                continue  # a folder, or nothing: it stays, and who reads it is tunnelled
            made[name] = f"{FOLDER}/authorities-{len(made)}.pem"
            files[made[name]] = _written(content, table, label)
        env[variable] = made[name]
    env |= dict.fromkeys(_PROXY, table["proxy"])
    env.setdefault(_BESIDE, FOLDER + "/authority.pem")
    for name in _EXCEPTED:
        if env.get(name, "") == users.get(name, ""):
            env.pop(name, None)
            if table["excepted"]:
                env[name] = table["excepted"]
    process["env"] = [f"{name}={value}" for name, value in env.items()]
    config.setdefault("mounts", []).extend(
        {
            "destination": inside_name,
            "type": "bind",
            "source": str(path),
            "options": ["rbind", "ro", "nosuid", "nodev", "noexec"],
        }
        for inside_name, path in files.items()
    )
    return True


def _is_usual(name: str) -> bool:
    """Whether a variable is read by many, so that it is set where it was not."""
    return name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def _trusted(root: Path, name: str, table: dict[str, Any]) -> bytes | None:
    """Return what a container trusts by itself, and our authority. `name` is a file of its own,
    "": what it has in the usual place, beside what this machine trusts. None: there is no file.
    """
    if name:
        own = inside(root, name)
        return None if own is None else own + b"\n" + Path(table["certificate"]).read_bytes()
    usual = next((data for each in _SYSTEMS if (data := inside(root, each))), b"")
    return usual + b"\n" + Path(table["authorities"]).read_bytes()


def _written(content: bytes, table: dict[str, Any], label: str) -> Path:
    """Write a file that whoever runs in the container can read; `label` is SELinux's."""
    descriptor, name = tempfile.mkstemp(prefix="inside-", suffix=".pem", dir=table["scratch"])
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)
        if label:
            os.setxattr(file.fileno(), "security.selinux", label.encode() + b"\0")
    return Path(name)


def inside(root: Path, name: str) -> bytes | None:
    """Return the content of a container's file, never of one outside of it: an image may have
    symbolic links to anywhere. None where there is no such file.
    """
    left = [part for part in reversed(name.split("/")) if part not in ("", ".")]
    here: list[str] = []
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            here = here[:-1]
            continue
        path = root.joinpath(*here, part)
        if not path.is_symlink():
            here.append(part)
            continue
        links += 1
        if links > _LINKS:
            return None
        target = str(path.readlink())
        here = [] if target.startswith("/") else here
        left += [each for each in reversed(target.split("/")) if each not in ("", ".")]
    try:
        found = os.open(root.joinpath(*here), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    status = os.fstat(found)
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
        os.close(found)
        return None
    with os.fdopen(found, "rb") as file:
        return file.read(_LARGEST)


if __name__ == "__main__":
    main(sys.argv[1:])
