"""Flags come behind each RUN of this build, and nothing else of a Dockerfile changes."""

from __future__ import annotations

import pytest

from headrace_docker.builds.dockerfile import Refused, led

FLAG = "--mount=type=secret,id=x"
NAMES = ("SSL_CERT_FILE", "HTTPS_PROXY")


def marked(text: str) -> str:
    """Write where the flags went."""
    return led(text, FLAG, NAMES)[0].replace(f" {FLAG}", "@")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\nRUN x\n", "FROM a\nRUN@ x\n"),
        ("FROM a\n  run\tx", "FROM a\n  run@\tx"),
        ('FROM a\nRUN ["x"]\nRUN --network=none y', 'FROM a\nRUN@ ["x"]\nRUN@ --network=none y'),
        ("FROM a\nRUN x \\\n  RUN y\nRUN z\n", "FROM a\nRUN@ x \\\n  RUN y\nRUN@ z\n"),
        ("FROM a\nRUN x \\\n# RUN c\n\n y\nRUN z", "FROM a\nRUN@ x \\\n# RUN c\n\n y\nRUN@ z"),
        (
            "FROM a\n# RUN x\nONBUILD RUN y\nRUNNER z\n",
            "FROM a\n# RUN x\nONBUILD RUN y\nRUNNER z\n",
        ),
        ("FROM a\r\nRUN x \\\r\n RUN y\r\n", "FROM a\r\nRUN@ x \\\r\n RUN y\r\n"),
        (
            "# escape=`\nFROM a\nRUN x `\n RUN y\nRUN z\\\n",
            "# escape=`\nFROM a\nRUN@ x `\n RUN y\nRUN@ z\\\n",
        ),
        ("FROM a\nCOPY <<E /x\nRUN y\nE\nRUN z\n", "FROM a\nCOPY <<E /x\nRUN y\nE\nRUN@ z\n"),
        ("FROM a\nRUN <<E\nRUN y\nE\nRUN z\n", "FROM a\nRUN@ <<E\nRUN y\nE\nRUN@ z\n"),
        (
            'FROM a\nRUN <<-"E" cat <<F\nRUN y\n\tE\nRUN f\nF\nRUN z\n',
            'FROM a\nRUN@ <<-"E" cat <<F\nRUN y\n\tE\nRUN f\nF\nRUN@ z\n',
        ),
        ('FROM a\nRUN cat <<<"E"\nRUN z\n', 'FROM a\nRUN@ cat <<<"E"\nRUN@ z\n'),
        ("FROM a\nCMD x <<E\nRUN z\n", "FROM a\nCMD x <<E\nRUN@ z\n"),
    ],
)
def test_flags_come_behind_each_run_and_nowhere_else(text: str, expected: str) -> None:
    assert marked(text) == expected


@pytest.mark.parametrize(
    "own",
    [
        "ENV SSL_CERT_FILE=/own.pem",
        "env A=1 \\\n  SSL_CERT_FILE=/own.pem",
        "ARG HTTPS_PROXY",
        "RUN update-ca-certificates",
    ],
)
def test_a_stage_that_says_itself_whom_it_trusts_is_left_alone_from_there_on(own: str) -> None:
    text, found, left = led(f"FROM a\nRUN x\n{own}\nRUN y\nFROM b\nRUN z\n", FLAG, NAMES)
    assert f"RUN {FLAG} x" in text
    assert "\nRUN y\n" in text
    assert f"RUN {FLAG} z" in text
    assert (found, left) == (3 if "update" in own else 2, 1)


@pytest.mark.parametrize(
    ("frontend", "fits"),
    [
        ("docker/dockerfile:1", True),
        ("docker.io/docker/dockerfile:1.10", True),
        ("docker/dockerfile:1.20.0-labs", True),
        ("docker/dockerfile:1.9", False),
        ("docker/dockerfile:1.4.3", False),
        ("docker/dockerfile:0.9", False),
        ("example.com/another", False),
    ],
)
def test_a_frontend_that_does_not_know_the_flags_is_told(frontend: str, *, fits: bool) -> None:
    text = f"# syntax={frontend}\nFROM a\nRUN x\n"
    if fits:
        assert led(text, FLAG, NAMES)[1] == 1
    else:
        with pytest.raises(Refused):
            led(text, FLAG, NAMES)


@pytest.mark.parametrize("said", ['echo "<<EOF"', "echo $((1<<X))", "cat <<<word", "echo '<<A'"])
def test_what_is_no_word_of_its_own_begins_no_heredoc(said: str) -> None:
    assert led(f"FROM a\nRUN {said}\nRUN two\n", FLAG, NAMES)[1] == 2


def test_line_ends_where_buildkit_ends_it_and_nowhere_else() -> None:
    text = "FROM a\n# note\x0cRUN no\x0bRUN no\u2028RUN no\nRUN yes\r\n"
    told, found, _ = led(text, FLAG, NAMES)
    assert found == 1
    assert told.startswith(text[: text.index("RUN yes")])
