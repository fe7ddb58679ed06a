"""What the server answers, as far as the command line reads it; keys it does not know are left."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from diemcau_contract.causes import Cause
from diemcau_contract.evidence import PointEvidence
from diemcau_contract.messages import Utc, Value
from diemcau_contract.words import Status, Verdict


def _if_known(value: object, read: ValidatorFunctionWrapHandler) -> object:
    """Leave out evidence that another version has kept in its own form."""
    try:
        return read(value)
    except ValidationError:
        return None


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Step(_Read):
    """A planned step."""

    kind: str
    duration_seconds: float
    rate_ratio: float | None = None


class Started(_Read):
    """A test that has begun."""

    test: str
    hub: str
    points: tuple[str, ...]
    session: str | None = None
    profile: str
    steps: tuple[Step, ...] = ()
    estimated_seconds: float | None = None


class DeviceProgress(_Read):
    """A device in the middle of a test."""

    kind: str
    role: str = "main"
    status: Status
    causes: tuple[Cause, ...] = ()
    values: dict[str, Value] = Field(default_factory=dict)


class PointProgress(_Read):
    """A point in the middle of a test; null is "not yet"."""

    point: str
    name: str
    phase: str | None = None
    progress_ratio: float | None = None
    rtt_seconds: float | None = None
    loss_ratio_up: float | None = None
    loss_ratio_down: float | None = None
    devices: tuple[DeviceProgress, ...] = ()
    verdict: Verdict | None = None
    cause: Cause | None = None


class Progress(_Read):
    """A test in its middle."""

    test: str
    phase: str
    step: int | None = None
    """Place of the present step in ``steps``; null before the first."""
    steps: tuple[Step, ...] = ()
    """The plan as it stands: the last steps follow from what the rehearsal shows."""
    elapsed_seconds: float
    remaining_seconds: float | None = None
    points: tuple[PointProgress, ...] = ()


class Words(_Read):
    """A sentence in both languages."""

    vi: str = ""
    en: str = ""


class Fault(_Read):
    """Why the server does not do what it was asked."""

    code: str
    message: Words = Words()
    near: tuple[str, ...] | None = None
    test: str | None = None
    asked_by: str | None = None
    started_at: Utc | None = None


class BoardLine(_Read):
    """A point's line in its last report."""

    rtt_p50_seconds: float | None = None
    loss_ratio_up: float | None = None
    loss_ratio_down: float | None = None


class BoardPoint(_Read):
    """A point as the board knows it."""

    hub: str
    point: str
    name: str
    state: str
    verdict: Verdict | None = None
    cause: Cause | None = None
    cause_name: Words | None = None
    agent_connected: bool = False
    last_report_at: Utc | None = None
    line: BoardLine | None = None
    devices: tuple[DeviceProgress, ...] = ()


class Board(_Read):
    """All points."""

    points: tuple[BoardPoint, ...]


class CapacityFigures(_Read):
    """One direction's capacity, as its receiver measured it."""

    bits_per_second: float | None
    limited_by: str


class PointDetail(_Read):
    """What lies behind a point's verdict; ``logs`` by device, as ``kind.role``, and ``host``."""

    point: str
    evidence: Annotated[PointEvidence | None, WrapValidator(_if_known)] = None
    logs: dict[str, str] = Field(default_factory=dict)
    capacity: dict[str, CapacityFigures | None] = Field(default_factory=dict)


class Detail(_Read):
    """What ``--explain`` shows beyond the result."""

    test: str
    points: tuple[PointDetail, ...] = ()


JsonObject = dict[str, Any]
"""An answer that is passed on unread."""
