"""Audio quality by the E-model of ITU-T G.107: an estimate, for G.711 with concealment."""

from diemcau_contract.measurements import StampStatistics, TrafficStatistics

R_BEST = 93.2
"""Default transmission rating (G.107 section 7.7, 06/2015)."""
_IE, _BPL = 0.0, 25.1
"""Equipment impairment and robustness of G.711 with packet loss concealment (G.113 appendix I)."""
_DELAY_KNEE_MS = 177.3
_PACKET_AND_BUFFER_SECONDS = 0.060
"""A packet of 20 ms and a jitter buffer of two: what a receiver adds to the path's delay."""


def audio_mos(traffic: TrafficStatistics, path: StampStatistics | None) -> float | None:
    """Return the estimated mean opinion score, 1 to 4.5; None without a round trip.

    The one-way delay is taken as half of the median round trip: no clock is compared.
    """
    if path is None or path.rtt_seconds is None:
        return None
    queue = traffic.queue_delay_seconds.p95 if traffic.queue_delay_seconds else 0.0
    delay = path.rtt_seconds.p50 / 2 + queue + _PACKET_AND_BUFFER_SECONDS
    return mos(rating(delay, traffic.loss_ratio, burst_ratio(traffic)))


def burst_ratio(traffic: TrafficStatistics) -> float:
    """Return the mean length of loss bursts over that of random loss; 1 is random, never below."""
    if traffic.bursts is None or traffic.loss_ratio >= 1:
        return 1.0
    return max(1.0, traffic.bursts.length_mean * (1 - traffic.loss_ratio))


def rating(delay_seconds: float, loss_ratio: float, burst: float = 1.0) -> float:
    """Return R = 93.2 - Id - Ie,eff (G.107 equations 7-27 to 7-29, in their usual short form)."""
    delay = delay_seconds * 1000
    impairment = 0.024 * delay + 0.11 * max(0.0, delay - _DELAY_KNEE_MS)
    percent = loss_ratio * 100
    equipment = _IE + (95 - _IE) * percent / (percent / burst + _BPL)
    return R_BEST - impairment - equipment


def mos(rated: float) -> float:
    """Return the mean opinion score of a rating (G.107 annex B)."""
    if rated <= 0:
        return 1.0
    if rated >= 100:  # noqa: PLR2004  # the scale's end
        return 4.5
    return max(1.0, 1 + 0.035 * rated + 7e-6 * rated * (rated - 60) * (100 - rated))
