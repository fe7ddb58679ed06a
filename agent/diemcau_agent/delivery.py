"""From the outbox to the server: the newest report first, the backlog after, at a capped rate."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from diemcau_agent.errors import LinkDownError
from diemcau_agent.link import Link
from diemcau_agent.outbox import Key, Outbox, Report
from diemcau_contract.messages import Ack
from diemcau_contract.topics import Up

_log = logging.getLogger(__name__)

WINDOW: Final = 200
"""Most reports that wait for an acknowledgement at a time; the live one always goes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast reports go out."""

    reports_per_second: float = 20.0
    resend_seconds: float = 30.0
    """A report without an acknowledgement of the server is sent again after this."""


class Delivery:
    """Sends what is in the outbox, again and again, until the server has acknowledged it."""

    def __init__(self, outbox: Outbox, link: Link, pace: Pace | None = None) -> None:
        self._outbox = outbox
        self._link = link
        self._pace = pace or Pace()
        self._sent: dict[Key, float] = {}
        self._wake = asyncio.Event()
        self._acks: asyncio.Queue[Ack] = asyncio.Queue()
        self._live: Key | None = None

    def on_report(self, key: Key) -> None:
        """Note that a new report is in the outbox."""
        self._live = key
        self._wake.set()

    def on_up(self) -> None:
        """Send all anew: nobody knows what the last session has carried."""
        self._sent.clear()
        self._wake.set()

    def on_ack(self, ack: Ack) -> None:
        """Take the server's acknowledgement."""
        self._acks.put_nowait(ack)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._wake.clear()
            report = await self._next() if self._link.up else None
            if report is None:
                await self._rest()
                continue
            try:
                await self._link.send_payload(Up.REPORT, report.payload)
            except LinkDownError:
                continue
            self._sent[report.key] = asyncio.get_running_loop().time()
            await asyncio.sleep(1.0 / self._pace.reports_per_second)

    async def settle(self) -> None:
        """Let acknowledged and rejected reports leave the outbox, until cancelled."""
        while True:
            ack = await self._acks.get()
            for rejected in ack.rejected:
                _log.warning(
                    "the server will not store report %d: %s", rejected.seq, rejected.reason
                )
            ranges = [*ack.ranges, *((report.seq, report.seq) for report in ack.rejected)]
            await asyncio.to_thread(self._outbox.remove, ack.boot_id, ranges)
            for key in [key for key in self._sent if _in_ranges(key, ack.boot_id, ranges)]:
                del self._sent[key]
            self._wake.set()

    async def _next(self) -> Report | None:
        now = asyncio.get_running_loop().time()
        limit = now - self._pace.resend_seconds
        self._sent = {key: sent for key, sent in self._sent.items() if sent > limit}
        picked = await asyncio.to_thread(self._outbox.pick, frozenset(self._sent), 1)
        if not picked or (len(self._sent) >= WINDOW and picked[0].key != self._live):
            return None
        return picked[0]

    async def _rest(self) -> None:
        """Wait for something to do: a report, a session, an acknowledgement, an overdue one."""
        now = asyncio.get_running_loop().time()
        oldest = min(self._sent.values(), default=now)
        try:
            async with asyncio.timeout(max(0.05, oldest + self._pace.resend_seconds - now)):
                await self._wake.wait()
        except TimeoutError:
            return


def _in_ranges(key: Key, boot_id: str, ranges: list[tuple[int, int]]) -> bool:
    return key[0] == boot_id and any(first <= key[1] <= last for first, last in ranges)
