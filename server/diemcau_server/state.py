"""The board: what is known of every point, and since when. Pure memory, no I/O, no clock.

Silence is a state of its own, never the last good value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from diemcau_contract.causes import WORDING, Cause, Text
from diemcau_contract.guard_words import guard_name
from diemcau_contract.messages import DeviceResult, Hello, HostState, Report
from diemcau_contract.profiles import Limits, Profile
from diemcau_contract.result import (
    DeviceLine,
    HubLine,
    LineResult,
    PointResult,
    TestResult,
)
from diemcau_contract.words import Direction, PointState, Verdict
from diemcau_server.capacity import LineCapacity
from diemcau_server.config import PointConfig, ServerConfig, SessionConfig
from diemcau_server.figures import DeviceChanges, ProbeTotals, came_live, changed, next_session
from diemcau_server.watch import WatchLimits, watch_verdict

VERDICT_VALID_SECONDS = 12 * 3600.0
"""A test of the evening before says nothing of this morning's cables."""

CAPACITY_VALID_SECONDS = 24 * 3600.0
"""A line's capacity is measured once a night; a figure that missed a night is not shown."""

CLOCK_TOLERANCE_SECONDS = 60.0
"""A time further ahead than this was taken before the server's clock was set back: no measure of
age, so that nothing counts as young for as long as the clock needs to come there again."""

SILENT_INTERVALS = 3


class PointKey(NamedTuple):
    """A point of a hub."""

    hub: str
    point: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of the last test of a point."""

    test: str
    judged_at: datetime
    verdict: Verdict
    cause: Cause | None
    action: Text
    line: LineResult = field(default_factory=LineResult)
    devices: tuple[DeviceLine, ...] = ()
    in_the_way: Text | None = None
    """What kept the line from being measured (SPEC 6.4), where that is the cause."""

    @property
    def cause_name(self) -> Text | None:
        """What the cause is called; of what could not be measured, what was in the way."""
        return self.in_the_way or (WORDING[self.cause].name if self.cause else None)


@dataclass(frozen=True, slots=True)
class JudgedHubLine:
    """What the last test said of a hub's own line."""

    judged_at: datetime
    line: HubLine
    joined: int
    """Points that loaded it in that test."""


@dataclass(frozen=True, slots=True)
class PointView:
    """A point at one moment.

    ``report`` and ``judged`` are None unless they are younger than their times to live, the time
    of the last test stays; ``session`` is the one that runs or comes next; ``profile`` is its,
    else the usual one.
    """

    key: PointKey
    name: str
    enabled: bool
    maintenance_until: datetime | None
    state: PointState
    verdict: Verdict
    cause: Cause | None
    action: Text | None
    agent_connected: bool
    last_report_at: datetime | None
    report: Report | None
    judged: Judged | None
    judged_at: datetime | None
    """When the last test of the point ended, however long ago."""
    capacity: LineCapacity | None
    """The last measured one, however old: it bears its time."""
    capacity_valid: bool
    capacity_bytes: Mapping[Direction, int]
    session: SessionConfig | None
    profile: Profile | None
    probes: ProbeTotals
    device_changes: DeviceChanges

    @property
    def cause_name(self) -> Text | None:
        """What the cause is called; see ``Judged``."""
        if self.judged is not None and self.judged.cause is self.cause:
            return self.judged.cause_name
        return WORDING[self.cause].name if self.cause else None

    @property
    def devices(self) -> tuple[DeviceResult, ...]:
        """Devices as the last fresh report gives them."""
        return self.report.devices if self.report else ()

    @property
    def host(self) -> HostState | None:
        """The PC as the last fresh report gives it."""
        return self.report.host if self.report else None


@dataclass(slots=True)
class PointRecord:
    """What the board keeps of a point; ``version`` grows with every change."""

    section: PointConfig
    report: Report | None = None
    last_report_at: datetime | None = None
    hello: Hello | None = None
    heard: bool = False
    """A report came from a run of the agent whose birth was not heard, as after a restart here."""
    judged: Judged | None = None
    capacity: LineCapacity | None = None
    """The last capacity that was measured."""
    capacity_tried_at: datetime | None = None
    """When a scheduled measurement last ended for this point, with or without a figure."""
    capacity_bytes: Mapping[Direction, int] = field(
        default_factory=lambda: dict.fromkeys(Direction, 0)
    )
    """Load of capacity measurements since the server's start."""
    testing: bool = False
    version: int = 0
    sessions: tuple[SessionConfig, ...] = ()
    """Sessions in which the point takes part, by their start."""
    probes: ProbeTotals = field(default_factory=ProbeTotals)
    device_changes: DeviceChanges = field(default_factory=dict)

    @property
    def connected(self) -> bool:
        """Whether the agent holds a session with the broker, as far as is known; a hint."""
        return self.heard or (self.hello is not None and self.hello.online)

    def heard_from(self, boot_id: str) -> bool:
        """Tell whether the last report came from this run of the agent."""
        return self.report is not None and self.report.boot_id == boot_id


@dataclass(frozen=True, slots=True)
class Restored:
    """A point as the store remembers it."""

    key: PointKey
    last_report_at: datetime | None
    report: Report | None
    judged: Judged | None
    capacity: LineCapacity | None = None
    capacity_tried_at: datetime | None = None


@dataclass(slots=True)
class Board:
    """Every point of the file; messages of other points never reach it."""

    limits: WatchLimits
    interval_seconds: float
    silent_after_least_seconds: float
    records: dict[PointKey, PointRecord] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    default_profile: str = ""
    hub_names: Mapping[str, str] = field(default_factory=dict)
    hub_lines: dict[str, JudgedHubLine] = field(default_factory=dict)
    listening_since: datetime | None = None
    """When the server began to hear reports; before that nobody could be silent."""

    @classmethod
    def of(cls, config: ServerConfig) -> "Board":
        """Return the board of the file's points, none of them seen yet."""
        profile = config.profile(config.default_profile)
        board = cls(
            limits=WatchLimits.of(profile.limits if profile else Limits()),
            interval_seconds=config.report_interval_seconds,
            silent_after_least_seconds=config.silent_after_seconds,
            profiles={one.id: one for one in config.profiles},
            default_profile=config.default_profile,
            hub_names={hub.id: hub.name for hub in config.hubs},
        )
        sessions = sorted(config.sessions, key=lambda one: (one.start, one.id))
        for hub in config.hubs:
            of_hub = [one for one in sessions if one.hub == hub.id]
            for point in hub.points:
                key = PointKey(hub.id, point.id)
                own = tuple(one for one in of_hub if _takes_part(point, one))
                board.records[key] = PointRecord(point, sessions=own)
        return board

    def restore(self, restored: Iterable[Restored], now: datetime) -> None:
        """Take at the server's start what the store remembers, of points that the file names."""
        self.listening_since = now
        for known in self.records.values():
            known.version += 1
        for item in restored:
            record = self.records.get(item.key)
            if record is not None:
                record.report = item.report
                record.last_report_at = item.last_report_at
                record.judged = item.judged
                record.capacity = item.capacity
                record.capacity_tried_at = item.capacity_tried_at

    def on_hello(self, hello: Hello) -> bool:
        """Take a birth or a last will; return whether it was believed.

        "Offline" counts only for the newest connection: a broker gives a will late, and then
        it would hide the session that came after.
        """
        record = self.records.get(PointKey(hello.hub, hello.point))
        if record is None:
            return False
        known = record.hello
        if known is not None and known.boot_id == hello.boot_id:
            if hello.connection < known.connection:
                return False
        elif not hello.online and not record.heard_from(hello.boot_id):
            return False
        record.hello, record.heard = hello, False
        record.version += 1
        return True

    def on_report(self, report: Report, received_at: datetime) -> bool:
        """Take a committed report; return False for one of the backlog, older than the known."""
        record = self.records.get(PointKey(report.hub, report.point))
        if record is None or not self.is_newer(report, received_at):
            return False
        record.probes = record.probes.with_report(report)
        record.device_changes = changed(record.device_changes, record.report, report, received_at)
        record.report = report
        record.last_report_at = received_at
        if record.hello is None or record.hello.boot_id != report.boot_id:
            record.heard = True
        record.version += 1
        return True

    def is_newer(self, report: Report, received_at: datetime) -> bool:
        """Tell whether ``on_report`` would take the report."""
        record = self.records.get(PointKey(report.hub, report.point))
        if record is None or not _is_newer(report, record):
            return False
        return came_live(report, received_at, self.silent_after_seconds(report))

    def test_began(self, hub: str, points: Iterable[str]) -> None:
        """Show ``points`` as being tested."""
        self._set_testing(hub, points, testing=True)

    def test_ended(self, hub: str, points: Iterable[str], result: TestResult | None) -> None:
        """End a test; ``result`` is None where it was cancelled or failed."""
        self._set_testing(hub, points, testing=False)
        if result is None:
            return
        judged_at = test_end(result)
        self.hub_lines[hub] = newer_hub_line(self.hub_lines.get(hub), result)
        for one in result.points:
            record = self.records.get(PointKey(hub, one.point))
            if record is not None:
                record.judged = judged_of(result.test, one, judged_at)
                record.version += 1

    def capacity_measured(self, hub: str, point: str, found: LineCapacity) -> None:
        """Take what was measured of one line; its verdict stays as it is."""
        record = self.records.get(PointKey(hub, point))
        if record is not None:
            record.capacity = found
            record.version += 1

    def capacity_loaded(self, hub: str, point: str, load: Mapping[Direction, int]) -> None:
        """Add the bytes that capacity measurements have put on one line."""
        record = self.records.get(PointKey(hub, point))
        if record is not None:
            known = record.capacity_bytes
            record.capacity_bytes = {way: known[way] + load.get(way, 0) for way in Direction}
            record.version += 1

    def capacity_tried(self, hub: str, points: Iterable[str], moment: datetime) -> None:
        """Note that the schedule is done with ``points`` for this night."""
        for point in points:
            record = self.records.get(PointKey(hub, point))
            if record is not None:
                record.capacity_tried_at = moment

    def capacities(self, hub: str) -> dict[str, LineCapacity]:
        """Return the last measured capacity of each point of ``hub`` that has one."""
        return {
            key.point: record.capacity
            for key, record in self.records.items()
            if key.hub == hub and record.capacity is not None
        }

    def connected(self, hub: str) -> frozenset[str]:
        """Return the points of ``hub`` whose agents hold a session with the broker; a hint."""
        return frozenset(
            key.point for key, record in self.records.items() if key.hub == hub and record.connected
        )

    def _set_testing(self, hub: str, points: Iterable[str], *, testing: bool) -> None:
        for point in points:
            record = self.records.get(PointKey(hub, point))
            if record is not None:
                record.testing = testing
                record.version += 1

    def silent_after_seconds(self, report: Report | None) -> float:
        """Return the age at which a point counts as silent."""
        interval = report.interval_seconds if report else self.interval_seconds
        return max(SILENT_INTERVALS * interval, self.silent_after_least_seconds)

    def view(self, now: datetime, hub: str | None = None) -> tuple[PointView, ...]:
        """Return every point (of ``hub``) as it stands at ``now``."""
        return tuple(
            self.view_of(key, record, now)
            for key, record in self.records.items()
            if hub is None or key.hub == hub
        )

    def view_of(self, key: PointKey, record: PointRecord, now: datetime) -> PointView:
        """Return one point as it stands at ``now``."""
        fresh = self._is_fresh(record, now)
        report = record.report if fresh else None
        judged = _still_valid(record.judged, now)
        verdict, cause, action = _joined(report, judged, self.limits)
        awaited = not fresh and self._is_awaited(record, now)
        if awaited:
            verdict, cause, action = Verdict.UNKNOWN, None, _AWAITED_ACTION
        state = state_of(
            record.section, seen=record.last_report_at is not None, fresh=fresh or awaited,
            testing=record.testing, verdict=verdict, now=now,
        )  # fmt: skip
        if state is PointState.SILENT:
            verdict, cause, action = Verdict.UNKNOWN, Cause.AGENT_SILENT, _SILENT_ACTION
        session = next_session(record.sessions, now)
        return PointView(
            key=key,
            name=record.section.name,
            enabled=record.section.enabled,
            maintenance_until=record.section.maintenance_until,
            state=state,
            verdict=verdict,
            cause=cause,
            action=action,
            agent_connected=record.connected,
            last_report_at=record.last_report_at,
            report=report,
            judged=judged,
            judged_at=record.judged.judged_at if record.judged else None,
            capacity=record.capacity,
            capacity_valid=_capacity_valid(record.capacity, now),
            capacity_bytes=record.capacity_bytes,
            session=session,
            profile=self.profiles.get(session.profile if session else self.default_profile),
            probes=record.probes,
            device_changes=record.device_changes,
        )

    def stays_until(self, record: PointRecord, now: datetime) -> datetime:
        """Return until when a point's view stays as it is at ``now`` while nothing is heard."""
        moments = [record.section.maintenance_until]
        silent = self.silent_after_seconds(record.report)
        for since, seconds in (
            (record.last_report_at, silent),
            (self.listening_since, silent),
            (record.judged.judged_at if record.judged else None, VERDICT_VALID_SECONDS),
            (record.capacity.measured_at if record.capacity else None, CAPACITY_VALID_SECONDS),
        ):
            if since is not None:
                moments.append(since - timedelta(seconds=CLOCK_TOLERANCE_SECONDS))
                moments.append(since + timedelta(seconds=seconds))
        session = next_session(record.sessions, now)
        moments.append(session.end if session else None)
        return min((one for one in moments if one is not None and one >= now), default=_FAR)

    def _is_fresh(self, record: PointRecord, now: datetime) -> bool:
        return is_young(record.last_report_at, self.silent_after_seconds(record.report), now)

    def _is_awaited(self, record: PointRecord, now: datetime) -> bool:
        """Tell whether the server runs too shortly for a missing report to mean anything."""
        return is_young(self.listening_since, self.silent_after_seconds(record.report), now)


def is_young(since: datetime | None, seconds: float, now: datetime) -> bool:
    """Tell whether ``since`` lies at most ``seconds`` back, and not ahead: clocks are set back."""
    if since is None:
        return False
    return -CLOCK_TOLERANCE_SECONDS <= (now - since).total_seconds() <= seconds


def state_of(
    section: PointConfig,
    *,
    seen: bool,
    fresh: bool,
    testing: bool,
    verdict: Verdict,
    now: datetime,
) -> PointState:
    """Return a point's state: testing, maintenance, never_seen, silent, else its verdict."""
    if testing:
        return PointState.TESTING
    if section.maintenance_until is not None and now < section.maintenance_until:
        return PointState.MAINTENANCE
    if not seen:
        return PointState.NEVER_SEEN
    if not fresh:
        return PointState.SILENT
    return PointState(verdict.value)


def test_end(result: TestResult) -> datetime:
    """Return when a test ended."""
    return result.started_at + timedelta(seconds=result.duration_seconds)


def judged_of(test: str, result: PointResult, judged_at: datetime) -> Judged:
    """Return the board's note of a point's result."""
    action = Text(result.action.vi, result.action.en)
    in_the_way = guard_name(result.cause, result.findings)
    return Judged(
        test, judged_at, result.verdict, result.cause, action, result.line, result.devices,
        in_the_way,
    )  # fmt: skip


def newer_hub_line(known: JudgedHubLine | None, result: TestResult) -> JudgedHubLine:
    """Return what is known of a hub's line after one more test.

    One of fewer points that could not tell leaves standing what a larger one has found: a room that
    is tried again alone says nothing of the line of all.
    """
    joined = sum(one.line.up is not None for one in result.points)
    newer = JudgedHubLine(test_end(result), result.hub_line, joined)
    untold = newer.line.verdict is Verdict.UNKNOWN
    return known if known is not None and untold and joined < known.joined else newer


_SILENT_ACTION = Text(
    "Gọi điểm cầu: kiểm tra máy tính đã bật, dây mạng đã cắm và chương trình diemcau-agent "
    "đang chạy.",
    "Call the room: see that the PC is on, its cable is in and diemcau-agent runs.",
)
_AWAITED_ACTION = Text(
    "Máy chủ vừa khởi động lại: chờ điểm cầu kết nối lại và báo về.",
    "The server has just been started again: wait until the point is back and reports.",
)
_TEST_FIRST = Text(
    "Chưa kiểm tra trong 12 giờ qua: chạy diemcau test-line trước phiên họp.",
    "Not tested in the last 12 hours: run diemcau test-line before the session.",
)
_FAR = datetime.max.replace(tzinfo=UTC)
_SEVERITY: Mapping[Verdict, int] = {
    Verdict.READY: 0,
    Verdict.DEGRADED: 1,
    Verdict.UNKNOWN: 2,
    Verdict.NOT_READY: 3,
}


def _is_newer(report: Report, record: PointRecord) -> bool:
    """Order by sequence within a run of the agent, by its hello between runs: clocks may step."""
    known = record.report
    if known is None:
        return True
    if known.boot_id == report.boot_id:
        return report.seq > known.seq
    if record.hello is not None and known.boot_id == record.hello.boot_id:
        return False
    if record.hello is not None and report.boot_id == record.hello.boot_id:
        return True
    return report.taken_at > known.taken_at


def _takes_part(point: PointConfig, session: SessionConfig) -> bool:
    return point.enabled if session.points is None else point.id in session.points


def _capacity_valid(capacity: LineCapacity | None, now: datetime) -> bool:
    return is_young(capacity.measured_at if capacity else None, CAPACITY_VALID_SECONDS, now)


def _still_valid(judged: Judged | None, now: datetime) -> Judged | None:
    since = judged.judged_at if judged else None
    return judged if is_young(since, VERDICT_VALID_SECONDS, now) else None


def _joined(
    report: Report | None, judged: Judged | None, limits: WatchLimits
) -> tuple[Verdict, Cause | None, Text | None]:
    """Return the worse of the last test and of what the watch sees now.

    The watch alone never says ``ready``: it opens no device and loads no line.
    """
    verdict, cause, action = Verdict.UNKNOWN, None, _TEST_FIRST
    if judged is not None:
        verdict, cause, action = judged.verdict, judged.cause, judged.action
    if report is None:
        return verdict, cause, action
    seen = watch_verdict(report, limits)
    worse = judged is None or _SEVERITY[seen.verdict] > _SEVERITY[verdict]
    if seen.verdict is not Verdict.READY and worse:
        return seen.verdict, seen.cause, seen.action
    return verdict, cause, action
