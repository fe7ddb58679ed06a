"""The resident agent: its parts, its tasks, its end."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

import psutil

from diemcau_agent import __version__
from diemcau_agent.boot import Boot
from diemcau_agent.config import AgentConfig
from diemcau_agent.delivery import Delivery, Pace
from diemcau_agent.linewatch import StampWatch
from diemcau_agent.link import LOOP_FACTORY, Backoff, Link
from diemcau_agent.outbox import Outbox
from diemcau_agent.reporter import Reporter
from diemcau_agent.testing import TestDesk
from diemcau_contract.codec import DownMessage
from diemcau_contract.messages import Ack, Settings
from diemcau_line.service import told_to_systemd

_log = logging.getLogger(__name__)


class Agent:
    """All parts of one agent, wired together; it is the link's listener."""

    def __init__(
        self, config: AgentConfig, backoff: Backoff | None = None, pace: Pace | None = None
    ) -> None:
        self.boot = Boot(config.hub, config.point)
        self.outbox = Outbox(config.state_directory)
        self.link = Link(config, self.boot.hello, backoff)
        self.watch = StampWatch(config)
        self.delivery = Delivery(self.outbox, self.link, pace)
        self.reporter = Reporter(
            config, self.boot, self.outbox, self.link, self.watch, self.delivery.on_report
        )
        self.desk = TestDesk(
            config, self.boot, self.link, self.reporter.host_settings, self.reporter.on_opened
        )
        self._settings: asyncio.Queue[Settings] = asyncio.Queue()

    def on_up(self) -> None:
        """Tell the parts that a session has begun."""
        self.desk.on_up()
        self.delivery.on_up()
        self.reporter.on_up()

    def on_down(self) -> None:
        """Tell the parts that the session has ended."""
        self.desk.on_down()

    def on_message(self, message: DownMessage) -> None:
        """Hand a message of the hub to its part."""
        match message:
            case Settings():
                self.reporter.on_settings(message)
                self._settings.put_nowait(message)
            case Ack():
                self.delivery.on_ack(message)
            case _:
                self.desk.on_command(message)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set; ends the test, says goodbye, keeps what is not delivered."""
        jobs = {
            "link": self.link.run(self),
            "settings": self._follow_settings(),
            "reports": self.reporter.run(),
            "devices": self.reporter.devices.run(self.reporter.on_devices_changed),
            "delivery": self.delivery.run(),
            "acknowledgements": self.delivery.settle(),
            "tests": self.desk.run(),
            "results": self.desk.send(),
        }
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(job, name=name) for name, job in jobs.items()]
                await stop.wait()
                self.desk.abort("the agent stops")
                end_probes()
                for task in tasks:
                    task.cancel()
        finally:
            await self.watch.stop()
            await self.reporter.stopped()
            await asyncio.to_thread(self.outbox.close)

    async def _follow_settings(self) -> None:
        while True:
            settings = await self._settings.get()
            if settings.measure is not None:
                await self.watch.follow(settings.measure)


def end_probes() -> None:
    """Kill the probes under way: their devices must not stay open after the agent's end."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "diemcau_agent.probes" in child.cmdline():
                child.kill()


def run_agent(config: AgentConfig) -> None:
    """Run the agent until SIGTERM, SIGINT or, on Windows, Ctrl-C and Ctrl-Break."""
    with asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:
        runner.run(_run(config))


async def _run(config: AgentConfig) -> None:
    stop = asyncio.Event()
    with _stopped_by_signals(stop):
        _log.info("diemcau-agent %s: %s/%s", __version__, config.hub, config.point)
        async with told_to_systemd():
            await Agent(config).run(stop)
        _log.info("stopped")


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    names = ("SIGTERM", "SIGINT", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
