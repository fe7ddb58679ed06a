"""A fault, silence, return, a session that comes close, a hub cut, a dead server: from outside.

A real Prometheus scrapes the real server with three real agents, a real Alertmanager tells a web
hook and a mail server. All that is asserted comes from their own interfaces.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.integration.district import ROOM, District, wait_until
from tests.integration.sinks import Caught, Wire, mail_server, web_hook
from tests.integration.watchers import Watchers, start_watchers

POINTS = ("bom-bo", "dak-nhau", "duc-lieu")
LOST = POINTS[0]
"""The point that falls silent, while its camera is missing."""
NO_CAMERA = {**ROOM[0], "source": {"format": "v4l2", "url": "/dev/video-that-is-not-there"}}
HEARD = 'sum(diemcau_point_state{state=~"unknown|not_ready"})'
SILENT_AFTER_SECONDS = 4
SESSION_AFTER = timedelta(minutes=30, seconds=55)
"""Late enough for the warning an hour before, soon enough for the one half an hour before."""
BEATS = 2
"""So many heartbeats, a second apart: more than an interval of any group (1.7 s), in which all that
is due is sent."""
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@dataclass
class Watched:
    """A district with all who watch it, and what they were told."""

    district: District
    watchers: Watchers
    hook: Caught
    mail: Caught
    wire: Wire

    def told(self, alert: str, status: str = "firing") -> list[dict[str, Any]]:
        """Return the notifications of the web hook that are about an alert."""
        return [
            one
            for one in list(self.hook.items)
            if one["status"] == status and one["commonLabels"].get("alertname") == alert
        ]

    def mails(self, words: str) -> list[EmailMessage]:
        """Return the mails whose subjects hold ``words``."""
        return [one for one in list(self.mail.items) if words in one["Subject"]]

    def all_told(self) -> list[tuple[str, str]]:
        """Return alert and status of every notification of the web hook but the heartbeat."""
        told = [(one["groupLabels"]["alertname"], one["status"]) for one in list(self.hook.items)]
        return [one for one in told if one[0] != "DiemcauWatchdog"]

    def all_mails(self) -> list[str]:
        """Return the subjects of all mails."""
        return [str(one["Subject"]) for one in list(self.mail.items)]

    def wait_until_told(self, alert: str, status: str = "firing") -> dict[str, Any]:
        """Wait for the first notification about an alert."""
        wait_until(f"{alert} is told as {status}", lambda: bool(self.told(alert, status)))
        return self.told(alert, status)[0]

    def let_alertmanager_work(self) -> None:
        """Wait for heartbeats that begin and end after this call."""
        before = len(self.told("DiemcauWatchdog"))
        wait_until(
            "the watchdog goes on", lambda: len(self.told("DiemcauWatchdog")) > before + BEATS
        )


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Start everything; a session begins in half an hour and almost a minute."""
    begins = datetime.now(UTC) + SESSION_AFTER
    session = {
        "id": "lop-1", "hub": "bu-dang", "name": "Lớp 1", "form": "line", "profile": "small",
        "start": begins.isoformat(), "end": (begins + timedelta(hours=3)).isoformat(),
    }  # fmt: skip
    district = District(
        tmp_path, POINTS, silent_after_seconds=SILENT_AFTER_SECONDS, sessions=[session]
    )
    with web_hook() as hook, mail_server() as mail, closing(Wire(district.broker_port)) as wire:
        district.agents_broker_port = wire.port
        try:
            district.start_broker()
            district.start_agent(LOST, devices=[NO_CAMERA, ROOM[1]])
            district.start_server()
            for point in POINTS[1:]:
                district.start_agent(point)
            watchers = start_watchers(district, hook.port, mail.port)
            district.wait_for_reports()
            yield Watched(district, watchers, hook, mail, wire)
        finally:
            wire.mend()
            district.stop()


def test_whoever_watches_is_told_the_truth(watched: Watched) -> None:
    """One story, in which each part is seen before the next begins."""
    all_is_seen(watched)
    a_session_is_an_hour_away(watched)
    a_camera_is_missing(watched)
    a_point_falls_silent_and_returns(watched)
    a_session_is_half_an_hour_away(watched)
    the_hub_is_cut(watched)
    the_server_dies(watched)


def all_is_seen(watched: Watched) -> None:
    """One target, no error, every point with its state and fresh measurements."""
    watchers = watched.watchers
    watchers.wait_for(HEARD, {len(POINTS)})
    watchers.wait_for("count(diemcau_link_packet_loss_ratio)", {2 * len(POINTS)})
    watchers.wait_for("sum(alertmanager_notifications_failed_total)", {0})
    (target,) = watchers.targets("diemcau")
    assert (target["health"], target["lastError"], target["labels"]["part"]) == ("up", "", "all")
    watched.wait_until_told("DiemcauWatchdog")
    assert watchers.firing("DiemcauPointSilent") == set()


def a_session_is_an_hour_away(watched: Watched) -> None:
    """Nobody has tested since the start: one warning for all points of the session."""
    told = watched.wait_until_told("DiemcauNotReadyBeforeSession")
    assert {one["labels"]["point"] for one in told["alerts"]} == set(POINTS)
    assert told["commonLabels"]["session"] == "lop-1"
    (first, *_) = (one["annotations"]["summary_vi"] for one in told["alerts"])
    assert first.endswith("chưa sẵn sàng cho phiên Lớp 1, còn chưa đến 60 phút.")


def a_camera_is_missing(watched: Watched) -> None:
    """Told by its name, and once: what follows neither mends it nor makes it worse."""
    told = watched.wait_until_told("DiemcauDeviceNotWorking")
    text = told["commonAnnotations"]["summary_vi"]
    assert text == f"Camera của điểm cầu Xã {LOST} không hoạt động."


def a_point_falls_silent_and_returns(watched: Watched) -> None:
    """Its measurements end, its state and last report stay; one is told once, and of the end.

    A restart of the server meanwhile ends nothing; it may be told itself.
    """
    watchers, agent = watched.watchers, watched.district.parts[LOST]
    agent.stop()
    watchers.wait_for(f'diemcau_point_state{{point="{LOST}",state="silent"}}', {1})
    watchers.wait_for("count(diemcau_link_packet_loss_ratio)", {2 * (len(POINTS) - 1)})
    assert watchers.value(f'{{__name__=~"diemcau_(link_p|device|room).*",point="{LOST}"}}') == []
    last_report = f'diemcau_agent_last_report_timestamp_seconds{{point="{LOST}"}}'
    assert len(watchers.value(last_report)) == 1
    told = watched.wait_until_told("DiemcauPointSilent")
    assert [one["labels"]["name"] for one in told["alerts"]] == [f"Xã {LOST}"]
    assert told["commonAnnotations"]["summary_vi"] == f"Điểm cầu Xã {LOST} mất liên lạc."
    wait_until("a mail says the same", lambda: bool(watched.mails("mất liên lạc")))
    body = watched.mails("mất liên lạc")[0].get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "Việc làm trước tiên: Gọi điểm cầu nhờ bật máy tính" in text
    assert "Phone the point" in text
    assert watchers.firing("DiemcauDeviceNotWorking") == {LOST}
    assert watchers.held_back("DiemcauDeviceNotWorking") == {LOST}

    the_server_restarts(watched)
    watchers.wait_for(f'diemcau_point_state{{point="{LOST}",state="silent"}}', {1})
    watched.let_alertmanager_work()
    assert watchers.firing("DiemcauPointSilent") == {LOST}

    agent.start()
    watchers.wait_for(HEARD, {len(POINTS)})
    watchers.wait_for("count(diemcau_link_packet_loss_ratio)", {2 * len(POINTS)})
    watched.wait_until_told("DiemcauPointSilent", "resolved")
    # The session comes near meanwhile: that is told when it is time, whatever happens to a point.
    told_of_points = [
        one for one in watched.all_told() if not re.search("NotReady|ServerDown", one[0])
    ]
    assert told_of_points == [
        ("DiemcauDeviceNotWorking", "firing"),
        ("DiemcauPointSilent", "firing"),
        ("DiemcauPointSilent", "resolved"),
    ]


def the_server_restarts(watched: Watched) -> None:
    """It is seen to be away, then for so long that it must know who is silent."""
    server = watched.district.parts["server"]
    server.stop()
    watched.watchers.wait_for("count(server:diemcau_blind)", {1})
    server.start()
    watched.watchers.wait_for("count(server:diemcau_blind) or vector(0)", {0})


def the_hub_is_cut(watched: Watched) -> None:
    """All points fall silent at once: exactly one notification and one mail, and one of its end.

    Nothing else is told from the cut to the end, not even of the camera that is missing still, nor
    of the session, less than half an hour away, for which no point is ready.
    """
    watchers = watched.watchers
    told_before = len(watched.all_told())
    wait_until("mails tell the same", lambda: len(watched.all_mails()) == told_before)
    watched.wire.cut()
    told = watched.wait_until_told("DiemcauHubIsolated")
    assert told["commonLabels"]["hub"] == "bu-dang"
    wait_until(
        "the points' own alerts are held back",
        lambda: watchers.held_back("DiemcauPointSilent") == set(POINTS),
    )
    assert watchers.held_back("DiemcauNotReadyForSession") == set(POINTS)
    assert watchers.value("hub:diemcau_points_silent:ratio")[0][1] == 1
    watched.wire.mend()
    watchers.wait_for(HEARD, {len(POINTS)})
    watched.wait_until_told("DiemcauHubIsolated", "resolved")
    watched.let_alertmanager_work()

    assert watched.all_told()[told_before:] == [
        ("DiemcauHubIsolated", "firing"),
        ("DiemcauHubIsolated", "resolved"),
    ]
    summary = "100% điểm cầu của Hội trường Huyện ủy cùng mất liên lạc."
    assert watched.all_mails()[told_before:] == [
        f"[diemcau bu-dang] {summary}",
        f"[diemcau bu-dang] Đã hết: {summary}",
    ]
    assert watchers.firing("DiemcauDeviceNotWorking") == {LOST}


def a_session_is_half_an_hour_away(watched: Watched) -> None:
    """Told again, more urgently; the earlier warning is held back, not taken back."""
    watchers = watched.watchers
    told = watched.wait_until_told("DiemcauNotReadyForSession")
    assert told["commonLabels"]["severity"] == "critical"
    assert watchers.firing("DiemcauNotReadyForSession") == set(POINTS)
    assert watchers.firing("DiemcauNotReadyBeforeSession") == set(POINTS)
    assert watchers.held_back("DiemcauNotReadyBeforeSession") == set(POINTS)
    assert watched.told("DiemcauNotReadyBeforeSession", "resolved") == []


def the_server_dies(watched: Watched) -> None:
    """A server that is gone is told by name, and nothing is told of its points."""
    before = len(watched.told("DiemcauPointSilent"))
    told_before = len(watched.told("DiemcauServerDown"))
    watched.district.parts["server"].stop()
    wait_until(
        "the dead server is told", lambda: len(watched.told("DiemcauServerDown")) > told_before
    )
    told = watched.told("DiemcauServerDown")[-1]
    assert told["commonAnnotations"]["summary_en"] == "The diemcau server does not answer."
    watched.let_alertmanager_work()
    assert len(watched.told("DiemcauPointSilent")) == before
    assert watched.watchers.value("diemcau_link_packet_loss_ratio") == []
