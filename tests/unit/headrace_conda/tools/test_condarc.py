"""The drop-in condarc: where it lies, what stands in it, whose it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.interface.hookspecs import GatewayAddress, Scope
from headrace.models import Origin
from headrace_conda.tools import condarc
from lib.places import GATEWAY, place

FORGE = Origin("conda", "https://conda.anaconda.org", name="conda.anaconda.org")
MINE = Origin("conda", "http://127.0.0.1:8080", name="http+127.0.0.1:8080")

WHOLE = """\
# written by `headrace on`, taken away by `headrace off`
channel_settings:
  - channel: "https://conda.anaconda.org/*"
    auth: headrace
  - channel: "http://127.0.0.1:8080/*"
    auth: headrace
proxy_servers:
  "http://127.0.0.1": ""
plugins:
  headrace_gateway: "http://127.0.0.1:17223"
  headrace_command:
    - "/opt/head race/bin/headrace"
"""


def test_the_whole_file_is_this() -> None:
    made = condarc.render([FORGE, MINE], GATEWAY, ["/opt/head race/bin/headrace"])
    assert made.decode() == WHOLE


def test_the_same_origins_give_the_same_bytes() -> None:
    assert condarc.render([FORGE], GATEWAY, ["x"]) == condarc.render([FORGE], GATEWAY, ["x"])


def test_for_one_command_no_gateway_is_named() -> None:
    made = condarc.render([FORGE], None, ()).decode()
    assert "plugins" not in made
    assert made.endswith('"http://127.0.0.1": ""\n')


def test_a_conda_that_knows_no_patterns_gets_the_names_too() -> None:
    made = condarc.render([FORGE], None, (), by_name=True).decode()
    for name in ("conda-forge", "bioconda", "pytorch", "nvidia", "pkgs/main", "pkgs/r"):
        assert f'  - channel: "{name}"\n    auth: headrace\n' in made
    assert '"https://conda.anaconda.org/*"' in made


def test_a_word_of_the_command_cannot_break_out_of_its_line() -> None:
    made = condarc.render([FORGE], GATEWAY, ['C:\\x "y"\n- z']).decode()
    assert '    - "C:\\\\x \\"y\\"\\n- z"\n' in made


def test_the_token_of_a_private_gateway_stands_in_its_address() -> None:
    made = condarc.render([FORGE], GatewayAddress("127.0.0.1", 17223, "t0k"), ["x"])
    assert b'headrace_gateway: "http://headrace:t0k@127.0.0.1:17223"' in made


@pytest.mark.parametrize(
    ("scope", "platform", "where"),
    [
        (Scope.USER, "linux", "~/.conda/condarc.d/headrace.yml"),
        (Scope.USER, "win32", "~/.conda/condarc.d/headrace.yml"),
        (Scope.SYSTEM, "linux", "/etc/conda/condarc.d/headrace.yml"),
        (Scope.SYSTEM, "darwin", "/etc/conda/condarc.d/headrace.yml"),
        (Scope.SYSTEM, "win32", "C:/ProgramData/conda/condarc.d/headrace.yml"),
    ],
)
def test_it_lies_where_conda_looks(tmp_path: Path, scope: Scope, platform: str, where: str) -> None:
    here = place(tmp_path, scope=scope, platform=platform)
    assert condarc.file(here) == Path(where.replace("~", str(here.home)))


def test_a_file_leads_to_a_gateway_when_it_is_ours_and_names_it() -> None:
    ours = condarc.render([FORGE], GATEWAY, ["x"])
    assert condarc.leads_to(ours, GATEWAY)
    assert condarc.leads_to(
        condarc.render([FORGE], GatewayAddress("127.0.0.1", 17223, "t"), []), GATEWAY
    )
    assert not condarc.leads_to(ours, GatewayAddress("127.0.0.1", 17224))
    assert not condarc.leads_to(ours, GatewayAddress("127.0.0.1", 1722))
    assert not condarc.leads_to(ours.removeprefix(b"#"), GATEWAY)
    assert not condarc.leads_to(b"\xff", GATEWAY)
    assert not condarc.leads_to(None, GATEWAY)
