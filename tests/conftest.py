"""What holds for every tier: groups that may not run beside themselves, and what was not tried."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lib.capabilities import capability_of, summary

#: Container engines are large, and few at a time are quicker than many.
ENGINES = Path(__file__).parent / "contract" / "docker"


# How long an example takes is the machine's business.
settings.register_profile("gate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the engines' tests into one group: `--dist loadgroup` gives it to one worker."""
    for item in items:
        if ENGINES in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("engines"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skips without saying what a reader could do."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = _reason(report)
        if capability_of(reason) is None:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} skips without `lib.capabilities.lacks`: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the capabilities that were not tried."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section("not tried here")
    for line in summary(_reason(report) for report in skipped):
        terminalreporter.write_line(line)


def _reason(report: pytest.TestReport) -> str:
    found = report.longrepr
    return found[2] if isinstance(found, tuple) else str(found)
