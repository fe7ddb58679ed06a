"""Layouts octet by octet (SPEC 5), against an independent dissector too."""

import struct
from hashlib import sha256
from hmac import digest
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.stamp import ErrorEstimate as ScapyError
from scapy.contrib.stamp import STAMPSessionReflectorTestUnauthenticated as ScapyReply
from scapy.contrib.stamp import STAMPSessionSenderTestUnauthenticated as ScapyRequest
from scapy.contrib.stamp import STAMPTestTLV as ScapyExtension
from scapy.fields import (
    ByteField,
    IntField,
    LongField,
    NBytesField,
    PacketField,
    PacketListField,
    ShortField,
    XNBytesField,
)
from scapy.layers.rtp import RTP
from scapy.packet import Packet

from diemcau_contract.packets.capacity import Feedback, LoadEnd, SenderLimit
from diemcau_contract.packets.common import (
    PacketClass,
    PacketError,
    PacketFault,
    hmac_128,
    packet_class,
)
from diemcau_contract.packets.control import (
    CONTROL_MAGIC,
    OPEN_MIN_BYTES,
    Accept,
    Control,
    Open,
    Refuse,
    StepEnd,
    Stop,
    control_flow,
    pack_control,
    parse_control,
)
from diemcau_contract.packets.rehearsal import REHEARSAL, PayloadType, parse_rehearsal, ssrc_of
from diemcau_contract.packets.stamp import (
    ErrorEstimate,
    StampReply,
    StampRequest,
    ntp_from_unix_ns,
    pack_stamp_reply,
    pack_stamp_request,
    parse_stamp_reply,
    parse_stamp_request,
    stamp_ssid,
    unix_ns_from_ntp,
)

KEY = bytes(range(32))
NOW = 1_773_446_400_123_456_789
NTP = [ntp_from_unix_ns(NOW + later) for later in range(4)]
REQUEST = StampRequest(7, NTP[0], 0x8D01, 0x1234)
REPLY = StampReply(9, NOW + 3, 0x0D02, 0x1234, NOW + 2, 7, NTP[0], 0x8D01, 61)


def test_open_request_is_laid_out_as_rfc_8762_figure_2() -> None:
    """RFC 8762 section 4.2.1: 44 octets, what is not named is zero."""
    octets = pack_stamp_request(REQUEST)

    assert octets == struct.pack(">IQHH", 7, NTP[0], 0x8D01, 0x1234) + bytes(28)
    assert parse_stamp_request(octets) == REQUEST


def test_authenticated_request_is_laid_out_as_rfc_8762_figure_4() -> None:
    """RFC 8762 section 4.2.2: 112 octets, HMAC over the first 96."""
    octets = pack_stamp_request(REQUEST, KEY)
    head = struct.pack(">I", 7) + bytes(12) + struct.pack(">QHH", NTP[0], 0x8D01, 0x1234)

    assert octets[:96] == head + bytes(68)
    assert octets[96:] == digest(KEY, octets[:96], sha256)[:16]
    assert parse_stamp_request(octets, KEY) == REQUEST
    assert stamp_ssid(octets, authenticated=True) == 0x1234


def test_open_reply_is_laid_out_as_rfc_8762_figure_5() -> None:
    """RFC 8762 section 4.3.1: T3, then T2, then the sender's own fields and its TTL."""
    octets = pack_stamp_reply(REPLY)

    assert octets == (
        struct.pack(">IQHHQ", 9, NTP[3], 0x0D02, 0x1234, NTP[2])
        + struct.pack(">IQH", 7, NTP[0], 0x8D01)
        + bytes(2)
        + bytes([61])
        + bytes(3)
    )
    assert parse_stamp_reply(octets) == REPLY


def test_authenticated_reply_is_laid_out_as_rfc_8762_figure_6() -> None:
    """RFC 8762 section 4.3.2: fields on 16-octet blocks, TTL at 80, HMAC at 96."""
    octets = pack_stamp_reply(REPLY, KEY)
    places = {
        0: ">I",
        16: ">Q",
        24: ">H",
        26: ">H",
        32: ">Q",
        48: ">I",
        64: ">Q",
        72: ">H",
        80: "B",
    }
    values = [struct.unpack_from(form, octets, at)[0] for at, form in places.items()]

    assert values == [9, NTP[3], 0x0D02, 0x1234, NTP[2], 7, NTP[0], 0x8D01, 61]
    assert len(octets) == 112
    assert octets[4:16] + octets[28:32] + octets[40:48] + octets[52:64] + octets[74:80] == bytes(42)
    assert octets[96:] == digest(KEY, octets[:96], sha256)[:16]
    assert parse_stamp_reply(octets, KEY) == REPLY


def test_scapy_reads_the_same_fields() -> None:
    """An independent dissector agrees on every field of both open packets."""
    request = ScapyRequest(pack_stamp_request(REQUEST))
    reply = ScapyReply(pack_stamp_reply(REPLY))

    assert (request.seq, request.ssid, request.mbz) == (7, 0x1234, 0)
    assert scapy_error(request.err_estimate) == (1, 0, 13, 1)
    assert (reply.seq, reply.ssid, reply.seq_sender, reply.ttl_sender) == (9, 0x1234, 7, 61)
    assert scapy_error(reply.err_estimate) == (0, 0, 13, 2)
    assert scapy_error(reply.err_estimate_sender) == (1, 0, 13, 1)
    assert (reply.mbz1, reply.mbz2) == (0, 0)
    assert [reply.getfieldval(name) for name in ("ts_sender", "ts_rx", "ts")] == [
        NTP[0], NTP[2], NTP[3],
    ]  # fmt: skip
    assert reply.ts_sender == request.ts


TLV_PADDING = bytes([0x80, 1, 0, 8]) + bytes(8)
"""RFC 8972 section 4.1: extra padding of 8 octets, U set by its sender."""


@pytest.mark.parametrize("tail", [b"", bytes(4), bytes(356), TLV_PADDING, TLV_PADDING * 2])
def test_scapy_reads_padding_and_extensions(tail: bytes) -> None:
    """Behind both base packets it finds what was put there, as extensions (RFC 8972 section 4)."""
    for dissect, octets in (
        (ScapyRequest, pack_stamp_request(REQUEST) + tail),
        (ScapyReply, pack_stamp_reply(REPLY) + tail),
    ):
        read = dissect(octets)
        extensions = read.tlv_objects

        assert read.seq in {7, 9}
        assert b"".join(map(bytes, extensions)) == tail
        assert {one.type for one in extensions} <= {0, 1}
        assert not read.payload
        assert bytes(read) == octets


class ScapyAuthenticatedRequest(Packet):
    """Figure 4 of RFC 8762 in scapy's own fields: its layers stop at the open mode."""

    fields_desc: ClassVar = [
        IntField("seq", 0),
        NBytesField("mbz1", 0, 12),
        LongField("ts", 0),
        PacketField("err_estimate", ScapyError(), ScapyError),
        ShortField("ssid", 0),
        NBytesField("mbz2", 0, 68),
        XNBytesField("hmac", 0, 16),
        PacketListField("tlv_objects", [], ScapyExtension),
    ]


class ScapyAuthenticatedReply(Packet):
    """Figure 6 of RFC 8762 in the same way."""

    fields_desc: ClassVar = [
        IntField("seq", 0),
        NBytesField("mbz1", 0, 12),
        LongField("ts", 0),
        PacketField("err_estimate", ScapyError(), ScapyError),
        ShortField("ssid", 0),
        NBytesField("mbz2", 0, 4),
        LongField("ts_rx", 0),
        NBytesField("mbz3", 0, 8),
        IntField("seq_sender", 0),
        NBytesField("mbz4", 0, 12),
        LongField("ts_sender", 0),
        PacketField("err_estimate_sender", ScapyError(), ScapyError),
        NBytesField("mbz5", 0, 6),
        ByteField("ttl_sender", 0),
        NBytesField("mbz6", 0, 15),
        XNBytesField("hmac", 0, 16),
        PacketListField("tlv_objects", [], ScapyExtension),
    ]


@pytest.mark.parametrize("tail", [b"", bytes(4), TLV_PADDING])
def test_scapy_reads_authenticated_packets(tail: bytes) -> None:
    """All fields of both, what must be zero is zero, the HMAC and what follows it stay whole."""
    request = ScapyAuthenticatedRequest(pack_stamp_request(REQUEST, KEY) + tail)
    reply = ScapyAuthenticatedReply(pack_stamp_reply(REPLY, KEY) + tail)

    assert (request.seq, request.ts, request.ssid) == (7, NTP[0], 0x1234)
    assert (reply.seq, reply.ts, reply.ts_rx, reply.ssid) == (9, NTP[3], NTP[2], 0x1234)
    assert (reply.seq_sender, reply.ts_sender, reply.ttl_sender) == (7, NTP[0], 61)
    assert scapy_error(request.err_estimate) == scapy_error(reply.err_estimate_sender)
    assert scapy_error(reply.err_estimate) == (0, 0, 13, 2)
    for packet in (request, reply):
        gaps = [one.name for one in packet.fields_desc if one.name.startswith("mbz")]
        assert not any(packet.getfieldval(name) for name in gaps)
        assert packet.hmac
        assert b"".join(map(bytes, packet.tlv_objects)) == tail


def scapy_error(estimate: ScapyError) -> tuple[int, int, int, int]:
    """Return S, Z, scale and multiplier."""
    return (estimate.S, estimate.Z, estimate.scale, estimate.multiplier)


@pytest.mark.parametrize("place", [0, 20, 95, 96, 111])
def test_one_changed_octet_spoils_the_hmac(place: int) -> None:
    """RFC 8762 section 4.4: whatever is changed, the packet is not genuine."""
    octets = bytearray(pack_stamp_request(REQUEST, KEY))
    octets[place] ^= 1

    with pytest.raises(PacketError) as caught:
        parse_stamp_request(octets, KEY)
    assert caught.value.reason is PacketFault.BAD_HMAC


def test_fields_that_must_be_zero_are_ignored_on_receipt() -> None:
    """RFC 8762 section 4.2.1: MBZ is not looked at by a receiver."""
    octets = pack_stamp_request(REQUEST)[:16] + bytes([255] * 28)

    assert parse_stamp_request(octets) == REQUEST


@pytest.mark.parametrize(
    ("octets", "key", "message"),
    [
        (bytes(13), None, "too_short: STAMP request of 13 octets, at least 14"),
        (bytes(111), KEY, "too_short: authenticated STAMP packet of 111 octets, at least 112"),
    ],
)
def test_a_short_request_says_how_short(octets: bytes, key: bytes | None, message: str) -> None:
    """The message names what was expected and what came."""
    with pytest.raises(PacketError, match=message):
        parse_stamp_request(octets, key)


@given(st.integers(min_value=0, max_value=4_200_000_000_000_000_000))
def test_ntp_times_come_back_to_the_nanosecond(unix_ns: int) -> None:
    """From 1970 past the era change of 2036 to 2103 nothing is lost."""
    if unix_ns < (0x8000_0000 - 2_208_988_800 + (1 << 32)) * 1_000_000_000:
        assert unix_ns_from_ntp(ntp_from_unix_ns(unix_ns)) == unix_ns


def test_a_known_ntp_time() -> None:
    """The Unix epoch is 2 208 988 800 s after 1900; half a second is the top bit below."""
    assert ntp_from_unix_ns(500_000_000) == 2_208_988_800 << 32 | 1 << 31


@given(st.floats(min_value=0, max_value=1e6), st.booleans())
def test_an_error_estimate_is_never_too_small(seconds: float, synchronised: bool) -> None:  # noqa: FBT001  # drawn
    """It covers the error, by less than 1 % too much, and its multiplier is never 0."""
    estimate = ErrorEstimate.of(seconds, synchronised=synchronised)

    assert estimate.seconds >= seconds
    assert estimate.seconds <= seconds * 1.01 + 2**-32
    assert ErrorEstimate.from_int(estimate.to_int()) == estimate


def test_an_error_estimate_of_multiplier_zero_is_refused() -> None:
    """RFC 4656 section 4.1.2."""
    with pytest.raises(PacketError, match="multiplier 0"):
        ErrorEstimate.from_int(0x8D00)


def rehearsal(**changes: int) -> bytes:
    """Return a whole rehearsal packet, single fields changed."""
    fields = {
        "first": 0x80, "second": 34 | 0x80, "rtp_sequence": 5, "rtp_time": 77,
        "ssrc": ssrc_of(3, 34), "token": 2**63 + 1, "sent": NOW, "number": 12, "frame": 4,
        "index": 2, "count": 3, "step": 6, "zero": 0,
    }  # fmt: skip
    return REHEARSAL.pack(*{**fields, **changes}.values()) + bytes(100)


def test_rehearsal_packets_are_rtp() -> None:
    """RFC 3550 section 5.1, by an independent dissector and by our own."""
    rtp = RTP(rehearsal())
    own = parse_rehearsal(rehearsal())

    assert (rtp.version, rtp.padding, rtp.extension, rtp.numsync) == (2, 0, 0, 0)
    assert (rtp.marker, rtp.payload_type, rtp.sequence, rtp.timestamp) == (1, 34, 5, 77)
    assert rtp.sourcesync == 3 + 2**31
    assert (own.payload_type, own.marker, own.ssrc) == (PayloadType.VIDEO, True, 3 + 2**31)
    assert (own.token, own.sent_ns, own.sequence) == (2**63 + 1, NOW, 12)
    assert (own.frame, own.index, own.count, own.step, own.size) == (4, 2, 3, 6, 144)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (rehearsal()[:43], PacketFault.TOO_SHORT),
        (rehearsal(first=0x90), PacketFault.BAD_VERSION),
        (rehearsal(second=96), PacketFault.BAD_FIELD),
    ],
)
def test_a_damaged_rehearsal_packet_is_named(octets: bytes, reason: PacketFault) -> None:
    """Too short, not plain RTP version 2, or of another payload type."""
    with pytest.raises(PacketError) as caught:
        parse_rehearsal(octets)
    assert caught.value.reason is reason


CONTROLS: tuple[Control, ...] = (
    Open(3, NOW, "a.b"),
    Open(3, NOW, "x" * 900),
    Accept(3, NOW, NOW + 1, NOW + 2, 34, 64),
    Accept(3, NOW, NOW + 1, NOW + 2, None, None),
    Refuse(3, NOW, 4),
    Stop(3),
    StepEnd(3, 2, 10, 4500, 1),
    Feedback(3, 2, 7, 500, 4, 19_900_000, 12_000, 900, NOW),
    LoadEnd(3, 2, 9000, 10_800_000, 1, SenderLimit.CAP, 1_000, 31_000),
    LoadEnd(3, 65_535, 0, 2**40, 0, SenderLimit.LINE, None, None),
)


@pytest.mark.parametrize("packet", CONTROLS)
def test_control_packets_come_back(packet: Control) -> None:
    """What was packed is what is read."""
    octets = pack_control(packet, KEY)

    assert control_flow(octets)[1] == 3
    assert parse_control(octets, KEY) == packet


@pytest.mark.parametrize("packet", CONTROLS)
def test_a_changed_control_packet_is_not_genuine(packet: Control) -> None:
    """Every octet is under the HMAC."""
    octets = bytearray(pack_control(packet, KEY))
    octets[12] ^= 128

    with pytest.raises(PacketError, match="bad_hmac"):
        parse_control(octets, KEY)


@pytest.mark.parametrize("packet", CONTROLS[-3:])
def test_a_cut_word_of_the_capacity_step_is_refused(packet: Control) -> None:
    """Cut and sealed again, it is too short, whatever its HMAC says."""
    cut = pack_control(packet, KEY)[:-17]

    with pytest.raises(PacketError, match=r"too_short: (FEEDBACK|LOAD END) of"):
        parse_control(cut + hmac_128(KEY, cut), KEY)


def test_a_load_end_with_an_unknown_limit_is_refused() -> None:
    """Octets 28-31 hold 1 to 5."""
    octets = bytearray(pack_control(CONTROLS[-1], KEY))
    octets[28:32] = b"\0\0\0\6"

    with pytest.raises(PacketError, match="bad_field: limit 6"):
        parse_control(octets, None)


def test_feedback_keeps_what_does_not_fit_at_the_largest() -> None:
    """A rate beyond 2^32 - 1 bit/s is that, not an error in the receiver's loop."""
    octets = pack_control(Feedback(3, 2, 1, 1, 0, 2**33, 0, 0, NOW), KEY)

    assert parse_control(octets, KEY) == Feedback(3, 2, 1, 1, 0, 2**32 - 1, 0, 0, NOW)


def test_no_answer_is_larger_than_an_open() -> None:
    """Before a ticket is proven nobody can make the hub send more than he sent (SPEC 5.4)."""
    opened = len(pack_control(Open(3, NOW, "a.b"), KEY))

    assert opened == OPEN_MIN_BYTES
    assert all(len(pack_control(one, KEY)) < 64 for one in CONTROLS[2:])


def test_a_ticket_length_beyond_the_packet_is_refused() -> None:
    """A forged length never reads past the end."""
    octets = bytearray(pack_control(Open(3, NOW, "a.b"), KEY))
    octets[6:8] = b"\xff\xff"

    with pytest.raises(PacketError, match="ticket length 65535 beyond the packet"):
        parse_control(octets, None)


def test_the_first_bits_tell_the_families_apart() -> None:
    """STAMP 0x, RTP 10, control 11 (SPEC 5)."""
    assert packet_class(pack_stamp_request(REQUEST)) is PacketClass.STAMP
    assert packet_class(rehearsal()) is PacketClass.REHEARSAL
    assert packet_class(pack_control(Stop(1), KEY)) is PacketClass.CONTROL
    assert CONTROL_MAGIC >> 30 == 3


@given(st.binary(max_size=300))
def test_random_octets_never_do_more_than_raise_packet_error(octets: bytes) -> None:
    """Whatever comes, a parser says what is wrong or gives a value."""
    for parse in (
        packet_class,
        parse_rehearsal,
        lambda data: parse_control(data, None),
        lambda data: parse_control(CONTROL_MAGIC.to_bytes(4, "big") + b"\1" + data, None),
        parse_stamp_request,
        parse_stamp_reply,
        lambda data: parse_stamp_reply(data, KEY),
    ):
        try:
            parse(octets)
        except PacketError as error:
            assert error.reason in set(PacketFault)  # noqa: PT017  # a value is as good
