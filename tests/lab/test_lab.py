"""The lab is what it says: rates, round trips, loss, faults, and nothing left behind."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.corpus import Corpus, standard
from benchmarks.lab import ORIGIN, UNEVEN, Lab, LabFault, Line, Topology, namespaces, open_lab
from benchmarks.lab.loopback_lab import LoopbackLab
from benchmarks.lab.namespace_lab import NamespaceLab

from lib.capabilities import lacks
from lib.waiting import HANG, until

SOURCE = Path(__file__).parents[2]
WHY_NOT = namespaces.missing()
REASON = lacks("root", f"no namespaces here: {WHY_NOT}")
needs_namespaces = pytest.mark.skipif(bool(WHY_NOT), reason=REASON)
pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return standard(60_000_000)


@pytest.fixture(scope="module")
def lab(corpus: Corpus) -> Iterator[NamespaceLab]:
    if WHY_NOT:
        pytest.skip(REASON)
    with NamespaceLab(UNEVEN, corpus.root, corpus.wrong, lifetime=600) as built:
        yield built


def curl(lab: Lab, host: str, path: str, *more: str, patience: float = HANG) -> dict[str, float]:
    """Fetch something and give curl's figures."""
    names = ("http_code", "time_connect", "time_total", "speed_download", "size_download")
    form = " ".join(f"%{{{name}}}" for name in (*names, "exitcode"))
    words = ["curl", "-s", "-m", str(patience), "-o", "/dev/null", "-w", form, *more]
    told = subprocess.run(
        lab.command([*words, lab.url(host) + path]), check=False, capture_output=True, text=True
    )
    return dict(zip((*names, "exitcode"), map(float, told.stdout.split()), strict=True))


@pytest.mark.parametrize("host", ["a", "b"])
def test_one_connection_of_a_clean_line_gets_no_more_than_its_rate(
    lab: NamespaceLab, corpus: Corpus, host: str
) -> None:
    rate = UNEVEN.lines[host].rate
    got = curl(lab, host, corpus.big.path, "-r", f"0-{int(rate * 6e5)}")
    assert got["size_download"] == int(rate * 6e5) + 1
    # How near it comes depends on this machine: `benchmarks` measures that, against the bound.
    assert got["speed_download"] * 8 / 1e6 < rate


@pytest.mark.parametrize("host", list(UNEVEN.lines))
def test_round_trip_is_no_shorter_than_the_lines(
    lab: NamespaceLab, corpus: Corpus, host: str
) -> None:
    rtt = UNEVEN.lines[host].rtt / 1000
    assert curl(lab, host, corpus.small[0].path)["time_connect"] >= rtt


def test_loss_is_the_lines_and_hurts(lab: NamespaceLab, corpus: Corpus) -> None:
    before = lab.traffic()["c"]
    got = curl(lab, "c", corpus.big.path, "-r", "0-3999999")
    after = lab.traffic()["c"]
    sent = after.packets - before.packets + after.lost - before.lost
    assert 0.004 < (after.lost - before.lost) / sent < 0.02
    assert got["speed_download"] * 8 / 1e6 < 0.3 * UNEVEN.lines["c"].rate


def test_requests_are_counted_at_each_host(lab: NamespaceLab, corpus: Corpus) -> None:
    before = lab.requests()
    for _ in range(2):
        curl(lab, "a", corpus.small[0].path)
    counted = {host: count - before[host] for host, count in lab.requests().items()}
    assert counted == {host: 2 * (host == "a") for host in UNEVEN.lines}


def test_access_link_is_shared(lab: NamespaceLab, corpus: Corpus) -> None:
    lab.limit_access(20)
    try:
        words = ["curl", "-s", "-m", "6", "-o", "/dev/null", "-w", "%{size_download}"]
        began = time.monotonic()
        clients = [
            subprocess.Popen(
                lab.command([*words, lab.url(host) + corpus.big.path]), stdout=subprocess.PIPE
            )
            for host in ("a", "b")
        ]
        sizes = [float(client.communicate()[0]) for client in clients]
        took = time.monotonic() - began
        assert min(sizes) > 0
        assert sum(sizes) * 8 / took / 1e6 < 20
    finally:
        lab.limit_access(UNEVEN.access)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("403", 403), ("404", 404), ("429", 429), ("500", 500), ("503", 503), ("html", 200)],
)
def test_server_faults_answer_as_named(
    lab: NamespaceLab, corpus: Corpus, fault: str, status: int
) -> None:
    path = corpus.small[1].path
    lab.fail("a", LabFault(fault))
    try:
        assert curl(lab, "a", path, "-r", "0-99")["http_code"] == status
    finally:
        lab.restore("a")
    assert curl(lab, "a", path, "-r", "0-99")["http_code"] == 206


def test_faults_of_the_body(lab: NamespaceLab, corpus: Corpus) -> None:
    wheel = corpus.small[2]

    def fetch() -> bytes:
        words = ["curl", "-s", "-m", "5", lab.url("a") + wheel.path]
        return subprocess.run(lab.command(words), check=False, capture_output=True).stdout

    try:
        lab.fail("a", LabFault.NO_RANGES)
        assert curl(lab, "a", wheel.path, "-r", "0-99")["size_download"] == wheel.size
        lab.restore("a")
        lab.fail("a", LabFault.TRUNCATE)
        assert wheel.size // 2 - 1 <= len(fetch()) <= wheel.size // 2 + 1
        lab.restore("a")
        lab.fail("a", LabFault.CORRUPT)
        body = fetch()
        assert len(body) == wheel.size
        assert hashlib.sha256(body).hexdigest() != wheel.sha256
    finally:
        lab.restore("a")
    assert hashlib.sha256(fetch()).hexdigest() == wheel.sha256


def test_hosts_speak_tls_under_the_labs_own_authority(lab: NamespaceLab, corpus: Corpus) -> None:
    url = lab.url("a", secure=True) + f"/simple/{corpus.tree[0].project}/"
    words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{http_version} %{content_type}"]
    words += ["-H", "Accept: application/vnd.pypi.simple.v1+json", url]
    assert lab.authority is not None
    trusting = subprocess.run(
        lab.command([*words, "--cacert", str(lab.authority)]),
        check=True,
        capture_output=True,
        text=True,
    )
    assert trusting.stdout == "200 2 application/vnd.pypi.simple.v1+json"
    assert subprocess.run(lab.command(words), check=False, capture_output=True).returncode == 60


@pytest.mark.parametrize(("fault", "code"), [("dead", 28), ("slow", 28), ("refuse", 18)])
def test_faults_of_the_line_act_in_the_middle_of_a_body(
    lab: NamespaceLab, corpus: Corpus, fault: str, code: int
) -> None:
    words = ["curl", "-s", "-m", "4", "-o", "/dev/null", lab.url("a") + corpus.big.path]
    client = subprocess.Popen(lab.command(words))
    time.sleep(1)
    lab.fail("a", LabFault(fault))
    try:
        assert client.wait(HANG) == code
    finally:
        lab.restore("a")
        time.sleep(0.8)


@needs_namespaces
def test_nothing_leads_out_of_the_lab(lab: NamespaceLab) -> None:
    told = subprocess.run(
        lab.command(["ip", "-brief", "link"]), check=True, capture_output=True, text=True
    )
    assert {line.split()[0] for line in told.stdout.splitlines()} == {"lo", "line0"}


@needs_namespaces
def test_two_labs_stand_side_by_side_and_leave_nothing(corpus: Corpus) -> None:
    pair = UNEVEN.only("a", ORIGIN)
    with (
        NamespaceLab(pair, corpus.root, corpus.wrong) as one,
        NamespaceLab(pair, corpus.root, corpus.wrong) as two,
    ):
        one.fail("a", LabFault.FORBIDDEN)
        codes = [curl(lab, "a", corpus.small[0].path)["http_code"] for lab in (one, two)]
        names, folders = (one.name, two.name), (one.folder, two.folder)
    assert codes == [403, 200]
    assert [namespaces.under(name) for name in names] == [[], []]
    assert not any(folder.exists() for folder in folders)
    assert not any(Path(f"/etc/netns/{name}-client").exists() for name in names)


_FORGET = """
import sys, time
from benchmarks.corpus import standard
from benchmarks.lab import UNEVEN
from benchmarks.lab.namespace_lab import NamespaceLab
corpus = standard(60_000_000)
lab = NamespaceLab(UNEVEN.only("a"), corpus.root, corpus.wrong, lifetime=float(sys.argv[1]))
print(lab.name, lab.folder, flush=True)
time.sleep(60)
"""


@needs_namespaces
@pytest.mark.parametrize("how", ["killed", "too old"])
def test_forgotten_lab_removes_itself(how: str) -> None:
    lifetime = "600" if how == "killed" else "1"
    with subprocess.Popen(
        [sys.executable, "-c", _FORGET, lifetime],
        cwd=SOURCE,
        stdout=subprocess.PIPE,
        text=True,
    ) as builder:
        assert builder.stdout is not None
        name, folder = builder.stdout.readline().split()
        if how == "killed":
            assert namespaces.under(name)
            os.kill(builder.pid, signal.SIGKILL)
        until(
            lambda: not (namespaces.under(name) or Path(folder).exists()),
            lambda: namespaces.under(name),
        )
        builder.kill()


def test_bounds_count_payload_and_the_access_link() -> None:
    assert UNEVEN.bound(200_000_000) == pytest.approx(11.2, abs=0.01)
    assert UNEVEN.behind(60).bound(200_000_000) == pytest.approx(27.6, abs=0.05)
    assert UNEVEN.only("b").bound(200_000_000) == pytest.approx(20.7, abs=0.05)


def test_loopback_lab_imitates_a_line(corpus: Corpus) -> None:
    topology = Topology({"a": Line(40, 30)})
    with LoopbackLab(topology, corpus.root, corpus.wrong, reason="a test") as lab:
        got = curl(lab, "a", corpus.big.path, "-r", "0-9999999")
        assert got["size_download"] == 10_000_000
        assert got["speed_download"] * 8 / 1e6 < 40
        lab.fail("a", LabFault.TRUNCATE)
        assert curl(lab, "a", corpus.big.path, "-r", "0-99999")["exitcode"] == 18
        folder = lab.folder
    assert not folder.exists()


def test_the_best_lab_that_the_machine_allows_is_taken(corpus: Corpus) -> None:
    with open_lab(Topology({"a": Line(40, 30)}), corpus.root, corpus.wrong) as lab:
        assert ("loopback" in lab.kind) == bool(WHY_NOT)
        assert curl(lab, "a", corpus.small[0].path)["http_code"] == 200
