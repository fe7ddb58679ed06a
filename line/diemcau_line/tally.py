"""What a receiver keeps of one flow in one step: raw rows, in order of arrival."""

from array import array
from dataclasses import dataclass

from diemcau_contract.plans import TrafficPlan
from diemcau_line.traffic import offered_bits_per_second

ROW = 3
"""Numbers a row: sequence, send time (sender's clock, ns), receive time (own clock, ns)."""


class Tally:
    """Rows of one flow and step; the sender's own count where its STEP END came.

    ``rows`` is written by the receive loop itself, a call a packet.
    """

    __slots__ = ("count", "rows", "rows_max")

    def __init__(self, plan: TrafficPlan, rate_ratio: float, duration_seconds: float) -> None:
        self.rows: array[int] = array("q")
        self.count: SentCount | None = None
        bits = offered_bits_per_second(plan, rate_ratio) * duration_seconds
        self.rows_max = ROW * (1000 + int(bits / 8 / 72) * 2)
        """Bound of memory: twice the packets of the plan were they the smallest there are."""

    @property
    def received(self) -> int:
        """Packets so far, copies included."""
        return len(self.rows) // ROW

    @property
    def is_whole(self) -> bool:
        """Whether every packet came that the sender counted, copies left out."""
        count = self.count
        if count is None or self.received < count.stop - count.first - count.errors:
            return False
        return len(set(self.rows[::ROW])) >= count.stop - count.first - count.errors

    def close(self) -> "array[int]":
        """Take no more rows; return those there are, for another thread to read."""
        self.rows_max = 0
        return self.rows[:]


@dataclass(frozen=True, slots=True)
class SentCount:
    """A sender's own count: planned packets ``first`` to before ``stop``, all sent but ``errors``.

    Errors are packets that the sender's own system did not take, or that it gave up as overdue.
    """

    first: int
    stop: int
    errors: int
