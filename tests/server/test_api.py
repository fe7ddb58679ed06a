import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient as Client
from aiohttp.test_utils import TestServer as Server
from sqlalchemy import URL

from diemcau_contract.logs import REQUEST_ID
from diemcau_server.capacity import DirectionCapacity, LineCapacity
from diemcau_server.errors import StoreError
from diemcau_server.measuring import MeasuringEnd
from diemcau_server.metrics import Metrics
from diemcau_server.services import Health, Services
from diemcau_server.state import Board
from diemcau_server.store import Store
from diemcau_server.web import make_app
from diemcau_server.web.app import SECURITY_HEADERS
from diemcau_server.web.routes import PAGES, ROUTES
from tests.server.district import NOW, district
from tests.server.rooms import SHORT, Rooms, coordinator_of

TOKEN = "a-secret"  # noqa: S105  # of this test
LOGIN = {"Authorization": f"Bearer {TOKEN}"}
TESTS = "/api/v1/tests"
ORDER = {"points": ["bom-bo", "dak-nhau"], "profile": "light", "asked_by": "An"}
Api = Client[Any, Any]


@pytest.fixture
async def services(
    tmp_path: Path, measuring: MeasuringEnd, rooms: Rooms
) -> AsyncIterator[Services]:
    """Give the parts of a server."""
    config = district(tmp_path)
    board = Board.of(config)
    store = await Store.open(URL.create("sqlite+aiosqlite", database=str(tmp_path / "d.sqlite")))
    coordinator = coordinator_of(config, rooms, measuring, store, clock=lambda: NOW)
    health = Health(ok=True, broker_connected=True, store_ok=True, measuring_ok=True, sentences=())
    yield Services(
        config=config,
        board=board,
        store=store,
        coordinator=coordinator,
        metrics=Metrics(board),
        token=TOKEN,
        health=lambda: health,
    )
    await coordinator.stop()
    await store.close()


@pytest.fixture
async def api(services: Services) -> AsyncIterator[Api]:
    """Give a client of a server on a free port."""
    async with Client(Server(make_app(services))) as client:
        yield client


async def error(response: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    """Return the error of an answer, which has ``status`` and both languages."""
    body = await response.json()
    assert response.status == status, body
    assert set(body) == {"error"}
    assert set(body["error"]["message"]) == {"vi", "en"}
    assert "Traceback" not in await response.text()
    return dict(body["error"])


async def start(api: Api, **changes: Any) -> dict[str, Any]:
    """Start a test and return the answer."""
    response = await api.post(TESTS, json=ORDER | changes, headers=LOGIN)
    assert response.status == 201, await response.text()
    return dict(await response.json())


async def events(api: Api, test: str) -> list[tuple[str, Any]]:
    """Return name and data of all events until the stream ends."""
    response = await api.get(f"{TESTS}/{test}/events")
    assert response.status == 200
    assert response.content_type == "text/event-stream"
    async with asyncio.timeout(40):
        blocks = (await response.text()).strip().split("\n\n")
    pairs = [block.split("\n", 1) for block in blocks]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in pairs
    ]


async def test_a_test_is_started_followed_and_read(api: Api) -> None:
    """POST, events in their order, the result, its detail, the list, and the end of a late one."""
    started = await start(api)
    test = started["test"]
    running = await api.get(f"{TESTS}/{test}")
    assert (running.status, (await running.json())["test"]) == (202, test)
    told = await events(api, test)
    result = await (await api.get(f"{TESTS}/{test}")).json()
    detail = await (await api.get(f"{TESTS}/{test}/detail")).json()
    listed = await (await api.get(TESTS)).json()

    assert started["points"] == ["bom-bo", "dak-nhau"]
    assert [step["kind"] for step in started["steps"]] == [
        "preflight",
        "idle",
        "rehearsal",
        "margin",
    ]
    assert started["estimated_seconds"] > SHORT.duration_seconds
    assert {name for name, _ in told[:-1]} == {"progress"}
    assert told[-1] == ("result", result)
    assert result["schema"] == "diemcau.test/1"
    assert [one["logs"] for one in detail["points"]] == [{"camera.main": "30 frames"}] * 2
    assert [one["test"] for one in listed["tests"]] == [test]
    assert (await events(api, test))[-1] == ("result", result)


async def test_a_stored_test_of_before_the_start_is_given_whole(
    services: Services, api: Api, measuring: MeasuringEnd, rooms: Rooms
) -> None:
    """A server that does not remember a test takes it from the store."""
    test = (await start(api))["test"]
    told = await events(api, test)
    fresh = coordinator_of(services.config, rooms, measuring, services.store)
    parts = {name: getattr(services, name) for name in Services.__dataclass_fields__}
    async with Client(Server(make_app(Services(**parts | {"coordinator": fresh})))) as later:
        assert await events(later, test) == [told[-1]]
        response = await later.delete(f"{TESTS}/{test}", headers=LOGIN)
        assert (await error(response, 409))["code"] == "test_ended"


async def test_a_cancelled_test_tells_its_listeners(api: Api) -> None:
    """DELETE answers after the traffic has stopped; the stream ends with ``failed``."""
    test = (await start(api))["test"]
    listening = asyncio.create_task(events(api, test))
    response = await api.delete(f"{TESTS}/{test}", headers=LOGIN)
    told = await listening

    assert await response.json() == {"test": test, "cancelled": True}
    assert told[-1][0] == "failed"
    assert told[-1][1]["error"]["code"] == "test_cancelled"
    assert (await error(await api.get(f"{TESTS}/{test}"), 410))["code"] == "test_cancelled"
    again = await error(await api.delete(f"{TESTS}/{test}", headers=LOGIN), 409)
    assert again["code"] == "test_ended"


async def test_a_second_test_is_refused_with_who_and_since_when(api: Api) -> None:
    """409 names the test that runs."""
    test = (await start(api))["test"]
    refused = await error(await api.post(TESTS, json=ORDER, headers=LOGIN), 409)

    assert refused["code"] == "test_running"
    assert (refused["test"], refused["asked_by"]) == (test, "An")
    assert refused["started_at"] == "2026-03-14T00:30:00Z"


@pytest.mark.parametrize(
    ("body", "code", "near"),
    [
        ({"points": ["Bom Bo"]}, "unknown_point", ["bom-bo"]),
        ({"hub": "budang"}, "unknown_hub", ["bu-dang"]),
        ({"session": "lop1"}, "unknown_session", ["lop-1", "lop-2"]),
        ({"profile": "h323"}, "unknown_profile", ["h323-720p"]),
    ],
)
async def test_unknown_names_are_answered_with_near_ones(
    api: Api, body: dict[str, Any], code: str, near: list[str]
) -> None:
    """400 with the code of what is unknown."""
    refused = await error(await api.post(TESTS, json=body, headers=LOGIN), 400)

    assert (refused["code"], refused["near"]) == (code, near)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The request is not valid JSON."),
        (b"\xff", "The request is not valid JSON."),
        (b"[" * 5000, "The request is not valid JSON."),
        (b"[]", "The request must be a JSON object."),
    ],
)
async def test_a_bad_request_says_what_is_wrong(api: Api, body: bytes, sentence: str) -> None:
    """400 ``invalid`` with the place of the mistake."""
    refused = await error(await api.post(TESTS, data=body, headers=LOGIN), 400)

    assert refused["code"] == "invalid"
    assert refused["message"]["en"] == sentence


@pytest.mark.parametrize(
    ("body", "vi", "en"),
    [
        (b'{"quik": true}', "quik: không có khóa này; có phải ý bạn là 'quick'?",
         "quik: unknown key; did you mean 'quick'?"),
        (b'{"points": [], "xyz": 1, "quick": "perhaps"}',
         "points: phải có ít nhất 1 mục; quick: phải là true hoặc false (đang là 'perhaps'); "
         "xyz: không có khóa này; chỉ có: asked_by, capacity, hub, points, profile, quick, "
         "session, silent",
         "points: must have at least 1 entry; quick: must be true or false (got 'perhaps'); "
         "xyz: unknown key; allowed: asked_by, capacity, hub, points, profile, quick, "
         "session, silent"),
        (b'{"points": ["a", 5]}', "points[1]: phải là văn bản (đang là 5)",
         "points[1]: must be text (got 5)"),
    ],
)  # fmt: skip
async def test_each_mistake_in_a_request_is_told_in_both_languages(
    api: Api, body: bytes, vi: str, en: str
) -> None:
    """400 ``invalid`` in the words that are used for files."""
    refused = await error(await api.post(TESTS, data=body, headers=LOGIN), 400)

    assert refused["code"] == "invalid"
    assert refused["message"] == {
        "vi": f"Yêu cầu không hợp lệ: {vi}",
        "en": f"The request is not valid: {en}",
    }


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"},
     {"Authorization": "Bearer ă"}],
)  # fmt: skip
@pytest.mark.parametrize(("method", "path"), [("POST", TESTS), ("DELETE", f"{TESTS}/x")])
async def test_actions_need_the_token(
    api: Api, headers: dict[str, str], method: str, path: str
) -> None:
    """401 without or with a wrong token, before anything else is looked at."""
    response = await api.request(method, path, headers=headers, data=b"{")

    assert response.headers["WWW-Authenticate"] == 'Bearer realm="diemcau"'
    refused = await error(response, 401)
    assert refused["code"] == "unauthorised"
    assert refused["message"]["vi"].startswith("Sai hoặc thiếu mã truy cập")


@pytest.mark.parametrize("path", ["x", "x/detail", "x/events"])
async def test_an_unknown_test_is_not_found(api: Api, path: str) -> None:
    """404 with the name that was asked for."""
    refused = await error(await api.get(f"{TESTS}/{path}"), 404)

    assert refused["code"] == "unknown_test"
    assert refused["message"]["vi"] == "Không có lượt đo 'x'."
    assert (await error(await api.delete(f"{TESTS}/x", headers=LOGIN), 404))["code"] == (
        "unknown_test"
    )


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1.5", "9" * 5000, "١"])
async def test_a_limit_out_of_range_is_refused(api: Api, limit: str) -> None:
    """400 with the range."""
    refused = await error(await api.get(TESTS, params={"limit": limit}), 400)

    assert refused["message"]["en"] == "limit must be a number from 1 to 500."


async def test_unknown_addresses_and_methods_are_json_too(api: Api) -> None:
    """404 and 405 come in the same form."""
    assert (await error(await api.get("/api/v2/tests"), 404))["code"] == "not_found"
    response = await api.put(TESTS)
    assert "POST" in response.headers["Allow"]
    assert (await error(response, 405))["code"] == "method_not_allowed"


async def test_a_body_too_large_is_refused(api: Api) -> None:
    """413 after 64 KiB."""
    refused = await error(await api.post(TESTS, data=b" " * 70_000, headers=LOGIN), 413)

    assert refused["code"] == "too_large"


async def test_a_lost_broker_is_said(api: Api, rooms: Rooms) -> None:
    """503 with what to look at."""
    rooms.broker_works = False
    refused = await error(await api.post(TESTS, json=ORDER, headers=LOGIN), 503)

    assert refused["code"] == "broker_unavailable"


async def test_a_lost_measuring_end_is_said(api: Api, measuring: MeasuringEnd) -> None:
    """503 with what to do."""
    await measuring.stop()
    refused = await error(await api.post(TESTS, json=ORDER, headers=LOGIN), 503)

    assert refused["code"] == "measuring_unavailable"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(StoreError("disk"), 503, "store_unavailable"), (ZeroDivisionError(), 500, "internal")],
)
async def test_a_fault_of_the_server_shows_no_traceback(
    api: Api, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int,
    code: str,
) -> None:  # fmt: skip
    """The user gets a sentence; the log gets the rest."""

    async def broken(_self: Store, _limit: int) -> None:
        raise fault

    monkeypatch.setattr(Store, "tests", broken)

    assert (await error(await api.get(TESTS), status))["code"] == code


async def test_points_stand_on_the_board(api: Api) -> None:
    """Each enabled point with its state; a hub that is none is answered with near ones."""
    points = (await (await api.get("/api/v1/points", params={"hub": "bu-dang"})).json())["points"]
    refused = await error(await api.get("/api/v1/points", params={"hub": "bu dang"}), 400)

    assert [one["point"] for one in points] == ["bom-bo", "dak-nhau", "duc-lieu", "phu-son"]
    assert points[0]["state"] == "never_seen"
    assert (refused["code"], refused["near"]) == ("unknown_hub", ["bu-dang"])


async def test_the_board_gives_a_lines_capacity_with_its_bound(
    api: Api, services: Services
) -> None:
    """A figure of last week stays, with its time; a lower bound is said to be one."""
    found = LineCapacity(NOW, DirectionCapacity(8e6, "line"), DirectionCapacity(250e6, "cap"))
    services.board.capacity_measured("bu-dang", "bom-bo", found)
    points = (await (await api.get("/api/v1/points")).json())["points"]

    assert points[0]["capacity"] == {
        "measured_at": "2026-03-14T00:30:00Z",
        "up": {"bits_per_second": 8e6, "limited_by": "line", "lower_bound": False},
        "down": {"bits_per_second": 250e6, "limited_by": "cap", "lower_bound": True},
    }
    assert points[1]["capacity"] is None


async def test_hubs_sessions_profiles_health_and_metrics_are_given(api: Api) -> None:
    """What the configuration says, as JSON; metrics as text."""
    hubs = (await (await api.get("/api/v1/hubs")).json())["hubs"]
    sessions = (await (await api.get("/api/v1/sessions")).json())["sessions"]
    profiles = await (await api.get("/api/v1/profiles")).json()
    health = await (await api.get("/healthz")).json()
    metrics = await api.get("/metrics")

    assert (hubs[0]["hub"], hubs[0]["units"][0]["id"]) == ("bu-dang", "th-bom-bo")
    assert sessions[0]["start"] == "2026-03-14T00:00:00Z"
    assert (profiles["default"], len(profiles["profiles"])) == ("light", 2)
    assert (health["status"], health["problems"]) == ("ok", [])
    assert metrics.content_type == "text/plain"
    assert 'diemcau_hub_info{hub="bu-dang",name="Hội trường Huyện ủy"} 1.0' in await metrics.text()


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", f"{TESTS}/x/events"])
async def test_every_answer_bears_the_security_headers(api: Api, path: str) -> None:
    """Good and bad answers alike; no other origin is let in."""
    response = await api.get(path, headers={"Origin": "http://evil.example"})

    assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert response.headers["Server"] == "diemcau"
    assert not any(name.startswith("Access-Control") for name in response.headers)


async def test_a_server_that_stops_ends_its_streams(services: Services) -> None:
    """A listener gets a clean end and not a cut connection."""
    client: Api = Client(Server(make_app(services)))
    async with client:
        test = (await start(client))["test"]
        response = await client.get(f"{TESTS}/{test}/events")
        await response.content.readuntil(b"\n\n")
        closing = asyncio.create_task(client.server.close())
        async with asyncio.timeout(20):
            rest = await response.content.read()
            await closing

    assert rest.endswith(b"\n\n")
    assert b"event: failed" in rest


async def test_the_document_names_every_route(services: Services, api: Api) -> None:
    """What the router serves is what the document says, and the pages."""
    paths = (await (await api.get("/api/v1/openapi.json")).json())["paths"]
    documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    served = {
        (route.method, route.resource.canonical)
        for route in make_app(services).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    assert documented == {(route.method, route.path) for route in ROUTES}
    assert served - documented == {(route.method, route.path) for route in PAGES}


async def test_the_document_holds_together(api: Api) -> None:
    """Every reference leads somewhere, and every action asks for the token."""
    document = await (await api.get("/api/v1/openapi.json")).json()
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert references <= set(schemas)
    assert '"#/components/parameters/request_id"' in text
    assert document["components"]["parameters"]["request_id"]["name"] == REQUEST_ID
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert ("security" in operation) == (method in {"post", "delete"}), path
            assert operation["summary"]
            assert {"$ref": "#/components/parameters/request_id"} in operation["parameters"]
            assert all(REQUEST_ID in one["headers"] for one in operation["responses"].values())
