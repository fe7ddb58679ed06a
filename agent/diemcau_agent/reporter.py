"""The resident cycle: look at line, devices and PC, write a report, leave a status file."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, Protocol

from diemcau_agent import __version__
from diemcau_agent.boot import Boot
from diemcau_agent.config import AgentConfig
from diemcau_agent.devices import Inventory
from diemcau_agent.devicewatch import DeviceWatch, merged
from diemcau_agent.link import Link
from diemcau_agent.outbox import Key, Outbox, OutboxState
from diemcau_agent.outbox import Report as OutboxReport
from diemcau_agent.probes.frame import host_state
from diemcau_agent.probes.host import HostSettings, measured_load, read_host
from diemcau_agent.statusfile import (
    AgentStatus,
    LineStatus,
    LinkStatus,
    OutboxStatus,
    Sentence,
    own_start,
    write_status,
)
from diemcau_contract.codec import encode
from diemcau_contract.measurements import StampStatistics
from diemcau_contract.messages import DeviceResult, HostState, MeasureSettings, Report, Settings
from diemcau_line.clock import sync_state

_log = logging.getLogger(__name__)

DEFAULT_INTERVAL_SECONDS: Final = 30.0
FIRST_LOOK_SECONDS: Final = 5.0
"""A room without contact is looked at after this: its staff must not be told that nothing runs."""
_DeviceKey = tuple[str, str]


class LineWatch(Protocol):
    """The light flow to the hub."""

    @property
    def port(self) -> int | None:
        """The hub's UDP port, None before the hub has named it."""

    async def follow(self, settings: MeasureSettings) -> None:
        """Measure with these settings from now on."""

    def take(self) -> StampStatistics | None:
        """Return the figures since the last call; None before the flow has begun."""

    @property
    def host(self) -> str:
        """Name or address of the hub's measuring end."""


class Reporter:
    """Writes a report at intervals; the first one as soon as there is a session."""

    def __init__(
        self,
        config: AgentConfig,
        boot: Boot,
        outbox: Outbox,
        link: Link,
        watch: LineWatch,
        on_report: Callable[[Key], None],
    ) -> None:
        self._config = config
        self._boot = boot
        self._outbox = outbox
        self._link = link
        self._watch = watch
        self._on_report = on_report
        self._interval_seconds = DEFAULT_INTERVAL_SECONDS
        self.devices = DeviceWatch(Inventory(config.devices).look)
        self._changed = asyncio.Event()
        self._due = False
        self._first_session = asyncio.Event()
        self._seq = 0
        self._opened: dict[_DeviceKey, DeviceResult] = {}
        self._line: StampStatistics | None = None
        self._line_at: datetime | None = None
        self._last: AgentStatus | None = None
        self._cycle_seconds = 0.0
        self._status_failed = False

    def on_up(self) -> None:
        """Make the first report of this start, if it is not made yet."""
        self._first_session.set()

    def on_settings(self, settings: Settings) -> None:
        """Take the hub's interval."""
        if settings.report_interval_seconds != self._interval_seconds:
            self._interval_seconds = settings.report_interval_seconds
            self._changed.set()

    def on_opened(self, results: Iterable[DeviceResult]) -> None:
        """Keep what a test has found by opening the devices."""
        for result in results:
            self._opened[result.kind, result.role] = result

    def on_devices_changed(self) -> None:
        """Report at once: what is gone or back is known at the hub within the minute."""
        self._due = True
        self._changed.set()

    def host_settings(self) -> HostSettings:
        """Return what the look at the PC needs to know now."""
        offset = self._line.clock_offset_seconds if self._line else None
        return HostSettings(
            state_directory=self._config.state_directory,
            route_to=self._watch.host,
            clock_synchronised=sync_state().synchronised,
            # STAMP gives the hub's clock less ours, the PC's state wants the contrary.
            clock_offset_seconds=-offset if offset is not None else None,
            cpu_ratio=measured_load(),
        )

    async def run(self) -> None:
        """Report until cancelled."""
        loop = asyncio.get_running_loop()
        # Agents that start together after a power cut must not report together ever after.
        offset = random.random()  # noqa: S311  # spreads load, guards no secret
        await _wait(self._first_session, FIRST_LOOK_SECONDS)
        await self._report()
        last = loop.time() - offset * self._interval_seconds
        while True:
            self._changed.clear()
            if self._due:
                self._due = False
                await self._report()
            wait_seconds = last + self._interval_seconds - loop.time()
            if wait_seconds > 0 and await _wait(self._changed, wait_seconds):
                continue
            # A cycle that was late (sleep mode) is not made up for.
            last = max(last + self._interval_seconds, loop.time() - self._interval_seconds)
            await self._report()

    async def stopped(self) -> None:
        """Leave a last status that says that the agent was stopped."""
        if self._last is not None:
            await self._write_status(self._last.model_copy(update={"stopped": True}))

    async def _report(self) -> None:
        started = time.monotonic()
        line = self._watch.take()
        if line is not None and line.packets_sent > 0:
            self._line, self._line_at = line, datetime.now(UTC)
        else:
            line = None
        present = await self.devices.results()
        devices = tuple(merged(result, self._opened) for result in present)
        host = host_state(await asyncio.to_thread(read_host, self.host_settings()))
        outbox = await asyncio.to_thread(self._outbox.state)
        self._seq += 1
        report = self._message(line, devices, host, outbox)
        kept = OutboxReport(self._boot.boot_id, self._seq, time.time(), encode(report))
        await asyncio.to_thread(self._outbox.add, kept)
        self._on_report(kept.key)
        self._link.expect_answer()
        self._last = self._status(devices, host, outbox)
        await self._write_status(self._last)
        self._cycle_seconds = time.monotonic() - started

    def _message(
        self,
        line: StampStatistics | None,
        devices: tuple[DeviceResult, ...],
        host: HostState,
        outbox: OutboxState,
    ) -> Report:
        return Report(
            hub=self._config.hub,
            point=self._config.point,
            boot_id=self._boot.boot_id,
            seq=self._seq,
            taken_at=datetime.now(UTC),
            uptime_seconds=self._boot.uptime_seconds,
            interval_seconds=self._interval_seconds,
            line=line,
            devices=devices,
            host=host,
            agent=self._boot.state(outbox, self._link.reconnects_total, self._cycle_seconds),
        )

    def _status(
        self, devices: tuple[DeviceResult, ...], host: HostState, outbox: OutboxState
    ) -> AgentStatus:
        problem = self._link.problem
        text = problem.text() if problem else None
        process_id, process_started_at = own_start()
        return AgentStatus(
            hub=self._config.hub,
            point=self._config.point,
            version=__version__,
            boot_id=self._boot.boot_id,
            process_id=process_id,
            process_started_at=process_started_at,
            written_at=datetime.now(UTC),
            interval_seconds=self._interval_seconds,
            reports=self._seq,
            link=LinkStatus(
                connected=self._link.up and problem is None,
                problem=Sentence(vi=text.vi, en=text.en) if text else None,
                fault=problem.fault if problem else None,
                reconnects_total=self._link.reconnects_total,
            ),
            line=LineStatus(
                port=self._watch.port, statistics=self._line, measured_at=self._line_at
            ),
            devices=devices,
            host=host,
            outbox=OutboxStatus(
                messages=outbox.messages,
                oldest_age_seconds=outbox.oldest_age_seconds,
                dropped_total=outbox.dropped_total,
                in_memory=outbox.in_memory,
            ),
        )

    async def _write_status(self, status: AgentStatus) -> None:
        try:
            await asyncio.to_thread(write_status, self._config.state_directory, status)
        except OSError as error:
            level = logging.DEBUG if self._status_failed else logging.WARNING
            _log.log(
                level,
                "status file not written, the status command knows nothing new: %s. "
                "Check free space and permissions of this disk.",
                error,
            )
            self._status_failed = True
        else:
            self._status_failed = False


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most ``seconds``; say whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
