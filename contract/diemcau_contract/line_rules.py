"""What is held against which limit in one direction of one step (SPEC 6.2); pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from diemcau_contract.measurements import TrafficStatistics
from diemcau_contract.profiles import Limit, Limits
from diemcau_contract.words import Status


@dataclass(frozen=True, slots=True)
class Measure:
    """One value (None: not measured) with its limit; ``unit`` is ``ratio`` or ``seconds``."""

    name: str
    value: float | None
    limit: Limit
    unit: str

    @property
    def status(self) -> Status:
        """Unknown without a value, else ok, warn or bad."""
        return status_of(self.value, self.limit)


def status_of(value: float | None, limit: Limit) -> Status:
    """Return ok up to ``warn``, warn up to ``bad``, bad beyond; unknown of None."""
    if value is None:
        return Status.UNKNOWN
    if value > limit.bad:
        return Status.BAD
    return Status.WARN if value > limit.warn else Status.OK


def measures(traffic: TrafficStatistics, limits: Limits) -> Iterator[Measure]:
    """Yield the measures of one direction."""
    queue = traffic.queue_delay_seconds
    delay = queue.p95 if queue else None
    yield Measure("loss", traffic.loss_ratio_worst_15s, limits.loss_ratio, "ratio")
    worst = traffic.loss_ratio_worst_200ms
    yield Measure("loss_worst_200ms", worst, limits.loss_ratio_worst_200ms, "ratio")
    yield Measure("queue_delay", delay, limits.queue_delay_p95_seconds, "seconds")
    yield Measure("jitter", traffic.jitter_seconds, limits.jitter_seconds, "seconds")
    yield Measure("reorder", traffic.reorder_ratio, limits.reorder_ratio, "ratio")
    yield Measure("late_frames", traffic.late_frame_ratio, limits.late_frame_ratio, "ratio")


def worst_status(traffic: TrafficStatistics | None, limits: Limits) -> Status:
    """Return the worst status of the measures; unknown where nothing was measured."""
    if traffic is None or not traffic.packets_sent:
        return Status.UNKNOWN
    found = {one.status for one in measures(traffic, limits)}
    return next((status for status in (Status.BAD, Status.WARN) if status in found), Status.OK)


def clearly_bad(traffic: TrafficStatistics, limits: Limits) -> bool:
    """Tell whether even a few seconds prove the direction bad: chance alone makes no such loss."""
    queue = traffic.queue_delay_seconds
    lossy = (
        traffic.loss_ratio > limits.loss_ratio.bad
        and traffic.loss_ratio_low > limits.loss_ratio.warn
    )
    gap = traffic.loss_ratio_worst_200ms > limits.loss_ratio_worst_200ms.bad
    slow = queue is not None and queue.p95 > limits.queue_delay_p95_seconds.bad
    return lossy or gap or slow
