"""The tables of all routes: the server and, of those for programs, its OpenAPI document."""

from diemcau_contract.result import TestResult
from diemcau_server.coordinator.progress import Progress
from diemcau_server.web import ndt7, pages, scraping, testing, watching
from diemcau_server.web.bodies import (
    HealthBody,
    HubList,
    PointList,
    ProfileList,
    SessionList,
    TestCancelled,
    TestDetail,
    TestList,
    TestOrderBody,
    TestStarted,
)
from diemcau_server.web.openapi import get_openapi
from diemcau_server.web.routing import Route

_TESTS = "/api/v1/tests"
_TEST = "/api/v1/tests/{test}"

ROUTES: tuple[Route, ...] = (
    Route(
        "GET", "/healthz", watching.get_health, "Health of the server",
        {200: HealthBody, 503: HealthBody},
    ),
    Route(
        "GET", "/metrics", scraping.get_metrics, "Metrics for Prometheus", {200: None},
        media_type="text/plain",
    ),
    Route(
        "GET", "/metrics/server", scraping.get_server_metrics, "Metrics of the server alone",
        {200: None}, media_type="text/plain",
    ),
    Route(
        "GET", "/metrics/hub/{hub}", scraping.get_hub_metrics, "Metrics of one hub's points",
        {200: None}, errors=(404,), media_type="text/plain",
    ),
    Route("GET", "/sd/hubs", scraping.get_targets, "Targets for Prometheus", {200: None}),
    Route("GET", "/api/v1/openapi.json", get_openapi, "This document", {200: None}),
    Route("GET", "/api/v1/hubs", watching.list_hubs, "Hubs", {200: HubList}),
    Route(
        "GET", "/api/v1/points", watching.list_points, "Points as they stand now",
        {200: PointList}, errors=(400,), query={"hub": "string"},
    ),
    Route("GET", "/api/v1/sessions", watching.list_sessions, "Sessions", {200: SessionList}),
    Route("GET", "/api/v1/profiles", watching.list_profiles, "Profiles", {200: ProfileList}),
    Route(
        "POST", _TESTS, testing.start_test, "Start a test", {201: TestStarted},
        errors=(400, 401, 409, 413, 503), body=TestOrderBody, needs_token=True,
    ),
    Route(
        "GET", _TESTS, testing.list_tests, "Stored tests, the newest first", {200: TestList},
        errors=(400, 503), query={"limit": "integer"},
    ),
    Route(
        "GET", _TEST, testing.get_test, "A test's result, or its progress while it runs",
        {200: TestResult, 202: Progress}, errors=(404, 410, 503),
    ),
    Route(
        "DELETE", _TEST, testing.cancel_test, "Cancel a running test", {200: TestCancelled},
        errors=(401, 404, 409, 503), needs_token=True,
    ),
    Route(
        "GET", f"{_TEST}/detail", testing.get_test_detail, "What lies behind a result",
        {200: TestDetail}, errors=(404, 503),
    ),
    Route(
        "GET", f"{_TEST}/events", testing.follow_test, "Follow a test by server-sent events",
        {200: None}, errors=(404, 503), media_type="text/event-stream",
    ),
    Route(
        "GET", "/ndt/v7/download", ndt7.ndt7_download, "Download of ndt7 (a WebSocket)",
        {101: None}, errors=(400, 403, 404, 409), query={"early_exit": "integer"},
    ),
    Route(
        "GET", "/ndt/v7/upload", ndt7.ndt7_upload, "Upload of ndt7 (a WebSocket)",
        {101: None}, errors=(400, 403, 404, 409), query={"early_exit": "integer"},
    ),
)  # fmt: skip

PAGES: tuple[Route, ...] = (
    Route(
        "GET", "/", pages.show_board, "The board", {200: None},
        errors=(400,), query={"hub": "string", "lang": "string"}, media_type="text/html",
    ),
    Route(
        "GET", "/points/{hub}/{point}", pages.show_point, "One room", {200: None},
        errors=(404,), query={"lang": "string"}, media_type="text/html",
    ),
    Route(
        "GET", "/static/diemcau.css", pages.give_style, "What pages look like", {200: None},
        media_type="text/css",
    ),
    Route(
        "GET", "/static/renew.js", pages.give_renewal, "What renews pages", {200: None},
        media_type="text/javascript",
    ),
)  # fmt: skip
"""For people: no part of the document, and their errors are pages."""
