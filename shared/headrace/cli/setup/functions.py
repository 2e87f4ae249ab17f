"""Functions of a shell, for tools that nothing but a proxy leads: the text that each shell reads.

Each function hands its words to `headrace run --quiet` and does nothing after that, so exit codes,
job control and what the terminal sends are the command's own. Where headrace is gone the tool
itself runs. A function of the user's that has the name stays, an alias wins as it always does, and
a tool that is not there gets none. Shells that nobody types into get nothing. Pure.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from string import ascii_letters, digits

__all__ = ["SHELLS", "text"]

# In bash the word behind `function` is no command, so no alias of the tool's name stands in for it.
# In its posix mode names have no hyphens, so nothing is defined there.
_BASH = r"""case $- in *i*) if ! shopt -qo posix; then
export HEADRACE_SHELL=bash:$$
function __headrace_lead {
  if [[ -x @program && -f @module ]]; then
    @command run --quiet -- "$@"
  else
    command "$@"
  fi
}
for __headrace_tool in @tools; do
  if type -P "$__headrace_tool" >/dev/null && ! declare -F "$__headrace_tool" >/dev/null; then
    eval "function $__headrace_tool { __headrace_lead $__headrace_tool \"\$@\"; }"
  fi
done
unset __headrace_tool
fi;; esac
"""
# By zsh's table of functions, because a global alias would be put in a name's place. The braces are
# for those who have set ksh_arrays.
_ZSH = r"""if [[ -o interactive ]]; then
export HEADRACE_SHELL=zsh:$$
function __headrace_lead {
  if [[ -x @program && -f @module ]]; then
    @command run --quiet -- "$@"
  else
    command "$@"
  fi
}
for __headrace_tool in @tools; do
  if [[ -n ${commands[$__headrace_tool]-} && -z ${functions[$__headrace_tool]-} ]]; then
    functions[$__headrace_tool]="__headrace_lead $__headrace_tool \"\$@\""
  fi
done
unset __headrace_tool
fi
"""
_FISH = r"""if status is-interactive
set -gx HEADRACE_SHELL fish:$fish_pid
function __headrace_lead
  if test -x @program -a -f @module
    @command run --quiet -- $argv
  else
    command $argv
  end
end
for __headrace_tool in @tools
  if command -sq $__headrace_tool; and not functions -q $__headrace_tool
    function $__headrace_tool --inherit-variable __headrace_tool
      __headrace_lead $__headrace_tool $argv
    end
  end
end
set -e __headrace_tool
end
"""
_TEXTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
SHELLS = tuple(_TEXTS)
#: What a name may be made of: others mean something to one shell or another.
_PLAIN = frozenset(f"{ascii_letters}{digits}._+-")


def text(shell: str, command: Sequence[str], module: str, tools: Sequence[str]) -> str:
    """Return what a shell of `SHELLS` is to evaluate. `command` is this headrace's, with the path
    of its program; `module` a file of it, which is gone when it is.
    """
    quote = _fish_quoted if shell == "fish" else shlex.quote
    plain = [name for name in tools if _PLAIN.issuperset(name) and name[:1].isalnum()]
    return (
        _TEXTS[shell]
        .replace("@program", quote(command[0]))
        .replace("@module", quote(module))
        .replace("@command", " ".join(map(quote, command)))
        .replace("@tools", " ".join(map(quote, plain)))
    )


def _fish_quoted(word: str) -> str:
    inner = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{inner}'"
