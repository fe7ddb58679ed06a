"""The board: silence is a state, wills are hints, the watch alone never says ready."""

from datetime import timedelta
from pathlib import Path

import pytest

from diemcau_contract.causes import Cause
from diemcau_contract.measurements import StampStatistics
from diemcau_contract.messages import DeviceResult, Hello
from diemcau_contract.result import LineResult
from diemcau_contract.words import DeviceKind, PointState, Status, Verdict
from diemcau_server.capacity import LineCapacity
from diemcau_server.figures import ProbeTotals
from diemcau_server.state import VERDICT_VALID_SECONDS, Board, PointKey, PointView, Restored
from tests.server.district import FILE, district, hello_of
from tests.server.reports import BOOT, NOW, ended_test, full_test, line, report, small_config

KEY = PointKey("bu-dang", "bom-bo")
LATER = NOW + timedelta(seconds=30)
NEXT_BOOT = "fedcba9876543210"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A board on which nobody was seen yet."""
    return Board.of(small_config(tmp_path))


def view(board: Board, seconds: float = 30.0, point: str = "bom-bo") -> PointView:
    """Return a point as it stands ``seconds`` after NOW."""
    views = board.view(NOW + timedelta(seconds=seconds))
    return next(one for one in views if one.key.point == point)


def hello(connection: int, *, online: bool, boot_id: str = BOOT) -> Hello:
    """Return a birth or a will of the one point that these tests are about."""
    return hello_of("bom-bo", connection, online=online, boot_id=boot_id)


def test_a_point_never_seen_is_on_the_board(board: Board) -> None:
    """The board holds every point of the file from the start."""
    assert view(board).state is PointState.NEVER_SEEN
    assert view(board, point="phu-son").state is PointState.MAINTENANCE
    assert len(board.view(NOW)) == 5


def test_an_old_report_makes_a_point_silent(board: Board) -> None:
    """After three intervals, 90 s at least, the last good value is gone."""
    board.on_report(report(1), NOW)
    board.test_ended("bu-dang", ["bom-bo"], ended_test(Verdict.READY))
    assert view(board, 90).state is PointState.READY
    silent = view(board, 91)
    assert (silent.state, silent.cause) == (PointState.SILENT, Cause.AGENT_SILENT)
    assert (silent.report, silent.devices) == (None, ())
    assert silent.last_report_at == NOW


def test_the_file_sets_the_least_patience(tmp_path: Path) -> None:
    """Quick reports allow a quick alarm, but never before three of them are missing."""
    board = Board.of(district(tmp_path, FILE + "silent_after_seconds: 10\n"))
    board.on_report(report(1, interval_seconds=1.0), NOW)
    board.on_report(report(1, point="dak-nhau", interval_seconds=5.0), NOW)
    assert view(board, 10).state is PointState.UNKNOWN
    assert view(board, 11).state is PointState.SILENT
    assert view(board, 15, "dak-nhau").state is PointState.UNKNOWN
    assert view(board, 16, "dak-nhau").state is PointState.SILENT


def test_a_report_that_waited_in_an_outbox_is_no_sign_of_life(board: Board) -> None:
    """It is told by the clock offset that it bears; without one nobody can tell."""
    waited = NOW + timedelta(seconds=91)
    offset = line(clock_offset_seconds=0.0)
    assert not board.on_report(report(1, taken_at=NOW, stamp=offset), waited)
    assert view(board, 91).state is PointState.NEVER_SEEN
    slow = line(clock_offset_seconds=3600.0)  # the PC's clock is an hour behind the hub's
    assert board.on_report(report(1, taken_at=waited - timedelta(hours=1), stamp=slow), waited)
    unknown = line(clock_offset_seconds=None)
    assert board.on_report(report(2, taken_at=NOW, stamp=unknown), waited)
    assert view(board, 91).state is PointState.UNKNOWN


def test_probes_are_counted_where_their_loss_is_known(board: Board) -> None:
    """What reached the hub is what can be lost on its way back; without answers nothing counts."""
    for seq, stamp in enumerate(
        (
            line(packets_sent=60, loss_ratio_up=0.1, loss_ratio_down=0.5),
            line(packets_sent=60, packets_received=0, loss_ratio_up=None, loss_ratio_down=None),
            line(packets_sent=40),
        ),
        start=1,
    ):
        board.on_report(report(seq, stamp=stamp), NOW)
    assert view(board, 0).probes == ProbeTotals(sent_up=100, lost_up=6, sent_down=94, lost_down=27)


def test_a_long_interval_gives_a_long_patience(board: Board) -> None:
    """A point that reports every five minutes is not silent after two."""
    board.on_report(report(1, interval_seconds=300.0), NOW)
    assert view(board, 899).state is not PointState.SILENT
    assert view(board, 901).state is PointState.SILENT


def test_a_server_that_has_just_started_calls_nobody_silent(board: Board) -> None:
    """Agents get as long to come back as they may be silent; until then nothing is known."""
    board.test_ended("bu-dang", ["bom-bo"], ended_test(Verdict.READY))
    (judged,) = [board.records[KEY].judged]
    board.restore([Restored(KEY, NOW, report(1), judged)], NOW + timedelta(seconds=200))
    assert view(board, point="duc-lieu").state is PointState.NEVER_SEEN

    awaited = view(board, 290)
    assert (awaited.state, awaited.verdict) == (PointState.UNKNOWN, Verdict.UNKNOWN)
    assert (awaited.report, awaited.cause) == (None, None)
    assert awaited.action is not None
    assert awaited.action.vi == "Máy chủ vừa khởi động lại: chờ điểm cầu kết nối lại và báo về."
    assert view(board, 291).state is PointState.SILENT

    back = NOW + timedelta(seconds=250)
    board.on_report(report(2, taken_at=back), back)
    assert view(board, 251).state is PointState.READY
    assert view(board, 341).state is PointState.SILENT


def test_a_clock_that_was_set_back_makes_nothing_young(board: Board) -> None:
    """What was taken more than a minute ahead of the clock is of no known age."""
    board.on_report(report(1), NOW)
    board.test_ended("bu-dang", ["bom-bo"], ended_test(Verdict.READY))
    board.capacity_measured("bu-dang", "bom-bo", LineCapacity(NOW, None, None, None))
    near = view(board, -40)  # the test ended 20 s after NOW
    assert (near.state, near.capacity_valid) == (PointState.READY, True)
    far = view(board, -61)
    assert (far.state, far.report, far.judged) == (PointState.SILENT, None, None)
    assert not far.capacity_valid
    assert far.judged_at == NOW + timedelta(seconds=20)
    earlier = NOW - timedelta(hours=1)
    board.on_report(report(2, taken_at=earlier), earlier)
    assert view(board, -3590).state is PointState.UNKNOWN
    assert view(board, -3500).state is PointState.SILENT


def test_a_start_that_lies_ahead_excuses_nobody(board: Board) -> None:
    """A server that started before its clock was set back does not wait for hours."""
    board.restore([Restored(KEY, NOW - timedelta(days=1), report(1), None)], NOW)
    assert view(board, -30).state is PointState.UNKNOWN
    assert view(board, -61).state is PointState.SILENT


def test_the_time_of_the_last_test_stays(board: Board) -> None:
    """Its verdict goes after 12 hours; when it was does not."""
    board.test_ended("bu-dang", ["bom-bo"], ended_test(Verdict.READY))
    shown = view(board, VERDICT_VALID_SECONDS + 60)
    assert (shown.judged, shown.judged_at) == (None, NOW + timedelta(seconds=20))


def test_a_room_tried_again_says_nothing_of_the_hub_line(board: Board) -> None:
    """What a test of all has found stands, until one that as many loaded cannot tell."""
    one = full_test()
    other = one.points[0].model_copy(update={"point": "dak-nhau"})
    silent = other.model_copy(update={"line": LineResult()})
    whole = one.model_copy(update={"points": (*one.points, other)})
    untold = {"hub_line": one.hub_line.model_copy(update={"verdict": Verdict.UNKNOWN})}
    again = one.model_copy(update={**untold, "points": (*one.points, silent)})
    found = []
    for result in (whole, again, whole.model_copy(update=untold), one):
        board.test_ended("bu-dang", ["bom-bo"], result)
        found.append(board.hub_lines["bu-dang"].line.verdict)

    assert found == [Verdict.READY, Verdict.READY, Verdict.UNKNOWN, Verdict.READY]


def test_the_watch_alone_never_says_ready(board: Board) -> None:
    """Without a test of the last hours a good report is no readiness."""
    board.on_report(report(1), NOW)
    assert view(board).state is PointState.UNKNOWN
    board.test_ended("bu-dang", ["bom-bo"], ended_test(Verdict.READY))
    assert view(board).state is PointState.READY
    late = VERDICT_VALID_SECONDS + 60
    then = NOW + timedelta(seconds=late)
    board.on_report(report(2, taken_at=then), then)
    assert view(board, late).state is PointState.UNKNOWN


LOST = {"packets_received": 0, "rtt_seconds": None}


@pytest.mark.parametrize(
    ("stamp", "device", "state", "cause"),
    [
        (line(), None, PointState.READY, None),
        (line(loss_ratio_up=1 / 60), None, PointState.READY, None),
        (line(loss_ratio_up=2 / 60), None, PointState.DEGRADED, Cause.OWN_LINE_UP),
        (line(loss_ratio_down=0.2), None, PointState.NOT_READY, Cause.OWN_LINE_DOWN),
        (line(**LOST), None, PointState.UNKNOWN, Cause.FIREWALL),
        (line(packets_sent=4, **LOST), None, PointState.READY, None),
        (line(), (Status.BAD, Cause.MISSING), PointState.NOT_READY, Cause.MISSING),
        (line(), (Status.WARN, Cause.DARK), PointState.DEGRADED, Cause.DARK),
        (line(), (Status.IN_USE, Cause.BUSY), PointState.READY, None),
    ],
)
def test_what_breaks_after_a_good_test_is_seen(
    board: Board,
    stamp: StampStatistics,
    device: tuple[Status, Cause] | None,
    state: PointState,
    cause: Cause | None,
) -> None:
    """The worse of the last test and of the latest report holds; one lost packet is no finding."""
    board.test_ended("bu-dang", ["bom-bo"], ended_test(Verdict.READY))
    devices = (
        [DeviceResult(kind=DeviceKind.CAMERA, status=device[0], causes=(device[1],))]
        if (device)
        else []
    )
    board.on_report(report(1, stamp=stamp, devices=devices), NOW)
    shown = view(board)
    assert (shown.state, shown.cause) == (state, cause)
    assert shown.action is not None


def test_a_failed_test_outlives_good_reports(board: Board) -> None:
    """What a test has found stands until the next test."""
    board.test_ended("bu-dang", ["bom-bo"], ended_test(Verdict.NOT_READY, Cause.MUTED))
    board.on_report(report(1), NOW)
    assert (view(board).state, view(board).cause) == (PointState.NOT_READY, Cause.MUTED)


def test_a_point_in_a_test_is_testing_until_its_end(board: Board) -> None:
    """A cancelled test leaves the state as it was."""
    board.on_report(report(1), NOW)
    board.test_began("bu-dang", ["bom-bo", "no-such"])
    assert view(board).state is PointState.TESTING
    board.test_ended("bu-dang", ["bom-bo"], None)
    assert view(board).state is PointState.UNKNOWN


def test_a_late_will_does_not_hide_the_new_session(board: Board) -> None:
    """Offline counts for the newest connection of the running agent only."""
    assert board.on_hello(hello(1, online=True))
    assert board.on_hello(hello(2, online=True))
    assert not board.on_hello(hello(1, online=False))
    assert view(board).agent_connected
    assert board.on_hello(hello(1, online=True, boot_id=NEXT_BOOT))
    assert not board.on_hello(hello(2, online=False))
    assert view(board).agent_connected
    assert board.on_hello(hello(1, online=False, boot_id=NEXT_BOOT))
    assert not view(board).agent_connected


def test_a_backlog_does_not_replace_newer_values(board: Board) -> None:
    """Order is by sequence within a run of the agent, by its birth between runs."""
    assert board.on_report(report(5), NOW)
    assert not board.on_report(report(4), LATER)
    assert view(board).last_report_at == NOW
    board.on_hello(hello(1, online=True, boot_id=NEXT_BOOT))
    assert board.on_report(report(1, boot_id=NEXT_BOOT), LATER)
    assert not board.on_report(report(6), LATER)


def test_a_report_shows_a_session_whose_birth_nobody_heard(board: Board) -> None:
    """After the server's restart agents say no hello; the will of that run still counts."""
    assert not board.connected("bu-dang")
    board.on_report(report(), NOW)
    assert board.connected("bu-dang") == {"bom-bo"}
    assert view(board).agent_connected

    assert board.on_hello(hello(1, online=False))
    assert not board.connected("bu-dang")
