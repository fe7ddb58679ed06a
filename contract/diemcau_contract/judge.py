"""From measurements to verdicts: pure rules, no clock, no I/O (SPEC 6).

Order of reasoning: could the point be measured at all (agent, UDP), is the measurement valid
(guards), is the line good, are the devices good. A measurement that is not valid makes the line
``unknown`` with its own cause, never ``bad``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from diemcau_contract.attribution import Attribution, Place
from diemcau_contract.causes import LINE_CAUSES, READY_ACTION, Cause, Text, action
from diemcau_contract.evidence import PointEvidence
from diemcau_contract.guard_words import (
    GUARDS,
    RESERVE_ACTION,
    broken_guard,
    guard_action,
    hub_load_rule,
    only_reserve_is_unknown,
    too_small_hub_load,
)
from diemcau_contract.line_rules import Measure, clearly_bad, measures
from diemcau_contract.messages import HostState
from diemcau_contract.profiles import Profile
from diemcau_contract.result import Finding
from diemcau_contract.validity import (
    guard_findings,
    sent_late,
    sent_whole,
    without_steps_cut_short,
)
from diemcau_contract.value_words import changes
from diemcau_contract.wording import hub_advice, line_evidence, works_at
from diemcau_contract.words import Confidence, Direction, Status, StepKind, Verdict

_PACKET_MAX_BYTES = 1200
"""The largest packet of the rehearsal at the IP layer (SPEC 5.5)."""
_NO_ATTRIBUTION = Attribution()
_USABLE = frozenset({Verdict.READY, Verdict.DEGRADED})


@dataclass(frozen=True, slots=True)
class PointVerdict:
    """What judge() says of a point, with every finding that led there."""

    verdict: Verdict
    confidence: Confidence
    cause: Cause | None
    action: Text
    findings: tuple[Finding, ...] = field(default=())


def judge(
    evidence: PointEvidence, profile: Profile, attribution: Attribution = _NO_ATTRIBUTION
) -> PointVerdict:
    """Judge one point by ``profile``; ``attribution`` says whose line a fault of the line is."""
    findings = tuple(_findings(evidence, profile, attribution))
    verdict = _verdict(findings)
    if verdict in _USABLE and evidence.complete and not evidence.margin_told:
        findings += tuple(_margin_owed())
        verdict = Verdict.UNKNOWN
    if verdict in _USABLE and not evidence.complete:
        verdict = Verdict.UNKNOWN
    cause, device = _cause(findings, evidence, verdict, attribution)
    text = READY_ACTION
    if cause is not None:
        text = _action(cause, device, evidence, profile, attribution)
        guard = broken_guard(findings)
        if guard is not None and not device and GUARDS[guard.rule].cause is cause:
            text = guard_action(guard)
        elif cause is Cause.UNKNOWN and not device and only_reserve_is_unknown(findings):
            text = RESERVE_ACTION
    confidence = _confidence(evidence, profile, findings, _confirmed(cause, attribution))
    if verdict in _USABLE and confidence is Confidence.HIGH and too_small_hub_load(findings):
        confidence = Confidence.MEDIUM  # the others' traffic may yet take this point's packets
    return PointVerdict(verdict, confidence, cause, text, findings)


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the worst of ``verdicts`` (not_ready, unknown, degraded, ready); unknown of none."""
    order = (Verdict.NOT_READY, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.READY)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.UNKNOWN)


def _findings(
    evidence: PointEvidence, profile: Profile, attribution: Attribution
) -> Iterator[Finding]:
    yield _flag("agent.answered", evidence.agent_answered)
    if not evidence.agent_answered:
        return
    yield _flag("line.udp", evidence.udp_answered)
    if evidence.udp_answered:
        yield from guard_findings(evidence, profile)
        yield from _line_findings(evidence, profile)
        if evidence.complete:
            yield from _hub_load_findings(attribution)
    yield from _device_findings(evidence)


def _line_findings(evidence: PointEvidence, profile: Profile) -> Iterator[Finding]:
    limits = profile.limits
    yield from _preflight_findings(evidence)
    idle = evidence.idle.rtt_seconds if evidence.idle else None
    rtt = Measure("rtt", idle.p95 if idle else None, limits.rtt_p95_seconds, "seconds")
    yield _measured("line.idle.rtt", rtt)
    for direction in Direction:
        traffic = evidence.load(direction).traffic
        if traffic is None or traffic.packets_sent < profile.guards.packets_min:
            loss = Measure("loss", None, limits.loss_ratio, "ratio")
            yield _measured(f"line.{direction}.loss", loss)
            continue
        for one in measures(traffic, limits):
            yield _measured(f"line.{direction}.{one.name}", one)
    loaded = evidence.loaded.rtt_seconds if evidence.loaded else None
    if loaded is not None:
        rtt = Measure("rtt", loaded.p95, limits.rtt_p95_seconds, "seconds")
        yield _measured("line.loaded.rtt", rtt)
    yield from _margin_findings(evidence, profile)


def _preflight_findings(evidence: PointEvidence) -> Iterator[Finding]:
    """What is known of clocks and path before the load.

    A mark that the carrier rewrites harms nothing by itself: the rehearsal bears it too.
    """
    clock = evidence.idle or evidence.preflight
    if clock is not None and clock.clock_offset_seconds is not None:
        yield Finding(
            rule="line.clock_offset", status=Status.OK, value=clock.clock_offset_seconds,
            limit=clock.clock_offset_bound_seconds, unit="seconds",
        )  # fmt: skip
    preflight = evidence.preflight
    if preflight is None:
        return
    mtu = preflight.path_mtu_bytes
    if mtu is not None:
        small = Status.WARN if mtu < _PACKET_MAX_BYTES else Status.OK
        yield Finding(
            rule="line.path_mtu", status=small, value=mtu, limit=_PACKET_MAX_BYTES, unit="bytes"
        )
    sent, received = preflight.dscp_sent, preflight.dscp_received
    if sent is not None and received is not None:
        kept = Status.OK if sent == received else Status.NOT_APPLICABLE
        yield Finding(rule="line.dscp", status=kept, value=received, limit=sent, unit="dscp")


def _margin_findings(evidence: PointEvidence, profile: Profile) -> Iterator[Finding]:
    """A line that carries the plan but not 120 % of it is worth a warning, never more.

    What a late sender did not lose the line has carried; what it lost proves nothing.
    """
    limits = profile.limits
    for step in evidence.of_kind(StepKind.MARGIN):
        for direction in Direction:
            load = step.load(direction)
            traffic = load.traffic
            if step.rate_ratio <= 1 or traffic is None or not traffic.packets_sent:
                continue
            is_bad = clearly_bad(traffic, limits)
            status = Status.WARN if is_bad else Status.OK
            if not sent_whole(load.sender, profile) or (is_bad and sent_late(load.sender, profile)):
                status = Status.UNKNOWN
            yield Finding(
                rule=f"line.{direction}.margin", status=status, value=traffic.loss_ratio,
                limit=limits.loss_ratio.bad, unit="ratio",
            )  # fmt: skip


def _hub_load_findings(attribution: Attribution) -> Iterator[Finding]:
    """How much a whole test loaded the hub's line: no fault of the room, never judged."""
    for direction in Direction:
        figures = attribution.figures(direction)
        if figures.load_ratio is None:
            continue
        status = Status.OK if figures.bore_the_plan else Status.NOT_APPLICABLE
        yield Finding(
            rule=hub_load_rule(direction), status=status, value=figures.load_ratio, limit=1.0,
            unit="ratio",
        )  # fmt: skip


def _margin_owed() -> Iterator[Finding]:
    """What was good at the plan and is not known above it is not called ready."""
    for direction in Direction:
        rule = f"line.{direction}.margin"
        yield Finding(rule=rule, status=Status.UNKNOWN, value=None, limit=None, unit="ratio")


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
    if broken_guard(findings) is None:
        return list(findings)
    return [finding for finding in findings if not finding.rule.startswith("line.")]


def _cause(
    findings: tuple[Finding, ...],
    evidence: PointEvidence,
    verdict: Verdict,
    attribution: Attribution,
) -> tuple[Cause | None, str]:
    """Return the first cause in the order of reasoning, and the kind of device it is about."""
    if verdict is Verdict.READY:
        return None, ""
    plain = _cause_of_no_measurement(findings, evidence)
    if plain is not None:
        return plain, ""
    valid = _valid(findings)
    for status in (Status.BAD, Status.UNKNOWN, Status.WARN):
        line = _line_cause(valid, status, evidence, attribution)
        if line is not None:
            return line, ""
        device = _device_cause(evidence, status)
        if device is not None:
            return device
    return Cause.UNKNOWN, ""


def early_cause(evidence: PointEvidence, profile: Profile) -> Cause | None:
    """Return the guard that is broken already, whatever comes; None where none is."""
    guard = broken_guard(guard_findings(evidence, profile))
    return GUARDS[guard.rule].cause if guard else None


def _cause_of_no_measurement(
    findings: tuple[Finding, ...], evidence: PointEvidence
) -> Cause | None:
    """Return why the line could not be measured, or None where it was."""
    if not evidence.agent_answered:
        return Cause.AGENT_SILENT
    if evidence.udp_answered is False:
        return Cause.FIREWALL
    slow = evidence.slow_to_open or _host_is_busy(evidence.host)
    if evidence.udp_answered is None and slow:
        return Cause.PC_BUSY
    guard = broken_guard(findings)
    if guard is None or GUARDS[guard.rule].cause is Cause.UNKNOWN:
        return None  # What is wrong at the hub explains no bad device.
    return GUARDS[guard.rule].cause


def _host_is_busy(host: HostState | None) -> bool:
    return host is not None and Cause.CPU_BUSY in host.causes


def _line_cause(
    findings: Sequence[Finding],
    status: Status,
    evidence: PointEvidence,
    attribution: Attribution,
) -> Cause | None:
    rules = [f.rule for f in findings if f.status is status and f.rule.startswith("line.")]
    if status is Status.UNKNOWN and (rules or broken_guard(findings)):
        return Cause.UNKNOWN
    if not rules:
        return None
    ways = [way for way in Direction if any(rule.startswith(f"line.{way}.") for rule in rules)]
    own = [way for way in ways if attribution.place(evidence.point, way) is Place.OWN]
    if ways and not own:
        return Cause(f"hub_line_{ways[0]}" if len(ways) == 1 else "hub_line")
    if evidence.host is not None and evidence.host.medium == "wifi":
        return Cause.WIFI
    return Cause(f"own_line_{own[0]}" if len(own) == 1 else "own_line")


def _device_cause(evidence: PointEvidence, status: Status) -> tuple[Cause, str] | None:
    for device in evidence.devices:
        if device.status is status:
            return (device.causes[0] if device.causes else Cause.UNKNOWN), str(device.kind)
    host = evidence.host
    if status is Status.WARN and host is not None and host.causes:
        return host.causes[0], "host"
    return None


def _action(
    cause: Cause,
    device: str,
    evidence: PointEvidence,
    profile: Profile,
    attribution: Attribution,
) -> Text:
    ways = [way for way in Direction if not str(cause).endswith(f"_{_opposite(way)}")]
    if cause not in LINE_CAUSES:
        looked = [one for one in evidence.devices if one.kind == device and cause in one.causes]
        values = looked[0].values if looked else None
        return action(cause, device=device, values=values, evidence=changes(looked))
    if str(cause).startswith("hub_line"):
        numbers, advice = hub_advice(ways, attribution, profile)
        return action(cause, evidence=numbers, advice=advice)
    loads = {way: evidence.load(way).traffic for way in ways}
    text = action(cause, evidence=line_evidence(loads), port=evidence.hub_port)
    if not str(cause).startswith("own_line"):
        return text
    return text + works_at(without_steps_cut_short(evidence, profile), ways, profile)


def _opposite(direction: Direction) -> Direction:
    return Direction.DOWN if direction is Direction.UP else Direction.UP


def _confirmed(cause: Cause | None, attribution: Attribution) -> bool | None:
    """Return what second witnesses say of a cause in the hub's line; None of any other."""
    if not str(cause).startswith("hub_line"):
        return None
    ways = [way for way in Direction if not str(cause).endswith(f"_{_opposite(way)}")]
    said = [attribution.figures(way).confirmed for way in ways]
    if False in said:
        return False
    return None if None in said else True


def _confidence(
    evidence: PointEvidence,
    profile: Profile,
    findings: tuple[Finding, ...],
    confirmed: bool | None,  # noqa: FBT001  # tri-state value
) -> Confidence:
    """High: whole test, valid, intervals clear of limits; low: cut short; medium: one is not.

    A hub line that second witnesses confirm needs no clear interval of each point: what all lost is
    one sample of one queue. One that they contradict counts one less.
    """
    if not evidence.agent_answered or evidence.udp_answered is False:
        return Confidence.HIGH
    if not evidence.complete or evidence.udp_answered is None:
        return Confidence.LOW
    unknown = any(finding.status is Status.UNKNOWN for finding in findings)
    unclear = _straddles(evidence, profile) and not confirmed
    if confirmed is False and (unknown or unclear):
        return Confidence.LOW
    if unknown or unclear or confirmed is False:
        return Confidence.MEDIUM
    return Confidence.HIGH


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


def _measured(rule: str, one: Measure) -> Finding:
    status = one.status
    limit = one.limit.bad if status is Status.BAD else one.limit.warn
    return Finding(rule=rule, status=status, value=one.value, limit=limit, unit=one.unit)


def _flag(rule: str, answered: bool | None) -> Finding:  # noqa: FBT001  # tri-state value
    if answered is None:
        return Finding(rule=rule, status=Status.UNKNOWN, value=None, limit=None, unit="")
    status = Status.OK if answered else Status.UNKNOWN
    return Finding(rule=rule, status=status, value=float(answered), limit=1.0, unit="")
