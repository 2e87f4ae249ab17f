"""Which network this is, read from copies of the kernel's tables."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headrace.system.fingerprint import NetworkFingerprint, fingerprint
from lib.capabilities import lacks

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
ARP = "IP address       HW type     Flags       HW address            Mask     Device\n"


def route(interface: str, gateway: str, metric: int = 0, destination: str = "00000000") -> str:
    mask = "00000000" if destination == "00000000" else "00FFFFFF"
    return f"{interface}\t{destination}\t{gateway}\t0003\t0\t0\t{metric}\t{mask}\t0\t0\t0\n"


HOME = route("wlan0", "0101A8C0")  # 192.168.1.1
HOME_ARP = "192.168.1.1      0x1         0x2         aa:aa:aa:aa:aa:aa     *        wlan0\n"
OFFICE_ARP = HOME_ARP.replace("aa:aa", "bb:bb")


def write(proc: Path, routes: str, arp: str = "") -> Path:
    (proc / "net").mkdir(parents=True, exist_ok=True)
    (proc / "net" / "route").write_text(HEAD + routes)
    (proc / "net" / "arp").write_text(ARP + arp)
    return proc


def test_two_networks_with_one_gateway_address_are_two(tmp_path: Path) -> None:
    home = fingerprint(write(tmp_path, HOME, HOME_ARP))
    office = fingerprint(write(tmp_path, HOME, OFFICE_ARP))
    assert home != office
    assert home == fingerprint(write(tmp_path, HOME, HOME_ARP))
    assert "192" not in home[0]


def test_the_route_of_least_metric_counts(tmp_path: Path) -> None:
    cable = route("eth0", "0201A8C0", 100)
    both = fingerprint(write(tmp_path, cable + route("wlan0", "0101A8C0", 600), HOME_ARP))
    assert both == fingerprint(write(tmp_path, cable))
    assert both != fingerprint(write(tmp_path, HOME, HOME_ARP))


def test_a_tunnel_is_a_network_of_its_own(tmp_path: Path) -> None:
    tunnel = fingerprint(write(tmp_path, route("tun0", "00000000") + route("wlan0", "0101A8C0", 9)))
    assert tunnel != fingerprint(write(tmp_path, HOME, HOME_ARP))
    assert tunnel != fingerprint(write(tmp_path, route("tun1", "00000000")))


@pytest.mark.parametrize("junk", ["", "x\n", "wlan0 00000000 zz 3 0 0 0 00000000\n", "é\x00\n" * 3])
def test_what_cannot_be_read_is_no_error(tmp_path: Path, junk: str) -> None:
    word, _ = fingerprint(write(tmp_path, junk, junk))
    assert word
    assert fingerprint(tmp_path / "nothing")[0]


def test_a_forgotten_neighbour_is_still_the_same_network(tmp_path: Path) -> None:
    now = [0.0]
    write(tmp_path, HOME, HOME_ARP)
    page = NetworkFingerprint(tmp_path, lambda: now[0])
    home = page()
    write(tmp_path, HOME)
    now[0] += 60
    assert page() == home, "the kernel dropped the entry; the gateway is the same"
    write(tmp_path, HOME, OFFICE_ARP)
    now[0] += 60
    office = page()
    assert office != home
    write(tmp_path, route("wlan0", "0101000A"))
    now[0] += 60
    assert page() not in (home, office)


def test_the_tables_are_not_read_for_every_question(tmp_path: Path) -> None:
    now = [0.0]
    write(tmp_path, HOME, HOME_ARP)
    page = NetworkFingerprint(tmp_path, lambda: now[0])
    home = page()
    write(tmp_path, HOME, OFFICE_ARP)
    now[0] += 5
    assert page() == home
    now[0] += 6
    assert page() != home


@pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "reads /proc"))
def test_this_machine_has_a_word() -> None:
    assert NetworkFingerprint()() == NetworkFingerprint()()
