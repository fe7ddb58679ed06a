"""How a sender keeps its plan, and what it does when it was held up (SPEC 5.6)."""

import pytest

from diemcau_contract.packets.rehearsal import PAYLOAD_MAX_BYTES, REHEARSAL
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.profiles import Guards
from diemcau_line.clock import Clock
from diemcau_line.sender import GIVEN_UP_NS, FlowSender, SendOrder
from diemcau_line.sockets import Address, MeasuringSocket
from diemcau_line.traffic import Planned, planned_sends

_MS = 1_000_000
_SECONDS = 15.0
PLAN = TrafficPlan(
    audio_bits_per_second=64_000, video_bits_per_second=960_000, frames_per_second=30
)


class Line(MeasuringSocket):
    """Keeps the number and the time of what it is given to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, int]] = []

    def send(self, octets: bytes | memoryview, address: Address | None = None) -> bool:
        """Take one packet."""
        _, _, _, _, _, _, sent_ns, number, *_ = REHEARSAL.unpack_from(octets)
        self.sent.append((number, sent_ns))
        return address is None and len(octets) <= PAYLOAD_MAX_BYTES + REHEARSAL.size


def played(stall_ms: int) -> tuple[FlowSender, Line, list[Planned]]:
    """Send a whole rehearsal at its deadlines, but for one stall in its middle."""
    now = 0
    clock = Clock(lambda: now, lambda: now)
    line, plan = Line(), list(planned_sends(PLAN, 7, _SECONDS, 1.0))
    order = SendOrder(flow=1, token=2, step=3, start_ns=0, bytes_max=1 << 40)
    sender = FlowSender(clock, line, None, order, iter(plan))
    due, is_stalled = sender.due_ns, False
    while due >= 0:
        now = max(now, due)
        if stall_ms and now > 5_000 * _MS and not is_stalled:
            now, is_stalled = now + stall_ms * _MS, True
        due = sender.fire()
    return sender, line, plan


@pytest.mark.parametrize("stall_ms", [0, 50, 199])
def test_a_short_stall_costs_no_packet(stall_ms: int) -> None:
    """All of the plan is sent, and how late it was is told."""
    sender, line, plan = played(stall_ms)
    told = sender.statistics()

    assert [number for number, _ in line.sent] == list(range(len(plan)))
    assert told.packets_sent == len(plan)
    assert told.send_errors == 0
    assert told.schedule_error_max_seconds == pytest.approx(stall_ms / 1000, abs=0.001)


@pytest.mark.parametrize("stall_ms", [210, 1000, 6000])
def test_what_a_long_stall_kept_back_is_not_sent_in_one_burst(stall_ms: int) -> None:
    """200 ms of the plan go out at once at most; the rest is told, and the guard is broken."""
    sender, line, plan = played(stall_ms)
    told, count = sender.statistics(), sender.count()
    at_once = max(sum(time == one for _, time in line.sent) for one in {t for _, t in line.sent})
    kept = len(plan) / _SECONDS * GIVEN_UP_NS / 1e9

    assert at_once == pytest.approx(kept, rel=0.25)
    assert told.send_errors == count.errors == len(plan) - len(line.sent) > 0
    assert told.packets_sent == len(line.sent)
    assert (count.first, count.stop) == (0, len(plan))
    assert told.schedule_error_p99_seconds > Guards().schedule_error_p99_seconds
