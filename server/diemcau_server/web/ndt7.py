"""ndt7 as a second opinion: who may transfer and when (docs/decisions/0020)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from prometheus_client import Counter

from diemcau_contract.causes import Text
from diemcau_server.web.errors import ProblemError, invalid
from diemcau_server.web.ndt7_transfer import PROTOCOL, Direction, End, Pace, Transfer
from diemcau_server.web.routing import SERVICES

MOST_AT_ONCE = 1
"""Two transfers at once would each measure the other."""
MOST_QUERY_BYTES = 4096
_EARLY_EXIT = "250"

_LOG = logging.getLogger(__name__)


class Transfers:
    """The transfers that run. Each of them fills the hub's line: a test of the line ends them."""

    def __init__(self, pace: Pace, ended: Counter) -> None:
        self.pace = pace
        self.ended = ended
        for direction, end in product(Direction, End):
            ended.labels(direction, end)
        self._running: set[Transfer] = set()

    @contextmanager
    def place(self, transfer: Transfer) -> Iterator[None]:
        """Hold a place for ``transfer``.

        Raises:
            ProblemError: all places are taken.
        """
        if len(self._running) >= MOST_AT_ONCE:
            raise _busy(self.pace.cap_seconds)
        self._running.add(transfer)
        try:
            yield
        finally:
            self._running.discard(transfer)

    def cut(self) -> None:
        """End every transfer now."""
        for transfer in self._running:
            transfer.cut()


TRANSFERS: web.AppKey[Transfers] = web.AppKey("transfers", Transfers)


async def ndt7_download(request: web.Request) -> web.WebSocketResponse:
    """Send load to an ndt7 client."""
    return await _serve(request, Direction.DOWNLOAD)


async def ndt7_upload(request: web.Request) -> web.WebSocketResponse:
    """Take load from an ndt7 client, count it and tell the client the count."""
    return await _serve(request, Direction.UPLOAD)


async def _serve(request: web.Request, direction: Direction) -> web.WebSocketResponse:
    services = request.app[SERVICES]
    if not services.config.http.ndt7:
        raise _off()
    _check_origin(request)
    early_exit = _early_exit(request)
    _check_protocol(request)
    services.coordinator.require_idle()
    transfers = request.app[TRANSFERS]
    transfer = Transfer(request, direction, transfers.pace, early_exit=early_exit)
    with transfers.place(transfer):
        try:
            return await transfer.run()
        finally:
            if transfer.seconds:  # the handshake was done
                transfers.ended.labels(direction, transfer.end).inc()
                _log(transfer, request.remote)


def _log(transfer: Transfer, client: str | None) -> None:
    rate = 8e-6 * transfer.num_bytes / transfer.seconds
    _LOG.info(
        "ndt7 %s of %s: %.1f Mbit/s (%d bytes in %.1f s), %s",
        transfer.direction, client, rate, transfer.num_bytes, transfer.seconds, transfer.end,
    )  # fmt: skip


def _check_origin(request: web.Request) -> None:
    """Let a browser in from this host's pages only: any site could load the line otherwise."""
    origin = request.headers.get(hdrs.ORIGIN)
    own = _host(f"//{request.host}")
    if origin is not None and (own is None or _host(origin) != own):
        raise ProblemError(
            403,
            "foreign_page",
            Text(
                "Trang của máy khác không được đo ndt7; mở trang đo từ chính máy chủ này.",
                "Pages of other hosts may not use ndt7; open the page from this server's host.",
            ),
        )


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _early_exit(request: web.Request) -> bool:
    """Tell whether the client wants to stop early; refuse a query that ndt7 does not allow."""
    if len(request.rel_url.raw_query_string) > MOST_QUERY_BYTES:
        raise invalid(
            f"Phần sau dấu ? của địa chỉ dài quá {MOST_QUERY_BYTES} byte.",
            f"The query of the address is longer than {MOST_QUERY_BYTES} bytes.",
        )
    given = request.query.getall("early_exit", [])
    if any(value != _EARLY_EXIT for value in given):
        raise invalid(
            f"early_exit chỉ nhận giá trị {_EARLY_EXIT}.", f"early_exit must be {_EARLY_EXIT}."
        )
    return bool(given)


def _check_protocol(request: web.Request) -> None:
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    if PROTOCOL not in (name.strip() for name in offered.split(",")):
        raise invalid(
            f"Địa chỉ này chỉ dành cho ndt7: cần WebSocket với Sec-WebSocket-Protocol: {PROTOCOL}.",
            "This address is for ndt7 alone: it takes a WebSocket with "
            f"Sec-WebSocket-Protocol: {PROTOCOL}.",
        )


def _off() -> ProblemError:
    return ProblemError(
        404,
        "ndt7_off",
        Text(
            "ndt7 đang tắt; muốn dùng thì đặt http.ndt7: true trong tệp của máy chủ.",
            "ndt7 is off; to use it, set http.ndt7: true in the server's file.",
        ),
    )


def _busy(seconds: float) -> ProblemError:
    return ProblemError(
        409,
        "ndt7_running",
        Text(
            f"Đang có một lượt đo ndt7 khác; chờ tối đa {seconds:g} giây rồi đo lại.",
            f"Another ndt7 test is running; wait {seconds:g} seconds at most, then try again.",
        ),
    )
