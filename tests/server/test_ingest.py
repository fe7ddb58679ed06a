"""Ingest: commit before acknowledging, each report once, bad messages aside, nothing lost."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from diemcau_contract import messages
from diemcau_contract.codec import UpMessage, decode_down
from diemcau_contract.messages import MAX_MESSAGE_BYTES, Ack, Hello
from diemcau_contract.topics import Down, UpTopic, doctors
from diemcau_server.errors import PublishError, StoreError
from diemcau_server.ingest import Ingest, IngestParts
from diemcau_server.metrics import Metrics
from diemcau_server.state import Board
from diemcau_server.store import Committed, Store
from diemcau_server.store.engine import resolved_url
from diemcau_server.store.tables import quarantine, reports
from tests.server.reports import BOOT, NOW, TOPIC, line, payload, report, small_config

PATIENCE_SECONDS = 20.0


class Rig:
    """An ingest on a real store, with the other ends of its wires."""

    def __init__(self, directory: Path, store: Store) -> None:
        self.board = Board.of(small_config(directory))
        self.metrics = Metrics(self.board)
        self.store = store
        self.acks: dict[str, list[Ack]] = defaultdict(list)
        self.hellos: list[Hello] = []
        self.others: list[UpMessage] = []
        self.broker_there = True
        self.tried = asyncio.Event()
        self.told = asyncio.Event()
        self.ingest = Ingest(
            IngestParts(
                self.board, store, self.metrics, self.publish, self.on_message, self.on_hello
            ),
            clock=lambda: NOW,
        )

    async def publish(self, topic: str, content: bytes) -> None:
        """Keep an acknowledgement, or be a broker that is not there."""
        self.tried.set()
        if not self.broker_there:
            message = "no broker"
            raise PublishError(message)
        ack = decode_down(Down.ACK, content)
        assert isinstance(ack, Ack)
        self.acks[topic.split("/")[3]].append(ack)

    async def on_message(self, topic: UpTopic, message: UpMessage) -> None:
        """Keep what the coordinator would get."""
        assert topic.hub == "bu-dang"
        self.others.append(message)
        self.told.set()

    async def on_hello(self, hello: Hello) -> None:
        """Keep a birth."""
        self.hellos.append(hello)

    def send(self, content: bytes, point: str = "bom-bo") -> None:
        """Send on a point's report topic."""
        self.ingest.receive(TOPIC.format(point=point), content)

    def acknowledged(self, point: str = "bom-bo") -> set[int]:
        """Return every sequence number acknowledged to ``point``."""
        return {
            number
            for ack in self.acks[point]
            for first, last in ack.ranges
            for number in range(first, last + 1)
        }

    def count(self, result: str) -> float:
        """Return one value of the counter of messages."""
        return (
            self.metrics.registry.get_sample_value(
                "diemcau_ingest_messages_total", {"result": result}
            )
            or 0.0
        )


@pytest_asyncio.fixture
async def rig(tmp_path: Path, store: Store) -> AsyncIterator[Rig]:
    """A rig whose ingest runs."""
    made = Rig(tmp_path, store)
    task = asyncio.create_task(made.ingest.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


async def test_committed_reports_are_acknowledged_in_ranges(rig: Rig) -> None:
    """All that was sent is in the store and acknowledged, and the board knows the newest."""
    for seq in (1, 2, 3, 5):
        rig.send(payload(report(seq)))
    assert await rig.ingest.drain(PATIENCE_SECONDS)
    assert await rig.store.count(reports) == 4
    assert rig.acks["bom-bo"][-1].ranges == ((1, 3), (5, 5))
    record = rig.board.records[next(iter(rig.board.records))]
    assert record.report == report(5)


async def test_what_the_doctor_says_to_itself_is_no_message(rig: Rig) -> None:
    """Neither counted nor kept: it is heard by every server of the broker. Its like is kept."""
    rig.ingest.receive(doctors("bu-dang"), b"")
    rig.ingest.receive("diemcau/v1/bu-dang/bom-bo/up/doctor", b"")
    assert await rig.ingest.drain(PATIENCE_SECONDS)
    assert rig.count("invalid") == 1
    assert await rig.store.count(quarantine) == 1


async def test_a_late_report_is_stored_and_no_news(rig: Rig) -> None:
    """What waited in an outbox is counted apart, and says nothing of how far ingest lags."""
    stamp = line(clock_offset_seconds=0.0)
    rig.send(payload(report(2, taken_at=NOW - timedelta(seconds=4), stamp=stamp)))
    rig.send(payload(report(1, taken_at=NOW - timedelta(hours=1), stamp=stamp)))
    assert await rig.ingest.drain(PATIENCE_SECONDS)
    assert await rig.store.count(reports) == 2
    assert (rig.count("accepted"), rig.count("late")) == (1, 1)
    lag = rig.metrics.registry.get_sample_value
    assert lag("diemcau_ingest_lag_seconds_count") == 1
    assert lag("diemcau_ingest_lag_seconds_sum") == 4


async def test_a_duplicate_is_acknowledged_and_stored_once(rig: Rig) -> None:
    """An agent that did not get its acknowledgement gets it the second time."""
    for _ in range(3):
        rig.send(payload(report(7)))
    assert await rig.ingest.drain(PATIENCE_SECONDS)
    assert await rig.store.count(reports) == 1
    assert rig.acknowledged() == {7}
    assert (rig.count("accepted"), rig.count("duplicate")) == (1, 2)


def changed(**changes: Any) -> bytes:
    """Return a report with some keys changed."""
    return json.dumps(json.loads(payload(report(4))) | changes).encode()


@pytest.mark.parametrize(
    ("content", "point", "reason", "keyed"),
    [
        (b"\xff\xfe{", "bom-bo", "not_json", False),
        (b"[1]", "bom-bo", "invalid", False),
        (b"[" * 60_000, "bom-bo", "not_json", False),
        (b" " * (MAX_MESSAGE_BYTES + 1), "bom-bo", "too_large", False),
        (changed(schema="diemcau.report/2"), "bom-bo", "wrong_version", False),
        (changed(interval_seconds=-1), "bom-bo", "invalid", True),
        (changed(surprise=1), "bom-bo", "invalid", True),
        (payload(report(4)), "dak-nhau", "wrong_point", True),
        (payload(report(4, point="nobody")), "nobody", "unknown_point", False),
        (payload(report(4)).decode().encode("utf-16"), "bom-bo", "not_json", False),
    ],
)
async def test_a_bad_message_is_kept_aside_and_the_next_is_taken(
    rig: Rig,
    content: bytes,
    point: str,
    reason: str,
    keyed: bool,  # noqa: FBT001
) -> None:
    """A bad message is counted and kept, rejected only if bad for good; good ones go on."""
    rig.send(content, point)
    rig.send(payload(report(9)))
    assert await rig.ingest.drain(PATIENCE_SECONDS)
    assert await rig.store.count(quarantine) == 1
    assert rig.acknowledged() == {9}
    rejected = [(one.seq, one.reason) for ack in rig.acks[point] for one in ack.rejected]
    assert rejected == ([(4, reason)] if keyed else [])
    value = rig.metrics.registry.get_sample_value(
        "diemcau_ingest_quarantined_total", {"reason": reason}
    )
    assert value == 1


async def test_rejections_are_bounded_while_the_store_is_down(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only so many are remembered; those beyond come again from their outbox."""
    monkeypatch.setattr("diemcau_server.ingest.MAX_WAITING_REJECTED", 3)
    for _ in range(10):
        rig.send(changed(interval_seconds=-1))
    assert len(rig.ingest._rejected) == 3  # no other way to see what waits


async def test_a_point_that_sends_nonsense_is_told_once_a_reason(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning with point and reason, where its messages and topics are many."""
    for number in range(50):
        rig.send(b"{")
        rig.send(b"[1]")
        rig.ingest.receive(f"diemcau/v1/bu-dang/bom-bo/up/{number}", b"{}")
    rig.send(b"{", "dak-nhau")
    told = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]

    assert [one.split(": ")[:2] for one in told] == [
        ["message on 'diemcau/v1/bu-dang/bom-bo/up/report' kept aside", "not_json"],
        ["message on 'diemcau/v1/bu-dang/bom-bo/up/report' kept aside", "invalid"],
        ["message on 'diemcau/v1/bu-dang/bom-bo/up/0' kept aside", "unknown_topic"],
        ["message on 'diemcau/v1/bu-dang/dak-nhau/up/report' kept aside", "not_json"],
    ]


@pytest.mark.parametrize("topic", ["diemcau/v1/bu-dang/bom-bo/up/gossip", "a", "", "diemcau/v2/#"])
async def test_a_topic_of_nobody_is_kept_aside(rig: Rig, topic: str) -> None:
    """What comes on no topic of ours is counted and kept, too."""
    rig.ingest.receive(topic, b"{}")
    assert await rig.ingest.drain(PATIENCE_SECONDS)
    assert await rig.store.count(quarantine) == 1


class FullDisk(Store):
    """A store whose disk is full for a while."""

    failures = 2

    async def commit_reports(self, *args: Any, **kwargs: Any) -> Committed:
        """Refuse the first transactions."""
        if self.failures:
            self.failures -= 1
            message = "the store cannot be used: database or disk is full"
            raise StoreError(message)
        return await super().commit_reports(*args, **kwargs)


async def test_a_full_disk_acknowledges_nothing_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports wait unacknowledged while the store fails, and all are there afterwards."""
    monkeypatch.setattr("diemcau_server.ingest.RETRY_BASE_SECONDS", 0.001)
    store = await FullDisk.open(resolved_url("sqlite:///full.sqlite", tmp_path, None))
    rig = Rig(tmp_path, store)
    rig.send(changed(interval_seconds=-1))
    for seq in range(10, 20):
        rig.send(payload(report(seq)))
    task = asyncio.create_task(rig.ingest.run())
    assert await rig.ingest.drain(PATIENCE_SECONDS)
    task.cancel()
    await asyncio.wait([task])
    assert store.failures == 0
    assert rig.acknowledged() == set(range(10, 20))
    assert await store.count(reports) == 10
    assert await store.count(quarantine) == 1
    assert rig.ingest.trouble is None
    assert rig.metrics.registry.get_sample_value("diemcau_store_errors_total") == 2
    await store.close()


async def test_a_store_that_stays_broken_is_told(tmp_path: Path) -> None:
    """Health names the trouble; draining ends in time and owns up to what is left."""
    store = await FullDisk.open(resolved_url("sqlite:///broken.sqlite", tmp_path, None))
    store.failures = 1000
    rig = Rig(tmp_path, store)
    rig.send(payload(report(1)))
    task = asyncio.create_task(rig.ingest.run())
    assert not await rig.ingest.drain(0.2)
    assert rig.ingest.trouble is not None
    assert rig.ingest.trouble.en == "the store cannot be used: database or disk is full"
    assert rig.ingest.waiting() == 1
    assert rig.acknowledged() == set()
    task.cancel()
    await asyncio.wait([task])
    await store.close()


async def test_a_full_queue_refuses_and_counts(
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What does not fit is refused unacknowledged: it will be sent again. The log says so once."""
    monkeypatch.setattr("diemcau_server.ingest.MAX_WAITING_REPORTS", 3)
    rig = Rig(tmp_path, store)
    for seq in range(1, 6):
        rig.send(payload(report(seq)))
    assert (rig.ingest.waiting(), rig.count("refused")) == (3, 2)
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [
        "report of bu-dang/bom-bo refused: 3 reports wait, 0 other messages"
    ]


async def test_an_ack_that_finds_no_broker_is_given_again(rig: Rig) -> None:
    """A lost acknowledgement is no fault: the report comes again and is acknowledged."""
    rig.broker_there = False
    rig.send(payload(report(1)))
    await rig.tried.wait()
    rig.broker_there = True
    rig.send(payload(report(1)))
    assert await rig.ingest.drain(PATIENCE_SECONDS)
    assert rig.acknowledged() == {1}
    assert await rig.store.count(reports) == 1


async def test_hellos_and_results_go_where_they_belong(rig: Rig) -> None:
    """A birth reaches the board and its greeter, a notice reaches the coordinator."""
    who: dict[str, Any] = {"hub": "bu-dang", "point": "bom-bo", "boot_id": BOOT}
    hello = Hello(**who, connection=1, online=True, version="0.1.0", schema="diemcau.hello/1")
    notice = messages.TestNotice(**who, test="t", event="accepted", schema="diemcau.test_notice/1")
    rig.ingest.receive(
        "diemcau/v1/bu-dang/bom-bo/up/hello", hello.model_dump_json(by_alias=True).encode()
    )
    rig.ingest.receive(
        "diemcau/v1/bu-dang/bom-bo/up/result", notice.model_dump_json(by_alias=True).encode()
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        await rig.told.wait()
    assert (rig.hellos, rig.others) == ([hello], [notice])
