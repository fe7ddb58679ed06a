"""A broker whose every byte a test says: for what a link does at one certain moment."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import StrEnum
from typing import Any

PATIENCE_SECONDS = 20.0
_CONNACK = b"\x20\x02\x00\x00"
_SUBACK_QOS_1 = 0x01


class Moment(StrEnum):
    """When a link is stopped."""

    CONNECTING = "while the thread that connects still runs"
    UNANSWERED = "before the broker has answered the connect"
    LOST = "in the very turn of the loop in which the session is lost"


class HandBroker:
    """One connection of MQTT 3.1.1, answered by hand."""

    def __init__(self, port: int, newcomers: "asyncio.Queue[_Streams]") -> None:
        self.port = port
        self._newcomers = newcomers

    async def meet(self) -> None:
        """Wait for a client and its CONNECT."""
        self._reader, self._writer = await self._newcomers.get()
        await self._packet()

    def welcome(self) -> None:
        """Accept the session."""
        self._writer.write(_CONNACK)

    async def grant(self) -> None:
        """Take a SUBSCRIBE of one topic and grant it."""
        subscribe = await self._packet()
        self._writer.write(bytes([0x90, 3, *subscribe[:2], _SUBACK_QOS_1]))

    def hang_up(self) -> None:
        """Send no more, as a broker does that ends."""
        # The client may have gone before.
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def until_gone(self) -> None:
        """Read until the client has closed its end."""
        with contextlib.suppress(ConnectionError):
            await self._reader.read()
        self._writer.close()

    async def _packet(self) -> bytes:
        """Return the next packet without its head."""
        await self._reader.readexactly(1)
        length = shift = 0
        while True:
            (digit,) = await self._reader.readexactly(1)
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return await self._reader.readexactly(length)


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def hand_broker() -> AsyncIterator[HandBroker]:
    """Yield a broker that listens on a free port of loopback."""
    newcomers: asyncio.Queue[_Streams] = asyncio.Queue()
    server = await asyncio.start_server(
        lambda reader, writer: newcomers.put_nowait((reader, writer)), "127.0.0.1", 0
    )
    async with server, asyncio.timeout(PATIENCE_SECONDS):
        yield HandBroker(server.sockets[0].getsockname()[1], newcomers)


async def complaints_of_a_stop(
    moment: Moment,
    broker: HandBroker,
    run: Awaitable[None],
    until_session: Callable[[], Awaitable[Any]] | None = None,
) -> list[str]:
    """Stop a link at ``moment``; return what the event loop then complains of.

    ``until_session`` waits for the link's session and returns its client.
    """
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
    await _stop(moment, broker, asyncio.ensure_future(run), until_session)
    # What nobody has looked at is told when it is collected.
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    return complaints


async def _stop(
    moment: Moment,
    broker: HandBroker,
    task: "asyncio.Future[None]",
    until_session: Callable[[], Awaitable[Any]] | None,
) -> None:
    if moment is Moment.CONNECTING:
        await asyncio.sleep(0)
        task.cancel()
    await broker.meet()
    if moment is Moment.UNANSWERED:
        task.cancel()
        await asyncio.wait([task])
    broker.welcome()
    if until_session is not None and moment is Moment.LOST:
        client = await until_session()
        client._disconnected.add_done_callback(lambda _: task.cancel())
    broker.hang_up()
    await broker.until_gone()
    await asyncio.wait([task])
    assert task.cancelled()
