"""Ask whoever answers on a port whether it is the gateway, and whether it is the right one.

Nothing that is worth anything (the token, a name) is sent before that is known, and then it is sent
over the very connection on which it was found out.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.client
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from headrace.foreign import read_json_or_none
from headrace.interface.hookspecs import GatewayAddress, GatewayAnswer
from headrace.ownership.listeners import answering_stranger, listeners
from headrace.system.service import own_pages
from headrace.system.service.identity import NONCE, Expected, new_nonce, proof
from headrace.values import dataclass

__all__ = [
    "Contact",
    "Proof",
    "answer",
    "ask",
    "content",
    "fetched",
    "look",
    "look_and_ask",
    "look_and_post",
    "wait_until_up",
]

ANSWER_LIMIT = 1 << 20
#: Bytes that are read of a file at once.
_PIECE = 1 << 20


class Proof(StrEnum):
    """What came of the challenge."""

    GIVEN = "given"
    NONE = "none"
    """It does not prove anything: a gateway of before, the holder that sends clients away, another
    program; or there is nothing to compare with."""
    WRONG = "wrong"
    """Another gateway's."""


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of whoever has the port."""

    listening: bool = False
    """Somebody takes connections."""
    answers: bool = False
    """In the way that a gateway does."""
    redirecting: bool = False
    """No worker can answer; clients are sent to the origin."""
    proof: Proof = Proof.NONE
    strangers: tuple[str, ...] = ()
    """Users whose programs listen there and should not."""
    seen: bool = False
    """The system tells whose the listener is."""
    instance: str = ""
    """What one of before calls itself."""
    version: str = ""
    """Of headrace, as it says."""

    @property
    def trusted(self) -> bool:
        """Whether it may be shown what is for the gateway: it is who it should be."""
        if self.strangers or self.proof is Proof.WRONG:
            return False
        return self.listening and (self.seen or self.proof is Proof.GIVEN)

    @property
    def up(self) -> bool:
        """Whether it is the gateway, and answers."""
        return self.answers and self.trusted

    @property
    def who(self) -> str:
        """Name those who should not have the port; "" when nobody is known to be wrong."""
        if self.strangers:
            return "user " + " and ".join(self.strangers)
        if self.listening and not self.trusted:
            if self.proof is Proof.WRONG:
                return "another gateway"
            return "somebody who cannot prove to be your gateway"
        return ""


def look(address: GatewayAddress, expected: Expected, timeout: float = 2.0) -> Contact:
    """Return who is there. Nothing is sent to it but a nonce, and to strangers not even that."""
    with _connected(address, expected, timeout) as (contact, _):
        return contact


def look_and_ask(
    address: GatewayAddress, expected: Expected, path: str, timeout: float = 2.0
) -> tuple[Contact, Any]:
    """Do both on one connection. Second: None also where it cannot answer but with redirects."""
    with _connected(address, expected, timeout) as (contact, connection):
        if connection is None or contact.redirecting:
            return contact, None
        accept = "application/json"
        body = _given(address, expected, contact, connection, path, accept, ANSWER_LIMIT)
    return contact, None if body is None else read_json_or_none(body)


def look_and_post(
    address: GatewayAddress, expected: Expected, path: str, header: str, timeout: float = 2.0
) -> tuple[Contact, Any]:
    """As `look_and_ask`, for what a gateway does only where it is told to; `header` says so."""
    with _connected(address, expected, timeout) as (contact, connection):
        if connection is None or contact.redirecting or not contact.up:
            return contact, None
        headers = {**_shown(address, expected, contact), header: "1", "Content-Length": "0"}
        body = _get(connection, path, headers, ANSWER_LIMIT, method="POST")
    return contact, None if body is None else read_json_or_none(body)


def ask(
    address: GatewayAddress,
    expected: Expected,
    path: str,
    timeout: float = 2.0,
    *,
    accept: str = "application/json",
    limit: int = ANSWER_LIMIT,
) -> Any:
    """Return the JSON that the gateway gives for a path, or None when it does not.

    `timeout` is in seconds, `limit` in bytes: a longer answer is none.
    """
    body = content(address, expected, path, timeout, accept=accept, limit=limit)
    return None if body is None else read_json_or_none(body)


def content(
    address: GatewayAddress,
    expected: Expected,
    path: str,
    timeout: float,
    *,
    accept: str,
    limit: int = ANSWER_LIMIT,
) -> bytes | None:
    """Return what the gateway gives for a path, as `ask` does."""
    with _connected(address, expected, timeout) as (contact, connection):
        if connection is None:
            return None
        return _given(address, expected, contact, connection, path, accept, limit)


def answer(
    address: GatewayAddress,
    expected: Expected,
    path: str,
    timeout: float,
    *,
    accept: str,
    limit: int = ANSWER_LIMIT,
) -> GatewayAnswer | None:
    """Return what the gateway answers, also where it is no; None: nobody answers."""
    with _connected(address, expected, timeout) as (contact, connection):
        if connection is None or not contact.up:
            return None
        headers = {"Accept": accept, **_shown(address, expected, contact)}
        return _answer(connection, path, headers, limit)


def fetched(
    address: GatewayAddress,
    expected: Expected,
    path: str,
    timeout: float,
    *,
    accept: str,
    heard: Callable[[int], None],
) -> GatewayAnswer | None:
    """Have a file brought: it is read to its end and dropped, `heard` is told the bytes of each
    piece. A body is returned of refusals alone. None: nobody answers, or it broke off.
    """
    with _connected(address, expected, timeout) as (contact, connection):
        if connection is None or not contact.up:
            return None
        headers = {"Accept": accept, **_shown(address, expected, contact)}
        try:
            connection.request("GET", path, headers=headers)
            given = connection.getresponse()
            if given.status != http.client.OK:
                return GatewayAnswer(given.status, given.read(ANSWER_LIMIT))
            while piece := given.read(_PIECE):
                heard(len(piece))
        except (OSError, http.client.HTTPException, ValueError):
            return None
        # A body that ends before its told length raises nothing when it is read in pieces.
        return GatewayAnswer(given.status, b"") if not given.length else None


def _given(  # noqa: PLR0917 - all that one question needs
    address: GatewayAddress,
    expected: Expected,
    contact: Contact,
    connection: http.client.HTTPConnection,
    path: str,
    accept: str,
    limit: int,
) -> bytes | None:
    if not contact.up:
        return None
    headers = {"Accept": accept, **_shown(address, expected, contact)}
    return _get(connection, path, headers, limit)


def _shown(address: GatewayAddress, expected: Expected, contact: Contact) -> dict[str, str]:
    """Return the header that says whose user this is, where there is anything to show."""
    shown = address.token
    if not shown and expected.secret and contact.proof is Proof.GIVEN:
        # Where the system does not tell whose this connection is: it is the user's.
        shown = own_pages.shown_for(expected.secret)
    if not shown:
        return {}
    pair = base64.b64encode(f"headrace:{shown}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def wait_until_up(address: GatewayAddress, expected: Expected, timeout: float) -> Contact:
    """Wait until the gateway answers, or somebody else does; `timeout` seconds at most.

    A gateway that sends its clients away has failed to start more than once: nobody waits for it.
    """
    deadline = time.monotonic() + timeout
    contact = Contact()
    while (left := deadline - time.monotonic()) > 0:
        contact = look(address, expected, left)
        if contact.answers or contact.strangers:
            break
        time.sleep(0.02)
    return contact


@contextlib.contextmanager
def _connected(
    address: GatewayAddress, expected: Expected, timeout: float
) -> Iterator[tuple[Contact, http.client.HTTPConnection | None]]:
    """Connect, and find out with whom. The connection is given for as long as it is the same."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    try:
        try:
            connection.connect()
        except OSError:
            yield Contact(), None
            return
        connection.auto_open = 0  # a new connection may be with somebody else
        client = connection.sock.getsockname()[:2]
        found = listeners(address.host, address.port)
        seen = found is not None and bool(found.users)
        strangers = found.strangers(expected.owners) if found is not None else ()
        if strangers:
            yield Contact(listening=True, strangers=strangers, seen=True), None
            return
        nonce = new_nonce()
        told = _table(_get(connection, "/healthz", {NONCE: nonce}, ANSWER_LIMIT))
        # It has been taken by now; whoever did may have left the port to its owner meanwhile.
        strangers = answering_stranger((address.host, address.port), client, expected.owners)
        if strangers:
            yield Contact(listening=True, strangers=strangers, seen=True), None
            return
        answers = "headrace" in told
        yield (
            Contact(
                listening=True,
                answers=answers,
                redirecting=answers and told["headrace"] == "redirecting",
                proof=_proof(told, expected, nonce, address),
                seen=seen,
                instance=str(told.get("instance", "")),
                version=str(told.get("headrace", "")),
            ),
            connection,
        )
    finally:
        connection.close()


def _proof(told: dict[str, Any], expected: Expected, nonce: str, address: GatewayAddress) -> Proof:
    shown = told.get("proof")
    if expected.secret is None or not isinstance(shown, str) or not shown.isascii():
        return Proof.NONE
    wanted = proof(expected.secret, nonce, address.host, address.port)
    return Proof.GIVEN if hmac.compare_digest(wanted, shown) else Proof.WRONG


def _get(
    connection: http.client.HTTPConnection,
    path: str,
    headers: dict[str, str],
    limit: int,
    *,
    method: str = "GET",
) -> bytes | None:
    told = _answer(connection, path, headers, limit, method=method)
    return told.body if told is not None and told.status == 200 else None


def _answer(
    connection: http.client.HTTPConnection,
    path: str,
    headers: dict[str, str],
    limit: int,
    *,
    method: str = "GET",
) -> GatewayAnswer | None:
    try:
        connection.request(method, path, headers=headers)
        given = connection.getresponse()
        body = given.read(limit)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return GatewayAnswer(given.status, body, given.headers.get("link", ""))


def _table(body: bytes | None) -> dict[str, Any]:
    told = read_json_or_none(body or b"")
    return told if isinstance(told, dict) else {}
