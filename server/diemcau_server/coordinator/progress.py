"""Where a running test stands, as the command line and the pages show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict

from diemcau_contract.causes import Cause
from diemcau_contract.words import DeviceKind, Direction, Status, StepKind, Verdict
from diemcau_server.coordinator.point import PointPhase, PointRun
from diemcau_server.steps import StepPlan


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceProgress(_Frozen):
    """A device that has been checked."""

    kind: DeviceKind
    role: str
    status: Status
    causes: tuple[Cause, ...]


class PointProgress(_Frozen):
    """One point of a running test; figures are of the last step that is in."""

    point: str
    name: str
    phase: PointPhase
    progress_ratio: float
    rtt_seconds: float | None
    loss_ratio_up: float | None
    loss_ratio_down: float | None
    devices: tuple[DeviceProgress, ...]
    verdict: Verdict | None
    cause: Cause | None


class StepProgress(_Frozen):
    """A step of the plan as it stands now."""

    kind: StepKind
    duration_seconds: float
    rate_ratio: float

    @classmethod
    def of(cls, row: StepPlan) -> Self:
        """Return a row of the plan."""
        return cls(kind=row.kind, duration_seconds=row.duration_seconds, rate_ratio=row.rate_ratio)


class Progress(_Frozen):
    """A running test; ``phase`` is ``opening``, the kind of the present step, or ``judging``.

    ``step`` is the place of the present step in ``steps``, null before the first; the plan grows
    by what the rehearsal shows.
    """

    test: str
    phase: str
    step: int | None
    steps: tuple[StepProgress, ...]
    elapsed_seconds: float
    remaining_seconds: float
    points: tuple[PointProgress, ...]


_EARLY = {
    PointPhase.SILENT: (Verdict.UNKNOWN, Cause.AGENT_SILENT),
    PointPhase.NO_ANSWER: (Verdict.UNKNOWN, Cause.FIREWALL),
}
"""What can be said of a point before the test has ended."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a point before the end."""

    failed: Sequence[Direction] = ()
    """Directions in which it was bad in its group already: its own line, whatever comes."""
    unknown: Cause | None = None
    """Why nothing can be said of its line, whatever comes."""


def point_progress(
    point: PointRun, progress_ratio: float, known: Known | None = None
) -> PointProgress:
    """Show one point; ``progress_ratio`` is how far the whole test has come."""
    verdict, cause = _EARLY.get(point.phase, (None, None))
    known = known or Known()
    failed = known.failed
    if verdict is None and known.unknown is not None:
        verdict, cause = Verdict.UNKNOWN, known.unknown
    elif verdict is None and failed:
        verdict = Verdict.NOT_READY
        cause = Cause(f"own_line_{failed[0]}" if len(set(failed)) == 1 else "own_line")
    over = point.phase in _EARLY or point.phase is PointPhase.DONE
    return PointProgress(
        point=point.point,
        name=point.name,
        phase=point.phase,
        progress_ratio=1.0 if over else progress_ratio,
        rtt_seconds=_rtt(point),
        loss_ratio_up=_loss_up(point),
        loss_ratio_down=_loss_down(point),
        devices=_devices(point),
        verdict=verdict,
        cause=cause,
    )


def _devices(point: PointRun) -> tuple[DeviceProgress, ...]:
    if point.devices is None:
        return ()
    return tuple(
        DeviceProgress(kind=one.kind, role=one.role, status=one.status, causes=one.causes)
        for one in point.devices.devices
    )


def _rtt(point: PointRun) -> float | None:
    for _, result in sorted(point.steps.items(), reverse=True):
        if result.stamp is not None and result.stamp.rtt_seconds is not None:
            return result.stamp.rtt_seconds.p50
    return None


def _loss_up(point: PointRun) -> float | None:
    for _, figures in sorted(point.hub.items(), reverse=True):
        if figures.up is not None:
            return figures.up.loss_ratio
    for _, result in sorted(point.steps.items(), reverse=True):
        if result.stamp is not None:
            return result.stamp.loss_ratio_up
    return None


def _loss_down(point: PointRun) -> float | None:
    for _, result in sorted(point.steps.items(), reverse=True):
        if result.down is not None:
            return result.down.loss_ratio
        if result.stamp is not None:
            return result.stamp.loss_ratio_down
    return None
