import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient as Client
from aiohttp.test_utils import TestServer as Server

from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.result import Finding
from diemcau_contract.words import DeviceKind, PointState, Status, Verdict
from diemcau_server.capacity import DirectionCapacity, LineCapacity
from diemcau_server.metrics import Metrics
from diemcau_server.services import Health, Services
from diemcau_server.speech.language import speech
from diemcau_server.speech.wording import SEVERITY, STATES, verdict_words
from diemcau_server.state import Board
from diemcau_server.store import Store
from diemcau_server.web import make_app
from diemcau_server.web.app import SECURITY_HEADERS
from diemcau_server.web.routes import PAGES
from tests.server.district import district
from tests.server.reports import ended_test, full_test, line, report
from tests.server.rooms import Rooms, coordinator_of, measuring_of

HOSTILE = """<script>alert(1)</script> "'&{{ 123*457 }}"""
ROOMS = """\
schema: diemcau.server/1
timezone: Asia/Ho_Chi_Minh
default_profile: light
profiles:
  - id: light
    name: Nhẹ
    up: &plan {audio_bits_per_second: 64000, video_bits_per_second: 320000, frames_per_second: 30}
    down: *plan
hubs:
  - id: bu-dang
    name: Hội trường Huyện ủy
    points:
      - {id: ready, name: Xã Bom Bo}
      - {id: ready-too, name: Xã Bình Minh}
      - {id: degraded, name: Xã Đak Nhau}
      - {id: not-ready, name: Xã Đức Liễu}
      - {id: unknown, name: Xã Minh Hưng}
      - {id: testing, name: Xã Phú Sơn}
      - {id: silent, name: Xã Thọ Sơn}
      - {id: never-seen, name: Xã Đồng Nai}
      - {id: maintenance, name: Xã Đoàn Kết, maintenance_until: 2190-03-20 08:00:00}
      - {id: switched-off, name: Xã Nghĩa Bình, enabled: false}
  - id: dong-phu
    name: '__HOSTILE__'
    points:
      - {id: hostile, name: '__HOSTILE__'}
""".replace("__HOSTILE__", HOSTILE.replace("'", "''"))
WITH_STATE = {
    "ready": PointState.READY,
    "degraded": PointState.DEGRADED,
    "not-ready": PointState.NOT_READY,
    "unknown": PointState.UNKNOWN,
    "testing": PointState.TESTING,
    "silent": PointState.SILENT,
    "never-seen": PointState.NEVER_SEEN,
    "maintenance": PointState.MAINTENANCE,
}
ADDRESSES = ("/", "/?hub=bu-dang", "/?hub=nowhere", "/points/bu-dang/nobody", "/points/",
             *(f"/points/bu-dang/{one}" for one in WITH_STATE))  # fmt: skip
Pages = Client[Any, Any]


def filled(board: Board) -> None:
    """Bring each room into its state, as the messages of rooms and tests do."""
    now = datetime.now(UTC)
    here: dict[str, Any] = {"hub": "bu-dang", "taken_at": now}
    bad = DeviceResult(kind=DeviceKind.CAMERA, status=Status.BAD, causes=(Cause.COVERED,))
    warm = HostState(status=Status.WARN, causes=(Cause.DISK_LOW,))
    rooms: dict[str, dict[str, Any]] = {
        "ready": {},
        "ready-too": {},
        "degraded": {"host": warm},
        "not-ready": {"devices": [bad]},
        "unknown": {},
        "testing": {},
        "maintenance": {"devices": [bad]},
    }
    for point, changes in rooms.items():
        assert board.on_report(report(point=point, **here, **changes), now - timedelta(seconds=5))
    long_ago = now - timedelta(hours=2)
    assert board.on_report(
        report(point="silent", hub="bu-dang", taken_at=long_ago, devices=[bad]), long_ago
    )
    measured = full_test().model_copy(update={"started_at": now - timedelta(minutes=3)})
    whole = measured.points[0]
    for point in ("ready", "ready-too"):
        of_point = whole.model_copy(update={"point": point, "verdict": Verdict.READY})
        board.test_ended("bu-dang", [], measured.model_copy(update={"points": (of_point,)}))
    for point, verdict in (("not-ready", Verdict.NOT_READY), ("degraded", Verdict.DEGRADED)):
        result = ended_test(verdict, Cause.OWN_LINE_UP, point)
        board.test_ended("bu-dang", [], result.model_copy(update={"started_at": now}))
    capacity = LineCapacity(
        now - timedelta(days=2),
        DirectionCapacity(20.3e6, "line"),
        DirectionCapacity(250e6, "cap"),
    )
    board.capacity_measured("bu-dang", "ready", capacity)
    board.test_began("bu-dang", ["testing"])


@pytest.fixture
def services(tmp_path: Path, store: Store) -> Services:
    """Give a server's parts with a room in every state."""
    config = district(tmp_path, ROOMS)
    board = Board.of(config)
    filled(board)
    health = Health(ok=True, broker_connected=True, store_ok=True, measuring_ok=True, sentences=())
    return Services(
        config=config,
        board=board,
        store=store,
        coordinator=coordinator_of(config, Rooms(), measuring_of(config), store),
        metrics=Metrics(board),
        token="t",  # noqa: S106  # of this test
        health=lambda: health,
    )


@pytest.fixture
async def pages(services: Services) -> AsyncIterator[Pages]:
    """Give a client of a server on a free port."""
    async with Client(Server(make_app(services))) as client:
        yield client


async def text(pages: Pages, address: str, status: int = 200) -> str:
    """Return a page, which has ``status``."""
    response = await pages.get(address)
    body = await response.text()
    assert (response.status, response.content_type) == (status, "text/html"), body
    return body


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the words between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Take words."""
        self.words += [data.strip()] if data.strip() else []

    def links(self) -> Iterator[str]:
        """Yield what the page leads to or loads."""
        for _, attributes in self.found:
            yield from (one for name in ("href", "src") if (one := attributes.get(name)))


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize(("point", "state"), WITH_STATE.items())
async def test_every_state_is_said_in_words(
    pages: Pages, point: str, state: PointState, language: str
) -> None:
    """On the board and in the room: the same state, by colour and by word, as the API says it."""
    say = speech("en" if language == "en" else "vi")
    words = verdict_words(state, say)
    listed = (await (await pages.get("/api/v1/points?hub=bu-dang")).json())["points"]
    (api,) = [one for one in listed if one["point"] == point]
    board = await text(pages, f"/?lang={language}")
    room = await text(pages, f"/points/bu-dang/{point}?lang={language}")

    assert set(STATES) == {one.value for one in WITH_STATE.values()}
    assert api["state"] == state
    (row,) = [one for one in board.split("<tr") if f"/points/bu-dang/{point}?" in one
              or f'/points/bu-dang/{point}"' in one]  # fmt: skip
    assert f'<span class="badge">{words}</span>' in row
    assert row.startswith(f' class="{state}"')
    assert f'<div class="room {state}">' in room
    assert f'<p class="state">{words}</p>' in room
    if state not in {PointState.TESTING, PointState.MAINTENANCE}:
        assert api["action"][language] in room


async def test_what_needs_somebody_stands_first(pages: Pages) -> None:
    """By state, then by Vietnamese order; the headline counts what is ready of what is in use."""
    found = Elements(await text(pages, "/?hub=bu-dang"))
    rooms = [one.rsplit("/", 1)[1] for one in found.links() if one.startswith("/points/")]

    states = [SEVERITY.index(WITH_STATE.get(one, PointState.READY)) for one in rooms]
    assert states == sorted(states, reverse=True)
    assert rooms[-2:] == ["ready-too", "ready"]
    assert "switched-off" not in rooms
    assert "2/9 điểm cầu sẵn sàng" in found.words
    assert "2/9 points ready" in await text(pages, "/?hub=bu-dang&lang=en")
    assert "2/10 điểm cầu sẵn sàng" in await text(pages, "/")


async def test_a_room_says_what_to_touch_first(pages: Pages) -> None:
    """Devices with cause and action, figures of report and test, verdict and when."""
    bad = Elements(await text(pages, "/points/bu-dang/not-ready")).words
    pc = Elements(await text(pages, "/points/bu-dang/degraded")).words
    good = Elements(await text(pages, "/points/bu-dang/ready")).words
    silent = Elements(await text(pages, "/points/bu-dang/silent")).words

    assert {"Việc cần làm trước tiên", "camera bị che", "✗ lỗi"} <= set(bad)
    assert "Bỏ vật che trước ống kính camera, lau ống kính." in bad
    assert {"máy tính", "! cảnh báo", "ổ đĩa gần đầy"} <= set(pc)
    assert {"4,0 ms", "1,0 %", "20,3 Mbit/s", "≥ 250,0 Mbit/s"} <= set(good)
    assert any(re.fullmatch(r"\d+ giây trước", one) for one in good)
    assert any(one.endswith("(2 ngày trước)") for one in good)
    assert any(re.match(r"✓ sẵn sàng.*, \d\d:\d\d:\d\d \d\d/\d\d/\d{4} \(2 phút", one)
               for one in good)  # fmt: skip
    assert {"2 giờ trước", "chưa đo trong 12 giờ qua"} <= set(silent)
    assert "camera bị che" not in silent


async def test_times_are_those_of_the_district(pages: Pages) -> None:
    """A file's 8 o'clock is 8 o'clock on the page, wherever the server's clock stands."""
    assert "Đang bảo trì đến 08:00:00 20/03/2190." in await text(
        pages, "/points/bu-dang/maintenance"
    )


@pytest.mark.parametrize("address", ["/", "/?hub=dong-phu", "/points/dong-phu/hostile"])
async def test_a_name_is_no_markup(pages: Pages, address: str) -> None:
    """A name that looks like an element or a template's expression is shown as it is written."""
    page = await text(pages, address)

    assert HOSTILE in Elements(page).words or f"← {HOSTILE}" in Elements(page).words
    assert page.count("<script") == page.count('<script src="/static/renew.js" defer>') == 1
    assert str(123 * 457) not in page


@pytest.mark.parametrize(
    ("method", "address", "status", "vi", "en"),
    [
        ("GET", "/?hub=nowhere", 400, "Không có hội trường 'nowhere'.", "no hub 'nowhere'."),
        ("GET", "/points/bu-dang/x", 404, "Không có điểm cầu 'bu-dang/x'.", "no point"),
        ("GET", "/points/bu-dang/switched-off", 404, "Không có điểm cầu", "no point"),
        ("GET", "/points//", 404, "Không có địa chỉ này.", "no such address"),
        ("GET", "/points/a/%3Cscript%3E", 404, "Không có điểm cầu", "no point"),
        ("POST", "/", 405, "Địa chỉ này không nhận lệnh đó.", "does not take that method"),
    ],
)
async def test_what_goes_wrong_with_a_page_is_a_page(
    pages: Pages, method: str, address: str, status: int, vi: str, en: str
) -> None:
    """In words, with a way back to the board in the same language."""
    mark = "&" if "?" in address else "?"
    for tail, words, back in (("", vi, "/"), (f"{mark}lang=en", en, "/?lang=en")):
        response = await pages.request(method, address + tail)
        body = await response.text()
        found = Elements(body)
        assert (response.status, response.content_type) == (status, "text/html")
        assert any(words in one for one in found.words)
        assert back in list(found.links())
        assert body.count("<script") == 1
        assert ("Allow" in response.headers) == (status == 405)


async def test_a_fault_of_a_page_is_a_page_and_that_of_the_api_is_not(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trace for the user in either; unknown addresses elsewhere answer programs."""

    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    elsewhere = await pages.get("/nowhere")
    monkeypatch.setattr(Board, "view", broken)
    page = await text(pages, "/", 500)
    api = await pages.get("/api/v1/points")

    assert "Máy chủ gặp lỗi" in page
    assert "RuntimeError" not in page
    assert [api.content_type, elsewhere.content_type] == ["application/json"] * 2


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_page_loads_nothing_from_elsewhere(pages: Pages, address: str) -> None:
    """One script and one stylesheet, none inside; a size for phones; it renews without a script."""
    response = await pages.get(address)
    found = Elements(await response.text())
    tags = {tag for tag, _ in found.found}
    attributes = {name for _, given in found.found for name in given}

    assert {name: response.headers[name] for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS)
    assert "X-Request-Id" in response.headers
    assert not tags & {"style", "img", "iframe", "form", "object"}
    scripts = [given for tag, given in found.found if tag == "script"]
    assert [one["src"] for one in scripts] == ["/static/renew.js"]
    assert not {one for one in attributes if one == "style" or one.startswith("on")}
    assert [one["href"] for tag, one in found.found if tag == "link"] == ["/static/diemcau.css"]
    assert all(re.match(r"[?/](?!/)", one) for one in found.links())
    heads = [given for tag, given in found.found if tag == "meta"]
    assert {"http-equiv": "refresh", "content": "15"} in heads
    assert any(one.get("name") == "viewport" for one in heads)


async def test_nobody_is_told_that_what_was_not_tried_is_good(
    services: Services, pages: Pages
) -> None:
    """A covered camera is there as well: no green, on the board and in the room."""
    now = datetime.now(UTC)
    camera = DeviceResult(kind=DeviceKind.CAMERA, status=Status.OK, values={"untried": True})
    new = report(2, point="unknown", hub="bu-dang", taken_at=now, devices=[camera])
    services.board.on_report(new, now)
    board = Elements(await text(pages, "/?hub=bu-dang")).words
    room = Elements(await text(pages, "/points/bu-dang/unknown")).words

    assert "? chưa thử" in board
    assert {"? chưa rõ", "chưa thử"} <= set(room)
    assert "Người làm: Kỹ thuật viên huyện" in room


async def test_a_room_is_told_who_acts_and_what_was_in_the_way(
    services: Services, pages: Pages
) -> None:
    """A hub that was too busy is named, is no task of the room, and is the same in the API."""
    guard = Finding(rule="test.hub.cpu", status=Status.UNKNOWN, value=1.0, limit=0.95, unit="ratio")
    ended = ended_test(Verdict.UNKNOWN, Cause.UNKNOWN, "not-ready")
    point = ended.points[0].model_copy(update={"findings": (guard,)})
    changes = {"started_at": datetime.now(UTC), "points": (point,)}
    services.board.test_ended("bu-dang", [], ended.model_copy(update=changes))
    now = datetime.now(UTC)
    services.board.on_report(report(2, point="not-ready", hub="bu-dang", taken_at=now), now)
    room = Elements(await text(pages, "/points/bu-dang/not-ready")).words
    rows = (await (await pages.get("/api/v1/points")).json())["points"]

    assert {"máy chủ quá bận", "Người làm: Kỹ thuật viên huyện"} <= set(room)
    assert {row["point"]: row["cause_name"] for row in rows}["not-ready"] == {
        "vi": "máy chủ quá bận", "en": "server too busy",
    }  # fmt: skip


async def test_the_stylesheet_comes_from_the_server(pages: Pages) -> None:
    """It names no other address, and has a colour for every state and status."""
    response = await pages.get("/static/diemcau.css")
    style = await response.text()
    again = await pages.get(
        "/static/diemcau.css", headers={"If-None-Match": response.headers["ETag"]}
    )

    assert (response.status, response.content_type) == (200, "text/css")
    assert (again.status, response.headers["Cache-Control"]) == (304, "no-cache")
    assert not re.search(r"url\(|@import|//", style)
    assert {*PointState, *Status} <= set(re.findall(r"\.([a-z_]+)(?=[ ,{])", style))


@pytest.mark.parametrize("address", ADDRESSES)
async def test_both_languages_are_whole(pages: Pages, address: str) -> None:
    """No Vietnamese on an English page but names; no English sentence on a Vietnamese one."""
    mark = "&" if "?" in address else "?"
    vi = Elements(await (await pages.get(address)).text())
    en = Elements(await (await pages.get(f"{address}{mark}lang=en")).text())
    names = {"Tiếng Việt", "English", "RTT", "camera", "micro"}
    said = {one for one in en.words if not re.match(r"(← |x)?(Xã|Hội trường)|<script>|← <", one)}

    assert vi.found[0] == ("html", {"lang": "vi"})
    assert en.found[0] == ("html", {"lang": "en"})
    vietnamese = re.compile("[ăâđêôơưàáạảãèéẹẻẽìíịỉĩòóọỏõùúụủũỳýỵỷỹếềệểễốồộổỗớờợởỡứừựửữấầậẩẫắằặẳẵ]")
    assert {one for one in said - names if vietnamese.search(one.lower())} == set()
    english = {one for one in said - names if re.search(r"[a-z]{3}", one) and "/s" not in one}
    assert english & set(vi.words) == set()
    assert all("lang=en" in one for one in en.links() if one.startswith("/points"))


async def test_pages_take_get_and_head_without_a_token(pages: Pages) -> None:
    """They change nothing, and hold no secret."""
    assert {route.method for route in PAGES} == {"GET"}
    for address in ("/", "/points/bu-dang/ready"):
        assert (await pages.head(address)).status == 200
        assert (await pages.post(address)).status == 405


async def test_a_device_that_gives_no_cause_is_not_passed_over(
    pages: Pages, services: Services
) -> None:
    """Board and room say that the cause is not known; only what is well says nothing."""
    now = datetime.now(UTC)
    bad = DeviceResult(kind=DeviceKind.CAMERA, status=Status.BAD)
    in_use = DeviceResult(kind=DeviceKind.MICROPHONE, status=Status.IN_USE, causes=(Cause.BUSY,))
    services.board.on_report(
        report(2, point="ready", hub="bu-dang", taken_at=now, devices=[bad, in_use]), now
    )
    room = Elements(await text(pages, "/points/bu-dang/ready?lang=en")).words

    assert "✗ camera: cause unknown" in Elements(await text(pages, "/?lang=en")).words
    assert "cause unknown" in room
    assert room[room.index("microphone") + 1] == "• in use"
    assert sum(one.startswith("Test again") for one in room) == 2


async def test_who_has_a_device_and_what_is_used_in_its_place_is_named(
    pages: Pages, services: Services
) -> None:
    """In use is no fault: grey, with the program; another device in use is a warning by name."""
    now = datetime.now(UTC)
    camera = DeviceResult(
        kind=DeviceKind.CAMERA, status=Status.IN_USE, causes=(Cause.BUSY,),
        values={"held_by": "<zoom>"},
    )  # fmt: skip
    speaker = DeviceResult(
        kind=DeviceKind.SPEAKER, status=Status.WARN, causes=(Cause.WRONG_DEVICE,),
        values={"used": "TV"},
    )  # fmt: skip

    async def board_and_room(*devices: DeviceResult) -> tuple[list[str], list[str]]:
        services.board.on_report(
            report(1 + len(devices), point="ready", hub="bu-dang", taken_at=now, devices=devices),
            now,
        )
        found = [await text(pages, f"{one}?lang=en") for one in ("/", "/points/bu-dang/ready")]
        assert "<zoom>" not in "".join(found)
        return Elements(found[0]).words, Elements(found[1]).words

    board, room = await board_and_room(camera)
    assert "• in use (<zoom>)" in board
    assert room[room.index("camera") + 1] == "• in use"
    assert room[room.index("camera") + 2].endswith("(<zoom>)")
    board, room = await board_and_room(camera, speaker)
    assert "! speaker: another device is used (TV)" in board
    assert "another device is used (TV)" in room
    style = await (await pages.get("/static/diemcau.css")).text()
    colours = dict(re.findall(r"^([^{]*) \{ --state: (#\w+); \}", style, re.MULTILINE))
    (grey,) = [one for names, one in colours.items() if ".in_use" in names]
    assert (grey, colours[".testing"]) == ("#57606a", "#0b6e75")


async def test_a_room_that_has_left_what_was_accepted_is_told_by_both_numbers(
    pages: Pages, services: Services
) -> None:
    """On the board, and beside the device in its room."""
    now = datetime.now(UTC)
    moved = DeviceResult(
        kind=DeviceKind.CAMERA, status=Status.WARN, causes=(Cause.CHANGED,),
        values={"luma": 40.5, "accepted_luma": 120.0},
    )  # fmt: skip
    services.board.on_report(
        report(2, point="maintenance", hub="bu-dang", taken_at=now, devices=[moved]), now
    )
    services.board.on_report(
        report(2, point="ready", hub="bu-dang", taken_at=now, devices=[moved]), now
    )

    room = await text(pages, "/points/bu-dang/maintenance")
    assert "40,5, trước 120,0" in room
    room = await text(pages, "/points/bu-dang/ready?lang=en")
    assert room.count("40.5, before 120.0") == 2


async def test_a_room_is_told_in_the_order_of_the_handbook(pages: Pages) -> None:
    """The link first, then picture and sound."""
    room = Elements(await text(pages, "/points/bu-dang/degraded?lang=en")).words

    assert room.index("Line") < room.index("Devices and PC")


async def test_a_line_that_answers_nothing_has_no_figures(pages: Pages, services: Services) -> None:
    """What was not measured is a dash, not a nought."""
    now = datetime.now(UTC)
    nothing = line(packets_received=0, loss_ratio_up=None, loss_ratio_down=None, rtt_seconds=None)
    services.board.on_report(
        report(2, point="ready", hub="bu-dang", taken_at=now, stamp=nothing), now
    )

    assert Elements(await text(pages, "/points/bu-dang/ready")).words.count("–") >= 3


async def test_a_browser_takes_the_pages_as_they_are(services: Services, tmp_path: Path) -> None:
    """Chromium loads style and script, and has nothing to say against the policy.

    After the first answer the server fails: the page stays, and says that it is old. Twenty seconds
    are the browser's own time, which stands while it waits.
    """
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    asked: list[str] = []

    @web.middleware
    async def noting(request: web.Request, handler: Any) -> Any:
        asked.append(request.path)
        if asked.count("/") > 1:
            raise web.HTTPServiceUnavailable
        return await handler(request)

    app = make_app(services)
    app.middlewares.append(noting)
    async with Server(app) as server:
        process = await asyncio.create_subprocess_exec(
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom",
            "--virtual-time-budget=20000",
            str(server.make_url("/")), env={"HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(process.communicate(), 60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    assert asked.count("/") == 2
    assert "Hội trường Huyện ủy" in out.decode()
    assert '<p class="lost" role="alert">' in out.decode()
    assert {"/static/diemcau.css", "/static/renew.js"} <= set(asked)
    assert "CONSOLE" not in err.decode(), err.decode()
