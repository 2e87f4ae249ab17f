"""What `on` says when it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli.context import NEEDS_ATTENTION, OK, Context
from headrace.cli.setup.planned_edits import PlannedEdits
from headrace.cli.setup.report import OnReport, tell
from headrace.interface.hookspecs import GatewayAddress
from headrace.interface.manager import Plugins

KEEPS = "dockerd was told to read its configuration again and still shows the gateway"


@pytest.mark.parametrize(("trouble", "code"), [((), OK), ((KEEPS,), NEEDS_ATTENTION)])
def test_a_program_that_keeps_a_setting_that_is_gone_needs_attention(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    trouble: tuple[str, ...],
    code: int,
) -> None:
    context = Context({"HEADRACE_HOME": str(tmp_path), "PATH": ""})
    context.plugins = Plugins([], entry_points=False)
    report = OnReport(
        (), GatewayAddress("127.0.0.1", 17223), PlannedEdits(), (), "", False, trouble=trouble
    )
    assert tell(context, report) == code
    assert (KEEPS in capsys.readouterr().out) is bool(trouble)
