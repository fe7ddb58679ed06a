"""Acknowledgements to be sent: gathered per point, merged into ranges."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from diemcau_contract.messages import Ack, RejectedReport
from diemcau_server.state import PointKey

_MAX_RANGES = 1000
_MAX_REJECTED = 400


@dataclass(slots=True)
class _Draft:
    sequences: set[int] = field(default_factory=set)
    rejected: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class PendingAcks:
    """What is to be told to each point's run of its agent."""

    _drafts: dict[tuple[PointKey, str], _Draft] = field(default_factory=dict)

    def committed(self, key: PointKey, boot_id: str, seq: int) -> None:
        """Note a report that is in the store."""
        self._drafts.setdefault((key, boot_id), _Draft()).sequences.add(seq)

    def rejected(self, key: PointKey, boot_id: str, seq: int, reason: str) -> None:
        """Note a report that was kept aside and must not come again."""
        self._drafts.setdefault((key, boot_id), _Draft()).rejected[seq] = reason

    def take(self) -> list[tuple[PointKey, Ack]]:
        """Return all messages to send and forget them."""
        drafts, self._drafts = self._drafts, {}
        return [
            (key, ack) for (key, boot_id), draft in drafts.items() for ack in _acks(boot_id, draft)
        ]

    def __bool__(self) -> bool:
        return bool(self._drafts)


def ranges_of(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Return ``sequences`` as inclusive ranges in rising order."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(sequences):
        if ranges and number <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(number, ranges[-1][1]))
        else:
            ranges.append((number, number))
    return ranges


def _acks(boot_id: str, draft: _Draft) -> list[Ack]:
    """Return as many messages as keep each within what one may hold."""
    ranges = ranges_of(draft.sequences)
    rejected = [RejectedReport(seq=seq, reason=why) for seq, why in sorted(draft.rejected.items())]
    count = max(-(-len(ranges) // _MAX_RANGES), -(-len(rejected) // _MAX_REJECTED))
    return [
        Ack(
            boot_id=boot_id,
            ranges=tuple(ranges[n * _MAX_RANGES : (n + 1) * _MAX_RANGES]),
            rejected=tuple(rejected[n * _MAX_REJECTED : (n + 1) * _MAX_REJECTED]),
        )
        for n in range(count)
    ]
