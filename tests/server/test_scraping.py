"""/metrics over HTTP: packed, in the format that was asked for, in parts for large districts."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient as Client
from aiohttp.test_utils import TestServer as Server
from prometheus_client.parser import text_string_to_metric_families as read_text

from diemcau_contract.words import ID_PATTERN
from diemcau_server.metrics import Metrics
from diemcau_server.services import Health, Services
from diemcau_server.state import Board
from diemcau_server.store import Store
from diemcau_server.web import make_app
from diemcau_server.web.scraping import OPENMETRICS, POINTS_IN_ONE_TARGET, SERVER_PART, TEXT
from tests.server.district import NOW, district
from tests.server.reports import report
from tests.server.rooms import Rooms, coordinator_of, measuring_of
from tests.server.series import crowded_board, openmetrics_families

Api = Client[Any, Any]
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
async def services(tmp_path: Path, store: Store) -> Services:
    """Give the parts of a server; its measuring end does not run."""
    config = district(tmp_path)
    board = Board.of(config)
    board.on_report(report(1), NOW)
    coordinator = coordinator_of(config, Rooms(), measuring_of(config), store, clock=lambda: NOW)
    health = Health(ok=True, broker_connected=True, store_ok=True, measuring_ok=True, sentences=())
    metrics = Metrics(board, lambda: NOW)
    return Services(config, board, store, coordinator, metrics, "a-token", lambda: health)


@pytest.fixture
async def api(services: Services) -> AsyncIterator[Api]:
    """Give a client that unpacks nothing by itself."""
    plain = {"Accept-Encoding": "identity"}
    server = Server(make_app(services))
    async with Client(server, auto_decompress=False, headers=plain) as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (BROWSER, TEXT),
        ("", TEXT),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("*/*;q=1, application/openmetrics-text;q=0.5", TEXT),
        ("text/*;q=0.6, application/openmetrics-text;q=0.5", TEXT),
        ("*/*, application/openmetrics-text;q=0", TEXT),
        ("*/*", TEXT),
        ("*/*;q=0.5, application/openmetrics-text;q=0.5", OPENMETRICS),
        ("*/*;q=0.1, application/*", OPENMETRICS),
        ("*/*, text/plain;q=0", OPENMETRICS),
    ],
)
async def test_the_format_is_what_the_client_prefers(api: Api, accept: str, kind: str) -> None:
    """OpenMetrics 1.0 for those who like it better, the text format for all others."""
    answer = await api.get("/metrics", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == kind
    text = (await answer.read()).decode()
    read = openmetrics_families if kind == OPENMETRICS else read_text
    assert {"diemcau_point_ready", "diemcau_hub_info", "diemcau_build_info"} <= {
        family.name for family in read(text)
    }


async def test_the_answer_is_packed_where_the_client_takes_it(api: Api) -> None:
    """Gzip on request, whole and much smaller; plain for those who do not want it."""
    packed = await api.get("/metrics/hub/bu-dang", headers={"Accept-Encoding": "gzip"})
    plain = await api.get("/metrics/hub/bu-dang", headers={"Accept-Encoding": "gzip;q=0, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    content, text = await packed.read(), await plain.read()
    timed = re.compile(rb"diemcau_render_seconds .*")  # of each scrape its own
    assert timed.sub(b"", gzip.decompress(content)) == timed.sub(b"", text)
    assert len(content) * 5 < len(text)


async def test_head_gives_no_body(api: Api) -> None:
    """As RFC 9110 asks."""
    answer = await api.head("/metrics")
    assert (answer.status, await answer.read()) == (200, b"")


async def test_a_small_district_is_one_target(api: Api) -> None:
    """Prometheus is told the address by which it asked."""
    answer = await api.get("/sd/hubs", headers={"Host": "may-chu:8080"})
    assert answer.content_type == "application/json"
    assert json.loads(await answer.read()) == [
        {"targets": ["may-chu:8080"], "labels": {"__metrics_path__": "/metrics", "part": "all"}}
    ]


async def test_a_large_district_is_a_target_a_hub(tmp_path: Path, services: Services) -> None:
    """Beyond 2,000 points every path that is named answers, and holds its own points alone."""
    board = crowded_board(tmp_path, POINTS_IN_ONE_TARGET + 2, NOW, hubs=2)
    hub = services.config.hubs[0]
    config = replace(
        services.config,
        hubs=tuple(hub.model_copy(update={"id": f"hub-{number}"}) for number in range(2)),
    )
    large = replace(services, board=board, config=config, metrics=Metrics(board, lambda: NOW))
    async with Client(Server(make_app(large))) as api:
        told = await (await api.get("/sd/hubs")).json()
        found = {
            one["labels"]["part"]: await (await api.get(one["labels"]["__metrics_path__"])).text()
            for one in told
        }
    ready = {part: text.count("\ndiemcau_point_ready{") for part, text in found.items()}
    assert ready == {SERVER_PART: 0, "hub-0": 1001, "hub-1": 1001}
    assert "diemcau_build_info" in found[SERVER_PART]
    assert "diemcau_build_info" not in found["hub-0"]
    assert 'hub="hub-1"' not in found["hub-0"]


async def test_no_hub_takes_the_servers_own_target(tmp_path: Path, services: Services) -> None:
    """A hub may be called "server": both are scraped, for the server's part has another name."""
    assert not re.fullmatch(ID_PATTERN, SERVER_PART)
    board = crowded_board(tmp_path, POINTS_IN_ONE_TARGET + 1, NOW)
    hub = services.config.hubs[0].model_copy(update={"id": "server"})
    config = replace(services.config, hubs=(hub,))
    async with Client(Server(make_app(replace(services, board=board, config=config)))) as api:
        told = await (await api.get("/sd/hubs")).json()
    paths = {one["labels"]["part"]: one["labels"]["__metrics_path__"] for one in told}
    assert paths == {SERVER_PART: "/metrics/server", "server": "/metrics/hub/server"}


async def test_an_unknown_hub_is_named(api: Api) -> None:
    """A sentence in both languages, as everywhere."""
    answer = await api.get("/metrics/hub/xa-la")
    assert answer.status == 404
    error = (await answer.json())["error"]
    assert (error["code"], error["message"]["en"]) == ("unknown_hub", "There is no hub 'xa-la'.")


async def test_refused_tokens_are_counted(api: Api) -> None:
    """A missing token and a wrong one are different mistakes."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer other"}):
        assert (await api.post("/api/v1/tests", json={}, headers=headers)).status == 401
    text = (await (await api.get("/metrics/server")).read()).decode()
    assert 'diemcau_auth_failures_total{kind="token_missing"} 1.0\n' in text
    assert 'diemcau_auth_failures_total{kind="token_wrong"} 2.0\n' in text
