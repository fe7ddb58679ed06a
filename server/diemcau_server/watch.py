"""What an ordinary report says of a point: pure rules, no clock, no I/O.

The light flow sends few packets (60 in 30 s), so one lost packet is no finding: the lower end of
the Wilson interval (E. B. Wilson, 1927) is held against the limit, not the ratio itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

from diemcau_contract.causes import Cause, Text, action
from diemcau_contract.measurements import StampStatistics
from diemcau_contract.messages import DeviceResult, Report
from diemcau_contract.profiles import Limits
from diemcau_contract.value_words import changes
from diemcau_contract.words import Status, Verdict

_Z95 = 1.959964
_ANSWERS_EXPECTED = 10
"""So many packets without one answer mean that the port is closed, not that the line loses."""


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """The limits of a profile that the light flow can be held against."""

    loss_warn_ratio: float
    loss_bad_ratio: float
    rtt_bad_seconds: float

    @classmethod
    def of(cls, limits: Limits) -> "WatchLimits":
        """Take them from a profile."""
        return cls(limits.loss_ratio.warn, limits.loss_ratio.bad, limits.rtt_p95_seconds.bad)


@dataclass(frozen=True, slots=True)
class Watched:
    """The worst that a report shows; ``ready`` here only means that nothing is wrong."""

    verdict: Verdict
    cause: Cause | None = None
    action: Text | None = None


def watch_verdict(report: Report, limits: WatchLimits) -> Watched:
    """Return the worst of line, devices and PC; the line is named first."""
    found = [*_line(report.line, limits), *_devices(report)]
    for verdict in (Verdict.NOT_READY, Verdict.UNKNOWN, Verdict.DEGRADED):
        for item in found:
            if item.verdict is verdict:
                return item
    return Watched(Verdict.READY)


def wilson_low(lost: float, sent: int) -> float:
    """Return the lower end of the 95 % Wilson interval of ``lost`` of ``sent``."""
    if sent <= 0:
        return 0.0
    share, square = lost / sent, _Z95 * _Z95
    centre = share + square / (2 * sent)
    spread = _Z95 * sqrt(share * (1 - share) / sent + square / (4 * sent * sent))
    return max(0.0, (centre - spread) / (1 + square / sent))


def _line(line: StampStatistics | None, limits: WatchLimits) -> Iterator[Watched]:
    if line is None:
        return
    if line.packets_received == 0:
        if line.packets_sent >= _ANSWERS_EXPECTED:
            yield _watched(Verdict.UNKNOWN, Cause.FIREWALL)
        return
    for ratio, cause in (
        (line.loss_ratio_up, Cause.OWN_LINE_UP),
        (line.loss_ratio_down, Cause.OWN_LINE_DOWN),
    ):
        low = wilson_low((ratio or 0.0) * line.packets_sent, line.packets_sent)
        if low > limits.loss_bad_ratio:
            yield _watched(Verdict.NOT_READY, cause, evidence=_loss(ratio or 0.0))
        elif low > limits.loss_warn_ratio:
            yield _watched(Verdict.DEGRADED, cause, evidence=_loss(ratio or 0.0))
    if line.rtt_seconds is not None and line.rtt_seconds.p95 > limits.rtt_bad_seconds:
        delay = f"{line.rtt_seconds.p95 * 1000:.0f} ms"
        text = Text(f"trễ khứ hồi {delay}", f"round trip {delay}")
        yield _watched(Verdict.DEGRADED, Cause.OWN_LINE, evidence=text)


def _devices(report: Report) -> Iterator[Watched]:
    for device in report.devices:
        cause = device.causes[0] if device.causes else Cause.UNKNOWN
        if device.status is Status.BAD:
            yield _of_device(Verdict.NOT_READY, cause, device)
        elif device.status is Status.WARN:
            yield _of_device(Verdict.DEGRADED, cause, device)
    if report.host.status in {Status.WARN, Status.BAD} and report.host.causes:
        cause = report.host.causes[0]
        yield Watched(Verdict.DEGRADED, cause, action(cause, device="host"))


def checks(report: Report, limits: WatchLimits) -> Mapping[str, bool]:
    """Return each check that the report can answer: line, loss, round_trip, devices by kind, PC."""
    found: dict[str, bool] = {}
    line = report.line
    if line is not None and (line.packets_received or line.packets_sent >= _ANSWERS_EXPECTED):
        causes = {one.cause for one in _line(line, limits)}
        found["line"] = Cause.FIREWALL not in causes
        if line.rtt_seconds is not None:
            found["loss"] = not causes & {Cause.OWN_LINE_UP, Cause.OWN_LINE_DOWN}
            found["round_trip"] = Cause.OWN_LINE not in causes
    for device in report.devices:
        if device.status not in {Status.UNKNOWN, Status.NOT_APPLICABLE}:
            works = device.status is not Status.BAD
            found[str(device.kind)] = found.get(str(device.kind), True) and works
    host = report.host
    # A clock that nothing keeps may be right, and one that is kept wrong: only the offset tells.
    clock_offset_seconds = line.clock_offset_seconds if line is not None else None
    for check, value, cause in (
        ("power", host.on_mains, Cause.ON_BATTERY),
        ("disk", host.disk_free_bytes, Cause.DISK_LOW),
        ("clock", clock_offset_seconds, Cause.CLOCK_OFF),
    ):
        if value is not None and host.status is not Status.UNKNOWN:
            found[check] = cause not in host.causes
    return found


def _of_device(verdict: Verdict, cause: Cause, device: DeviceResult) -> Watched:
    to_do = action(cause, device=device.kind, values=device.values, evidence=changes([device]))
    return Watched(verdict, cause, to_do)


def _watched(verdict: Verdict, cause: Cause, evidence: Text | None = None) -> Watched:
    return Watched(verdict, cause, action(cause, evidence=evidence))


def _loss(ratio: float) -> Text:
    percent = f"{ratio * 100:.1f}"
    return Text(f"mất {percent.replace('.', ',')} % gói", f"{percent} % lost")
