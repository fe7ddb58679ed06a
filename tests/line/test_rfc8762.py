"""RFC 8762, clause by clause: what it asks of a Session-Sender and of a Session-Reflector.

"open" is the unauthenticated mode, "hmac" the authenticated one. Tests named here stand below.

| section | what is asked | shown by |
|---|---|---|
| 4 | a stateless reflector repeats the sender's number, a stateful one counts each session by itself | test_stateless_repeats_the_number, test_stateful_counts_each_session |
| 4, 4.2, 4.3 | an answer is as long as its request; what follows the base is copied | test_the_answer_is_as_long_as_the_request |
| 4.1 | any port of the User and Dynamic ranges can be set, at both ends | test_any_port_can_be_set |
| 4.1 | without any setting the port is 862, at both ends | departed from: neither end has a port without a setting. The hub's file says 8620 where it says nothing, because 862 needs privileges, and tells every point (SPEC 5.2); 862 can be set |
| 4.1 | the impact of User Ports is studied before | for the administrator; one port, fixed in the file |
| 4.2 | base packets have 44 octets (open) and 112 (hmac) | test_base_packets_have_their_size |
| 4.2.1 | a session's numbers begin at zero and grow by one a packet | test_the_senders_numbers_begin_at_zero |
| 4.2.1, 4.3.1 | NTP's 64-bit times are supported and the default (Z is 0) | test_times_are_ntp |
| 4.2.1 | PTP's truncated times may be used | not used. A request with them is answered (T1 is copied unread, test_the_senders_fields_are_copied_bit_for_bit), an answer with them is dropped and counted, never read as NTP: test_an_answer_in_ptp_times_is_dropped |
| 4.2.1 | S, Scale and Multiplier as RFC 4656 4.1.2: never multiplier 0, S only for a synchronised clock | test_the_error_estimate_tells_the_truth |
| 4.2.1, 4.2.2 | fields that must be zero are zero in a request | test_zero_fields_of_a_request |
| 4.2.1, 4.2.2 | … and are not looked at by the reflector | test_the_reflector_ignores_zero_fields |
| 4.3 | a request is verified first; only a valid one is answered | test_a_forged_request_is_not_answered, test_a_request_that_is_too_short_is_not_answered |
| 4.3.1 | T2 is the arrival, T3 the start of the answer; one error estimate covers both | test_receive_and_send_times |
| 4.3.1 | number, T1 and error estimate of the sender are copies | test_the_senders_fields_are_copied_bit_for_bit |
| 4.3.1 | the TTL is that of the request as it arrived | test_the_ttl_is_told |
| 4.3.1, 4.3.2 | fields that must be zero are zero in an answer | test_zero_fields_of_an_answer |
| 4.3.1, 4.3.2 | … and are not looked at by the sender | test_the_sender_ignores_zero_fields |
| 4.4 | HMAC-SHA-256 cut to 128 bits over the first 96 octets, at the end of the base packet | test_the_hmac_covers_the_first_six_blocks |
| 4.4 | it is verified before anything of the packet is used | test_a_forged_request_is_not_answered, test_a_forged_answer_changes_nothing |
| 4.4 | keys: distribution is left open | by the command channel (SPEC 3.4) |
| 4.5 | who needs confidentiality uses a secured transport | does not apply: test packets hold no secret; numbers and times only |
| 4.6 | beside a TWAMP Light sender: port can be set, times are NTP | test_any_port_can_be_set, test_times_are_ntp |
| 4.6 | a request below the base size gets the base answer, a longer one an answer as long | test_a_twamp_light_request_gets_the_base_answer, test_the_answer_is_as_long_as_the_request |
| 5, 7 | impact and load are analysed and agreed on before | for the administrator; what limits the load: REPLIES_PER_SECOND_MAX (tests/line/test_stamp.py) |
| 7 | a session is controlled over a secured transport | MQTT with TLS and a login per point, by the broker's URL; no control passes through this port |

The SSID of RFC 8972 takes the two octets behind the Error Estimate, which RFC 8762 has as zero.
"""  # noqa: E501  # a table

from dataclasses import dataclass, field
from hashlib import sha256
from hmac import digest

import pytest

from diemcau_contract.packets.common import PacketError
from diemcau_contract.packets.stamp import (
    ErrorEstimate,
    StampRequest,
    ntp_from_unix_ns,
    pack_stamp_request,
    parse_stamp_reply,
)
from diemcau_line.clock import Clock, SyncState
from diemcau_line.protocol import decode_command
from diemcau_line.stamp import ErrorBits, NotReflectedError, SessionReflector, SessionSender

KEY = bytes(range(32))
SSID = 9
T1 = 1_773_446_400_123_456_789
MODES = pytest.mark.parametrize("key", [None, KEY], ids=["open", "hmac"])
KINDS = pytest.mark.parametrize("kind", ["stateful", "stateless"])


@dataclass
class Ends:
    """A sender and a reflector in one mode; one clock for both, moved by the tests."""

    key: bytes | None
    kind: str = "stateful"
    now: int = T1
    sender: SessionSender = field(init=False)
    reflector: SessionReflector = field(init=False)

    def __post_init__(self) -> None:
        clock = Clock(lambda: self.now, lambda: self.now)
        self.sender = SessionSender(SSID, self.key, clock)
        self.reflector = SessionReflector(
            clock, answer_open=self.key is None, stateless=self.kind == "stateless"
        )
        self.reflector.set_sessions({SSID: self.key} if self.key else {})

    @property
    def base(self) -> int:
        """Size of the base packet."""
        return 112 if self.key else 44

    def reflect(self, request: bytes, peer: str = "p", ttl: int = 61) -> bytes:
        """Return the answer to a request that arrives now."""
        return self.reflector.reflect(request, peer, self.now, ttl)

    def number(self, request: bytes, peer: str = "p") -> int:
        """Return the sequence number of the answer."""
        return int.from_bytes(self.reflect(request, peer)[:4], "big")

    def sealed(self, packet: bytes) -> bytes:
        """Return the packet with a good HMAC where the mode has one."""
        if self.key is None:
            return packet
        return packet[:96] + digest(self.key, packet[:96], sha256)[:16] + packet[112:]


def zero_fields(key: bytes | None, *, answer: bool) -> list[range]:
    """Return the octets that must be zero (figures 2, 4, 5 and 6), the SSID's left out."""
    if key is None:
        return [range(38, 40), range(41, 44)] if answer else [range(16, 44)]
    if not answer:
        return [range(4, 16), range(28, 96)]
    gaps = [(4, 16), (28, 32), (40, 48), (52, 64), (74, 80), (81, 96)]
    return [range(first, stop) for first, stop in gaps]


def filled(packet: bytes, key: bytes | None, *, answer: bool) -> bytes:
    """Return the packet with ones in all fields that must be zero."""
    octets = bytearray(packet)
    for gap in zero_fields(key, answer=answer):
        octets[gap.start : gap.stop] = b"\xff" * len(gap)
    return bytes(octets)


@MODES
def test_stateless_repeats_the_number(key: bytes | None) -> None:
    """Sections 4 and 4.3.1: the answer bears the number of its request."""
    ends = Ends(key, "stateless")
    requests = [pack_stamp_request(StampRequest(one, 1, 0x0101, SSID), key) for one in (7, 3, 7)]

    assert [ends.number(one) for one in requests] == [7, 3, 7]


@MODES
def test_stateful_counts_each_session(key: bytes | None) -> None:
    """Sections 4 and 4.3.1: from zero, by one an answer, whatever the requests are numbered."""
    ends = Ends(key)
    request = pack_stamp_request(StampRequest(1000, 1, 0x0101, SSID), key)

    assert [ends.number(request, peer) for peer in "ppqpq"] == [0, 1, 0, 2, 1]


@MODES
@KINDS
@pytest.mark.parametrize("more", [0, 1, 4, 400])
def test_the_answer_is_as_long_as_the_request(
    key: bytes | None,
    kind: str,
    more: int,
) -> None:
    """Sections 4, 4.2, 4.3 and 4.6: padding or extensions come back as they were."""
    ends = Ends(key, kind)
    tail = bytes(index % 251 for index in range(more))
    reply = ends.reflect(ends.sender.request(0) + tail)

    assert len(reply) == ends.base + more
    assert reply[ends.base :] == tail


@pytest.mark.parametrize("port", [862, 1024, 8620, 49_151, 49_152, 65_535])
def test_any_port_can_be_set(port: int) -> None:
    """Sections 4.1 and 4.6: 862, User Ports and Dynamic Ports, at the reflector and the sender."""
    reflector = f'{{"command": "start_hub", "ticket_key": "{KEY.hex()}", "port": {port}}}'
    plan = '{"audio_bits_per_second": 64000, "video_bits_per_second": 0, "frames_per_second": 30}'
    sender = (
        f'{{"command": "open_point", "test": "t", "host": "h", "port": {port}, "ticket": "x",'
        f' "flow": 1, "secret": "{KEY.hex()}", "ssid": 1, "stamp_key": "{KEY.hex()}",'
        f' "up": {plan}, "down": {plan}}}'
    )
    for line in (reflector, sender):
        assert getattr(decode_command(line.encode()), "port", None) == port


@MODES
@KINDS
def test_base_packets_have_their_size(
    key: bytes | None,
    kind: str,
) -> None:
    """Section 4.2: 44 octets in the open mode and 112 in the authenticated one, both ways."""
    ends = Ends(key, kind)
    request = ends.sender.request(0)

    assert len(request) == len(ends.reflect(request)) == ends.base


@MODES
def test_the_senders_numbers_begin_at_zero(key: bytes | None) -> None:
    """Section 4.2.1: zero in a new session, then one more a packet, windows or not."""
    ends = Ends(key)
    numbers = [int.from_bytes(ends.sender.request(window)[:4], "big") for window in (0, 0, 5, 1)]

    assert numbers == [0, 1, 2, 3]


@MODES
def test_times_are_ntp(key: bytes | None) -> None:
    """Sections 4.2.1 and 4.6: seconds since 1900 and a binary fraction; the Z bit is 0."""
    ends = Ends(key)
    request = ends.sender.request(0)
    time, error = (16, 24) if key else (4, 12)
    seconds, fraction = divmod(int.from_bytes(request[time : time + 8], "big"), 1 << 32)
    reply = ends.reflect(request)

    assert seconds == T1 // 10**9 + 2_208_988_800
    assert fraction / 2**32 == pytest.approx(0.123456789, abs=1e-9)
    assert not request[error] & 0x40
    assert not reply[error] & 0x40


@MODES
def test_an_answer_in_ptp_times_is_dropped(key: bytes | None) -> None:
    """Section 4.2.1, RFC 8186 section 2.3: Z 1 is another format, never taken for NTP's."""
    ends = Ends(key)
    reply = bytearray(ends.reflect(ends.sender.request(0)))
    reply[24 if key else 12] |= 0x40

    with pytest.raises(PacketError, match="bad_field: STAMP reply with PTP times"):
        ends.sender.answer(ends.sealed(bytes(reply)), ends.now)
    assert ends.sender.waiting == 1


@pytest.mark.parametrize("synchronised", [True, False, None])
@pytest.mark.parametrize("error_seconds", [0.0, 1e-12, 0.004, 3600.0])
def test_the_error_estimate_tells_the_truth(
    synchronised: bool | None,  # noqa: FBT001  # what a system may say
    error_seconds: float,
) -> None:
    """Section 4.2.1, RFC 4656 section 4.1.2: S as the system says, never less than the error."""
    clock = Clock(lambda: T1, lambda: T1)
    bits = ErrorBits(clock, lambda: SyncState(synchronised, error_seconds)).bits()
    estimate = ErrorEstimate.from_int(bits)

    assert estimate.synchronised == (synchronised is True)
    assert estimate.multiplier
    assert error_seconds <= estimate.seconds <= max(error_seconds * 1.01, 2**-32)


@MODES
def test_zero_fields_of_a_request(key: bytes | None) -> None:
    """Sections 4.2.1 and 4.2.2: what must be zero is zero."""
    request = Ends(key).sender.request(0)

    assert not any(request[place] for gap in zero_fields(key, answer=False) for place in gap)


@MODES
@KINDS
def test_the_reflector_ignores_zero_fields(
    key: bytes | None,
    kind: str,
) -> None:
    """Sections 4.2.1 and 4.2.2: ones in them change nothing in the answer."""
    ends, others = Ends(key, kind), Ends(key, kind)
    request = ends.sender.request(0)
    strange = ends.sealed(filled(request, key, answer=False))

    assert strange != request
    assert others.reflect(strange) == ends.reflect(request)


@KINDS
def test_a_forged_request_is_not_answered(
    kind: str,
) -> None:
    """Sections 4.3 and 4.4: no octet of it is believed, and the session's count stays."""
    ends = Ends(KEY, kind)
    good = ends.sender.request(0)
    for place in range(112):
        forged = bytearray(good)
        forged[place] ^= 1
        with pytest.raises((PacketError, NotReflectedError), match=r"bad_hmac|unknown_ssid"):
            ends.reflect(bytes(forged))

    assert ends.number(good) == 0


@MODES
def test_a_request_that_is_too_short_is_not_answered(key: bytes | None) -> None:
    """Sections 4.3 and 4.6: without number, time and error estimate there is nothing to answer."""
    ends = Ends(key)
    shortest = 112 if key else 14

    with pytest.raises(PacketError, match="too_short"):
        ends.reflect(ends.sender.request(0)[: shortest - 1])


@MODES
@KINDS
def test_receive_and_send_times(
    key: bytes | None,
    kind: str,
) -> None:
    """Section 4.3.1: T2 when it came, T3 when the answer leaves."""
    ends = Ends(key, kind)
    request = ends.sender.request(0)
    came = ends.now = T1 + 5_000_000
    ends.now += 2_000_000
    reply = parse_stamp_reply(ends.reflector.reflect(request, "p", came, 61), key)

    assert (reply.received_ns, reply.time_ns) == (came, came + 2_000_000)
    assert ErrorEstimate.from_int(reply.error).seconds > 0


@MODES
@KINDS
@pytest.mark.parametrize(
    ("time", "error"),
    [(0xEE5A_0001_8000_0001, 0x8D01), ((T1 // 10**9 << 32) + 999_999_999, 0xC101)],
)
def test_the_senders_fields_are_copied_bit_for_bit(
    key: bytes | None,
    kind: str,
    time: int,
    error: int,
) -> None:
    """Section 4.3.1: number, T1 to its last bit and in either format, error estimate."""
    ends = Ends(key, kind)
    reply = ends.reflect(pack_stamp_request(StampRequest(77, time, error, SSID), key))
    number, at, bits = (48, 64, 72) if key else (24, 28, 36)

    assert int.from_bytes(reply[number : number + 4], "big") == 77
    assert int.from_bytes(reply[at : at + 8], "big") == time
    assert int.from_bytes(reply[bits : bits + 2], "big") == error


@MODES
@KINDS
@pytest.mark.parametrize("ttl", [0, 1, 64, 255])
def test_the_ttl_is_told(
    key: bytes | None,
    kind: str,
    ttl: int,
) -> None:
    """Section 4.3.1: the TTL or Hop Limit that the request had on arrival."""
    ends = Ends(key, kind)

    assert ends.reflect(ends.sender.request(0), ttl=ttl)[80 if key else 40] == ttl


@MODES
@KINDS
def test_zero_fields_of_an_answer(
    key: bytes | None,
    kind: str,
) -> None:
    """Sections 4.3.1 and 4.3.2: zero, even where the request had something there."""
    ends = Ends(key, kind)
    reply = ends.reflect(ends.sealed(filled(ends.sender.request(0), key, answer=False)))

    assert not any(reply[place] for gap in zero_fields(key, answer=True) for place in gap)


@MODES
def test_the_sender_ignores_zero_fields(key: bytes | None) -> None:
    """Sections 4.3.1 and 4.3.2: an answer with ones in them is an answer like any other."""
    ends = Ends(key)
    reply = ends.reflect(ends.sender.request(0))

    assert ends.sender.answer(ends.sealed(filled(reply, key, answer=True)), ends.now)
    assert ends.sender.best is not None


def test_the_hmac_covers_the_first_six_blocks() -> None:
    """Section 4.4: octets 0 to 95, SHA-256 cut to 16 octets; padding is not covered."""
    ends = Ends(KEY)
    request = ends.sender.request(0, 200)
    for packet in (request, ends.reflect(request)):
        assert packet[96:112] == digest(KEY, packet[:96], sha256)[:16]

    assert ends.reflect(request[:112] + b"\x01" * 88)[112:] == b"\x01" * 88


def test_a_forged_answer_changes_nothing() -> None:
    """Section 4.4: the sender goes on waiting, and takes the good one after it."""
    ends = Ends(KEY)
    reply = ends.reflect(ends.sender.request(0))
    for place in range(112):
        forged = bytearray(reply)
        forged[place] ^= 1
        with pytest.raises(PacketError, match="bad_hmac"):
            ends.sender.answer(bytes(forged), ends.now)

    assert (ends.sender.best, ends.sender.waiting) == (None, 1)
    assert ends.sender.answer(reply, ends.now)


@KINDS
@pytest.mark.parametrize("size", [14, 16, 41, 43])
def test_a_twamp_light_request_gets_the_base_answer(
    kind: str,
    size: int,
) -> None:
    """Section 4.6: below 44 octets the answer has 44, with what was in the request."""
    ends = Ends(None, kind)
    whole = pack_stamp_request(StampRequest(5, ntp_from_unix_ns(T1), 0x0101))
    reply = parse_stamp_reply(ends.reflect(whole[:size]))

    assert len(ends.reflect(whole[:size])) == 44
    assert (reply.sender_sequence, reply.sender_time_ntp) == (5, ntp_from_unix_ns(T1))
