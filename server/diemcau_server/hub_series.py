"""The series of hubs: their sessions, the test that runs, the last verdict on the hub's line."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from diemcau_contract.result import HubLine
from diemcau_contract.words import Direction, Verdict
from diemcau_server.config import SessionConfig
from diemcau_server.point_series import Family, Sample
from diemcau_server.state import VERDICT_VALID_SECONDS, JudgedHubLine, is_young

HUB_FAMILIES = tuple(
    Family(f"diemcau_{name}", "gauge", text)
    for name, text in (
        ("hub_info", "Identity of a hub; for joins only"),
        ("session_info", "Identity of a session that runs or comes next; for joins only"),
        ("session_points", "Points that take part in the session that runs or comes next"),
        ("session_points_ready", "Those of them that are ready now"),
        ("test_lock_held", "Whether a test has the hub's line now"),
        ("hub_line_state", "Verdict of the last test on the hub's own line: 1 for the one given"),
        ("hub_line_offered_bytes_per_second", "What all points together offered in the last test"),
        ("hub_line_carried_bytes_per_second", "What of it came through the hub's line"),
        ("hub_line_last_test_timestamp_seconds", "When the last test of the hub's line ended"),
    )
)


@dataclass(slots=True)
class Attendance:
    """A session that runs or comes next: how many of its points there are, and are ready."""

    session: SessionConfig
    points: int = 0
    ready: int = 0


@dataclass(slots=True)
class HubTally:
    """What the points of a hub add up to."""

    sessions: dict[str, Attendance]
    testing: bool = False


def hub_samples(
    name: str, tally: HubTally, judged: JudgedHubLine | None, now: datetime
) -> Iterator[Sample]:
    """Yield every sample of a hub; ``labels`` stand beside that of the hub."""
    yield Sample("diemcau_hub_info", (("name", name),), 1.0)
    yield Sample("diemcau_test_lock_held", (), tally.testing)
    for one in tally.sessions.values():
        session = (("session", one.session.id),)
        about = (*session, ("name", one.session.name), ("form", one.session.form))
        yield Sample("diemcau_session_info", (*about, ("profile", one.session.profile)), 1.0)
        yield Sample("diemcau_session_points", session, one.points)
        yield Sample("diemcau_session_points_ready", session, one.ready)
    if judged is not None:
        at = judged.judged_at.timestamp()
        yield Sample("diemcau_hub_line_last_test_timestamp_seconds", (), at)
        if is_young(judged.judged_at, VERDICT_VALID_SECONDS, now):
            yield from _line_samples(judged.line)


def _line_samples(line: HubLine) -> Iterator[Sample]:
    for verdict in Verdict:
        held = verdict is line.verdict
        yield Sample("diemcau_hub_line_state", (("verdict", verdict.value),), held)
    for direction, way in ((Direction.UP, line.up), (Direction.DOWN, line.down)):
        if way is not None:
            labels = (("direction", direction.value),)
            for name, bits in (
                ("offered", way.offered_bits_per_second),
                ("carried", way.carried_bits_per_second),
            ):
                yield Sample(f"diemcau_hub_line_{name}_bytes_per_second", labels, bits / 8)
