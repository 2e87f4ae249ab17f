"""What an address means, and who may lead to it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.models import Mirror, Origin
from headrace.policy.destinations import (
    EVERYWHERE,
    AddressSpace,
    Initiator,
    led_spaces,
    may_come_in_the_open,
    may_lead,
    of_mirror,
    of_origin,
    own_spaces,
    space_of,
    space_of_host,
)

PUBLIC, FAKE, PRIVATE = AddressSpace.PUBLIC, AddressSpace.FAKE, AddressSpace.PRIVATE
LOOPBACK, LINK, SPECIAL = AddressSpace.LOOPBACK, AddressSpace.LINK_LOCAL, AddressSpace.SPECIAL

V4 = (
    st.ip_addresses(v=4)
    | st.ip_addresses(network="10.0.0.0/7")
    | st.ip_addresses(network="192.0.0.0/8")
)
V6 = (
    st.ip_addresses(v=6)
    | st.ip_addresses(network="2001::/16")
    | st.ip_addresses(network="f000::/4")
)


@pytest.mark.parametrize(
    ("address", "space"),
    [
        ("8.8.8.8", PUBLIC),
        ("192.31.196.1", PUBLIC),
        ("172.15.255.255", PUBLIC),
        ("172.32.0.0", PUBLIC),
        ("100.128.0.0", PUBLIC),
        ("198.20.0.0", PUBLIC),
        ("223.255.255.255", PUBLIC),
        ("10.0.0.1", PRIVATE),
        ("172.16.0.1", PRIVATE),
        ("172.31.255.255", PRIVATE),
        ("192.168.0.1", PRIVATE),
        ("100.64.0.1", PRIVATE),
        ("100.127.255.255", PRIVATE),
        ("127.0.0.1", LOOPBACK),
        ("127.255.255.255", LOOPBACK),
        ("169.254.169.254", LINK),
        ("100.100.100.200", LINK),
        ("168.63.129.16", LINK),
        ("192.0.0.192", LINK),
        ("198.18.0.1", FAKE),
        ("198.19.255.255", FAKE),
        ("0.0.0.0", SPECIAL),
        ("0.1.2.3", SPECIAL),
        ("192.0.0.1", SPECIAL),
        ("192.0.2.1", FAKE),
        ("192.88.99.1", SPECIAL),
        ("198.51.100.1", FAKE),
        ("203.0.113.1", FAKE),
        ("224.0.0.1", SPECIAL),
        ("239.255.255.255", SPECIAL),
        ("240.0.0.1", SPECIAL),
        ("255.255.255.255", SPECIAL),
        ("2606:4700::1111", PUBLIC),
        ("2001:4860:4860::8888", PUBLIC),
        ("::1", LOOPBACK),
        ("::", SPECIAL),
        ("::8.8.8.8", SPECIAL),
        ("::ffff:8.8.8.8", PUBLIC),
        ("::ffff:127.0.0.1", LOOPBACK),
        ("::ffff:0:127.0.0.1", SPECIAL),
        ("64:ff9b::8.8.8.8", PUBLIC),
        ("64:ff9b::169.254.169.254", LINK),
        ("64:ff9b:1::8.8.8.8", PRIVATE),
        ("2002:808:808::1", PUBLIC),
        ("2002:c0a8:1::1", PRIVATE),
        ("2001::1", SPECIAL),
        ("2001:2::1", FAKE),
        ("2001:20::1", SPECIAL),
        ("2001:db8::1", FAKE),
        ("3fff::1", FAKE),
        ("5f00::1", SPECIAL),
        ("100::1", SPECIAL),
        ("4000::1", SPECIAL),
        ("fc00::1", FAKE),
        ("fc00:4000::1", PRIVATE),
        ("fd12::1", PRIVATE),
        ("fd00:ec2::254", LINK),
        ("fd20:ce::254", LINK),
        ("fe80::1%eth0", LINK),
        ("fec0::1", PRIVATE),
        ("ff02::1", SPECIAL),
    ],
)
def test_an_address_has_a_space(address: str, space: AddressSpace) -> None:
    assert space_of(address) is space


@given(V4 | V6)
def test_what_is_public_here_is_global_to_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if space_of(address) is PUBLIC:
        judged: ipaddress.IPv4Address | ipaddress.IPv6Address = address
        if isinstance(address, ipaddress.IPv6Address):
            inner = address.sixtofour or address.ipv4_mapped
            if address in ipaddress.ip_network("64:ff9b::/96"):
                inner = ipaddress.IPv4Address(address.packed[-4:])
            judged = inner or address
        assert judged.is_global
        assert not judged.is_multicast
        assert not judged.is_reserved


@given(V4)
def test_what_is_global_to_the_standard_library_is_public_here_but_for_few(
    address: ipaddress.IPv4Address,
) -> None:
    few = ["192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"]
    if address.is_global and not address.is_multicast and space_of(address) is not PUBLIC:
        assert any(address in ipaddress.ip_network(each) for each in few)


@given(V4)
def test_an_address_inside_another_is_what_it_is_outside(address: ipaddress.IPv4Address) -> None:
    space, number = space_of(address), int(address)
    assert space_of(f"::ffff:{address}") is space
    assert space_of(f"64:ff9b::{address}") is space
    assert space_of(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)) is space


@given(V4, st.sampled_from(["{}", "{}.", "[{}]"]))
def test_a_number_is_the_same_address_however_it_is_written(
    address: ipaddress.IPv4Address, form: str
) -> None:
    space, number = space_of(address), int(address)
    a, b, c, d = address.packed
    written = [
        str(address),
        str(number),
        hex(number),
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{number & 0xFFFF}",
        f"0X{a:X}.{b}.{hex(c)}.{d}",
    ]
    assert {space_of_host(form.format(each)) for each in written} == {space}


@given(st.text("0123456789abcdefx.:[]%-", max_size=40))
def test_whatever_is_written_as_a_host_is_read(host: str) -> None:
    assert space_of_host(host) in {*AddressSpace, None}


@pytest.mark.parametrize(
    ("host", "space"),
    [
        ("files.example", None),
        ("a.b.example.", None),
        ("1.example", None),
        ("localhost", LOOPBACK),
        ("LOCALHOST.", LOOPBACK),
        ("a.localhost", LOOPBACK),
        ("notlocalhost.example", None),
        ("intranet", PRIVATE),
        ("nas", PRIVATE),
        ("printer.local", PRIVATE),
        ("db.eu.internal", PRIVATE),
        ("x.home.arpa", PRIVATE),
        ("metadata.google.internal", LINK),
        ("metadata", LINK),
        ("1.2.3.4.5", SPECIAL),
        ("1.2.3.256", SPECIAL),
        ("4294967296", SPECIAL),
        ("0177.0.0.1", SPECIAL),
        ("127.0.0.0x", SPECIAL),
        ("0x7g", SPECIAL),
        ("127%2e0.0.1", SPECIAL),
        ("fe80::1%eth0", LINK),
        ("::g", SPECIAL),
        ("a." * 130 + "example", SPECIAL),
        ("", SPECIAL),
    ],
)
def test_a_host_says_what_it_can_by_itself(host: str, space: AddressSpace | None) -> None:
    assert space_of_host(host) is space


@pytest.mark.parametrize(
    ("stands", "trusted", "spaces"),
    [
        (PUBLIC, False, {PUBLIC}),
        (SPECIAL, False, {PUBLIC}),
        (LINK, False, {PUBLIC}),
        (FAKE, False, {PUBLIC, FAKE}),
        (PRIVATE, False, {PUBLIC, FAKE, PRIVATE}),
        (LOOPBACK, False, {PUBLIC, FAKE, PRIVATE, LOOPBACK}),
        (PUBLIC, True, {PUBLIC, FAKE, PRIVATE}),
        (FAKE, True, {PUBLIC, FAKE, PRIVATE}),
        (PRIVATE, True, {PUBLIC, FAKE, PRIVATE}),
        (LOOPBACK, True, {PUBLIC, FAKE, PRIVATE, LOOPBACK}),
    ],
)
def test_nobody_leads_nearer_than_where_it_stands(
    stands: AddressSpace,
    trusted: bool,  # noqa: FBT001 - a table
    spaces: set[AddressSpace],
) -> None:
    assert led_spaces(stands, trusted=trusted) == spaces


@given(st.sampled_from(AddressSpace), st.sampled_from(AddressSpace), st.booleans())
def test_trust_adds_and_never_opens_what_is_open_to_nobody(
    stands: AddressSpace,
    to: AddressSpace,
    trusted: bool,  # noqa: FBT001 - generated
) -> None:
    if may_lead(stands, to, trusted=False):
        assert may_lead(stands, to, trusted=True)
    if to in (LINK, SPECIAL):
        assert not may_lead(stands, to, trusted=trusted)
    assert may_lead(stands, PUBLIC, trusted=trusted)


def test_what_the_configuration_names_may_be_anywhere_and_a_mirrors_name_may_not() -> None:
    for named in (
        of_origin(Origin("python", "https://index.example")),
        of_origin(Origin("python", "http://devpi", private=True)),
        of_mirror(Mirror("m", "python", "http://mirror.example", "x", own=True)),
        of_mirror(Mirror("m", "python", "http://127.0.0.1:8080", "x")),
        of_mirror(Mirror("m", "python", "http://localhost:8080", "x")),
    ):
        assert own_spaces(named) == EVERYWHERE
    open_, proven = (
        of_mirror(Mirror("m", "python", f"{scheme}://mirror.example", "x"))
        for scheme in ("http", "https")
    )
    assert own_spaces(open_) == {PUBLIC, FAKE}
    assert own_spaces(proven) == {PUBLIC, FAKE, PRIVATE}


def test_only_what_the_user_calls_so_is_the_users_own() -> None:
    origin = Origin("python", "https://index.example", private=True)
    assert of_origin(origin).trusted
    assert not of_origin(Origin("python", "https://index.example")).trusted
    assert not of_origin(Origin("python", origin.url, private=True, demanded=True)).trusted
    assert not of_mirror(Mirror("m", "python", "https://m.example", "x")).trusted
    assert Initiator("http://[").host == ""


@pytest.mark.parametrize(
    ("home", "url", "checked", "may"),
    [
        ("https://a.example", "http://b.example/f", False, False),
        ("https://a.example", "http://b.example/f", True, True),
        ("https://a.example", "https://b.example/f", False, True),
        ("http://a.example", "http://b.example/f", False, True),
    ],
)
def test_without_tls_comes_what_a_digest_checks_and_what_its_page_came_like(
    home: str,
    url: str,
    checked: bool,  # noqa: FBT001 - a table
    may: bool,  # noqa: FBT001 - a table
) -> None:
    assert may_come_in_the_open(Initiator(home, checked=checked), url) is may
