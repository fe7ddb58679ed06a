"""What the measuring processes say of themselves, for Prometheus: one series a process."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge

from diemcau_contract.packets.common import PacketFault
from diemcau_contract.tickets import TicketFault
from diemcau_line.protocol import HubCounters
from diemcau_line.stamp import NotReflectedFault

REASONS = (
    *map(str, PacketFault), *map(str, TicketFault), *map(str, NotReflectedFault),
    "wrong_address", "over_budget", "over_rate",
)  # fmt: skip
"""Why a packet is dropped: by what it is, by its ticket, by the reflector, by the rest of a hub."""

_Totals = dict[tuple[str, str], float]


class MeasureMetrics:
    """Series by the process's number, which counts from 1."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._before: dict[str, _Totals] = {}
        self._up = Gauge(
            "diemcau_measure_up",
            "Whether a measuring process runs and listens",
            ["process"],
            registry=registry,
        )
        self._rejected = Counter(
            "diemcau_measure_rejected",
            "Packets that a measuring process has dropped, by reason",
            ["process", "reason"],
            registry=registry,
        )
        self._drops = Counter(
            "diemcau_measure_socket_drops",
            "Packets that came faster than a measuring process took them",
            ["process"],
            registry=registry,
        )
        self._cpu = Counter(
            "diemcau_measure_cpu_seconds",
            "Processor time of a measuring process: one core is what it has at most",
            ["process"],
            registry=registry,
        )

    def show(self, process: int, *, up: bool) -> None:
        """Say whether a process works; its first call makes all of its series."""
        name = str(process)
        self._up.labels(name).set(up)
        if name not in self._before:
            self._before[name] = {}
            self._drops.labels(name)
            self._cpu.labels(name)
            for reason in REASONS:
                self._rejected.labels(name, reason)

    def count(self, process: int, counters: HubCounters) -> None:
        """Take a process's totals; those of a process that was started anew are added."""
        name = str(process)
        totals = dict(_totals(counters))
        before = self._before.get(name, {})
        if any(totals.get(key, 0.0) < value for key, value in before.items()):
            before = {}
        for key, total in totals.items():
            more = total - before.get(key, 0.0)
            match key:
                case ("rejected", reason):
                    self._rejected.labels(name, reason).inc(more)
                case ("drops", _):
                    self._drops.labels(name).inc(more)
                case _:
                    self._cpu.labels(name).inc(more)
        self._before[name] = totals


def _totals(counters: HubCounters) -> Iterator[tuple[tuple[str, str], float]]:
    yield ("cpu", ""), counters.cpu_seconds
    yield ("drops", ""), counters.socket_drops
    for reason, total in counters.rejected.items():
        yield ("rejected", reason), total
