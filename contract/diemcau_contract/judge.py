"""From measurements to verdicts: pure rules, no clock, no I/O (SPEC 6).

Order of reasoning: could the point be measured at all (agent, UDP), is the measurement valid
(guards), is the line good, are the devices good. A measurement that is not valid makes the line
``unknown`` with its own cause, never ``bad``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from diemcau_contract.causes import LINE_CAUSES, READY_ACTION, Cause, Text, action
from diemcau_contract.measurements import (
    EndStatistics,
    SenderStatistics,
    StampStatistics,
    TrafficStatistics,
)
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.profiles import Limit, Profile
from diemcau_contract.result import Finding
from diemcau_contract.words import Confidence, Direction, Status, Verdict

_DOWN_GUARD_RULES = ("test.down.schedule_error", "test.hub.local_drops")


@dataclass(frozen=True, slots=True)
class LoadEvidence:
    """One direction in the rehearsal: the receiver's count and the sender's own figures."""

    traffic: TrafficStatistics | None = None
    sender: SenderStatistics | None = None


@dataclass(frozen=True, slots=True)
class PointEvidence:
    """All that a test has learned of one point; None is "not measured"."""

    point: str
    name: str
    agent_answered: bool
    udp_answered: bool | None
    idle: StampStatistics | None = None
    loaded: StampStatistics | None = None
    up: LoadEvidence = LoadEvidence()
    down: LoadEvidence = LoadEvidence()
    point_end: EndStatistics | None = None
    hub_end: EndStatistics | None = None
    devices: tuple[DeviceResult, ...] = ()
    devices_expected: bool = True
    """The room's account of its devices is owed and has not come; a room may have none."""
    host: HostState | None = None
    hub_port: int = 0
    complete: bool = True
    """False where the test ended early or skipped steps (``--quick``)."""


@dataclass(frozen=True, slots=True)
class PointVerdict:
    """What judge() says of a point, with every finding that led there."""

    verdict: Verdict
    confidence: Confidence
    cause: Cause | None
    action: Text
    findings: tuple[Finding, ...] = field(default=())


def judge(evidence: PointEvidence, profile: Profile) -> PointVerdict:
    """Judge one point by ``profile``."""
    findings = tuple(_findings(evidence, profile))
    verdict = _verdict(findings)
    if verdict is Verdict.READY and not evidence.complete:
        verdict = Verdict.UNKNOWN
    cause, device = _cause(findings, evidence, verdict)
    text = READY_ACTION
    if cause is not None:
        text = action(
            cause, device=device, evidence=_numbers(cause, evidence), port=evidence.hub_port
        )
    return PointVerdict(verdict, _confidence(evidence, profile, findings), cause, text, findings)


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the worst of ``verdicts`` (not_ready, unknown, degraded, ready); unknown of none."""
    order = (Verdict.NOT_READY, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.READY)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.UNKNOWN)


def _findings(evidence: PointEvidence, profile: Profile) -> Iterator[Finding]:
    yield _flag("agent.answered", evidence.agent_answered)
    if not evidence.agent_answered:
        return
    yield _flag("line.udp", evidence.udp_answered)
    if evidence.udp_answered:
        yield from _guard_findings(evidence, profile)
        yield from _line_findings(evidence, profile)
    yield from _device_findings(evidence)


def _guard_findings(evidence: PointEvidence, profile: Profile) -> Iterator[Finding]:
    guards = profile.guards
    for direction, load in ((Direction.UP, evidence.up), (Direction.DOWN, evidence.down)):
        if load.sender is not None:
            yield _guard(
                f"test.{direction}.schedule_error",
                load.sender.schedule_error_p99_seconds,
                guards.schedule_error_p99_seconds,
                "seconds",
            )
    for place, end, received in (
        ("point", evidence.point_end, _received(evidence.down)),
        ("hub", evidence.hub_end, _received(evidence.up)),
    ):
        if end is None:
            continue
        if received:
            drops = end.local_drops / (end.local_drops + received)
            yield _guard(f"test.{place}.local_drops", drops, guards.local_drop_ratio, "ratio")
        if end.cpu_ratio is not None:
            yield _guard(f"test.{place}.cpu", end.cpu_ratio, guards.cpu_ratio, "ratio")
        step = abs(end.clock_step_seconds or 0.0)
        yield _guard(f"test.{place}.clock_step", step, guards.clock_step_seconds, "seconds")


def _line_findings(evidence: PointEvidence, profile: Profile) -> Iterator[Finding]:
    limits = profile.limits
    idle = evidence.idle.rtt_seconds if evidence.idle else None
    yield _measure("line.idle.rtt", idle.p95 if idle else None, limits.rtt_p95_seconds, "seconds")
    for direction, load in ((Direction.UP, evidence.up), (Direction.DOWN, evidence.down)):
        traffic = load.traffic
        enough = traffic is not None and traffic.packets_sent >= profile.guards.packets_min
        if traffic is None or not enough:
            yield Finding(
                rule=f"line.{direction}.loss", status=Status.UNKNOWN, value=None,
                limit=limits.loss_ratio.warn, unit="ratio",
            )  # fmt: skip
            continue
        queue = traffic.queue_delay_seconds
        rows: tuple[tuple[str, float | None, Limit, str], ...] = (
            ("loss", traffic.loss_ratio_worst_15s, limits.loss_ratio, "ratio"),
            (
                "loss_worst_200ms",
                traffic.loss_ratio_worst_200ms,
                limits.loss_ratio_worst_200ms,
                "ratio",
            ),
            (
                "queue_delay",
                queue.p95 if queue else None,
                limits.queue_delay_p95_seconds,
                "seconds",
            ),
            ("jitter", traffic.jitter_seconds, limits.jitter_seconds, "seconds"),
            ("reorder", traffic.reorder_ratio, limits.reorder_ratio, "ratio"),
            ("late_frames", traffic.late_frame_ratio, limits.late_frame_ratio, "ratio"),
        )
        for name, value, limit, unit in rows:
            yield _measure(f"line.{direction}.{name}", value, limit, unit)
    loaded = evidence.loaded.rtt_seconds if evidence.loaded else None
    if loaded is not None:
        yield _measure("line.loaded.rtt", loaded.p95, limits.rtt_p95_seconds, "seconds")


def _device_findings(evidence: PointEvidence) -> Iterator[Finding]:
    if evidence.devices_expected:
        yield Finding(rule="devices", status=Status.UNKNOWN, value=None, limit=None, unit="")
    for device in evidence.devices:
        rule = f"device.{device.kind}.{device.role}"
        yield Finding(rule=rule, status=device.status, value=None, limit=None, unit="")
    if evidence.host is not None and evidence.host.status in {Status.WARN, Status.BAD}:
        yield Finding(
            rule="host", status=Status.WARN, value=evidence.host.cpu_ratio, limit=None, unit="ratio"
        )


def _verdict(findings: tuple[Finding, ...]) -> Verdict:
    statuses = {finding.status for finding in _valid(findings)}
    if Status.BAD in statuses:
        return Verdict.NOT_READY
    if Status.UNKNOWN in statuses:
        return Verdict.UNKNOWN
    return Verdict.DEGRADED if Status.WARN in statuses else Verdict.READY


def _valid(findings: tuple[Finding, ...]) -> list[Finding]:
    """Drop what the line rules say where a guard calls the measurement invalid."""
    if not _broken_guards(findings):
        return list(findings)
    return [finding for finding in findings if not finding.rule.startswith("line.")]


def _broken_guards(findings: tuple[Finding, ...]) -> list[str]:
    return [
        finding.rule
        for finding in findings
        if finding.rule.startswith("test.") and finding.status is Status.UNKNOWN
    ]


def _cause(
    findings: tuple[Finding, ...], evidence: PointEvidence, verdict: Verdict
) -> tuple[Cause | None, str]:
    """Return the first cause in the order of reasoning, and the kind of device it is about."""
    if verdict is Verdict.READY:
        return None, ""
    plain = _cause_of_no_measurement(findings, evidence)
    if plain is not None:
        return plain, ""
    for status in (Status.BAD, Status.UNKNOWN, Status.WARN):
        line = _line_cause(findings, status, evidence)
        if line is not None:
            return line, ""
        device = _device_cause(evidence, status)
        if device is not None:
            return device
    return Cause.UNKNOWN, ""


def _cause_of_no_measurement(
    findings: tuple[Finding, ...], evidence: PointEvidence
) -> Cause | None:
    """Return why the line could not be measured, or None where it was."""
    if not evidence.agent_answered:
        return Cause.AGENT_SILENT
    if evidence.udp_answered is False:
        return Cause.FIREWALL
    if evidence.udp_answered is None and _host_is_busy(evidence.host):
        return Cause.PC_BUSY
    broken = _broken_guards(findings)
    if any(rule.endswith("clock_step") for rule in broken):
        return Cause.CLOCK_STEP
    if any(rule not in _DOWN_GUARD_RULES for rule in broken):
        return Cause.PC_BUSY
    return Cause.UNKNOWN if broken else None


def _host_is_busy(host: HostState | None) -> bool:
    return host is not None and Cause.CPU_BUSY in host.causes


def _line_cause(
    findings: tuple[Finding, ...], status: Status, evidence: PointEvidence
) -> Cause | None:
    rules = [f.rule for f in findings if f.status is status and f.rule.startswith("line.")]
    if not rules:
        return None
    if status is Status.UNKNOWN:
        return Cause.UNKNOWN
    if evidence.host is not None and evidence.host.medium == "wifi":
        return Cause.WIFI
    up = any(rule.startswith("line.up.") for rule in rules)
    down = any(rule.startswith("line.down.") for rule in rules)
    if up == down:
        return Cause.OWN_LINE
    return Cause.OWN_LINE_UP if up else Cause.OWN_LINE_DOWN


def _device_cause(evidence: PointEvidence, status: Status) -> tuple[Cause, str] | None:
    for device in evidence.devices:
        if device.status is status:
            return (device.causes[0] if device.causes else Cause.UNKNOWN), str(device.kind)
    host = evidence.host
    if status is Status.WARN and host is not None and host.causes:
        return host.causes[0], "host"
    return None


def _numbers(cause: Cause, evidence: PointEvidence) -> Text | None:
    """Return the measured numbers that back a line cause, in words."""
    if cause not in LINE_CAUSES:
        return None
    parts_vi: list[str] = []
    parts_en: list[str] = []
    for vi, en, load in (("lên", "up", evidence.up), ("xuống", "down", evidence.down)):
        traffic = load.traffic
        if traffic is None or str(cause).endswith("_up" if en == "down" else "_down"):
            continue
        loss = f"{traffic.loss_ratio_worst_15s * 100:.1f}"
        part_vi = f"{vi}: mất {loss.replace('.', ',')} % gói"
        part_en = f"{en}: {loss} % lost"
        if traffic.queue_delay_seconds is not None:
            queue = f"{traffic.queue_delay_seconds.p95 * 1000:.0f}"
            part_vi += f", hàng đợi {queue} ms"
            part_en += f", queue {queue} ms"
        parts_vi.append(part_vi)
        parts_en.append(part_en)
    return Text("; ".join(parts_vi), "; ".join(parts_en)) if parts_vi else None


def _confidence(
    evidence: PointEvidence, profile: Profile, findings: tuple[Finding, ...]
) -> Confidence:
    """High: whole test, valid, intervals clear of limits; low: cut short; medium: one is not."""
    if not evidence.agent_answered or evidence.udp_answered is False:
        return Confidence.HIGH
    if not evidence.complete or evidence.udp_answered is None:
        return Confidence.LOW
    if _broken_guards(findings) or _straddles(evidence, profile):
        return Confidence.MEDIUM
    unknown = any(finding.status is Status.UNKNOWN for finding in findings)
    return Confidence.MEDIUM if unknown else Confidence.HIGH


def _straddles(evidence: PointEvidence, profile: Profile) -> bool:
    limit = profile.limits.loss_ratio
    return any(
        load.traffic is not None
        and any(
            load.traffic.loss_ratio_low < edge < load.traffic.loss_ratio_high
            for edge in (limit.warn, limit.bad)
        )
        for load in (evidence.up, evidence.down)
    )


def _measure(rule: str, value: float | None, limit: Limit, unit: str) -> Finding:
    if value is None:
        return Finding(rule=rule, status=Status.UNKNOWN, value=None, limit=limit.warn, unit=unit)
    if value > limit.bad:
        return Finding(rule=rule, status=Status.BAD, value=value, limit=limit.bad, unit=unit)
    status = Status.WARN if value > limit.warn else Status.OK
    return Finding(rule=rule, status=status, value=value, limit=limit.warn, unit=unit)


def _guard(rule: str, value: float, limit: float, unit: str) -> Finding:
    status = Status.UNKNOWN if value > limit else Status.OK
    return Finding(rule=rule, status=status, value=value, limit=limit, unit=unit)


def _flag(rule: str, answered: bool | None) -> Finding:  # noqa: FBT001  # tri-state value
    if answered is None:
        return Finding(rule=rule, status=Status.UNKNOWN, value=None, limit=None, unit="")
    status = Status.OK if answered else Status.UNKNOWN
    return Finding(rule=rule, status=status, value=float(answered), limit=1.0, unit="")


def _received(load: LoadEvidence) -> int:
    return load.traffic.packets_received if load.traffic else 0


__all__ = [
    "LoadEvidence",
    "PointEvidence",
    "PointVerdict",
    "judge",
    "worst",
]
