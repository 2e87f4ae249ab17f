"""Three replicas with nothing kept, a hundred clients, a line that limits: what the origin gives,
how long the clients wait, and what becomes of them when something is killed in the middle.

What replicas tell each other through (`shared_state`) and where they keep files together (`store`)
are used where this headrace has them; without them each replica is alone, and the rows say so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import random
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench import Bench, Goal, Row, Skip
from benchmarks.corpus.corpus import Corpus, dozens
from benchmarks.loopback import free_port
from benchmarks.peers import curl
from benchmarks.peers.crowd import Crowd, Order
from benchmarks.peers.headrace import Gateway
from benchmarks.peers.origin import Origin, origin
from benchmarks.stage import Outcome, Stage, scratch

TITLE = "100 clients at 3 replicas, each takes 5 of 50 files, over one shaped line"

_REPLICAS, _CLIENTS, _FILES, _EACH = 3, 100, 50, 5
_SIZE, _SIZE_QUICK = 10_000_000, 1_000_000
#: Bytes a second of the clients' line: 400 and 160 Mbit/s. A gigabit would be the two cores' test.
_LINE, _LINE_QUICK = 50_000_000, 20_000_000
#: Requests for a file before a client gives up: what is killed stays away.
_TRIES = 6
_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(slots=True)
class _Beside:
    """What stands beside the replicas, and how they are told."""

    settings: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    state: subprocess.Popen[bytes] | None = None
    bucket: subprocess.Popen[bytes] | None = None


def run(bench: Bench) -> Iterator[Row]:
    """Measure one warm replica, three cold ones, and three of which something is killed."""
    if shutil.which("nginx") is None:
        raise Skip("nginx is not installed here")
    corpus = dozens(_SIZE_QUICK if bench.quick else _SIZE, _FILES)
    order = _order(corpus, _LINE_QUICK if bench.quick else _LINE)
    with origin(corpus) as source:
        warm, _ = _measured(bench, "warm", source, corpus, order, replicas=1, warm=True)
        cold, busy = _measured(bench, "cold", source, corpus, order)
        given = source.given()
        times = [given[wheel.path] / wheel.size for wheel in corpus.small]
        wrong = warm.wrong + cold.wrong
        notes = f"{cold.percentile(0.95):.1f} s : {warm.percentile(0.95):.1f} s, {_alone()}"
        ratio = cold.percentile(0.95) / warm.percentile(0.95) if not wrong else None
        yield Row("p95, 3 cold replicas / 1 warm one", ratio, Goal(most=1.3), notes)
        most = Goal(most=1 + 1 / _FILES)
        note = f"the worst file {max(times):.2f} times"
        yield Row("origin's bytes / bytes of all files", sum(times) / _FILES, most, note)
        yield Row("processor busy while cold", busy, Goal(most=80), "of all cores", " %")
        yield Row("clients that ended wrong", wrong, Goal(most=0), f"of {2 * _CLIENTS}")
        for what, kill in (
            ("a replica", lambda fleet, _: fleet[0].kill()),
            ("Valkey", lambda _, beside: _kill(beside.state)),
            ("the bucket", lambda _, beside: _kill(beside.bucket)),
        ):
            if why := _lacks(what):
                yield Row(f"{what} killed: clients that ended wrong", 0, None, f"not tried: {why}")
                continue
            name = f"killed-{what.rpartition(' ')[2]}"
            done, _ = _measured(bench, name, source, corpus, order, kill=kill)
            note = f"of {_CLIENTS}; p95 {done.percentile(0.95):.1f} s"
            yield Row(f"{what} killed: clients that ended wrong", done.wrong, Goal(most=0), note)


def _order(corpus: Corpus, line: int) -> Order:
    draw = random.Random(18)
    clients = [
        [{"path": each.path, "sha256": each.sha256} for each in draw.sample(corpus.small, _EACH)]
        for _ in range(_CLIENTS)
    ]
    return Order(clients, (), line, _TRIES)


def _measured(
    bench: Bench,
    name: str,
    source: Origin,
    corpus: Corpus,
    order: Order,
    *,
    replicas: int = _REPLICAS,
    warm: bool = False,
    kill: Callable[[list[Gateway], _Beside], None] | None = None,
) -> tuple[Crowd, float]:
    """Run the crowd at a new fleet; give what came of it, and how busy the machine was (in %)."""
    stage = Stage()
    pages = [f"/simple/{wheel.project}/" for wheel in corpus.small]
    with contextlib.ExitStack() as stack:
        beside = stack.enter_context(_beside()) if replicas > 1 else _Beside()
        fleet = []
        for number in range(replicas):
            made = Gateway(
                stage,
                source.url,
                {},
                keep=bench.log(f"{name}-{number}"),
                serve={"name": f"replica-{number}", **beside.settings},
                variables=beside.variables,
            )
            fleet.append(stack.enter_context(made))
        for each in fleet:
            curl.get(stage, "pages", [each.url + page for page in pages], accept=_JSON)
        if warm:
            curl.get(stage, "files", [fleet[0].url + each.path for each in corpus.small])
        source.forget()
        ordered = Order(order.clients, [each.url for each in fleet], order.rate, order.tries)
        total = sum(corpus.small[0].size for client in order.clients for _ in client)

        def meanwhile() -> None:
            if kill is not None:
                time.sleep(0.4 * total / order.rate)
                kill(fleet, beside)

        before, began = _ticks(), time.monotonic()
        crowd = Crowd.run(ordered, meanwhile=meanwhile)
        seconds = time.monotonic() - began
        idle, ticks = (now - then for now, then in zip(_ticks(), before, strict=True))
        busy = 100 * (1 - idle / ticks)
    detail = {"p95": crowd.percentile(0.95), "wrong": crowd.wrong, "busy": busy}
    bench.record(Outcome(name, seconds, 0, crowd.wrong == 0, "", detail))
    return crowd, busy


def _ticks() -> tuple[int, int]:
    """Give the clock ticks that all cores were idle, and all that there were."""
    fields = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


# ------------------------------------------------------------------ what stands beside them


def _has(what: str) -> bool:
    rooms = ("headrace.upstream", "headrace.system")
    return any(importlib.util.find_spec(f"{room}.{what}") is not None for room in rooms)


def _state_program() -> str | None:
    return shutil.which("valkey-server") or shutil.which("redis-server")


def _lacks(what: str) -> str:
    """Say why something cannot be killed; empty: it can."""
    if what == "Valkey" and not _has("shared_state"):
        return "this headrace has no shared state"
    if what == "Valkey" and _state_program() is None:
        return "neither valkey nor redis is installed here"
    if what == "the bucket" and not _has("objects"):
        return "this headrace keeps nothing in buckets"
    if what == "the bucket" and importlib.util.find_spec("moto") is None:
        return "moto is not installed here"
    return ""


def _alone() -> str:
    has = [what for what in ("Valkey", "the bucket") if not _lacks(what)]
    return f"with {' and '.join(has)}" if has else "each replica alone"


@contextlib.contextmanager
def _beside() -> Iterator[_Beside]:
    made = _Beside()
    with scratch() as folder, contextlib.ExitStack() as stack:
        if not _lacks("Valkey"):
            port = free_port()
            words = [_state_program() or "", "--port", str(port), "--bind", "127.0.0.1"]
            made.state = _started(stack, [*words, "--save", "", "--appendonly", "no"], folder)
            made.settings["shared_state"] = f"redis://127.0.0.1:{port}/0"
            secret = folder / "replicas"
            secret.touch(0o600)
            secret.write_text(secrets.token_hex(32) + "\n")
            made.settings["replica_secret"] = str(secret)
        if not _lacks("the bucket"):
            port = free_port()
            words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
            made.bucket = _started(stack, words, folder)
            _make_bucket(port)
            made.settings["store"] = "s3://fleet/store"
            where = f"http://127.0.0.1:{port}"
            made.variables |= {"AWS_ENDPOINT_URL": where, "AWS_REGION": "us-east-1"}
            made.variables |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
            made.variables["AWS_ALLOW_HTTP"] = "true"
        yield made


#: moto serves all that is Amazon's, and tells by this what is meant.
_AS_S3 = (
    "Authorization: AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


def _make_bucket(port: int) -> None:
    words = ["curl", "--silent", "--fail", "--retry", "40", "--retry-connrefused"]
    words += ["--retry-delay", "1", "-X", "PUT", "--header", _AS_S3]
    words += [f"http://127.0.0.1:{port}/fleet"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _started(
    stack: contextlib.ExitStack, words: list[str], folder: Path
) -> subprocess.Popen[bytes]:
    null = subprocess.DEVNULL
    process = subprocess.Popen(words, cwd=folder, stdin=null, stdout=null, stderr=null)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
