"""From the broker into the store: check, gather, commit, and only then acknowledge.

A report is acknowledged when its transaction is on disk. What cannot be written stays in memory,
unacknowledged, and is tried again; what does not fit there is refused, counted, and comes again
from its agent's outbox. Bad messages are kept aside and never stop the good ones.
"""

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from diemcau_contract.causes import Text
from diemcau_contract.codec import UpMessage, decode_up, encode
from diemcau_contract.errors import MessageError, RejectReason, TopicError
from diemcau_contract.messages import MAX_MESSAGE_BYTES, Hello, Report
from diemcau_contract.topics import Down, Up, UpTopic, down, is_doctors, parse_up
from diemcau_server.acks import PendingAcks
from diemcau_server.errors import PublishError, StoreError
from diemcau_server.metrics import Metrics
from diemcau_server.seldom import Seldom
from diemcau_server.services import Publish
from diemcau_server.state import Board, PointKey
from diemcau_server.store import Quarantined, ReceivedReport, Store
from diemcau_server.store.rows import MAX_QUARANTINED_BYTES

BATCH_REPORTS = 500
BATCH_SECONDS = 0.05
MAX_WAITING_REPORTS = 20_000
MAX_WAITING_OTHERS = 10_000
MAX_ASIDE_IN_BATCH = 200
MAX_WAITING_REJECTED = 5_000
MAX_TOLD_ASIDE = 200
RETRY_BASE_SECONDS = 0.5
RETRY_CAP_SECONDS = 30.0
_MAX_TOPIC = 200
_BOOT_ID = re.compile(r"[0-9a-f]{16,32}")
_MAX_SEQUENCE = 2**53
_FOR_GOOD = frozenset({RejectReason.INVALID, RejectReason.WRONG_POINT})
"""Reasons that no later configuration or version mends; only these end a report at its agent."""

_LOG = logging.getLogger(__name__)

OnMessage = Callable[[UpTopic, UpMessage], Awaitable[None]]
OnHello = Callable[[Hello], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class IngestParts:
    """What ingest works with. ``on_hello`` runs after the board has taken a birth."""

    board: Board
    store: Store
    metrics: Metrics
    publish: Publish
    on_message: OnMessage
    on_hello: OnHello


class Ingest:
    """Takes every message of every point. ``receive`` is called by the link, ``run`` is a task."""

    def __init__(
        self, parts: IngestParts, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.trouble: Text | None = None
        """Why nothing is committed now; None while all is well."""
        self._parts = parts
        self._clock = clock
        self._reports: deque[ReceivedReport] = deque()
        self._aside: deque[Quarantined] = deque(maxlen=MAX_ASIDE_IN_BATCH)
        self._others: asyncio.Queue[tuple[UpTopic, UpMessage]] = asyncio.Queue(MAX_WAITING_OTHERS)
        self._acks = PendingAcks()
        self._rejected: list[tuple[PointKey, str, int, str]] = []
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._to_ack = asyncio.Event()
        self._settled = asyncio.Event()
        self._committing = False
        self._acking = False
        self._closed = False
        self._aside_told = Seldom(MAX_TOLD_ASIDE)
        self._refused_told = Seldom(1)

    def receive(self, topic: str, payload: bytes) -> None:
        """Take one message; never raises, never waits."""
        if self._closed or is_doctors(topic):
            return
        try:
            place = parse_up(topic)
        except TopicError as error:
            self._keep_aside(topic, payload, RejectReason.UNKNOWN_TOPIC, str(error))
            return
        if PointKey(place.hub, place.point) not in self._parts.board.records:
            detail = f"no point {place.point!r} of hub {place.hub!r} in the configuration"
            self._reject(topic, place, payload, RejectReason.UNKNOWN_POINT, detail)
            return
        try:
            message = _read(place, payload)
            body = payload.decode() if isinstance(message, Report) else ""
        except MessageError as error:
            self._reject(topic, place, payload, error.reason, error.detail)
        except UnicodeDecodeError:
            self._reject(topic, place, payload, RejectReason.NOT_JSON, "not UTF-8")
        else:
            self._take(place, message, body)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._commit_batches(), name="ingest: commit")
            tasks.create_task(self._send_acks(), name="ingest: acknowledge")
            tasks.create_task(self._pass_on(), name="ingest: pass on")

    async def drain(self, within_seconds: float) -> bool:
        """Take nothing more; wait until all is committed and acknowledged, at most so long.

        Returns False when something is left: it is unacknowledged and its agent sends it again.
        """
        self._closed = True
        try:
            async with asyncio.timeout(within_seconds):
                while self._busy():
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return False
        return True

    def waiting(self) -> int:
        """Return how many reports wait to be committed."""
        return len(self._reports)

    def _busy(self) -> bool:
        written = self._reports or self._aside or self._committing
        return bool(written or self._acks or self._acking)

    def _take(self, place: UpTopic, message: UpMessage, body: str) -> None:
        if isinstance(message, Report):
            if len(self._reports) >= MAX_WAITING_REPORTS:
                self._refuse(place)
                return
            self._reports.append(ReceivedReport(message, body, self._clock()))
            self._arrived.set()
            if len(self._reports) >= BATCH_REPORTS:
                self._full.set()
            return
        try:
            self._others.put_nowait((place, message))
        except asyncio.QueueFull:
            self._refuse(place)

    def _refuse(self, place: UpTopic) -> None:
        self._parts.metrics.messages.labels("refused").inc()
        _LOG.log(
            self._refused_told.level(), "%s of %s/%s refused: %d reports wait, %d other messages",
            place.kind, place.hub, place.point, len(self._reports), self._others.qsize(),
        )  # fmt: skip

    def _reject(
        self, topic: str, place: UpTopic, payload: bytes, reason: RejectReason, detail: str
    ) -> None:
        """Keep a message aside; name it to its agent only where it can never be stored.

        What is not named stays in the agent's outbox and comes again, so that a point which was
        out of the configuration for an hour keeps its backlog.
        """
        self._keep_aside(topic, payload, reason, detail)
        if reason not in _FOR_GOOD or len(self._rejected) >= MAX_WAITING_REJECTED:
            return
        key = _report_key(payload)
        if key is not None:
            self._rejected.append((PointKey(place.hub, place.point), *key, str(reason)))

    def _keep_aside(self, topic: str, payload: bytes, reason: RejectReason, detail: str) -> None:
        self._parts.metrics.messages.labels("invalid").inc()
        self._parts.metrics.quarantined.labels(str(reason)).inc()
        level = self._aside_told.level(*topic[:_MAX_TOPIC].split("/", 4)[:4], reason)
        _LOG.log(level, "message on %r kept aside: %s: %s", topic[:_MAX_TOPIC], reason, detail)
        self._aside.append(
            Quarantined(
                received_at=self._clock(),
                topic=topic[:_MAX_TOPIC].replace("\0", "?"),
                reason=str(reason),
                detail=detail[:400].replace("\0", "?"),
                payload_bytes=len(payload),
                payload=payload[:MAX_QUARANTINED_BYTES],
            )
        )
        self._arrived.set()

    async def _commit_batches(self) -> None:
        failures = 0
        while True:
            await self._arrived.wait()
            await self._until_full()
            batch, aside = self._next_batch()
            try:
                await self._commit(batch, aside)
            except StoreError as error:
                self._put_back(batch, aside)
                self._note_trouble(error.text)
                await asyncio.sleep(min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0**failures))
                failures = min(failures + 1, 10)
                continue
            finally:
                self._committing = False
                self._settled.set()
            if self.trouble is not None:
                _LOG.warning("the store works again")
            self.trouble, failures = None, 0

    async def _until_full(self) -> None:
        """Wait for company, unless the batch is full or the server stops."""
        if len(self._reports) >= BATCH_REPORTS or self._closed:
            return
        self._full.clear()
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                await self._full.wait()
        except TimeoutError:
            return

    def _next_batch(self) -> tuple[list[ReceivedReport], list[Quarantined]]:
        count = min(len(self._reports), BATCH_REPORTS)
        batch = [self._reports.popleft() for _ in range(count)]
        aside, self._aside = list(self._aside), deque(maxlen=MAX_ASIDE_IN_BATCH)
        self._committing = True
        if not self._reports:
            self._arrived.clear()
        return batch, aside

    def _put_back(self, batch: list[ReceivedReport], aside: list[Quarantined]) -> None:
        self._reports.extendleft(reversed(batch))
        self._aside.extendleft(reversed(aside[: MAX_ASIDE_IN_BATCH - len(self._aside)]))
        self._arrived.set()

    def _note_trouble(self, text: Text) -> None:
        self._parts.metrics.store_errors.inc()
        level = logging.DEBUG if self.trouble == text else logging.ERROR
        _LOG.log(level, "%s; %d reports wait, none is acknowledged", text.en, len(self._reports))
        self.trouble = text

    async def _commit(self, batch: list[ReceivedReport], aside: Sequence[Quarantined]) -> None:
        parts = self._parts
        newest = self._newest_of(batch)
        rejected, self._rejected = self._rejected, []
        try:
            with parts.metrics.batch_seconds.time():
                done = await parts.store.commit_reports(batch, newest, aside)
        except StoreError:
            self._rejected = (rejected + self._rejected)[:MAX_WAITING_REJECTED]
            raise
        for item in newest:
            parts.board.on_report(item.report, item.received_at)
            parts.metrics.took_live(item.report, item.received_at)
        late = max(0, done.accepted - len(newest))
        parts.metrics.messages.labels("accepted").inc(done.accepted - late)
        parts.metrics.messages.labels("late").inc(late)
        parts.metrics.messages.labels("duplicate").inc(done.duplicates)
        for item in batch:
            report = item.report
            self._acks.committed(PointKey(report.hub, report.point), report.boot_id, report.seq)
        for key, boot_id, seq, reason in rejected:
            self._acks.rejected(key, boot_id, seq, reason)
        if self._acks:
            self._to_ack.set()

    def _newest_of(self, batch: Sequence[ReceivedReport]) -> list[ReceivedReport]:
        """Return the newest report of each point, where it is newer than the board's."""
        newest: dict[PointKey, ReceivedReport] = {}
        for item in batch:
            key = PointKey(item.report.hub, item.report.point)
            before = newest.get(key)
            older = before is not None and (
                before.report.boot_id == item.report.boot_id and before.report.seq > item.report.seq
            )
            if not older and self._parts.board.is_newer(item.report, item.received_at):
                newest[key] = item
        return list(newest.values())

    async def _send_acks(self) -> None:
        """Publish what is due; while the broker is slow, more is merged into each message."""
        while True:
            await self._to_ack.wait()
            self._to_ack.clear()
            self._acking = True
            due = self._acks.take()
            await asyncio.gather(*(self._send_ack(key, encode(ack)) for key, ack in due))
            self._acking = False
            self._settled.set()

    async def _send_ack(self, key: PointKey, payload: bytes) -> None:
        try:
            await self._parts.publish(down(key.hub, key.point, Down.ACK), payload)
        except PublishError as error:
            _LOG.debug("ack to %s/%s not sent, its reports will come again: %s", *key, error)

    async def _pass_on(self) -> None:
        """Hand hellos to the board and the rest to the coordinator, in their order."""
        while True:
            place, message = await self._others.get()
            self._parts.metrics.messages.labels("other").inc()
            if isinstance(message, Hello):
                if self._parts.board.on_hello(message) and message.online:
                    await self._parts.on_hello(message)
            else:
                await self._parts.on_message(place, message)


def _read(place: UpTopic, payload: bytes) -> UpMessage:
    """Read a message; a sound report takes the short way, at half the price.

    Raises:
        MessageError: as decode_up does, which alone names the reason.
    """
    if place.kind is Up.REPORT and len(payload) <= MAX_MESSAGE_BYTES:
        try:
            report = Report.model_validate_json(payload)
        except ValidationError:
            return decode_up(place, payload)
        if (report.hub, report.point) == (place.hub, place.point):
            return report
    return decode_up(place, payload)


def _report_key(payload: bytes) -> tuple[str, int] | None:
    """Return boot and sequence of a report that cannot be taken, where they can be read."""
    if len(payload) > MAX_MESSAGE_BYTES:
        return None
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    boot_id, seq = content.get("boot_id"), content.get("seq")
    if not isinstance(boot_id, str) or not _BOOT_ID.fullmatch(boot_id):
        return None
    if type(seq) is not int or not 1 <= seq <= _MAX_SEQUENCE:
        return None
    return boot_id, seq
