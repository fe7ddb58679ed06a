"""Bodies of the API, as pydantic models: what a request may hold and what an answer holds."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from diemcau_contract.causes import Cause
from diemcau_contract.measurements import LimitedBy
from diemcau_contract.messages import DeviceResult, HostState, Utc
from diemcau_contract.profiles import Profile
from diemcau_contract.result import Sentence
from diemcau_contract.words import PointState, StepKind, Verdict

Word = Annotated[str, Field(min_length=1, max_length=120)]
"""A name as somebody typed it; whether it exists is answered with the nearest ones."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TestOrderBody(_Body):
    """What to test; what is left out the server chooses (SPEC 3.5)."""

    hub: Word | None = None
    points: Annotated[tuple[Word, ...], Field(min_length=1, max_length=1000)] | None = None
    session: Word | None = None
    profile: Word | None = None
    quick: bool = False
    capacity: bool = False
    silent: bool = False
    asked_by: Annotated[str, Field(min_length=1, max_length=80)] = "API"


class StepBody(_Body):
    """A planned step."""

    step: int
    kind: StepKind
    duration_seconds: float


class TestStarted(_Body):
    """A test that has begun."""

    test: str
    hub: str
    points: tuple[str, ...]
    session: str | None
    profile: str
    steps: tuple[StepBody, ...]
    estimated_seconds: float


class TestCancelled(_Body):
    """A test that was ended before its time."""

    test: str
    cancelled: Literal[True] = True


class TestSummary(_Body):
    """A stored test in a list."""

    test: str
    hub: str
    session: str | None
    profile: str
    started_at: Utc
    verdict: Verdict


class TestList(_Body):
    """Stored tests, the newest first."""

    tests: tuple[TestSummary, ...]


class PointDetail(_Body):
    """What lies behind a point's verdict: how it joined, its evidence, its probes' logs."""

    point: str
    phase: str
    detail: str
    evidence: dict[str, Any]
    logs: dict[str, str]
    capacity: dict[str, Any] = Field(default_factory=dict)


class TestDetail(_Body):
    """What lies behind a result."""

    test: str
    asked_by: str
    points: tuple[PointDetail, ...]


class HealthBody(_Body):
    """``degraded`` names in ``problems`` what does not work."""

    status: Literal["ok", "degraded"]
    version: str
    problems: tuple[Sentence, ...]


class HubBody(_Body):
    """A hub with the names of its points and units."""

    class Place(_Body):
        """A point or a unit."""

        id: str
        name: str

    hub: str
    name: str
    points: tuple[Place, ...]
    units: tuple[Place, ...]


class HubList(_Body):
    """All hubs."""

    hubs: tuple[HubBody, ...]


class LineBody(_Body):
    """A point's line in its last report."""

    rtt_p50_seconds: float | None
    loss_ratio_up: float | None
    loss_ratio_down: float | None


class CapacityDirection(_Body):
    """What one direction carries; ``lower_bound``: perhaps more, ``limited_by`` says why."""

    bits_per_second: float
    limited_by: LimitedBy
    lower_bound: bool


class CapacityBody(_Body):
    """The last measured capacity of a line (SPEC 4.4), however old."""

    measured_at: Utc
    up: CapacityDirection | None
    down: CapacityDirection | None


class PointBody(_Body):
    """A point as it stands now."""

    hub: str
    point: str
    name: str
    state: PointState
    verdict: Verdict
    cause: Cause | None
    cause_name: Sentence | None
    """What ``cause`` is called here: of what could not be measured, what was in the way."""
    action: Sentence | None
    agent_connected: bool
    last_report_at: Utc | None
    line: LineBody | None
    capacity: CapacityBody | None
    devices: tuple[DeviceResult, ...]
    host: HostState | None


class PointList(_Body):
    """All points, of one hub or of all."""

    points: tuple[PointBody, ...]


class SessionBody(_Body):
    """A session; ``points`` null means every enabled point of the hub."""

    session: str
    hub: str
    name: str
    form: Literal["line", "meet"]
    profile: str
    start: Utc
    end: Utc
    points: tuple[str, ...] | None
    units: tuple[str, ...]


class SessionList(_Body):
    """All sessions."""

    sessions: tuple[SessionBody, ...]


class ProfileList(_Body):
    """All profiles with their limits."""

    default: str
    profiles: tuple[Profile, ...]
