"""A small image with the Python of this machine, pip, and a shell: what base images have."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from lib.clients import tool

__all__ = ["PYTHON", "packed", "with_own"]

#: Where its interpreter is, for a Dockerfile.
PYTHON = "/usr/bin/python3"
_PROGRAMS = ("sh", "env", "ls", "cat", "mkdir", "rm")
_FOLDERS = ("tmp", "run", "etc", "dev", "proc", "sys", "root", "usr/bin", "lib64")
_LEFT_OUT = ("test", "site-packages", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo")
_MORE_LEFT_OUT = ("*.opt-*", "config-*", "*.a", "pydoc_data", "unittest", "distutils")
#: Modules in C that no pip needs, some with many libraries.
_AND_THESE = ("_tkinter*", "_test*", "_ctypes_test*", "_xx*", "xx*", "_codecs_*")
_LIBRARY = re.compile(r"(/\S+) \(0x")


def packed(folder: Path, pip: str = "26.3") -> Path:
    """Pack the root of an image as a tar file."""
    root = folder / "root"
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    _put_python(root, tool("pip", pip))
    for name in _PROGRAMS:
        found = shutil.which(name)
        assert found is not None, name
        _put(root, Path(found).resolve(), Path("/usr/bin") / name)
    if not (root / "bin").exists():
        (root / "bin").symlink_to("usr/bin")
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    made = folder / "root.tar"
    with tarfile.open(made, "w") as tar:
        tar.add(root, arcname=".", filter=_plain)
    shutil.rmtree(root)
    return made


def with_own(packed_root: Path, made: Path, own: Mapping[str, str]) -> Path:
    """Copy a root, with files of its own by their names."""
    shutil.copyfile(packed_root, made)
    with tarfile.open(made, "a") as tar:
        for name, text in own.items():
            entry = tarfile.TarInfo(f".{name}")
            data = text.encode()
            entry.size, entry.mtime = len(data), 1_700_000_000
            tar.addfile(entry, io.BytesIO(data))
    return made


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same bytes each time. A compiled module counts only beside a source of its own time."""
    module = entry.name.endswith((".py", ".pyc"))
    entry.mtime = int(entry.mtime) if module else 1_700_000_000
    entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, "", ""
    return entry


def _put_python(root: Path, pip: Path) -> None:
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library, program = base / "lib" / version, base / "bin" / version
    inside = root / str(library).lstrip("/")
    left_out = shutil.ignore_patterns(*_LEFT_OUT, *_MORE_LEFT_OUT, *_AND_THESE)
    shutil.copytree(library, inside, ignore=left_out)
    for each in inside.joinpath("lib-dynload").glob("*.so"):
        for needed in _libraries(each):
            _put(root, needed, needed)
    _put(root, program, program)
    if not (root / PYTHON.lstrip("/")).exists():
        (root / PYTHON.lstrip("/")).symlink_to(program)
    for part in pip.glob("pip*"):
        to = inside / "site-packages" / part.name
        shutil.copytree(part, to)


def _libraries(path: Path) -> list[Path]:
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return [Path(name) for name in _LIBRARY.findall(told)]


def _put(root: Path, source: Path, name: Path) -> None:
    """Put a program in, with the libraries that it needs."""
    target = root / str(name).lstrip("/")
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source.resolve(), target)
    target.chmod(0o755)
    for needed in _libraries(source):
        _put(root, needed, needed)
