"""A running server: its parts started in order, watched together, stopped in reverse.

Stop: no new request, tests ended, the last reports committed and acknowledged, then the session
with the broker, the measuring process, and the store.
"""

import asyncio
import json
import logging
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from diemcau_contract.causes import Text
from diemcau_contract.codec import encode
from diemcau_contract.messages import Hello, Settings
from diemcau_contract.mistakes import unwritable_text
from diemcau_contract.topics import Down, down
from diemcau_line.service import told_to_systemd
from diemcau_server import __version__, heap, secret_files
from diemcau_server.config import EMBEDDED, ServerConfig
from diemcau_server.coordinator import Coordinator, Outcome
from diemcau_server.coordinator.gathered import TestOrder
from diemcau_server.embedded import EmbeddedBroker
from diemcau_server.errors import FaultError, PublishError, StartError
from diemcau_server.ingest import Ingest, IngestParts
from diemcau_server.link import BrokerAddress, Link
from diemcau_server.listening import why_not_listening
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.measuring_process import CannotBindError, MeasuringError, MeasuringProcess
from diemcau_server.metrics import EndedTest, Metrics
from diemcau_server.nights import CapacityNights
from diemcau_server.retention import drop_old_reports
from diemcau_server.services import Health, Services
from diemcau_server.state import Board, PointKey
from diemcau_server.store import Store
from diemcau_server.store.disk import store_file
from diemcau_server.store.engine import resolved_url
from diemcau_server.web import make_app

DRAIN_SECONDS = 5.0
_HTTP_CLOSE_SECONDS = 3.0
_CANCEL_AGAIN_SECONDS = 1.0
_MEASURE_POLL_SECONDS = 5.0
_MEASURE_ANSWER_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server is to be found."""

    http: str
    broker: str
    measure_port: int
    token_file: Path

    def as_json(self) -> str:
        """Return what the ready file holds."""
        return json.dumps(
            {
                "http": self.http,
                "broker": self.broker,
                "measure_port": self.measure_port,
                "token_file": str(self.token_file),
            }
        )


class Server:
    """One server. ``start``, then ``wait`` until ``ask_stop``, then ``stop``."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._board = Board.of(config)
        self._metrics = Metrics(self._board)
        self._stack = AsyncExitStack()
        self._asked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._link: Link | None = None
        self._ingest: Ingest | None = None
        self._measuring: MeasuringEnd | None = None
        self._greeting: asyncio.Task[None] | None = None

    async def start(self) -> Addresses:
        """Start every part; what had started is stopped again when one cannot.

        Raises:
            ServerError: with one sentence for whoever starts the server.
        """
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    def ask_stop(self) -> None:
        """Let ``wait`` return; safe in a signal handler."""
        self._asked.set()

    async def wait(self) -> None:
        """Wait for ``ask_stop``.

        Raises:
            FaultError: a part has ended by a fault of its own.
        """
        asked = asyncio.create_task(self._asked.wait(), name="stop asked")
        done, _ = await asyncio.wait([asked, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        for task in done - {asked}:
            fault = task.exception()
            message = Text(
                f"phần {task.get_name()} đã dừng: {fault!r}",
                f"{task.get_name()} has ended: {fault!r}",
            )
            raise FaultError(message) from fault

    async def stop(self) -> None:
        """Stop every part in the reverse order of their start."""
        await self._stack.aclose()

    def health(self) -> Health:
        """Return which parts work."""
        link, ingest, measuring = self._link, self._ingest, self._measuring
        connected = link is not None and link.connected.is_set()
        measures = measuring is not None and measuring.available
        trouble = [link.trouble if link else None, ingest.trouble if ingest else None]
        if measuring is None:
            trouble.append(Text("bộ đo chưa khởi động", "the measuring end has not started"))
        else:
            trouble += measuring.troubles()
        sentences = tuple(text for text in trouble if text)
        stored = ingest is not None and ingest.trouble is None
        return Health(not sentences, connected, stored, measures, sentences)

    async def _start(self) -> Addresses:
        config = self._config
        token = config.token or secret_files.make_token(config.token_file)
        self._metrics.config_read(config.file)
        store = await self._open_store()
        measuring = await self._start_measuring()
        address = await self._broker_address()
        coordinator = Coordinator(config, self._board, store, measuring, self._publish)
        ingest = self._ingest = Ingest(
            IngestParts(
                board=self._board,
                store=store,
                metrics=self._metrics,
                publish=self._publish,
                on_message=coordinator.on_message,
                on_hello=self._greet,
            )
        )
        link = self._link = Link(address, ingest.receive, self._on_connected)
        self._spawn(link.run(), "broker link")
        self._spawn(ingest.run(), "ingest")
        self._spawn(self._metrics.watch_loop(), "loop lag")
        self._spawn(self._metrics.keep_written(), "metrics")
        self._spawn(heap.collect_old(lambda: coordinator.is_testing), "garbage")
        keep = timedelta(days=config.store.keep_reports_days)
        self._spawn(drop_old_reports(store, keep, lambda: coordinator.is_testing), "retention")
        coordinator.after_each_test(self._count_test)
        self._spawn(self._follow(), "follow")
        for process in measuring.processes:
            name = f"follow measuring process {process.number}"
            self._spawn(self._follow_measuring(process), name)
        self._stack.push_async_callback(self._drain, ingest)
        self._stack.push_async_callback(coordinator.stop)
        if config.measure.capacity_schedule is not None:
            nights = CapacityNights(config, self._board, coordinator, store)
            self._spawn(nights.run(), "capacity schedule")
        services = Services(
            config, self._board, store, coordinator, self._metrics, token, self.health
        )
        http = await self._listen(services)
        return Addresses(http, str(address), measuring.port, config.token_file)

    async def _open_store(self) -> Store:
        config = self._config
        try:
            config.state_directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = unwritable_text(error)
            message = Text(
                f"không tạo được thư mục {config.state_directory}: {why.vi}; sửa state_directory "
                "trong tệp cấu hình",
                f"cannot make the directory {config.state_directory}: {why.en}; change "
                "state_directory in the configuration",
            )
            raise StartError(message) from error
        url = resolved_url(config.store.url, config.state_directory, config.store_password)
        store = await Store.open(url)
        self._stack.push_async_callback(store.close)
        self._metrics.store.look_at(store_file(config))
        self._board.restore(await store.restored(), datetime.now(UTC))
        self._board.hub_lines.update(await store.hub_lines())
        return store

    async def _start_measuring(self) -> MeasuringEnd:
        config = self._config
        profile = config.profile(config.default_profile)
        measuring = self._measuring = MeasuringEnd(
            config.measure,
            [(key.hub, key.point) for key in self._board.records],
            dscp=profile.dscp if profile else 34,
        )
        try:
            await measuring.start()
        except CannotBindError as error:
            why = why_not_listening(error.error_number, "measure")
            message = Text(
                f"bộ đo không mở được cổng UDP {error.address}: {why.vi}",
                f"the measuring end cannot listen on UDP {error.address}: {why.en}",
            )
            raise StartError(message) from error
        except MeasuringError as error:
            message = Text(
                f"bộ đo không khởi động được: {error}", f"the measuring end cannot start: {error}"
            )
            raise StartError(message) from error
        self._stack.push_async_callback(measuring.stop)
        return measuring

    async def _broker_address(self) -> BrokerAddress:
        config = self._config
        if config.broker.url != EMBEDDED:
            return BrokerAddress.of(
                config.broker.url,
                config.broker.username,
                config.broker_password,
                config.broker_ca_file,
            )
        broker = EmbeddedBroker(config.broker.port)
        await broker.start()
        self._stack.push_async_callback(broker.stop)
        return BrokerAddress.of(broker.url)

    async def _listen(self, services: Services) -> str:
        host, port = self._config.http.host, self._config.http.port
        runner = web.AppRunner(
            make_app(services), access_log=None, shutdown_timeout=_HTTP_CLOSE_SECONDS
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            why = why_not_listening(error.errno or 0, "http")
            message = Text(
                f"không mở được cổng {host}:{port}: {why.vi}",
                f"cannot listen on {host}:{port}: {why.en}",
            )
            raise StartError(message) from error
        bound = runner.addresses[0][1]
        return f"http://{f'[{host}]' if ':' in host else host}:{bound}"

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        self._stack.push_async_callback(_end, task)

    async def _drain(self, ingest: Ingest) -> None:
        if not await ingest.drain(DRAIN_SECONDS):
            _LOG.warning("%d reports were not committed; their agents keep them", ingest.waiting())

    async def _publish(self, topic: str, payload: bytes) -> None:
        if self._link is None:
            message = "there is no session with the broker"
            raise PublishError(message)
        await self._link.publish(topic, payload)

    def _on_connected(self) -> None:
        """Greet every enabled point: those whose agents run already wait for new keys."""
        self._greeting = asyncio.create_task(self._greet_all(), name="greet all points")

    async def _greet_all(self) -> None:
        for key, record in list(self._board.records.items()):
            if record.section.enabled:
                await self._send_settings(key)

    async def _greet(self, hello: Hello) -> None:
        await self._send_settings(PointKey(hello.hub, hello.point))

    async def _send_settings(self, key: PointKey) -> None:
        measuring = self._measuring
        settings = Settings(
            report_interval_seconds=self._config.report_interval_seconds,
            server_time=datetime.now(UTC),
            measure=measuring.settings_of(key.hub, key.point) if measuring else None,
        )
        try:
            await self._publish(down(key.hub, key.point, Down.SETTINGS), encode(settings))
        except PublishError as error:
            _LOG.debug("settings not sent to %s/%s: %s", key.hub, key.point, error)

    async def _follow(self) -> None:
        """Carry the parts' own figures into the metrics once a second."""
        reconnects = 0
        while True:
            link, ingest = self._link, self._ingest
            if link is not None and ingest is not None:
                self._metrics.mqtt_connected.set(link.connected.is_set())
                self._metrics.mqtt_reconnects.inc(link.reconnects_total - reconnects)
                reconnects = link.reconnects_total
                self._metrics.queue_length.set(ingest.waiting())
                for whose, ends_at in link.certificates.items():
                    self._metrics.certificate_expiry.labels(whose).set(ends_at)
            await asyncio.sleep(1.0)

    def _count_test(self, order: TestOrder, outcome: Outcome) -> None:
        kind = "capacity" if order.capacity else "full" if order.steps.complete else "quick"
        result, error = outcome.result, outcome.error
        if result is not None:
            seconds = result.duration_seconds
            self._metrics.test_ended(EndedTest(order.hub, kind, str(result.verdict), seconds))
        elif error is not None:
            self._metrics.test_ended(EndedTest(order.hub, kind, error.code, None))

    async def _follow_measuring(self, process: MeasuringProcess) -> None:
        """Carry a measuring process's counters; apart, for a slow answer must hold up nothing."""
        number, shown = process.number, self._metrics.measure
        while True:
            shown.show(number, up=process.available)
            try:
                async with asyncio.timeout(_MEASURE_ANSWER_SECONDS):
                    counters = await process.counters()
            except (MeasuringError, TimeoutError) as error:
                _LOG.debug("no counters of measuring process %d: %s", number, error)
            else:
                shown.count(number, counters)
            await asyncio.sleep(_MEASURE_POLL_SECONDS)


async def run_server(
    config: ServerConfig,
    ready_file: Path | None = None,
    on_ready: Callable[[Addresses], None] | None = None,
) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        ServerError: when it cannot start, or a part of it has ended.
    """
    server = Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, server.ask_stop)
        except NotImplementedError:  # Windows: Ctrl-C ends asyncio.run() by cancellation
            break
    addresses = await server.start()
    heap.keep_still()
    try:
        if ready_file is not None:
            _write_ready(ready_file, addresses)
        _LOG.info(
            "diemcau-server %s ready: %s, broker %s, measuring port %d",
            __version__, addresses.http, addresses.broker, addresses.measure_port,
        )  # fmt: skip
        if on_ready is not None:
            on_ready(addresses)
        async with told_to_systemd():
            await server.wait()
    finally:
        await server.stop()
        _LOG.info("stopped")


def _write_ready(path: Path, addresses: Addresses) -> None:
    """Write the file whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(addresses.as_json() + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        why = unwritable_text(error)
        message = Text(
            f"không ghi được tệp báo sẵn sàng {path}: {why.vi}",
            f"cannot write the ready file {path}: {why.en}",
        )
        raise StartError(message) from error


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel until it has ended: before Python 3.12 asyncio.wait_for can swallow one of them."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_AGAIN_SECONDS)
