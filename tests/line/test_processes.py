"""Both measuring processes against each other over loopback, and against all that is wrong."""

import errno
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from diemcau_contract.packets.capacity import LOAD_PAYLOAD_TYPE
from diemcau_contract.packets.control import (
    REFUSE_REASONS,
    Open,
    Refuse,
    pack_control,
    parse_control,
)
from diemcau_contract.packets.rehearsal import REHEARSAL_BYTES
from diemcau_contract.packets.stamp import StampRequest, ntp_from_unix_ns, pack_stamp_request
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import StepKind
from diemcau_line import protocol
from diemcau_line.light import LightFlow
from diemcau_line.protocol import (
    Abort,
    Aborted,
    CloseTest,
    CutStep,
    Failed,
    FlowOpened,
    HubCounters,
    HubFlow,
    HubReady,
    HubStepResult,
    NoAnswer,
    Opened,
    OpenTest,
    PointStepResult,
    Refused,
    ReportCounters,
    RunStep,
    StartHub,
    StepPlanned,
)
from diemcau_line.sockets import DATAGRAM_BYTES
from tests.line.ends import PLAN, TICKET_KEY, End, Hall, Relay, after, start_hall


@pytest.fixture
def hall() -> Iterator[Hall]:
    """A hub that waits for the points of test ``t``."""
    with End("hub") as hub:
        yield start_hall(hub, 3)


@pytest.fixture
def point() -> Iterator[End]:
    """A point's process."""
    with End("point") as end:
        yield end


def test_a_step_that_is_cut_ends_early_and_counts_what_it_was(hall: Hall, point: End) -> None:
    """Both ends take the shorter length as the step's own: nothing that was not sent is lost."""
    point.ask(hall.open_point(1), Opened)
    hall.step({1: point}, seconds=20.0)
    for end in (hall.hub, point):
        end.send(CutStep("t", 1, 2.0))
    at_hub = hall.hub.wait(HubStepResult)
    at_point = point.wait(PointStepResult)

    for traffic in (at_hub.flows[0].up, at_point.down):
        assert traffic is not None
        assert traffic.duration_seconds == 2.0
        assert len(traffic.bins) == 20
        assert 200 < traffic.packets_sent == traffic.packets_received


def test_a_clean_path_has_no_loss_and_both_ends_agree(hall: Hall, point: End) -> None:
    """Idle, then traffic: every packet sent is received, in both directions."""
    opened = point.ask(hall.open_point(1), Opened)
    hall.step({1: point}, number=0, ratio=0, kind=StepKind.IDLE)
    idle = point.wait(PointStepResult)
    hall.hub.wait(HubStepResult)
    hall.step({1: point}, number=1)
    at_point, at_hub = point.wait(PointStepResult), hall.hub.wait(HubStepResult)
    flow = at_hub.flows[0]

    assert opened.stamp.packets_received == 20
    assert (opened.dscp_received_up, opened.stamp.path_mtu_bytes) == (34, 1500)
    assert (idle.down, idle.up_sender) == (None, None)
    assert idle.stamp is not None
    assert idle.stamp.packets_sent == 50
    assert flow.up is not None
    assert flow.down_sender is not None
    assert at_point.down is not None
    assert at_point.up_sender is not None
    assert at_point.stamp is not None
    assert flow.up.packets_received == at_point.up_sender.packets_sent > 100
    assert at_point.down.packets_received == flow.down_sender.packets_sent > 100
    assert flow.up.loss_ratio == at_point.down.loss_ratio == 0.0
    assert at_point.stamp.packets_sent == 10


def test_every_dropped_packet_is_counted_once(hall: Hall, point: End) -> None:
    """Sent minus what the relay dropped is received: up one in seven, down one in five."""
    dropped = {True: 0, False: 0}
    seen = {True: 0, False: 0}

    def drop(octets: bytes, up: bool) -> bool:  # noqa: FBT001  # a direction
        if octets[0] >> 6 != 2:
            return False
        seen[up] += 1
        lost = seen[up] % (7 if up else 5) == 0
        dropped[up] += lost
        return lost

    with Relay(hall.port, drop) as relay:
        point.ask(hall.open_point(1, relay.port), Opened)
        hall.step({1: point}, seconds=1.5)
        at_point, at_hub = point.wait(PointStepResult), hall.hub.wait(HubStepResult)
    up, down = at_hub.flows[0].up, at_point.down

    assert up is not None
    assert down is not None
    assert at_point.up_sender is not None
    assert up.packets_sent == at_point.up_sender.packets_sent == seen[True]
    assert up.packets_sent - up.packets_received == dropped[True] > 10
    assert down.packets_sent - down.packets_received == dropped[False] > 10
    assert up.loss_ratio == pytest.approx(1 / 7, abs=0.01)
    assert up.late_frame_ratio is not None
    assert up.late_frame_ratio > up.loss_ratio


def test_a_direction_that_carries_nothing_is_total_loss(hall: Hall, point: End) -> None:
    """Not even the hub's own count arrives: the point still knows what was due."""
    with Relay(hall.port, lambda octets, up: not up and octets[0] >> 6 == 2) as relay:
        point.ask(hall.open_point(1, relay.port), Opened)
        hall.step({1: point})
        said = point.wait(PointStepResult).down

    assert said is not None
    assert (said.packets_received, said.loss_ratio) == (0, 1.0)
    assert said.packets_sent > 100


def test_a_silent_port_is_no_answer(hall: Hall, point: End) -> None:
    """A firewall that swallows everything: named within patience, with the place."""
    with Relay(hall.port, lambda _octets, _up: True) as relay:
        said = point.ask(hall.open_point(1, relay.port), NoAnswer)
        assert said.detail == f"no answer from 127.0.0.1 UDP port {relay.port} in 2.0 s"


def test_a_closed_port_is_told_from_a_silent_one(hall: Hall, point: End) -> None:
    """ICMP "port unreachable" is said in so many words."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = point.ask(hall.open_point(1, port), NoAnswer)

    assert said.detail == f"127.0.0.1 UDP port {port} is closed: it answers 'port unreachable'"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"not_after": 1.0}, "expired"),
        ({"flow": 9}, "unknown_flow"),
        ({"point": "p2"}, "unknown_flow"),
        ({"test": "other"}, "unknown_flow"),
    ],
)
def test_a_bad_ticket_is_refused_by_name(
    hall: Hall, point: End, changes: dict[str, Any], reason: str
) -> None:
    """The point hears why, and may try again with a better one."""
    assert (
        point.ask(hall.open_point(1, ticket=hall.ticket(**{"flow": 1, **changes})), Refused).reason
        == reason
    )
    assert point.ask(hall.open_point(1), Opened).test == "t"


def test_a_ticket_serves_one_address(hall: Hall, point: End) -> None:
    """The second point with the same ticket is a replay."""
    ticket = hall.ticket(1)
    point.ask(hall.open_point(1, ticket=ticket), Opened)
    with End("point") as thief:
        assert thief.ask(hall.open_point(1, ticket=ticket), Refused).reason == "replayed"


def test_outside_of_a_test_the_port_is_closed(hall: Hall, point: End) -> None:
    """A good ticket opens nothing when no test is open."""
    hall.hub.ask(CloseTest("t"), protocol.TestClosed)

    assert point.ask(hall.open_point(1), Refused).reason == "closed"


def test_rubbish_is_counted_and_nothing_more(hall: Hall, point: End) -> None:
    """Whatever arrives at the port, the hub counts it by reason, answers nothing, goes on."""
    rubbish = [
        b"", b"\0", b"x" * 40, bytes(112), b"\x80" * 20, b"\x80" + bytes(REHEARSAL_BYTES),
        b"\xd1\x65\x6d\x63\x09\x01" + bytes(40), b"\xff" * 60, os.urandom(1400),
        pack_control(Open(1, 0, "x.y"), bytes(16)),
    ]  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for octets in rubbish:
            stranger.sendto(octets, ("127.0.0.1", hall.port))
        point.ask(hall.open_point(2), Opened)
        assert select.select([stranger], [], [], 0)[0] == []
    counters = hall.hub.ask(ReportCounters(), HubCounters)

    assert sum(counters.rejected.values()) == len(rubbish)
    assert {"too_short", "unknown_ssid", "unknown_flow", "bad_version"} <= set(counters.rejected)


def test_a_datagram_longer_than_any_of_ours_is_not_even_looked_at(hall: Hall, point: End) -> None:
    """Of whichever kind it seems, up to what UDP carries: too long, no answer, and on it goes."""
    key = bytes.fromhex(hall.secret(1) * 2)
    genuine = pack_stamp_request(StampRequest(0, ntp_from_unix_ns(time.time_ns()), 1, 1), key)
    starts = [genuine, b"\x80", bytes([0x80, LOAD_PAYLOAD_TYPE]), b"\xd1\x65\x6d\x63\x01\x01"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(genuine.ljust(DATAGRAM_BYTES, b"\0"), ("127.0.0.1", hall.port))
        for start in starts:
            for size in (DATAGRAM_BYTES + 1, 65_507):
                stranger.sendto(start.ljust(size, b"\0"), ("127.0.0.1", hall.port))
        point.ask(hall.open_point(2), Opened)
        answer = stranger.recv(65_507)
        assert select.select([stranger], [], [], 0)[0] == []
    counters = hall.hub.ask(ReportCounters(), HubCounters)

    assert len(answer) == DATAGRAM_BYTES  # the longest that may be one of ours
    assert counters.rejected == {"too_long": 2 * len(starts)}


def test_a_stranger_gets_no_answer_and_a_holder_of_our_ticket_does(hall: Hall) -> None:
    """Neither in a test nor outside: only what this hub has signed is answered, by name."""
    body = hall.ticket(9).partition(".")[0]
    forged = pack_control(Open(9, 0, f"{body}.{'A' * 43}"), bytes(16))
    genuine = pack_control(Open(9, 0, hall.ticket(9)), bytes(16))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(10)
        stranger.connect(("127.0.0.1", hall.port))
        for reason in ("unknown_flow", "closed"):
            stranger.send(forged)
            stranger.send(genuine)
            refuse = parse_control(stranger.recv(1000), None)
            assert isinstance(refuse, Refuse)
            assert REFUSE_REASONS[refuse.reason] == reason
            assert select.select([stranger], [], [], 0)[0] == []
            if reason == "unknown_flow":
                hall.hub.ask(CloseTest("t"), protocol.TestClosed)
    counters = hall.hub.ask(ReportCounters(), HubCounters)

    assert counters.rejected == {"bad_signature": 2, "unknown_flow": 1, "closed": 1}


@pytest.mark.parametrize(
    ("bound", "ticket", "is_over"),
    [(1_600_000, 20_000_000, True), (1e9, 700_000, True), (3_000_000, 1_500_000, False)],
)
def test_what_comes_in_is_bounded_for_each_and_for_all(
    bound: float,
    ticket: int,
    is_over: bool,  # noqa: FBT001  # a case
) -> None:
    """Two points that send more than they were planned: 1.1 Mbit/s each instead of 0.4."""
    small = TrafficPlan(
        audio_bits_per_second=64_000, video_bits_per_second=300_000, frames_per_second=30
    )
    with End("hub") as hub, End("point") as one, End("point") as other:
        hall = start_hall(hub, 2, small, max_bits_per_second=bound)
        for flow, end in ((1, one), (2, other)):
            order = hall.open_point(flow, ticket=hall.ticket(flow, max_bits_per_second=ticket))
            end.ask(replace(order, up=PLAN), Opened)
        hall.step({1: one, 2: other}, seconds=4.0)
        hub.wait(HubStepResult)
        counters = hub.ask(ReportCounters(), HubCounters)

    assert counters.rehearsal_received > 0
    assert ("over_rate" in counters.rejected) is is_over


def test_no_step_may_bring_in_more_than_the_hubs_bound() -> None:
    """What the points would send counts as what the hub would."""
    up = replace(PLAN, video_bits_per_second=3_000_000)
    with End("hub") as hub, End("point") as end:
        hall = start_hall(hub, 1, max_bits_per_second=2e6)
        hub.ask(CloseTest("t"), protocol.TestClosed)
        flow = HubFlow("p1", 1, hall.secret(1), up, PLAN)
        hub.ask(OpenTest("t", (flow,), 30.0), protocol.TestOpened)
        end.ask(hall.open_point(1), Opened)
        step = RunStep("t", 1, StepKind.REHEARSAL, (1,), 1.0, after(0.1), 1.0)

        assert "this hub's bound" in hub.ask(step, Failed).detail


def test_abort_at_the_hub_stops_the_points_traffic(hall: Hall, point: End) -> None:
    """STOP reaches the point, which says so; no step result follows."""
    point.ask(hall.open_point(1), Opened)
    hall.step({1: point}, seconds=30)
    hall.hub.send(Abort("t"))

    assert hall.hub.wait(Aborted).test == "t"
    assert point.wait(Aborted).test == "t"


def test_abort_at_the_point_stops_the_hubs_traffic(hall: Hall, point: End) -> None:
    """The hub sends nothing more and calls nothing lost that was never sent."""
    point.ask(hall.open_point(1), Opened)
    hall.step({1: point}, seconds=1.0)
    assert point.ask(Abort("t"), Aborted).test == "t"
    flow = hall.hub.wait(HubStepResult).flows[0]

    assert flow.opened
    assert flow.up is None
    assert flow.down_sender is None or flow.down_sender.packets_sent < 100


def test_a_point_that_never_came_is_told(hall: Hall, point: End) -> None:
    """A flow that was not opened has no figures, the others do."""
    point.ask(hall.open_point(1), Opened)
    hall.hub.wait(FlowOpened)
    hall.hub.send(RunStep("t", 1, StepKind.REHEARSAL, (1, 2), 1.0, after(0.2), 0.5))
    flows = hall.hub.wait(HubStepResult).flows

    assert [(one.flow, one.opened, one.up is None) for one in flows] == [
        (1, True, False), (2, False, True),
    ]  # fmt: skip


def test_commands_out_of_place_fail_by_name(hall: Hall, point: End) -> None:
    """Before the start, twice, for another test, of the other role, unreadable."""
    assert hall.hub.ask(StartHub(TICKET_KEY.hex()), Failed).reason == "already_started"
    assert hall.hub.ask(Abort("other"), Failed).reason == "unknown_test"
    assert hall.hub.ask(hall.open_point(1), Failed).reason == "wrong_role"
    assert point.ask(CloseTest("t"), Failed).reason == "wrong_role"
    over = RunStep("t", 1, StepKind.MARGIN, (77,), 1.0, after(0.1), 1.0)
    assert hall.hub.ask(over, Failed).reason == "unknown_flow"
    order = HubFlow("p1", 1, hall.secret(1), PLAN, PLAN)
    assert hall.hub.ask(OpenTest("u", (order,), 10.0), Failed).reason == "test_running"
    with End("hub") as fresh:
        assert fresh.ask(CloseTest("t"), Failed).reason == "not_started"
        taken = StartHub(TICKET_KEY.hex(), ("127.0.0.1",), hall.port)
        failed = fresh.ask(taken, Failed)
    assert failed.reason == "cannot_bind"
    assert failed.error_number == errno.EADDRINUSE
    assert failed.detail == f"127.0.0.1 UDP port {hall.port}: Address already in use"


def test_a_steps_start_is_a_time_that_all_processes_share(hall: Hall, point: End) -> None:
    """Told earlier or later it is the same instant; too far ahead it is refused."""
    point.ask(hall.open_point(1), Opened)
    ahead = after(60.0)
    early = hall.hub.ask(RunStep("t", 1, StepKind.IDLE, (1,), 0.0, ahead, 1.0), StepPlanned)
    hall.step({1: point}, number=2, kind=StepKind.IDLE, ratio=0.0)
    hall.hub.wait(HubStepResult)
    late = hall.hub.ask(RunStep("t", 3, StepKind.IDLE, (1,), 0.0, ahead, 1.0), StepPlanned)
    far = RunStep("t", 4, StepKind.IDLE, (1,), 0.0, after(301.0), 1.0)

    # The step between them took more than a second, the two looks at the clocks next to nothing.
    assert abs(late.starts_at_hub_ns - early.starts_at_hub_ns) < 500_000_000
    assert hall.hub.ask(far, Failed).reason == "over_limit"


def test_a_step_above_the_ticket_is_refused(hall: Hall, point: End) -> None:
    """The hub sends nothing that its own ticket does not allow."""
    point.ask(hall.open_point(1, ticket=hall.ticket(1, max_bits_per_second=500_000)), Opened)
    hall.hub.wait(FlowOpened)
    step = RunStep("t", 1, StepKind.REHEARSAL, (1,), 1.0, after(0.1), 1.0)

    assert hall.hub.ask(step, Failed).reason == "over_limit"


def test_bytes_above_the_ticket_are_not_sent(hall: Hall, point: End) -> None:
    """The ticket's octets end the traffic in both directions."""
    point.ask(hall.open_point(1, ticket=hall.ticket(1, max_bytes=40_000)), Opened)
    hall.step({1: point}, seconds=1.0)
    flow = hall.hub.wait(HubStepResult).flows[0]

    assert flow.down_sender is not None
    assert flow.down_sender.bytes_sent < 42_000


@pytest.mark.parametrize("role", ["hub", "point"])
def test_a_closed_stdin_ends_the_process(role: str) -> None:
    """The parent's death is the process's end, with nothing on stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "diemcau_line", role], input=b"no json\n", capture_output=True,
        timeout=20, check=False,
    )  # fmt: skip

    assert done.returncode == 0
    assert done.stderr == b""
    assert b'"reason":"not_a_command"' in done.stdout


def test_an_unknown_role_is_a_usage_error() -> None:
    """Exit code 2 and one line."""
    done = subprocess.run(
        [sys.executable, "-m", "diemcau_line", "x"], capture_output=True, timeout=20, check=False
    )

    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"usage: ")


def test_the_light_flow_measures_beside_a_test() -> None:
    """A thread of the agent: answers come, the snapshot holds them, stop ends it."""
    with End("hub") as hub:
        hall = start_hall(hub, 1)
        flow = LightFlow(
            "127.0.0.1", hall.port, ssid=1, key=bytes.fromhex(hall.secret(1) * 2),
            packets_per_second=50,
        )  # fmt: skip
        flow.start()
        while (counters := hub.ask(ReportCounters(), HubCounters)).stamp_answered < 10:
            threading.Event().wait(0.01)
        said = flow.snapshot()
        flow.stop()

    assert counters.rejected == {}
    assert said.stamp is not None
    assert said.stamp.packets_received >= 8
    assert said.stamp.loss_ratio_up == 0.0
    assert said.last_answer_age_seconds is not None


def test_hub_ready_tells_about_kernel_stamps(hall: Hall) -> None:
    """On Linux the kernel stamps what arrives."""
    with End("hub") as other:
        ready = other.ask(StartHub(TICKET_KEY.hex(), ("127.0.0.1",)), HubReady)

    assert ready.kernel_stamps == sys.platform.startswith("linux")
    assert ready.port not in {0, hall.port}
