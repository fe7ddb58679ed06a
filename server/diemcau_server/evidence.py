"""From what came in during a test to evidence per point, and on to its result; pure (SPEC 6, 8)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from diemcau_contract.attribution import Attribution, HubDirectionFigures
from diemcau_contract.causes import Cause
from diemcau_contract.evidence import LoadEvidence, PointEvidence, StepEvidence
from diemcau_contract.judge import PointVerdict
from diemcau_contract.measurements import (
    EndStatistics,
    SenderStatistics,
    StampStatistics,
    TrafficStatistics,
)
from diemcau_contract.messages import DevicesResult, StepResult
from diemcau_contract.result import (
    Capacity,
    DelayQuantiles,
    DeviceLine,
    HubDirection,
    HubLine,
    IdleLine,
    LineResult,
    LoadedDirection,
    LoadedQuantiles,
    PointResult,
    RttQuantiles,
    Sentence,
)
from diemcau_contract.words import Direction, Status, StepKind, Verdict
from diemcau_server.capacity import LineCapacity
from diemcau_server.steps import StepPlan

_HUB_VERDICTS = {
    Status.OK: Verdict.READY,
    Status.WARN: Verdict.DEGRADED,
    Status.BAD: Verdict.NOT_READY,
}


@dataclass(frozen=True, slots=True)
class HubFigures:
    """What the hub's measuring end says of one point in one step."""

    up: TrafficStatistics | None = None
    down_sender: SenderStatistics | None = None
    end: EndStatistics | None = None


@dataclass(frozen=True, slots=True)
class PointRecord:
    """All that came in for one point during a test; steps by their number."""

    point: str
    name: str
    accepted: bool = False
    refused: bool = False
    """It said itself that it cannot take part."""
    udp_answered: bool | None = None
    joined: bool = False
    """It was in time to take part in the steps."""
    slow_to_open: bool = False
    steps: Mapping[int, StepResult] = field(default_factory=dict)
    hub: Mapping[int, HubFigures] = field(default_factory=dict)
    devices: DevicesResult | None = None


@dataclass(frozen=True, slots=True)
class JudgedPoint:
    """A point's evidence with what judge() said of it."""

    evidence: PointEvidence
    said: PointVerdict


def point_evidence(
    record: PointRecord,
    steps: Sequence[StepPlan],
    *,
    joined: Sequence[str],
    complete: bool,
    hub_port: int,
) -> PointEvidence:
    """Assemble one point's evidence.

    ``steps`` are the test's steps by number, ``joined`` the points that took part. A point that
    accepted and was never heard again counts as silent: nothing that it measured is there. Without
    the point's own account of a step its traffic is not taken either, for nobody vouches for its
    sender.
    """
    kinds = [step.kind for step in steps]
    said_why = record.refused or record.udp_answered is False
    told_steps = {number for number in record.steps if kinds[number] is not StepKind.PREFLIGHT}
    heard = said_why or bool(told_steps) or record.devices is not None
    evidence = PointEvidence(
        point=record.point,
        name=record.name,
        agent_answered=record.accepted and heard,
        udp_answered=record.udp_answered,
        slow_to_open=record.slow_to_open,
        preflight=_stamp(record, kinds, StepKind.PREFLIGHT),
        idle=_stamp(record, kinds, StepKind.IDLE),
        loaded=_stamp(record, kinds, StepKind.REHEARSAL),
        steps=tuple(_other_steps(record, steps, joined)),
        devices=record.devices.devices if record.devices else (),
        devices_expected=record.devices is None,
        host=record.devices.host if record.devices else None,
        hub_port=hub_port,
        complete=complete,
        margin_told=_margin_is_told(record, steps),
    )
    number = _last(kinds, StepKind.REHEARSAL)
    told = record.steps.get(number)
    if told is None:
        # In the traffic and then no account of it: its agent is gone, whatever came before.
        return replace(
            evidence,
            agent_answered=evidence.agent_answered and not record.joined,
            point_end=_with_all_steps(None, [one.end for one in record.steps.values()]),
            hub_end=_with_all_steps(None, [one.end for one in record.hub.values()]),
        )
    hub = record.hub.get(number, HubFigures())
    up, down = _loads(told, hub)
    return replace(
        evidence,
        up=up,
        down=down,
        point_end=_with_all_steps(told.end, [one.end for one in record.steps.values()]),
        hub_end=_with_all_steps(hub.end, [one.end for one in record.hub.values()]),
    )


def _with_all_steps(
    end: EndStatistics | None, ends: Sequence[EndStatistics | None]
) -> EndStatistics | None:
    """Return the rehearsal's guards with every step of the clock in the whole test.

    Load and drops of other steps say nothing of the rehearsal: without it only the clock counts.
    """
    steps = [one.clock_step_seconds for one in ends if one and one.clock_step_seconds]
    if end is None and not steps:
        return None
    largest = max(steps, key=abs, default=None)
    if end is None:
        return EndStatistics(0, None, largest, None)
    return replace(end, clock_step_seconds=largest)


def _other_steps(
    record: PointRecord, steps: Sequence[StepPlan], joined: Sequence[str]
) -> Iterator[StepEvidence]:
    for number, step in enumerate(steps):
        told = record.steps.get(number)
        if step.kind not in {StepKind.GROUPS, StepKind.MARGIN} or told is None:
            continue
        up, down = _loads(told, record.hub.get(number, HubFigures()))
        together = sum(step.includes(point) for point in joined)
        yield StepEvidence(step.kind, step.rate_ratio, together, up, down)


def _margin_is_told(record: PointRecord, steps: Sequence[StepPlan]) -> bool:
    """Tell whether the point has told of what it was tried at after its rehearsal.

    Who was not tried above the plan may not be called ready: an account of the rehearsal that came
    too late for it, or none of the margin, says that the line is hardly enough.
    """
    tried = [
        number
        for number, step in enumerate(steps)
        if step.kind is StepKind.MARGIN and step.includes(record.point)
    ]
    return bool(tried) and all(number in record.steps for number in tried)


def _loads(told: StepResult, hub: HubFigures) -> tuple[LoadEvidence, LoadEvidence]:
    return (
        LoadEvidence(counted(hub.up, told.up_sender), told.up_sender),
        LoadEvidence(counted(told.down, hub.down_sender), hub.down_sender),
    )


def counted(
    traffic: TrafficStatistics | None, sender: SenderStatistics | None
) -> TrafficStatistics | None:
    """Hold a receiver's count against what the sender says that it sent.

    A receiver sees gaps between packets, but not what was lost after the last one it got; where
    the sender sent more, that loss is added (SPEC 4: the sender only says how many it sent).
    """
    if traffic is None or sender is None or sender.packets_sent <= traffic.packets_sent:
        return traffic
    sent = sender.packets_sent
    loss = max(0.0, 1.0 - traffic.packets_received / sent)
    offered = traffic.offered_bits_per_second
    if traffic.duration_seconds > 0 and not traffic.packets_sent:
        offered = sender.bytes_sent * 8 / traffic.duration_seconds
    elif traffic.packets_sent:
        offered *= sent / traffic.packets_sent
    return replace(
        traffic,
        packets_sent=sent,
        loss_ratio=loss,
        loss_ratio_low=min(traffic.loss_ratio_low, loss) if traffic.packets_sent else loss,
        loss_ratio_high=max(traffic.loss_ratio_high, loss),
        loss_ratio_worst_200ms=max(traffic.loss_ratio_worst_200ms, loss),
        loss_ratio_worst_15s=max(traffic.loss_ratio_worst_15s, loss),
        offered_bits_per_second=offered,
    )


def hub_line(attribution: Attribution, *, complete: bool) -> HubLine:
    """Put the hub's line into the form of ``diemcau.test/1``; a short test never calls it ready."""
    figures = {way: attribution.figures(way) for way in Direction}
    found = {way: one.status for way, one in figures.items()}
    if Status.WARN in found.values():
        # What was found stands, though not all loaded the other direction.
        found = {way: one for way, one in found.items() if not figures[way].only_load_missing}
    status = next(
        (one for one in (Status.BAD, Status.UNKNOWN, Status.WARN) if one in found.values()),
        Status.OK,
    )
    verdict = _HUB_VERDICTS.get(status, Verdict.UNKNOWN)
    cause = None if verdict is Verdict.READY else Cause.UNKNOWN
    if status in {Status.BAD, Status.WARN}:
        ways = [way for way, one in found.items() if one is status]
        cause = Cause(f"hub_line_{ways[0]}" if len(ways) == 1 else "hub_line")
    elif not complete:
        verdict, cause = Verdict.UNKNOWN, Cause.UNKNOWN
    up, down = (_hub_direction(figures[way]) for way in (Direction.UP, Direction.DOWN))
    return HubLine(verdict=verdict, cause=cause, up=up, down=down)


def point_result(judged: JudgedPoint, capacity: LineCapacity | None = None) -> PointResult:
    """Put a judged point into the form of ``diemcau.test/1``, with what its line carries."""
    evidence, said = judged.evidence, judged.said
    return PointResult(
        point=evidence.point,
        name=evidence.name,
        verdict=said.verdict,
        confidence=said.confidence,
        cause=said.cause,
        action=Sentence(vi=said.action.vi, en=said.action.en),
        line=LineResult(
            idle=_idle(evidence.idle),
            up=_direction(evidence.up.traffic),
            down=_direction(evidence.down.traffic),
            loaded_rtt_seconds=_loaded(evidence.loaded),
            capacity=capacity.as_result() if capacity else Capacity(),
        ),
        devices=tuple(
            DeviceLine(
                kind=device.kind,
                role=device.role,
                status=device.status,
                causes=device.causes,
                values=device.values,
            )
            for device in evidence.devices
        ),
        findings=(*said.findings, *(capacity.findings() if capacity else ())),
    )


def _last(kinds: Sequence[StepKind], kind: StepKind) -> int:
    return max((number for number, one in enumerate(kinds) if one is kind), default=-1)


def _stamp(
    record: PointRecord, kinds: Sequence[StepKind], kind: StepKind
) -> StampStatistics | None:
    told = record.steps.get(_last(kinds, kind))
    return told.stamp if told else None


def _hub_direction(figures: HubDirectionFigures) -> HubDirection | None:
    if not figures.offered_bits_per_second:
        return None
    return HubDirection(
        offered_bits_per_second=figures.offered_bits_per_second,
        carried_bits_per_second=figures.carried_bits_per_second,
    )


def _idle(stamp: StampStatistics | None) -> IdleLine | None:
    if stamp is None:
        return None
    rtt = stamp.rtt_seconds
    quantiles = None
    if rtt is not None and rtt.min is not None and rtt.max is not None:
        quantiles = RttQuantiles(min=rtt.min, p50=rtt.p50, p95=rtt.p95, max=rtt.max)
    return IdleLine(
        rtt_seconds=quantiles,
        packets_sent=stamp.packets_sent,
        packets_received=stamp.packets_received,
    )


def _loaded(stamp: StampStatistics | None) -> LoadedQuantiles | None:
    if stamp is None or stamp.rtt_seconds is None:
        return None
    return LoadedQuantiles(p50=stamp.rtt_seconds.p50, p95=stamp.rtt_seconds.p95)


def _direction(traffic: TrafficStatistics | None) -> LoadedDirection | None:
    if traffic is None:
        return None
    queue = traffic.queue_delay_seconds
    delays = None
    if queue is not None and queue.p99 is not None:
        delays = DelayQuantiles(p50=queue.p50, p95=queue.p95, p99=queue.p99)
    return LoadedDirection(
        packets_sent=traffic.packets_sent,
        packets_received=traffic.packets_received,
        loss_ratio=traffic.loss_ratio,
        loss_ratio_worst_200ms=traffic.loss_ratio_worst_200ms,
        queue_delay_seconds=delays,
        jitter_seconds=traffic.jitter_seconds,
        reorder_ratio=traffic.reorder_ratio,
        late_frame_ratio=traffic.late_frame_ratio,
    )
