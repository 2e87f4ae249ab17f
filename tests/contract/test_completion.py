"""`headrace completion` in real shells: what a press of the key brings."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.gateway import headrace
from lib.terminals.typist import Typist

#: What is typed, and words that must be among what is offered.
OFFERED: Mapping[str, set[str]] = {
    "headrace st": {"status"},
    "headrace explain --fo": {"--for"},
    "headrace on --acc": {"--accept-shared-port"},
    "headrace completion fi": {"fish"},
    "headrace shell z": {"zsh"},
    "headrace image w": {"write", "warm"},
    "headrace image pull --": {"--engine", "--no-check", "--for", "--kubernetes", "--devel"},
    "headrace image write pytorch --": {"--jupyter", "--ssh", "--slim", "--user", "--force"},
    "headrace image write pytorch --logs js": {"json"},
    "headrace image outdated --wr": {"--write"},
    "headrace image warm --pl": {"--platform"},
    "headrace status --scope s": {"system"},
    # What is written here are files, and folders where it must be one.
    "headrace image warm com": {"compose.yaml"},
    "headrace doctor --report com": {"compose.yaml"},
    "headrace image write pytorch wo": {"work/"},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which each shell's completion lies where that shell looks."""
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run(
            [*headrace(), "completion", shell], capture_output=True, text=True, check=True
        )
        (tmp_path / "zsh").mkdir(exist_ok=True)
        name = {"bash": "headrace.bash", "zsh": "zsh/_headrace", "fish": "headrace.fish"}[shell]
        (tmp_path / name).write_text(done.stdout, "utf-8")
    (tmp_path / "compose.yaml").touch()
    (tmp_path / "work").mkdir()
    return tmp_path


def shell_says(*words: str, home: Path) -> str:
    if shutil.which(words[0]) is None:
        pytest.skip(lacks("programs", f"{words[0]} is not installed here"))
    env = {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env, cwd=home)
    return done.stdout


def test_bash_offers_what_there_is(home: Path) -> None:
    lines = [f"source {home}/headrace.bash", "function=$(complete -p headrace)"]
    lines.append("function=${function#*-F }; function=${function%% *}")
    for typed in OFFERED:
        words = typed.split()
        lines += [
            f"COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1} COMPREPLY=()",
            f"$function headrace {shlex.quote(words[-1])} {shlex.quote(words[-2])}",
            'echo "${COMPREPLY[@]}"',
        ]
    said = shell_says("bash", "--norc", "-c", "\n".join(lines), home=home).splitlines()
    for (typed, wanted), line in zip(OFFERED.items(), said, strict=True):
        # bash puts the mark behind a folder itself.
        assert {word.rstrip("/") for word in wanted} <= set(line.split()), typed


def test_bash_offers_programs_behind_run(home: Path) -> None:
    script = f"""source {home}/headrace.bash
    function=$(complete -p headrace); function=${{function#*-F }}; function=${{function%% *}}
    COMP_WORDS=(headrace run -- mkfif) COMP_CWORD=3
    $function headrace mkfif --; echo "${{COMPREPLY[@]}}" """
    assert "mkfifo" in shell_says("bash", "--norc", "-c", script, home=home).split()


def test_fish_offers_what_there_is(home: Path) -> None:
    asked = "; ".join(f"complete -C {shlex.quote(typed)}; echo ." for typed in OFFERED)
    script = f"source {home}/headrace.fish; {asked}"
    said = shell_says("fish", "--no-config", "-c", script, home=home).split(".\n")
    for (typed, wanted), part in zip(OFFERED.items(), said, strict=False):
        assert wanted <= {line.partition("\t")[0] for line in part.splitlines()}, typed


def test_zsh_completes_what_is_typed(home: Path) -> None:
    rc = f"fpath=({home}/zsh $fpath); autoload -Uz compinit; compinit -u -d {home}/dump"
    env = {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    with Typist("zsh", home, env, rc) as shell:
        for typed, whole in (
            ("headrace st", "headrace status"),
            ("headrace explain --fo", "headrace explain --for"),
            ("headrace run -- mkfif", "headrace run -- mkfifo"),
            ("headrace image pull --eng", "headrace image pull --engine"),
            ("headrace image outdated comp", "headrace image outdated compose.yaml"),
        ):
            # Ctrl-U: the line is not run; what zsh wrote behind it is what counts.
            shell.type(f"{typed}\t")
            shell.wait(f"{whole[len(typed) :]}")
            shell.type("\x15")
        assert shell.run("true")[1] == 0


def test_powershell_is_told_of_every_command() -> None:
    done = subprocess.run(
        [*headrace(), "completion", "powershell"], capture_output=True, text=True, check=True
    )
    assert "Register-ArgumentCompleter" in done.stdout
    assert "'status'" in done.stdout
