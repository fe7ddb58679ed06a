"""One point during one test: what it has said so far, and which of it counts."""

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING

from diemcau_contract.messages import CapacityResult, DevicesResult, StepResult, TestNotice
from diemcau_contract.words import Direction, StepKind
from diemcau_server.evidence import HubFigures, PointRecord

if TYPE_CHECKING:
    from diemcau_contract.measurements import CapacityStatistics


class PointPhase(StrEnum):
    """How far a point has come in a test."""

    WAITING = "waiting"  # asked, has not answered yet
    ACCEPTED = "accepted"  # its agent answered and now opens its flow
    OPENED = "opened"  # UDP goes both ways
    MEASURING = "measuring"  # takes part in the steps
    DONE = "done"  # everything expected of it has come, or the test is over
    SILENT = "silent"  # did not answer in time; what comes later does not count
    NO_ANSWER = "no_answer"  # its agent works, its UDP packets get no answer
    REFUSED = "refused"  # the measuring port did not take its ticket
    BUSY = "busy"  # takes part in another test, or its switch is off
    FAILED = "failed"  # its measuring process ended or could not start


class Ignored(StrEnum):
    """Why a message did not count (fixed set: it is a metric label)."""

    NO_TEST = "no_test"  # no test runs at this hub
    OTHER_TEST = "other_test"  # it belongs to another test
    OTHER_POINT = "other_point"  # the point is not in the test
    OTHER_BOOT = "other_boot"  # the agent was restarted since it accepted
    LATE = "late"  # the point was already given up, or the step is unknown
    DUPLICATE = "duplicate"  # the same has been said before


TestMessage = TestNotice | StepResult | CapacityResult | DevicesResult

_ENDED = frozenset(
    {
        PointPhase.DONE,
        PointPhase.SILENT,
        PointPhase.NO_ANSWER,
        PointPhase.REFUSED,
        PointPhase.BUSY,
        PointPhase.FAILED,
    }
)
_END_BINS = 10
"""A second: longer than one burst of loss, shorter than a step goes on without its agent."""
_OPENING = frozenset({PointPhase.WAITING, PointPhase.ACCEPTED})


class PointRun:
    """Collects what one point and the hub's end say about it; the first word counts."""

    def __init__(self, point: str, name: str) -> None:
        self.point = point
        self.name = name
        self.phase = PointPhase.WAITING
        self.accepted = False
        self.joined = False
        self.slow_to_open = False
        """It accepted, and its measuring process was not ready before the steps began."""
        self.detail = ""
        self.devices: DevicesResult | None = None
        self.steps: dict[int, StepResult] = {}
        self.hub: dict[int, HubFigures] = {}
        self.capacity: dict[Direction, CapacityStatistics | None] = {}
        """By direction; None where nothing could be told."""
        self.capacity_bytes = dict.fromkeys(Direction, 0)
        """Load of all its capacity turns, as far as their receivers have told."""
        self.capacity_seconds = 0.0
        """How long that load took."""
        self._expected: set[int] = set()
        self._boot_id: str | None = None

    def take(self, message: TestMessage) -> Ignored | None:
        """Take a message of this test from this point, or say why it does not count."""
        if self.phase is PointPhase.SILENT:
            return Ignored.LATE
        if self._boot_id is not None and message.boot_id != self._boot_id:
            return Ignored.OTHER_BOOT
        match message:
            case TestNotice():
                return self._take_notice(message)
            case DevicesResult():
                return self._take_devices(message)
            case CapacityResult():
                return self._take_capacity(message)
            case StepResult():
                return self._take_step(message)

    def take_hub(self, step: int, figures: HubFigures) -> None:
        """Take what the hub's end measured of this point in ``step``."""
        self.hub.setdefault(step, figures)

    def join(self) -> None:
        """Let an opened point take part in the steps that follow."""
        self.joined = True
        self.phase = PointPhase.MEASURING

    def expect(self, numbers: Collection[int]) -> None:
        """Wait for the results of the steps ``numbers`` as well."""
        self._expected |= set(numbers)

    def give_up(self) -> None:
        """Note that the point did not answer in time."""
        if self.phase is PointPhase.WAITING:
            self.phase = PointPhase.SILENT

    def close_opening(self) -> None:
        """Let the steps begin, with those who have opened their flow."""
        if self.phase is PointPhase.OPENED:
            self.join()
        self.slow_to_open = self.phase is PointPhase.ACCEPTED

    def close(self) -> None:
        """Note that the test is over for a point that measured."""
        if self.phase in {PointPhase.MEASURING, PointPhase.OPENED, PointPhase.ACCEPTED}:
            self.phase = PointPhase.DONE

    @property
    def is_opening(self) -> bool:
        """Whether the point may still open its flow."""
        return self.phase in _OPENING

    @property
    def takes_part(self) -> bool:
        """Whether the point still carries traffic."""
        return self.joined and self.phase not in _ENDED

    @property
    def awaits_line(self) -> bool:
        """Whether results of its steps are still to come."""
        return self.takes_part and bool(
            self._expected - self.steps.keys() or self._expected - self.hub.keys()
        )

    @property
    def is_held_up(self) -> bool:
        """Whether a missing account is only late: the hub heard the point to the end of the step.

        An agent that is gone has stopped sending; what it has to say crosses the same bad line.
        """
        return any(map(self._sent_to_the_end, self._owed(self._expected)))

    def is_gone(self, numbers: Collection[int]) -> bool:
        """Tell whether an account of one of the steps ``numbers`` is missing, and not only late."""
        return not all(map(self._sent_to_the_end, self._owed(numbers)))

    def _owed(self, numbers: Collection[int]) -> set[int]:
        owed = self._expected.intersection(numbers) - self.steps.keys()
        return owed if self.takes_part else set()

    def _sent_to_the_end(self, number: int) -> bool:
        up = self.hub[number].up if number in self.hub else None
        return up is not None and any(one.received for one in up.bins[-_END_BINS:])

    @property
    def awaits_devices(self) -> bool:
        """Whether the result of its devices is still to come."""
        return self.accepted and self.devices is None and self.phase is not PointPhase.BUSY

    @property
    def udp_answered(self) -> bool | None:
        """Whether UDP goes both ways; None where nobody could try."""
        if self.phase is PointPhase.NO_ANSWER:
            return False
        return True if self.joined else None

    def record(self) -> PointRecord:
        """Return all that came in, as the evidence is made from it."""
        return PointRecord(
            point=self.point,
            name=self.name,
            accepted=self.accepted,
            refused=self.phase in {PointPhase.BUSY, PointPhase.REFUSED, PointPhase.FAILED},
            udp_answered=self.udp_answered,
            joined=self.joined,
            slow_to_open=self.slow_to_open,
            steps=dict(self.steps),
            hub=dict(self.hub),
            devices=self.devices,
        )

    def _take_devices(self, result: DevicesResult) -> Ignored | None:
        if self.devices is not None:
            return Ignored.DUPLICATE
        self.devices = result
        return None

    def _take_capacity(self, result: CapacityResult) -> Ignored | None:
        """Take a receiver's figure; in the direction up the receiver is the hub."""
        if result.direction is Direction.UP:
            return None
        if result.direction in self.capacity:
            return Ignored.DUPLICATE
        self.capacity[result.direction] = result.statistics
        return None

    def _take_notice(self, notice: TestNotice) -> Ignored | None:
        event = notice.event
        before = self.phase
        if event == "ended" and before is PointPhase.DONE:
            return None  # it was told so before the test has left the line
        if event == "accepted" and before is PointPhase.WAITING:
            self.phase = PointPhase.ACCEPTED
        elif event == "opened" and before in _OPENING:
            self.phase = PointPhase.OPENED
        elif event in {"no_answer", "refused", "busy"} and before in _OPENING:
            self.phase = PointPhase(event)
        elif event == "failed" and before not in _ENDED:
            self.phase = PointPhase.FAILED
        elif event == "ended" and before not in _ENDED:
            self.phase = PointPhase.DONE
        else:
            return Ignored.DUPLICATE
        self.accepted = True
        self._boot_id = notice.boot_id
        self.detail = notice.detail or self.detail
        return None

    def _take_step(self, result: StepResult) -> Ignored | None:
        takes_part = self.phase in {PointPhase.OPENED, PointPhase.MEASURING}
        known = result.step in self._expected or result.kind is StepKind.PREFLIGHT
        if not takes_part or not known:
            return Ignored.LATE
        if result.step in self.steps:
            return Ignored.DUPLICATE
        self.steps[result.step] = result
        return None
