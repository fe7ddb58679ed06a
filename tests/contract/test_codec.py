import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diemcau_contract.codec import decode_down, decode_up, encode
from diemcau_contract.errors import MessageError, RejectReason
from diemcau_contract.messages import Ack, AgentState, DeviceResult, Hello, HostState, Report
from diemcau_contract.topics import Down, Up, UpTopic
from diemcau_contract.words import DeviceKind, Status

TOPIC = UpTopic("bu-dang", "bom-bo", Up.REPORT)
NOON = datetime(2026, 3, 14, 5, 0, tzinfo=UTC)


def make_report(**changes: Any) -> Report:
    """Make a small report with ``changes``."""
    fields: dict[str, Any] = {
        "hub": "bu-dang",
        "point": "bom-bo",
        "boot_id": "0123456789abcdef",
        "seq": 1,
        "taken_at": NOON,
        "uptime_seconds": 10.0,
        "interval_seconds": 30.0,
        "host": HostState(),
        "agent": AgentState(
            version="0.1.0", os="Linux", python="3.11", started_at=NOON, outbox_messages=0,
            outbox_oldest_age_seconds=0, outbox_dropped_total=0, reconnects_total=0,
            memory_bytes=1, cpu_seconds_total=0, cycle_duration_seconds=0,
        ),
    }  # fmt: skip
    return Report(**{**fields, **changes})


def reason_of(payload: bytes, topic: UpTopic = TOPIC) -> RejectReason:
    """Return why ``payload`` is kept aside."""
    with pytest.raises(MessageError) as caught:
        decode_up(topic, payload)
    return caught.value.reason


def test_a_report_survives_the_wire() -> None:
    """Encode and decode_up are inverse."""
    report = make_report()

    assert decode_up(TOPIC, encode(report)) == report


@pytest.mark.parametrize("model", [None, "Jabra SPEAK 510", "Loa phòng họp", "x" * 64])
def test_a_report_may_name_what_was_found_or_not(model: str | None) -> None:
    """An agent that does not know the field, or the name, reports all the same."""
    camera = DeviceResult(kind=DeviceKind.CAMERA, status=Status.OK, model=model)
    report = make_report(devices=(camera,))
    content = json.loads(encode(report))
    assert decode_up(TOPIC, encode(report)) == report
    del content["devices"][0]["model"]
    without = report.model_copy(update={"devices": (camera.model_copy(update={"model": None}),)})
    assert decode_up(TOPIC, json.dumps(content).encode()) == without


@pytest.mark.parametrize("model", ["", "x" * 65, "a\nb", "a\x1b[31m", "a\x7f", "a\x85"])
def test_a_name_that_is_none_is_refused(model: str) -> None:
    """It becomes a label: bounded, and nothing that a terminal would obey."""
    content = json.loads(encode(make_report()))
    content["devices"] = [{"kind": "camera", "status": "ok", "model": model}]
    assert reason_of(json.dumps(content).encode()) is RejectReason.INVALID


def test_times_travel_in_utc_with_z() -> None:
    """Times on the wire end in Z whatever zone the sender used."""
    content = json.loads(encode(make_report(taken_at="2026-03-14T12:00:00+07:00")))

    assert content["taken_at"] == "2026-03-14T05:00:00Z"


def test_each_kind_of_rubbish_has_its_reason() -> None:
    """Not JSON, too large, another version, invalid and a foreign point are told apart."""
    report = json.loads(encode(make_report()))

    assert reason_of(b"\xff\xfe") is RejectReason.NOT_JSON
    assert reason_of(b"[" * 60_000) is RejectReason.NOT_JSON
    assert reason_of(b" " * 65_537) is RejectReason.TOO_LARGE
    assert reason_of(b"[]") is RejectReason.INVALID
    assert reason_of(b"{}") is RejectReason.WRONG_VERSION
    assert reason_of(json.dumps(report | {"schema": "diemcau.report/9"}).encode()) is (
        RejectReason.WRONG_VERSION
    )
    assert reason_of(json.dumps(report | {"surprise": 1}).encode()) is RejectReason.INVALID
    assert reason_of(json.dumps(report | {"seq": 0}).encode()) is RejectReason.INVALID
    assert reason_of(json.dumps(report | {"point": "dak-nhau"}).encode()) is (
        RejectReason.WRONG_POINT
    )


@given(st.binary(max_size=300))
def test_no_payload_raises_anything_but_message_error(payload: bytes) -> None:
    """Whatever arrives, the reader answers with a counted reason."""
    with pytest.raises(MessageError):
        decode_up(TOPIC, payload)
    with pytest.raises(MessageError):
        decode_down(Down.COMMAND, payload)


def test_hello_and_ack_travel_on_their_own_topics() -> None:
    """A message on another kind's topic is of a wrong version there."""
    hello = Hello(
        hub="bu-dang", point="bom-bo", boot_id="0" * 16, connection=1, online=True, version="0.1.0"
    )
    ack = Ack(boot_id="0" * 16, ranges=((1, 5), (9, 9)))

    assert decode_up(UpTopic("bu-dang", "bom-bo", Up.HELLO), encode(hello)) == hello
    assert decode_down(Down.ACK, encode(ack)) == ack
    assert reason_of(encode(hello)) is RejectReason.WRONG_VERSION
