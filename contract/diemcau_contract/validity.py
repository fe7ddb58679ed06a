"""When a measurement says something of the line at all: guards on both ends (SPEC 6.2); pure."""

from collections.abc import Iterator
from dataclasses import replace

from diemcau_contract.evidence import LoadEvidence, PointEvidence
from diemcau_contract.measurements import SenderStatistics
from diemcau_contract.profiles import Profile
from diemcau_contract.result import Finding
from diemcau_contract.words import Direction, Status

_CLOCK_STEP = ".clock_step"


def guard_findings(evidence: PointEvidence, profile: Profile) -> Iterator[Finding]:
    """Yield a finding for each guard: ok, or unknown where the measurement is not valid."""
    guards = profile.guards
    for direction in Direction:
        sender = evidence.load(direction).sender
        if sender is not None:
            yield _guard(
                f"test.{direction}.schedule_error",
                sender.schedule_error_p99_seconds,
                guards.schedule_error_p99_seconds,
                "seconds",
            )
            not_sent = _not_sent_ratio(sender)
            yield _guard(f"test.{direction}.not_sent", not_sent, guards.local_drop_ratio, "ratio")
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


def line_is_valid(evidence: PointEvidence, profile: Profile) -> bool:
    """Tell whether both directions of the rehearsal were measured and no guard is broken."""
    return losses_are_valid(evidence, profile) and not any(_clock_steps(evidence, profile))


def losses_are_valid(evidence: PointEvidence, profile: Profile) -> bool:
    """Tell whether the rehearsal's packets were sent and counted as they should.

    A wall clock that was set spoils delays, not counts: senders follow the monotonic clock.
    """
    enough = all(
        (traffic := evidence.load(direction).traffic) is not None
        and traffic.packets_sent >= profile.guards.packets_min
        for direction in Direction
    )
    answered = evidence.agent_answered and bool(evidence.udp_answered)
    broken = [one for one in guard_findings(evidence, profile) if one.status is not Status.OK]
    return answered and enough and all(one.rule.endswith(_CLOCK_STEP) for one in broken)


def sent_whole(sender: SenderStatistics | None, profile: Profile) -> bool:
    """Tell whether all went on the line that a sender had to send: else its step offered less."""
    return sender is None or _not_sent_ratio(sender) <= profile.guards.local_drop_ratio


def sent_share(sender: SenderStatistics | None) -> float:
    """Return which share of its packets a sender sent; all where it gave no account."""
    return 1.0 if sender is None else 1.0 - _not_sent_ratio(sender)


def without_steps_cut_short(evidence: PointEvidence, profile: Profile) -> PointEvidence:
    """Return ``evidence`` without what steps beside the rehearsal say where not all was sent."""

    def told(load: LoadEvidence) -> LoadEvidence:
        return load if sent_whole(load.sender, profile) else replace(load, traffic=None)

    steps = (replace(one, up=told(one.up), down=told(one.down)) for one in evidence.steps)
    return replace(evidence, steps=tuple(steps))


def sent_late(sender: SenderStatistics | None, profile: Profile) -> bool:
    """Tell whether a sender broke its guard: what its step lost says nothing of the line."""
    allowed = profile.guards.schedule_error_p99_seconds
    return sender is not None and sender.schedule_error_p99_seconds > allowed


def _not_sent_ratio(sender: SenderStatistics) -> float:
    planned = sender.packets_sent + sender.send_errors
    return sender.send_errors / planned if planned else 0.0


def _clock_steps(evidence: PointEvidence, profile: Profile) -> Iterator[Finding]:
    for one in guard_findings(evidence, profile):
        if one.rule.endswith(_CLOCK_STEP) and one.status is not Status.OK:
            yield one


def _guard(rule: str, value: float, limit: float, unit: str) -> Finding:
    status = Status.UNKNOWN if value > limit else Status.OK
    return Finding(rule=rule, status=status, value=value, limit=limit, unit=unit)


def _received(load: LoadEvidence) -> int:
    return load.traffic.packets_received if load.traffic else 0
