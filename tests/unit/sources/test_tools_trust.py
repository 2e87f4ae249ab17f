"""A tool's own file of authorities counts for what is asked in that tool's name, and no further."""

from __future__ import annotations

from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import Mirror, Origin
from headrace.policy.destinations import Initiator, of_mirror, of_origin
from headrace.sources.tools_trust import ToolsTrust
from headrace.upstream.tls import Authorities

PIP = Origin("python", "https://index.example/simple")
COMPANY = Origin("python", "https://corp.example/simple", private=True, name="corp")
CONDA = Origin("conda", "https://channels.example")
OTHER = Origin("docker", "https://registry.example")


MIRRORS = {
    name: [Mirror("m", name, f"https://m.example/{name}", "same-path")]
    for name in ("python", "conda", "docker")
}


def trust(**files: str) -> ToolsTrust:
    named = {"pip": PIP, "company": COMPANY, "conda": CONDA, "other": OTHER}
    found = [
        DiscoveredOrigin(origin, "x", authorities=files.get(name, ""))
        for name, origin in named.items()
    ]
    return ToolsTrust(found, lambda ecosystem: MIRRORS[ecosystem])


def test_each_origin_is_asked_by_its_tools_own_file_alone() -> None:
    both = trust(pip="/pip.pem", conda="/conda.pem")
    assert both.of(of_origin(PIP)) == Authorities(("/pip.pem",), alone=True)
    assert both.of(Initiator(f"{PIP.url}/thing/")) == Authorities(("/pip.pem",), alone=True)
    assert both.of(of_origin(CONDA)) == Authorities(("/conda.pem",), alone=True)
    for nobodys in (
        of_origin(OTHER),
        Initiator("https://index.example/simpler"),
        of_origin(COMPANY),
    ):
        assert both.of(nobodys) is None


def test_file_that_a_tool_trusts_beside_others_is_no_more_than_that() -> None:
    found = DiscoveredOrigin(PIP, "x", authorities="/pip.pem", authorities_alone=False)
    told = ToolsTrust([found], lambda ecosystem: MIRRORS[ecosystem])
    assert told.of(of_origin(PIP)) == Authorities(("/pip.pem",), alone=False)


def test_mirrors_of_a_tool_are_trusted_by_it_too_and_no_others_are() -> None:
    both = trust(pip="/pip.pem", conda="/conda.pem")
    pips, condas, dockers = (of_mirror(each) for (each,) in MIRRORS.values())
    assert both.of(pips) == Authorities(("/pip.pem",), alone=False)
    assert both.of(condas) == Authorities(("/conda.pem",), alone=False)
    assert both.of(dockers) is None
    # Nobody is asked for a company's index but itself: its file is nobody else's.
    assert trust(company="/corp.pem").of(pips) is None


def test_without_files_nothing_changes() -> None:
    assert trust().of(of_origin(PIP)) is None
