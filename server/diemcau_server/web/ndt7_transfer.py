"""One transfer of ndt7, spec v0.11: load one way for ten seconds, measurements beside it."""

import asyncio
import json
import os
import random
import secrets
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from diemcau_contract.messages import utc_text
from diemcau_server.tcp_info import tcp_info

PROTOCOL = "net.measurementlab.ndt.v7"
FIRST_MESSAGE_BYTES = 1 << 13
LARGEST_SENT_BYTES = 1 << 20
LARGEST_TAKEN_BYTES = 1 << 24
_GROWTH = 16
"""A message is doubled once it is at most this part of what was sent."""
_MEAN_SECONDS, _LEAST_SECONDS, _MOST_SECONDS = 0.25, 0.025, 0.625
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)

Socket = web.WebSocketResponse


class Direction(StrEnum):
    """Which way the load flows, from the client's side."""

    DOWNLOAD = "download"
    UPLOAD = "upload"


class End(StrEnum):
    """How a transfer ended."""

    FINISHED = "finished"
    LEFT = "left"
    """The client ended it, which ndt7 does not count as a failure."""
    CUT = "cut"
    """A test of the line began, or the server stopped."""
    TOO_LONG = "too_long"
    WRONG_MESSAGE = "wrong_message"


def between_measurements() -> float:
    """Return seconds until the next measurement: memoryless, within the spec's bounds."""
    wait = random.expovariate(1 / _MEAN_SECONDS)
    return min(max(wait, _LEAST_SECONDS), _MOST_SECONDS)


def next_size(size: int, bytes_sent: int) -> int:
    """Return the size of the message after one of ``size`` that brought the sum to this."""
    grows = size < LARGEST_SENT_BYTES and size <= bytes_sent / _GROWTH
    return 2 * size if grows else size


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a transfer takes; the defaults are the spec's, tests have shorter ones."""

    duration_seconds: float = 10.0
    cap_seconds: float = 13.0
    """The connection is cut then, also in the middle of its closing."""
    early_exit_bytes: int = 250_000_000
    interval: Callable[[], float] = between_measurements


class Transfer:
    """A transfer; afterwards its bytes, its seconds and its end."""

    def __init__(
        self, request: web.Request, direction: Direction, pace: Pace, *, early_exit: bool
    ) -> None:
        self.direction = direction
        self.num_bytes = 0
        self.seconds = 0.0
        self.end = End.LEFT
        self._request = request
        self._pace = pace
        self._most_bytes = pace.early_exit_bytes if early_exit else None
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._connection = self._connection_info()

    async def run(self) -> Socket:
        """Shake hands and transfer; an abrupt end of the client is none of our failures.

        Raises:
            HTTPBadRequest: the request is no WebSocket handshake.
        """
        link = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            compress=False,
            max_msg_size=LARGEST_TAKEN_BYTES + 1,  # aiohttp refuses what reaches its limit
            timeout=self._pace.cap_seconds,  # of closing alone; the cap on the whole comes first
        )
        with suppress(ConnectionError):
            self._prefer_bbr()
            await link.prepare(self._request)
            self._began = self._clock()
            await self._within_cap(link)
        return link

    def cut(self, end: End = End.CUT) -> None:
        """End the transfer now: what the kernel still holds of it is not sent any more."""
        self.end = end
        transport = self._request.transport
        if transport is not None:
            with suppress(OSError):
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
                )
            transport.abort()

    async def _within_cap(self, link: Socket) -> None:
        reader = asyncio.create_task(self._read(link), name=f"ndt7 {self.direction}")
        try:
            async with asyncio.timeout(self._pace.cap_seconds):
                with suppress(ConnectionError):
                    await self._carry_out(link, reader)
                await asyncio.wait([reader])
        except TimeoutError:
            self.cut(End.TOO_LONG)
        finally:
            await _end(reader)

    async def _carry_out(self, link: Socket, reader: asyncio.Task[None]) -> None:
        try:
            await (self._send if self.direction is Direction.DOWNLOAD else self._tell)(link, reader)
        finally:
            self.seconds = self._elapsed()
        if reader.done() or self.end is not End.LEFT:
            return
        self.end = End.FINISHED
        await _end(reader)  # close() reads on by itself: a reset would overtake the close frame
        await link.send_str(self._measurement())
        await link.close()

    async def _send(self, link: Socket, reader: asyncio.Task[None]) -> None:
        """Send load until the time is up or the client has left."""
        size, due = FIRST_MESSAGE_BYTES, self._pace.interval()
        most = self._most_bytes
        while not reader.done() and self._elapsed() < self._pace.duration_seconds:
            await link.send_bytes(_noise(size))
            self.num_bytes += size
            size = next_size(size, self.num_bytes)
            if most is not None and self.num_bytes >= most:
                return
            if self._elapsed() >= due:
                await link.send_str(self._measurement())
                due = self._elapsed() + self._pace.interval()
            await asyncio.sleep(0)  # a kernel that takes everything at once would starve the rest

    async def _tell(self, link: Socket, reader: asyncio.Task[None]) -> None:
        """Tell the client what has arrived until the time is up or it has left."""
        while (left := self._pace.duration_seconds - self._elapsed()) > 0:
            await asyncio.wait([reader], timeout=min(self._pace.interval(), left))
            if reader.done():
                return
            await link.send_str(self._measurement())

    async def _read(self, link: Socket) -> None:
        """Count the load of an upload; end a client that sends what it may not."""
        with suppress(ConnectionError):
            async for message in link:
                if message.type is WSMsgType.TEXT:
                    continue  # the client's own measurements: nothing here depends on them
                if message.type is WSMsgType.BINARY and self.direction is Direction.UPLOAD:
                    self.num_bytes += len(message.data)
                    continue
                if message.type is WSMsgType.BINARY or isinstance(message.data, WebSocketError):
                    self.end = End.WRONG_MESSAGE
                await link.close(code=WSCloseCode.PROTOCOL_ERROR, message=b"no load in a download")

    def _elapsed(self) -> float:
        return self._clock() - self._began

    def _measurement(self) -> str:
        elapsed_us = int(self._elapsed() * 1e6)
        told: dict[str, Any] = {
            "AppInfo": {"ElapsedTime": elapsed_us, "NumBytes": self.num_bytes},
            "ConnectionInfo": self._connection,
            "Origin": "server",
            "Test": str(self.direction),
        }
        transport = self._request.transport
        figures = tcp_info(transport.get_extra_info("socket")) if transport else None
        if figures is not None:
            told["TCPInfo"] = figures | {"ElapsedTime": elapsed_us}
        return json.dumps(told)

    def _connection_info(self) -> dict[str, str]:
        transport = self._request.transport
        return {
            "Client": _address(transport, "peername"),
            "Server": _address(transport, "sockname"),
            "UUID": secrets.token_hex(16),
            "StartTime": utc_text(datetime.now(UTC)),
        }

    def _prefer_bbr(self) -> None:
        """Take the congestion control that the spec recommends where the kernel offers it."""
        option = getattr(socket, "TCP_CONGESTION", None)
        transport = self._request.transport
        if option is None or transport is None:
            return
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, b"bbr")


def _address(transport: asyncio.BaseTransport | None, end: str) -> str:
    known = transport.get_extra_info(end) if transport else None
    if not known:
        return ""
    host, port = known[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@cache
def _noise(size: int) -> bytes:
    """Return load that no link on the way can compress."""
    return os.urandom(size)
