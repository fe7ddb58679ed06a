"""The series of the server itself, by prometheus-client.

Every counter and histogram has all its label values from the start: one that first appears with
its first event hides that event from ``increase()``. Those of ndt7 are made by ``web.ndt7``, those
of a measuring process when it is first shown.
"""

import platform
from collections.abc import Iterable
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from diemcau_contract import __version__
from diemcau_contract.errors import RejectReason
from diemcau_contract.words import Verdict
from diemcau_server.coordinator.errors import ENDS_WITHOUT_RESULT
from diemcau_server.measure_metrics import MeasureMetrics
from diemcau_server.revision import built_from
from diemcau_server.store_metrics import StoreMetrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the series, and of no use here

TEST_KINDS = ("full", "quick", "capacity")
TEST_RESULTS = (*map(str, Verdict), *ENDS_WITHOUT_RESULT)
AUTH_FAILURES = ("token_missing", "token_wrong")
LAG_SECONDS = 30.0
"""Two of Prometheus' usual intervals: no scrape misses a delay, and none takes it from another."""
MESSAGE_RESULTS = ("accepted", "duplicate", "late", "invalid", "refused", "other")
_BATCH_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_LAG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0)
_TEST_BUCKETS = (5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0)


class ServerSeries:
    """Counters, gauges and histograms of one server, in a registry of their own."""

    def __init__(self, hubs: Iterable[str] = ()) -> None:
        self.registry = registry = CollectorRegistry()
        self.of_scrape = CollectorRegistry()
        """What goes with each scrape of points, also where every hub is a target of its own."""
        ProcessCollector(registry=registry)
        self.messages = self._counter(
            "ingest_messages", "Messages of points by what became of them",
            "result", MESSAGE_RESULTS,
        )  # fmt: skip
        self.quarantined = self._counter(
            "ingest_quarantined", "Messages kept aside, by reason", "reason", map(str, RejectReason)
        )
        self.measure = MeasureMetrics(registry)
        self.auth_failures = self._counter(
            "auth_failures", "Requests that the API refused, by what was wrong",
            "kind", AUTH_FAILURES,
        )  # fmt: skip
        self.batch_seconds = self._histogram(
            "ingest_batch_seconds", "Duration of one transaction of reports", _BATCH_BUCKETS
        )
        self.lag_seconds = self._histogram(
            "ingest_lag_seconds", "Age of live reports at their commit, by the hub's clock",
            _LAG_BUCKETS,
        )  # fmt: skip
        self.store_errors = self._counter("store_errors", "Transactions that the store refused")
        self.store = StoreMetrics(registry)
        self.queue_length = self._gauge("ingest_queue_length", "Reports that wait to be committed")
        self.mqtt_connected = self._gauge(
            "mqtt_connected", "Whether there is a session with the broker"
        )
        self.mqtt_reconnects = self._counter(
            "mqtt_reconnects", "Sessions with the broker that were lost"
        )
        self.certificate_expiry = self._gauge(
            "certificate_expiry_timestamp_seconds",
            "End of a certificate's life: the broker's as last seen, and its authority's",
            "of",
        )
        self.ndt7_transfers = self._counter(
            "ndt7_transfers", "Transfers of ndt7 by direction and by how they ended",
            "direction", (), "end",
        )  # fmt: skip
        self.test_runs = self._counter(
            "test_runs", "Tests that have ended, by kind and result", "hub", (), "kind", "result"
        )
        self.test_seconds = self._histogram(
            "test_duration_seconds", "Duration of tests with a result", _TEST_BUCKETS, "hub", "kind"
        )
        for hub, kind in product(hubs, TEST_KINDS):
            self.test_seconds.labels(hub, kind)
            for result in TEST_RESULTS:
                self.test_runs.labels(hub, kind, result)
        self.loop_lag = self._gauge(
            "event_loop_lag_seconds",
            f"Longest delay of the event loop in the last {LAG_SECONDS:.0f} seconds",
        )
        self.render_seconds = Gauge(
            "diemcau_render_seconds", "Time that this scrape's points took",
            registry=self.of_scrape,
        )  # fmt: skip
        self.exposed_series = Gauge(
            "diemcau_exposed_series", "Series of points and hubs in this scrape",
            registry=self.of_scrape,
        )  # fmt: skip
        self.config_loaded = self._gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration was read; it is read at the start alone",
        )
        self.config_hash = self._gauge("config_hash_info", "First digits of its SHA-256", "hash")
        info = self._gauge(
            "build_info", "Version of the server, and the commit it was built from if known",
            "version", "revision", "python",
        )  # fmt: skip
        info.labels(__version__, built_from(), platform.python_version()).set(1)

    def _counter(
        self, name: str, text: str, label: str = "", values: Iterable[str] = (), *more: str
    ) -> Counter:
        labels = [one for one in (label, *more) if one]
        counter = Counter(f"diemcau_{name}", text, labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"diemcau_{name}", text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"diemcau_{name}", text, labels, buckets=buckets, registry=self.registry)
