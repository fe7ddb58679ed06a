"""ndt7, with aiohttp's client against a real server: messages, counts, refusals, the cut."""

import asyncio
import dataclasses
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from aiohttp.test_utils import TestClient as Client
from aiohttp.test_utils import TestServer as Server
from sqlalchemy import URL

from diemcau_server.config import HttpConfig
from diemcau_server.coordinator import UnavailableError, Wanted
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.metrics import Metrics
from diemcau_server.services import Health, Services
from diemcau_server.state import Board
from diemcau_server.store import Store
from diemcau_server.web import make_app
from diemcau_server.web.ndt7 import MOST_QUERY_BYTES
from diemcau_server.web.ndt7_transfer import (
    FIRST_MESSAGE_BYTES,
    LARGEST_SENT_BYTES,
    LARGEST_TAKEN_BYTES,
    PROTOCOL,
    Pace,
    between_measurements,
    next_size,
)
from tests.server.district import NOW, district
from tests.server.rooms import Rooms, coordinator_of, measuring_of

DOWNLOAD = "/ndt/v7/download"
UPLOAD = "/ndt/v7/upload"
TOKEN = "a-secret"  # noqa: S105  # of this test
pytestmark = pytest.mark.timeout(15)
SHORT = Pace(duration_seconds=0.5, cap_seconds=20, interval=lambda: 0.05)
ENDLESS = Pace(duration_seconds=3600, cap_seconds=3700, interval=lambda: 0.05)
Api = Client[Any, Any]
Start = Callable[..., Any]
MEASURED_ON_LINUX = {
    "BusyTime", "BytesAcked", "BytesReceived", "BytesRetrans", "BytesSent", "ElapsedTime",
    "MinRTT", "RTT", "RTTVar", "RWndLimited", "SndBufLimited",
}  # fmt: skip


@pytest.fixture
async def measuring(tmp_path: Path) -> AsyncIterator[MeasuringEnd]:
    """Give a measuring end, which a test starts if it needs it."""
    end = measuring_of(district(tmp_path))
    yield end
    await end.stop()


@pytest.fixture
async def services(tmp_path: Path, measuring: MeasuringEnd) -> AsyncIterator[Services]:
    """Give the parts of a server whose file allows ndt7."""
    config = dataclasses.replace(district(tmp_path), http=HttpConfig(ndt7=True))
    store = await Store.open(URL.create("sqlite+aiosqlite", database=str(tmp_path / "d.sqlite")))
    board = Board.of(config)
    health = Health(ok=True, broker_connected=True, store_ok=True, measuring_ok=True, sentences=())
    coordinator = coordinator_of(config, Rooms(), measuring, store, clock=lambda: NOW)
    yield Services(
        config, board, store, coordinator, Metrics(board), token=TOKEN, health=lambda: health
    )  # of this test
    await coordinator.stop()
    await store.close()


@pytest.fixture
async def serve(services: Services) -> AsyncIterator[Start]:
    """Give a function that starts a server and returns a client of it."""
    clients: list[Api] = []

    async def start(pace: Pace = SHORT, **changes: Any) -> Api:
        app = make_app(dataclasses.replace(services, **changes), pace)
        clients.append(Client(Server(app)))
        await clients[-1].start_server()
        return clients[-1]

    yield start
    for client in clients:
        await client.close()


async def connect(api: Api, path: str) -> ClientWebSocketResponse:
    """Shake hands as an ndt7 client."""
    return await api.ws_connect(path, protocols=(PROTOCOL,), max_msg_size=2 * LARGEST_TAKEN_BYTES)


async def drained(link: ClientWebSocketResponse) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the sizes of all binary messages and all measurements, until the link ends."""
    sizes: list[int] = []
    told: list[dict[str, Any]] = []
    async for message in link:
        if message.type is WSMsgType.BINARY:
            sizes.append(len(message.data))
        elif message.type is WSMsgType.TEXT:
            told.append(json.loads(message.data))
    return sizes, told


async def ends(api: Api, direction: str) -> list[str]:
    """Wait until a transfer of ``direction`` has ended and return how it and others did."""
    while True:
        text = (await (await api.get("/metrics")).text()).splitlines()
        row = f'diemcau_ndt7_transfers_total{{direction="{direction}",end="'
        rows = [line.removeprefix(row) for line in text if line.startswith(row)]
        found = [line.split('"')[0] for line in rows if not line.endswith(" 0.0")]
        if found:
            return found
        await asyncio.sleep(0.01)


async def refusal(api: Api, path: str, **headers: str) -> tuple[int, str]:
    """Return status and code of a handshake that is refused in both languages."""
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": PROTOCOL,
    }
    response = await api.get(path, headers=handshake | headers)
    body = (await response.json())["error"]
    assert all(body["message"][language] for language in ("vi", "en"))
    return response.status, body["code"]


def test_messages_grow_as_the_specification_says() -> None:
    """From 2^13 octets, doubled at a sixteenth of what was sent and not before, up to 2^20."""
    first = FIRST_MESSAGE_BYTES

    assert first == 8192
    assert next_size(first, 16 * first - 1) == first
    assert next_size(first, 16 * first) == 2 * first
    assert next_size(LARGEST_SENT_BYTES // 2, 1 << 40) == LARGEST_SENT_BYTES == 1 << 20
    assert next_size(LARGEST_SENT_BYTES, 1 << 40) == LARGEST_SENT_BYTES


def test_measurements_come_at_random_times_within_bounds() -> None:
    """Between 25 and 625 ms, both of which occur; about every 250 ms."""
    waits = [between_measurements() for _ in range(5000)]

    assert (min(waits), max(waits)) == (0.025, 0.625)
    assert sum(waits) / len(waits) == pytest.approx(0.23, abs=0.02)


async def test_a_download_sends_growing_messages_and_counts_them(serve: Start) -> None:
    """Each size follows from what was sent before; each measurement names what was sent so far."""
    api = await serve(dataclasses.replace(SHORT, interval=lambda: 0.0))
    link = await connect(api, DOWNLOAD)
    sizes, told = await drained(link)

    assert (link.protocol, link.compress, link.close_code) == (PROTOCOL, 0, 1000)
    expected = FIRST_MESSAGE_BYTES
    for size, total in zip(sizes, itertools.accumulate(sizes), strict=True):
        assert size == expected
        expected = next_size(size, total)
    sums = list(itertools.accumulate(sizes))
    assert [one["AppInfo"]["NumBytes"] for one in told] == [*sums, sums[-1]]
    assert await ends(api, "download") == ["finished"]


async def test_a_measurement_holds_what_the_specification_names(serve: Start) -> None:
    """AppInfo, ConnectionInfo, Origin, Test; TCPInfo on Linux, consistent with the load."""
    api = await serve()
    _, told = await drained(await connect(api, DOWNLOAD))
    last = told[-1]

    assert set(last) - {"TCPInfo"} == {"AppInfo", "ConnectionInfo", "Origin", "Test"}
    assert (last["Origin"], last["Test"]) == ("server", "download")
    assert set(last["ConnectionInfo"]) == {"Client", "Server", "UUID", "StartTime"}
    assert last["ConnectionInfo"]["Server"] == f"127.0.0.1:{api.port}"
    assert last["AppInfo"]["ElapsedTime"] >= 500_000
    assert len({one["ConnectionInfo"]["UUID"] for one in told}) == 1
    if sys.platform == "linux":
        figures = last["TCPInfo"]
        assert set(figures) == MEASURED_ON_LINUX
        assert 0 <= figures["MinRTT"] <= figures["RTT"] < 10_000_000
        assert 0 < figures["BytesAcked"] <= figures["BytesSent"] + 1  # the SYN is acknowledged too


async def test_an_upload_is_counted_by_the_receiver(serve: Start) -> None:
    """The server's measurements reach exactly the octets that the client has sent."""
    api = await serve(ENDLESS)
    link = await connect(api, UPLOAD)
    sizes = [8192, 1, 1 << 20, LARGEST_TAKEN_BYTES]
    for size in sizes:
        await link.send_bytes(bytes(size))
        await link.send_str('{"Origin": "client"}')
    counts: list[int] = []
    while not counts or counts[-1] < sum(sizes):
        counts.append(json.loads(await link.receive_str())["AppInfo"]["NumBytes"])
    await link.close()

    assert counts == sorted(counts)
    assert counts[-1] == sum(sizes)
    assert await ends(api, "upload") == ["left"]


async def test_the_server_ends_an_upload_when_its_time_is_up(serve: Start) -> None:
    """A client that never ends gets a last measurement and the close."""
    api = await serve()
    link = await connect(api, UPLOAD)
    await link.send_bytes(bytes(5000))
    sizes, told = await drained(link)

    assert (sizes, link.close_code) == ([], 1000)
    assert told[-1]["AppInfo"]["NumBytes"] == 5000
    assert await ends(api, "upload") == ["finished"]


async def test_early_exit_ends_a_download_at_its_octets(serve: Start) -> None:
    """early_exit=250 stops after so many octets and not before; without it time decides."""
    api = await serve(dataclasses.replace(ENDLESS, early_exit_bytes=3_000_000))
    sizes, _ = await drained(await connect(api, f"{DOWNLOAD}?early_exit=250"))

    assert sum(sizes) >= 3_000_000 > sum(sizes[:-1])


async def test_load_in_a_download_is_a_protocol_error(serve: Start) -> None:
    """A client that sends a binary message in a download is closed with 1002."""
    api = await serve(ENDLESS)
    link = await connect(api, DOWNLOAD)
    await link.send_bytes(b"wrong way")
    await drained(link)

    assert link.close_code == 1002
    assert await ends(api, "download") == ["wrong_message"]


async def test_a_message_above_the_largest_ends_the_upload(serve: Start) -> None:
    """2^24 octets are taken (above), one more is not and is not counted."""
    api = await serve(ENDLESS)
    link = await connect(api, UPLOAD)
    with suppress(ConnectionError):  # the server may close before it has read all of it
        await link.send_bytes(bytes(LARGEST_TAKEN_BYTES + 1))
    _, told = await drained(link)

    assert {one["AppInfo"]["NumBytes"] for one in told} <= {0}
    assert await ends(api, "upload") == ["wrong_message"]


@pytest.mark.parametrize("path", [DOWNLOAD, UPLOAD])
async def test_a_client_that_breaks_off_is_no_failure(
    path: str, serve: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection without a close frame ends the transfer; one line of the log, no warning."""
    api = await serve(ENDLESS)
    link = await connect(api, path)
    await link.receive()
    connection = link._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()

    assert await ends(api, path.rsplit("/", 1)[1]) == ["left"]
    assert {record.levelname for record in caplog.records} <= {"DEBUG", "INFO"}


@pytest.mark.parametrize(
    ("path", "headers", "answer"),
    [
        (DOWNLOAD, {"Sec-WebSocket-Protocol": "chat"}, (400, "invalid")),
        (DOWNLOAD, {"Upgrade": "h2c"}, (400, "invalid")),
        (f"{DOWNLOAD}?early_exit=251", {}, (400, "invalid")),
        (f"{UPLOAD}?early_exit=", {}, (400, "invalid")),
        (f"{UPLOAD}?{'a' * (MOST_QUERY_BYTES + 1)}", {}, (400, "invalid")),
        (UPLOAD, {"Origin": "http://evil.example"}, (403, "foreign_page")),
        (UPLOAD, {"Origin": "null"}, (403, "foreign_page")),
        (UPLOAD, {"Origin": "http://[::1"}, (403, "foreign_page")),
    ],
)
async def test_what_is_no_ndt7_is_refused(
    path: str, headers: dict[str, str], answer: tuple[int, str], serve: Start
) -> None:
    """Another subprotocol, no WebSocket, a wrong query, a page of another host."""
    assert await refusal(await serve(), path, **headers) == answer


async def test_the_longest_query_and_a_page_of_this_host_are_taken(serve: Start) -> None:
    """4096 octets of metadata are allowed, and so is a page from another port of this host."""
    api = await serve(ENDLESS)
    link = await api.ws_connect(
        f"{UPLOAD}?{'a' * MOST_QUERY_BYTES}",
        protocols=("chat", PROTOCOL),
        origin="http://127.0.0.1:9",
    )

    assert link.protocol == PROTOCOL
    await link.close()


async def test_ndt7_is_off_unless_the_file_turns_it_on(serve: Start, tmp_path: Path) -> None:
    """Without the key nobody can load the line."""
    config = district(tmp_path)

    assert config.http.ndt7 is False
    assert await refusal(await serve(config=config), DOWNLOAD) == (404, "ndt7_off")


async def test_one_transfer_at_a_time(serve: Start) -> None:
    """A second one is refused while one runs and taken after it."""
    api = await serve(ENDLESS)
    link = await connect(api, UPLOAD)
    refused = await refusal(api, DOWNLOAD)
    await link.close()
    await ends(api, "upload")
    again = await connect(api, DOWNLOAD)

    assert refused == (409, "ndt7_running")
    assert (await again.receive()).type is WSMsgType.BINARY
    await again.close()


async def test_no_transfer_while_the_line_is_tested(
    serve: Start, services: Services, measuring: MeasuringEnd
) -> None:
    """The refusal names the test that runs; after its end a transfer is taken."""
    await measuring.start()
    api = await serve()
    run = await services.coordinator.start(Wanted(asked_by="An", points=("bom-bo",)))
    refused = await refusal(api, DOWNLOAD)
    await services.coordinator.cancel(run.order.test)
    sizes, _ = await drained(await connect(api, DOWNLOAD))

    assert refused == (409, "test_running")
    assert sizes


@pytest.mark.parametrize("path", [DOWNLOAD, UPLOAD])
async def test_a_test_of_the_line_cuts_a_transfer_before_anything_is_sent_for_it(
    path: str, serve: Start, services: Services
) -> None:
    """The transfer is ended by the start alone, here of a test whose measuring end is missing."""
    api = await serve(ENDLESS)
    link = await connect(api, path)
    await link.receive()
    with pytest.raises(UnavailableError):
        await services.coordinator.start(Wanted(asked_by="An", points=("bom-bo",)))
    await drained(link)

    assert link.close_code != 1000
    assert await ends(api, path.rsplit("/", 1)[1]) == ["cut"]


async def test_a_server_that_stops_cuts_its_transfers(serve: Start) -> None:
    """A stop does not wait for a transfer."""
    api = await serve(ENDLESS)
    link = await connect(api, DOWNLOAD)
    await link.receive()
    await api.server.close()

    await drained(link)

    assert link.closed
    assert link.close_code != 1000


async def test_a_client_that_does_not_take_the_close_is_cut(serve: Start) -> None:
    """Whoever reads nothing holds the line until the cap and no longer."""
    api = await serve(Pace(duration_seconds=0.1, cap_seconds=0.3))
    link = await connect(api, DOWNLOAD)
    other = await serve()

    assert await ends(other, "download") == ["too_long"]
    await link.close()
