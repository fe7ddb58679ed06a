"""STAMP's two roles against each other, without sockets (RFC 8762)."""

from dataclasses import dataclass

import pytest

from diemcau_contract.measurements import StampStatistics
from diemcau_contract.packets.common import PacketError, hmac_128
from diemcau_contract.packets.stamp import StampRequest, pack_stamp_request, parse_stamp_reply
from diemcau_line.clock import Clock, SyncState
from diemcau_line.stamp import (
    REPLIES_PER_SECOND_MAX,
    ErrorBits,
    NotReflectedError,
    SessionReflector,
    SessionSender,
)

KEY = bytes(range(32))
MS = 1_000_000


@dataclass
class Time:
    """A settable time source, in ns; ``apart`` is how far another clock is ahead."""

    now: int = 1_700_000_000 * 10**9

    def clock(self, apart: int = 0) -> Clock:
        """Return a clock that shows this time."""
        return Clock(lambda: self.now, lambda: self.now + apart)


class Path:
    """A sender and a reflector 10 ms apart up, 30 ms down; their clocks 5 s apart."""

    def __init__(self) -> None:
        self.time = Time()
        self.sender = SessionSender(9, KEY, self.time.clock())
        self.reflector = SessionReflector(self.time.clock(5 * 10**9))
        self.reflector.set_sessions({9: KEY})

    def trip(self, *, lose_up: bool = False, lose_down: bool = False, window: int = 0) -> None:
        """Send one packet there and back, then wait for the rest of 100 ms."""
        request = self.sender.request(window)
        self.time.now += 10 * MS
        if not lose_up:
            arrived = self.time.now + 5 * 10**9
            self.time.now += 2 * MS
            reply = self.reflector.reflect(request, "p", arrived, 63)
            self.time.now += 30 * MS
            if not lose_down:
                assert self.sender.answer(reply, self.time.now)
        self.time.now += 58 * MS


def test_rtt_leaves_out_the_reflectors_own_time() -> None:
    """RTT 40 ms of 42 waited; the offset is the midpoint, known to half the round trip."""
    path = Path()
    path.trip()
    said = path.sender.close_window(0, 1)

    assert said is not None
    assert said.rtt_seconds is not None
    assert said.rtt_seconds.p50 == pytest.approx(0.040)
    assert said.clock_offset_bound_seconds == pytest.approx(0.020)
    assert said.clock_offset_seconds == pytest.approx(5 - 0.010)


def test_the_stateful_counter_tells_up_from_down() -> None:
    """RFC 8762 section 4.3: two of ten lost up, one of the eight others down."""
    path = Path()
    for number in range(10):
        path.trip(lose_up=number in {2, 3}, lose_down=number == 6)
    path.time.now += 2 * 10**9
    said = path.sender.close_window(0, 1)

    assert said is not None
    assert (said.packets_sent, said.packets_received) == (10, 7)
    assert said.loss_ratio_up == pytest.approx(2 / 10)
    assert said.loss_ratio_down == pytest.approx(1 / 8)


def test_a_restarted_reflector_does_not_spoil_the_count() -> None:
    """Its counter begins anew: counting begins with its first answer."""
    path = Path()
    for _ in range(5):
        path.trip()
    path.sender.close_window(0, 1)
    path.reflector = SessionReflector(path.time.clock(5 * 10**9))
    path.reflector.set_sessions({9: KEY})
    for number in range(4):
        path.trip(window=1, lose_up=number == 2)
    path.time.now += 2 * 10**9
    said = path.sender.close_window(1, 2)

    assert said is not None
    assert said.loss_ratio_up == pytest.approx(1 / 4)
    assert said.loss_ratio_down == 0.0


def test_packets_on_their_way_go_over_to_the_next_window() -> None:
    """Nobody is called lost before a second has passed."""
    path = Path()
    request = path.sender.request(0)
    assert path.sender.close_window(0, 1) is None
    path.sender.answer(path.reflector.reflect(request, "p", path.time.now, 64), path.time.now)
    said = path.sender.close_window(1, 2)

    assert said is not None
    assert (said.packets_sent, said.packets_received) == (1, 1)


def test_an_answer_counts_once() -> None:
    """A copy of an answer is no second answer."""
    path = Path()
    reply = path.reflector.reflect(path.sender.request(0), "p", path.time.now, 64)

    assert path.sender.answer(reply, path.time.now)
    assert not path.sender.answer(reply, path.time.now)


def test_the_reply_is_as_long_as_the_request() -> None:
    """RFC 8762 section 4.3: what follows the base packet is copied, TTL and SSID are told."""
    path = Path()
    request = path.sender.request(0, 400)[:-3] + b"end"
    reply = path.reflector.reflect(request, "p", path.time.now, 61)
    read = parse_stamp_reply(reply, KEY)

    assert len(reply) == 400
    assert reply[112:] == request[112:]
    assert (read.sender_ttl, read.ssid, read.sender_sequence) == (61, 9, 0)


def test_stateless_copies_the_number_and_stateful_counts() -> None:
    """RFC 8762 section 4.3.1: sequence number of the reflected packet."""
    clock = Time().clock()
    packet = pack_stamp_request(StampRequest(41, 1 << 63, 0x0101, 9), KEY)
    for stateless, numbers in ((True, [41, 41]), (False, [0, 1])):
        reflector = SessionReflector(clock, stateless=stateless)
        reflector.set_sessions({9: KEY})
        replies = [reflector.reflect(packet, "p", clock.now_ns(), 64) for _ in range(2)]
        assert [parse_stamp_reply(one, KEY).sequence for one in replies] == numbers


def test_open_mode_answers_only_where_it_is_on() -> None:
    """A short TWAMP-Light packet gets the 44-octet answer there (RFC 8762 section 4.6)."""
    clock = Time().clock()
    short = pack_stamp_request(StampRequest(1, 1 << 63, 0x0101))[:14]

    assert len(SessionReflector(clock, answer_open=True).reflect(short, "p", 1, 64)) == 44
    with pytest.raises(PacketError, match="at least 112"):
        SessionReflector(clock).reflect(short, "p", 1, 64)
    with pytest.raises(NotReflectedError, match="unknown_ssid"):
        SessionReflector(clock).reflect(bytes(112), "p", 1, 64)


def test_a_forged_packet_touches_no_state() -> None:
    """RFC 8762 section 4.4: verified before anything else; the counter stays."""
    path = Path()
    forged = bytearray(path.sender.request(0))
    forged[100] ^= 1

    with pytest.raises(PacketError, match="bad_hmac"):
        path.reflector.reflect(forged, "p", path.time.now, 64)
    path.trip()
    assert path.reflector.answered == 1


def test_answers_are_capped_a_second() -> None:
    """A captured packet sent again and again does not make the hub a cannon."""
    path = Path()
    request = path.sender.request(0)
    for _ in range(REPLIES_PER_SECOND_MAX):
        path.reflector.reflect(request, "p", path.time.now, 64)
    with pytest.raises(NotReflectedError, match="rate_limited"):
        path.reflector.reflect(request, "p", path.time.now, 64)


def test_a_step_of_the_wall_clock_is_seen_and_kept_out() -> None:
    """The steady line goes on; the size of the step is known, kernel stamps stay on it."""
    time = Time()
    lead = [0]
    clock = Clock(lambda: time.now, lambda: time.now + lead[0])
    before = clock.now_ns()
    lead[0] = -2 * 10**9
    clock.refresh()

    assert clock.now_ns() == before
    assert (clock.stepped_ns, clock.wall_lead_ns) == (2 * 10**9, -2 * 10**9)


@dataclass(frozen=True)
class Ends:
    """What the two ends' systems say of their clocks, and what comes of it."""

    sender: SyncState
    reflector: SyncState
    hub_ahead_ns: int = 0

    def measure(self, stepped_ns: int = 0) -> StampStatistics:
        """Return the figures of four trips, 10 ms up and 30 ms down, best round trip 40 ms."""
        path = Path()
        wall = [0]
        hub = Clock(
            lambda: path.time.now + self.hub_ahead_ns,
            lambda: path.time.now + self.hub_ahead_ns + wall[0],
        )
        path.reflector = SessionReflector(hub)
        path.reflector.set_sessions({9: KEY})
        path.reflector._error = ErrorBits(hub, lambda: self.reflector)
        path.sender.error = ErrorBits(path.time.clock(), lambda: self.sender)
        for number in range(4):
            wall[0] = stepped_ns if number else 0
            hub.refresh()
            request = path.sender.request(0)
            path.time.now += 10 * MS
            reply = path.reflector.reflect(request, "p", hub.now_ns(), 63)
            path.time.now += 30 * MS
            path.sender.answer(reply, path.time.now)
        said = path.sender.close_window(0, 1)
        assert said is not None
        return said


SYNCHRONISED = SyncState(synchronised=True, error_seconds=0.009)


def test_synchronised_ends_know_the_one_way_delays() -> None:
    """SPEC 4.3: S bits at both ends, 18 ms of error in all, half the round trip is 20 ms."""
    said = Ends(SYNCHRONISED, SYNCHRONISED).measure()

    assert said.one_way_delay_up_seconds is not None
    assert said.one_way_delay_down_seconds is not None
    assert said.one_way_delay_up_seconds.p50 == pytest.approx(0.010)
    assert said.one_way_delay_down_seconds.p50 == pytest.approx(0.030)
    assert said.reflector_synchronised is True


@pytest.mark.parametrize("free", [False, None])
@pytest.mark.parametrize("end", ["sender", "reflector"])
def test_one_end_that_is_not_synchronised_takes_them_away(
    end: str,
    free: bool | None,  # noqa: FBT001  # a parameter of the test
) -> None:
    """SPEC 4.3: however small its error; offset and bound are always given."""
    state = SyncState(free, 1e-6)
    sender, reflector = (state, SYNCHRONISED) if end == "sender" else (SYNCHRONISED, state)
    said = Ends(sender, reflector, hub_ahead_ns=7 * MS).measure()

    assert (said.one_way_delay_up_seconds, said.one_way_delay_down_seconds) == (None, None)
    assert said.reflector_synchronised is (end == "sender")
    assert said.clock_offset_seconds == pytest.approx(0.007 - 0.010)
    assert said.clock_offset_bound_seconds == pytest.approx(0.020)


@pytest.mark.parametrize(("error_seconds", "known"), [(0.0098, True), (0.0102, False)])
def test_errors_together_reach_half_the_round_trip(
    error_seconds: float,
    known: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """SPEC 4.3: just under 20 ms the clocks say more than the midpoint, just over it less."""
    state = SyncState(synchronised=True, error_seconds=error_seconds)
    said = Ends(state, state).measure()

    assert (said.one_way_delay_up_seconds is not None) is known
    assert (said.one_way_delay_down_seconds is not None) is known
    assert said.reflector_synchronised is True


def test_a_step_of_the_hubs_wall_clock_takes_the_one_way_delays_away() -> None:
    """SPEC 5.2: stamps stay on the steady line, now 2 s off; the estimate says so, S or not."""
    said = Ends(SYNCHRONISED, SYNCHRONISED).measure(stepped_ns=2 * 10**9)

    assert said.one_way_delay_up_seconds is None
    assert said.reflector_synchronised is True
    assert said.rtt_seconds is not None
    assert said.rtt_seconds.max == pytest.approx(0.040)


def test_nothing_is_known_of_a_reflector_that_is_silent() -> None:
    """SPEC 4.3: without an answer there is no S bit, neither set nor clear."""
    path = Path()
    path.trip(lose_up=True)
    path.time.now += 2 * 10**9
    said = path.sender.close_window(0, 1)

    assert said is not None
    assert said.reflector_synchronised is None
    assert said.one_way_delay_up_seconds is None


def test_an_invalid_error_estimate_is_no_synchronised_clock() -> None:
    """RFC 4656 section 4.1.2: with multiplier 0 the S bit counts for nothing."""
    path = Path()
    request = path.sender.request(0)
    reply = bytearray(path.reflector.reflect(request, "p", path.time.now, 63))
    reply[24:26] = b"\x80\x00"
    sealed = bytes(reply[:96]) + hmac_128(KEY, reply[:96])
    path.sender.answer(sealed, path.time.now)
    said = path.sender.close_window(0, 1)

    assert said is not None
    assert said.reflector_synchronised is False
