"""The disk under a SQLite store, for Prometheus; of PostgreSQL's the server knows nothing."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from diemcau_server.store.disk import store_bytes


class StoreMetrics(Collector):
    """Looks at each scrape: a figure that cannot be had is absent, never an old one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._file: Path | None = None
        registry.register(self)

    def look_at(self, file: Path | None) -> None:
        """Take the file of the open store; None where it is no file."""
        self._file = file

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the free space of the file's disk, and the size of the store."""
        free = GaugeMetricFamily(
            "diemcau_store_disk_free_bytes", "Free space on the disk of a SQLite store"
        )
        size = GaugeMetricFamily("diemcau_store_bytes", "Size of a SQLite store with its log")
        if self._file is not None:
            with suppress(OSError):
                free.add_metric((), shutil.disk_usage(self._file.parent).free)
                size.add_metric((), store_bytes(self._file))
        yield free
        yield size
