"""Which service manager, which port, and the two verbs, with the real holder behind them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, GatewayAddress, Scope
from headrace.system.edits.journal import UndoResult
from headrace.system.service import process
from headrace.system.service.identity import instance_of_before
from headrace.system.service.managers import choose, ports
from headrace.system.service.managers.spec import ServiceSpec
from lib.holders import WORKER, living
from lib.serving.ports import free_port


class Somebody(HTTPServer):
    """A program that answers /healthz as it was told to."""

    def __init__(self, told: Mapping[str, str] | None) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(told).encode() if told else b"<h1>It works!</h1>"
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    yield Folders(tmp_path / "config", tmp_path / "state", tmp_path / "cache")
    process.stop(tmp_path / "state" / "gateway.lock")
    assert living(str(tmp_path)) == []


def no_file(_: Path) -> None:
    return None


def made(folders: Folders, port: int, *, recorded: GatewayAddress | None = None) -> choose.Plan:
    return choose.plan(
        folders,
        Scope.USER,
        {"PATH": "/nowhere"},
        home=folders.state.parent,
        port=port,
        redirects=(),
        read=no_file,
        recorded=recorded,
    )


def write(edits: Sequence[FileEdit]) -> None:
    for edit in edits:
        edit.path.parent.mkdir(parents=True, exist_ok=True)
        edit.path.write_bytes(edit.after or b"")


def test_without_a_manager_the_holder_keeps_it_and_the_note_says_what_a_reboot_does(
    folders: Folders,
) -> None:
    plan = made(folders, free_port())
    assert plan.manager.name == "holder"
    assert "after a reboot" in plan.note
    assert "headrace gateway --wake" in plan.note
    assert "headrace run" in plan.note
    assert not folders.state.exists()


@pytest.mark.parametrize(
    ("told", "who"),
    [(None, "python"), ({"headrace": "1", "instance": "someone-else"}, "another gateway of yours")],
)
def test_foreign_program_on_the_port_is_named_and_the_next_port_is_taken(
    folders: Folders, told: Mapping[str, str] | None, who: str
) -> None:
    other = Somebody(told)
    try:
        plan = made(folders, other.server_port)
        assert plan.address.port > other.server_port
        assert f"port {other.server_port} is taken by" in plan.note
        assert who in plan.note or "pytest" in plan.note
    finally:
        other.close()


def test_our_own_gateway_on_the_port_keeps_the_port(folders: Folders) -> None:
    ours = Somebody({"headrace": "1", "instance": instance_of_before(folders.state)})
    try:
        assert made(folders, ours.server_port).address.port == ours.server_port
    finally:
        ours.close()


@pytest.mark.parametrize("odd", ["a\nExecStartPre=x", "a\x1b[2J", "a\x7f"])
def test_what_no_service_manager_s_file_can_hold_is_refused(folders: Folders, odd: str) -> None:
    with pytest.raises(LocalError, match="characters") as told:
        made(replace(folders, state=folders.state / odd), free_port())
    assert str(told.value).isprintable()


def test_port_that_is_whichever_is_free_is_none_to_write_down(folders: Folders) -> None:
    with pytest.raises(LocalError, match="port 0"):
        made(folders, 0)


def test_recorded_port_is_kept(folders: Folders) -> None:
    port = free_port()
    plan = made(folders, 17223, recorded=GatewayAddress("127.0.0.1", port, "token"))
    assert plan.address == GatewayAddress("127.0.0.1", port, "token")


def with_test_worker(plan: choose.Plan) -> choose.Plan:
    """The gateway itself is the contract tests' matter."""
    import sys  # noqa: PLC0415

    spec: ServiceSpec = plan.spec
    worker = (sys.executable, str(WORKER), "crash")
    return replace(plan, spec=replace(spec, held=replace(spec.held, worker=worker)))


def test_start_and_remove_leave_nothing(folders: Folders) -> None:
    plan = with_test_worker(made(folders, free_port()))
    write(plan.edits)
    kept = plan.start()
    # The worker of this test cannot start: that is said, and the origin answers.
    assert "sends everybody to the origin" in kept.note
    assert process.is_held(folders.state / "gateway.lock")
    undone: list[str] = []

    def undo() -> UndoResult:
        undone.append("files")
        return UndoResult()

    choose.remove(
        folders,
        Scope.USER,
        {},
        home=folders.state.parent,
        kept_up_by=kept.how,
        address=kept.address,
        undo=undo,
    )
    assert undone == ["files"]
    assert ports.is_free("127.0.0.1", kept.address.port)
    assert not process.is_held(folders.state / "gateway.lock")


def test_gateway_whose_installation_is_gone_still_sends_clients_to_the_origin(
    folders: Folders,
) -> None:
    plan = made(folders, free_port())
    held = replace(plan.spec.held, worker=("/nowhere/python",), redirects=("/simple/=http://o/",))
    gone = replace(plan, spec=replace(plan.spec, held=held))
    write(gone.edits)
    kept = gone.start()
    assert "sends everybody to the origin" in kept.note
    with socket.create_connection(("127.0.0.1", kept.address.port)) as connection:
        host = f"127.0.0.1:{kept.address.port}".encode()
        connection.sendall(b"GET /simple/x/ HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
        assert b"Location: http://o/x/" in connection.makefile("rb").read()


def test_no_port_near_is_an_error(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "TRIED", 0)
    other = Somebody(None)
    try:
        with pytest.raises(LocalError, match="taken by"):
            made(folders, other.server_port)
    finally:
        other.close()


def test_owner_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert "process" in ports.owner(listener.getsockname()[1])
    assert ports.owner(1) == ""
