"""Run by every Python below ``headrace run``: programs that write down pip's index get the user's.

They read pip's configuration in pip's own way, so nothing tells them from pip but what they import.
Any Python may read this file, also 2.7: no annotations, and nothing that it does not know.
"""

import os
import sys

#: pip-tools, its companions, and pipenv.
LOCKERS = frozenset(("piptools", "pipcompilemulti", "pip_deepfreeze", "pipenv"))
HERE = os.path.dirname(__file__)


class Watch(object):
    """Stands first among the finders of modules, hears every name, and finds nothing."""

    def find_spec(self, name, path=None, target=None):
        # type: (str, object, object) -> None
        """As `importlib.abc.MetaPathFinder` has it."""
        program = os.path.basename(sys.argv[0]).split(".")[0]
        if name in LOCKERS:
            # pip-sync writes nothing down, and installs.
            if program != "pip-sync" and sys.argv[:2] != ["-m", "sync"]:
                lead_past()
        elif name == "tox" and program in ("tox", "-m"):
            sys.addaudithook(pass_on)


def lead_past():
    # type: () -> None
    """Have this process, and its children, ask the user's own index."""
    mine = os.environ.get("PIP_CONFIG_FILE", "")
    theirs = os.path.join(os.path.dirname(mine), "pip-for-lockers.conf")
    if os.path.basename(mine) == "pip.conf" and os.path.isfile(theirs):
        os.environ["PIP_CONFIG_FILE"] = theirs


def pass_on(event, args):
    # type: (str, tuple[object, ...]) -> None
    """Have whoever is given PIP_CONFIG_FILE read this file: tox keeps PYTHONPATH to itself."""
    env = args[3] if event == "subprocess.Popen" else None
    if isinstance(env, dict) and "PIP_CONFIG_FILE" in env:
        known = [each for each in env.get("PYTHONPATH", "").split(os.pathsep) if each]
        if HERE not in known:
            env["PYTHONPATH"] = os.pathsep.join([HERE] + known)


def run_the_next():
    # type: () -> None
    """Run the `sitecustomize` that would have been found without this one."""
    sys.path[:] = [each for each in sys.path if each != HERE]
    mine = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # type: ignore[import-not-found]
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", mine)


if sys.version_info >= (3, 8):
    sys.meta_path.insert(0, Watch())
run_the_next()
