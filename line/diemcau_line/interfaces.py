"""Counters of the machine's network interfaces: a second witness of what crossed the line."""

from dataclasses import dataclass
from pathlib import Path

_PROC_NET_DEV = Path("/proc/net/dev")
_LINK_HEADER_BYTES = 14
"""Ethernet's header, which the kernel counts and the IP layer does not."""
_RECEIVED, _RECEIVED_PACKETS, _RECEIVED_DROPS = 0, 1, 3
_SENT, _SENT_PACKETS, _SENT_DROPS = 8, 9, 11
_FIELDS = 16


@dataclass(frozen=True, slots=True)
class InterfaceCounts:
    """Totals over all interfaces but loopback; octets at the IP layer."""

    received_bytes: int
    sent_bytes: int
    drops: int

    def since(self, before: "InterfaceCounts") -> "InterfaceCounts":
        """Return what came after ``before``; never negative, for an interface may vanish."""
        return InterfaceCounts(
            max(0, self.received_bytes - before.received_bytes),
            max(0, self.sent_bytes - before.sent_bytes),
            max(0, self.drops - before.drops),
        )


def interface_counts(source: Path = _PROC_NET_DEV) -> InterfaceCounts | None:
    """Read the counters; None where the system keeps none in this form (Linux only)."""
    try:
        lines = source.read_text(encoding="ascii").splitlines()[2:]
        rows = [_fields(line) for line in lines if line.split(":")[0].strip() != "lo"]
    except (OSError, ValueError):
        return None
    return InterfaceCounts(
        sum(row[_RECEIVED] - row[_RECEIVED_PACKETS] * _LINK_HEADER_BYTES for row in rows),
        sum(row[_SENT] - row[_SENT_PACKETS] * _LINK_HEADER_BYTES for row in rows),
        sum(row[_RECEIVED_DROPS] + row[_SENT_DROPS] for row in rows),
    )


def _fields(line: str) -> list[int]:
    fields = [int(word) for word in line.partition(":")[2].split()]
    if len(fields) < _FIELDS:
        message = f"an interface with {len(fields)} counters"
        raise ValueError(message)
    return fields
