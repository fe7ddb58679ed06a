"""From what came in during a test to evidence per point, and on to its result; pure (SPEC 6, 8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from diemcau_contract.causes import Cause
from diemcau_contract.judge import LoadEvidence, PointEvidence, PointVerdict
from diemcau_contract.measurements import (
    EndStatistics,
    SenderStatistics,
    StampStatistics,
    TrafficStatistics,
)
from diemcau_contract.messages import DevicesResult, StepResult
from diemcau_contract.result import (
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

_UP_CAUSES = frozenset({Cause.OWN_LINE_UP, Cause.OWN_LINE})
_DOWN_CAUSES = frozenset({Cause.OWN_LINE_DOWN, Cause.OWN_LINE})


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
    steps: Mapping[int, StepResult] = field(default_factory=dict)
    hub: Mapping[int, HubFigures] = field(default_factory=dict)
    devices: DevicesResult | None = None


@dataclass(frozen=True, slots=True)
class JudgedPoint:
    """A point's evidence with what judge() said of it."""

    evidence: PointEvidence
    said: PointVerdict


def point_evidence(
    record: PointRecord, kinds: Sequence[StepKind], *, complete: bool, hub_port: int
) -> PointEvidence:
    """Assemble one point's evidence.

    ``kinds`` are the kinds of the test's steps by number. A point that accepted and was never
    heard again counts as silent: nothing that it measured is there. Without the point's own
    account of a step its traffic is not taken either, for nobody vouches for its sender.
    """
    said_why = record.refused or record.udp_answered is False
    heard = said_why or bool(record.steps) or record.devices is not None
    evidence = PointEvidence(
        point=record.point,
        name=record.name,
        agent_answered=record.accepted and heard,
        udp_answered=record.udp_answered,
        idle=_stamp(record, kinds, StepKind.IDLE),
        loaded=_stamp(record, kinds, StepKind.REHEARSAL),
        devices=record.devices.devices if record.devices else (),
        devices_expected=record.devices is None,
        host=record.devices.host if record.devices else None,
        hub_port=hub_port,
        complete=complete,
    )
    number = _last(kinds, StepKind.REHEARSAL)
    told = record.steps.get(number)
    if told is None:
        # In the traffic and then no account of it: its agent is gone, whatever came before.
        return replace(evidence, agent_answered=evidence.agent_answered and not record.joined)
    hub = record.hub.get(number, HubFigures())
    return replace(
        evidence,
        up=LoadEvidence(counted(hub.up, told.up_sender), told.up_sender),
        down=LoadEvidence(counted(told.down, hub.down_sender), hub.down_sender),
        point_end=told.end,
        hub_end=hub.end,
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


def hub_line(judged: Sequence[JudgedPoint]) -> HubLine:
    """Judge the hub's line by the sums over all points in the rehearsal.

    Without a step in groups one bad shared line cannot be told from many bad own lines: where
    more than half of the validly measured points are bad in one direction the verdict is
    ``unknown``. It is ``ready`` where at least half of the points were measured validly.
    """
    valid = [one for one in judged if _is_valid(one)]
    up = _sum([one.evidence.up.traffic for one in valid])
    down = _sum([one.evidence.down.traffic for one in valid])
    bad_up, bad_down = (
        sum(1 for one in valid if one.said.cause in causes and _is_line_bad(one.said))
        for causes in (_UP_CAUSES, _DOWN_CAUSES)
    )
    proven = valid and 2 * len(valid) >= len(judged)
    if proven and 2 * max(bad_up, bad_down) <= len(valid):
        return HubLine(verdict=Verdict.READY, cause=None, up=up, down=down)
    return HubLine(verdict=Verdict.UNKNOWN, cause=Cause.UNKNOWN, up=up, down=down)


def point_result(judged: JudgedPoint) -> PointResult:
    """Put a judged point into the form of ``diemcau.test/1``."""
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
        findings=said.findings,
    )


def _last(kinds: Sequence[StepKind], kind: StepKind) -> int:
    return max((number for number, one in enumerate(kinds) if one is kind), default=-1)


def _stamp(
    record: PointRecord, kinds: Sequence[StepKind], kind: StepKind
) -> StampStatistics | None:
    told = record.steps.get(_last(kinds, kind))
    return told.stamp if told else None


def _is_valid(one: JudgedPoint) -> bool:
    """Tell whether both directions were measured and no guard was broken."""
    broken = any(
        finding.status is Status.UNKNOWN and finding.rule.startswith(("test.", "line."))
        for finding in one.said.findings
    )
    evidence = one.evidence
    measured = evidence.up.traffic is not None and evidence.down.traffic is not None
    return bool(evidence.agent_answered and evidence.udp_answered and measured and not broken)


def _is_line_bad(said: PointVerdict) -> bool:
    return any(
        finding.status is Status.BAD
        and finding.rule.startswith((f"line.{Direction.UP}.", f"line.{Direction.DOWN}."))
        for finding in said.findings
    )


def _sum(traffic: Sequence[TrafficStatistics | None]) -> HubDirection | None:
    present = [one for one in traffic if one is not None]
    if not present:
        return None
    return HubDirection(
        offered_bits_per_second=sum(one.offered_bits_per_second for one in present),
        carried_bits_per_second=sum(one.carried_bits_per_second for one in present),
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
