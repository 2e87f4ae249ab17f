"""What holds for every tier: groups that may not run beside themselves, and what was not tried."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from lib.capabilities import capability_of, summary

#: For one worker each: container engines are large, so that one of their tests at a time is quicker
#: than many; and what shares a gateway, or a browser, would start one in every worker.
TOGETHER = ("tests/contract/docker/", "tests/contract/live/", "tests/attack/interception/")


# What is said is looked at in English, whoever's locale this is.
os.environ["LANGUAGE"] = "en"

# How long an example takes is the machine's business.
settings.register_profile("gate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Each test is for the next worker that is free, what is better kept together for one worker.

    xdist's own `--dist loadgroup` groups nothing since pytest 9.2 (xdist 3.8): it writes a test's
    name where pytest no longer reads it.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Hand out tests as above, whatever `--dist` says."""
    return Scheduling(config, log)


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
