"""What a gateway that others reach tells Prometheus, by its official client library: what a
laptop's tells (`gateway.metrics`, the same names), and who was answered how, how fast, and how many
wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import exposition as text_format
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from headrace import __version__
from headrace.gateway.activity import Activity
from headrace.gateway.metrics import MetricFamily, families

__all__ = ["ServeMetrics"]

#: Seconds: pages are answered in milliseconds, files in minutes.
_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class ServeMetrics:
    """Everything that is counted, in a registry of its own."""

    def __init__(self, activity: Activity, gauges: Callable[[], Mapping[str, float]]) -> None:
        """`gauges` tells what may go up and down, by its name in `gateway.metrics.GAUGES`."""
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.uploads: Mapping[str, int] = {}
        """Uploads to the bucket by how they ended."""
        self.registry.register(_Ours(activity, gauges, self._more))
        build = Gauge(
            "headrace_build_info", "Which headrace this is.", ["version"], registry=self.registry
        )
        build.labels(__version__).set(1)
        self.seconds = Histogram(
            "headrace_response_duration_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["ecosystem"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.sent = Counter(
            "headrace_response_bytes",
            "Bytes of answers, by ecosystem and by what was decided.",
            ["ecosystem", "verdict"],
            registry=self.registry,
        )
        self.responses = Counter(
            "headrace_responses",
            "Answers by ecosystem, status and kind of client.",
            ["ecosystem", "code", "client"],
            registry=self.registry,
        )
        self.active = Gauge(
            "headrace_responses_in_progress", "Answers under way.", registry=self.registry
        )
        self.waiting = Gauge(
            "headrace_requests_waiting",
            "Requests that wait for others of their own client.",
            registry=self.registry,
        )
        self.leaving = Gauge(
            "headrace_draining", "1 while it takes its leave.", registry=self.registry
        )

    def _more(self) -> Iterator[MetricFamily]:
        if self.uploads:
            samples = [({"result": how}, float(count)) for how, count in self.uploads.items()]
            yield MetricFamily("uploads_total", "Uploads to the bucket by how they ended.", samples)

    def exposition(self, _accept: str = "") -> tuple[str, bytes]:
        """Return content type and body."""
        return text_format.CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self.registry)


class _Ours:
    """The counters that the gateway keeps anyway, as Prometheus' library has them."""

    def __init__(
        self,
        activity: Activity,
        gauges: Callable[[], Mapping[str, float]],
        more: Callable[[], Iterable[MetricFamily]],
    ) -> None:
        self._activity = activity
        self._gauges = gauges
        self._more = more

    def collect(self) -> Iterator[Metric]:
        for family in (*families(self._activity, self._gauges()), *self._more()):
            yield _metric(family)


def _metric(family: MetricFamily) -> Metric:
    made: CounterMetricFamily | GaugeMetricFamily
    labels: Iterable[str] = family.samples[0][0] if family.samples else ()
    kind = CounterMetricFamily if family.counts else GaugeMetricFamily
    made = kind(f"headrace_{family.name}", family.meaning, labels=list(labels))
    for pairs, value in family.samples:
        made.add_metric(list(pairs.values()), value)
    return made
