"""A bound on what may come in: a token bucket, cheap enough for every packet."""

BURST_SECONDS = 0.5
"""What a line's queue may hold back and then hand over at once."""
_NS = 1_000_000_000


class RateCap:
    """Takes octets up to a rate; without one it takes everything.

    What it takes is to fit ``within`` another bound as well: that of all peers together.
    """

    __slots__ = ("_at_ns", "_bits_per_second", "_left", "_within")

    def __init__(
        self, bits_per_second: float | None = None, within: "RateCap | None" = None
    ) -> None:
        self._bits_per_second = bits_per_second
        self._within = within
        self._left = (bits_per_second or 0.0) * BURST_SECONDS
        self._at_ns = 0

    @property
    def bits_per_second(self) -> float | None:
        """The bound, or None."""
        return self._bits_per_second

    def takes(self, octets: int, now_ns: int) -> bool:
        """Tell whether ``octets`` that came at ``now_ns`` are within the rate, and count them."""
        rate = self._bits_per_second
        if rate is None:
            return self._within is None or self._within.takes(octets, now_ns)
        if self._at_ns:
            gained = (now_ns - self._at_ns) * rate / _NS
            self._left = min(self._left + max(0.0, gained), rate * BURST_SECONDS)
        self._at_ns = max(self._at_ns, now_ns)
        if octets * 8 > self._left:
            return False
        if self._within is not None and not self._within.takes(octets, now_ns):
            return False
        self._left -= octets * 8
        return True
