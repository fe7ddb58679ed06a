"""A small server that speaks the API with recorded answers: the border at which the CLI is faked.

It runs in a thread with a loop of its own, so that commands can be called as users call them.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from diemcau_contract.logs import REQUEST_ID

TEST = "20260314-003000-ab12"
TOKEN = "0123456789abcdef"  # noqa: S105  # the test's own
READY_SENTENCE = {"vi": "Không cần làm gì.", "en": "Nothing to do."}
LOSS_ACTION = {
    "vi": "Báo nhà mạng kiểm tra đường truyền của điểm cầu.",
    "en": "Ask the carrier to check this point's line.",
}
COVER_ACTION = {
    "vi": "Bỏ vật che trước ống kính camera, lau ống kính.",
    "en": "Remove what covers the camera's lens and wipe it.",
}
CALL_ACTION = {
    "vi": "Gọi điện cho điểm cầu: bật máy tính, kiểm tra dây mạng và bộ chuyển đổi.",
    "en": "Phone the point: switch the PC on.",
}


def direction(loss: float) -> dict[str, Any]:
    """One direction of a line."""
    return {
        "packets_sent": 1000, "packets_received": round(1000 * (1 - loss)), "loss_ratio": loss,
        "loss_ratio_worst_200ms": loss, "queue_delay_seconds": None, "jitter_seconds": 0.001,
        "reorder_ratio": 0.0, "late_frame_ratio": 0.0,
    }  # fmt: skip


def point(
    identifier: str,
    name: str,
    cause: str | None = None,
    action: dict[str, str] | None = None,
    camera: str | None = None,
    loss: float = 0.0,
) -> dict[str, Any]:
    """A point's result: good, or with one fault."""
    devices = [
        {
            "kind": "camera", "role": "main", "status": "bad" if camera else "ok",
            "causes": [camera] if camera else [],
            "values": {"luma": 44.5, "cpu_ratio": 0.25, "open_seconds": 0.031},
        },
        {"kind": "microphone", "role": "main", "status": "ok", "causes": [], "values": {}},
    ]  # fmt: skip
    status = "bad" if loss else "ok"
    return {
        "point": identifier, "name": name, "verdict": "not_ready" if cause else "ready",
        "confidence": "high", "cause": cause, "action": action or READY_SENTENCE,
        "line": {
            "idle": {"rtt_seconds": {"min": 0.01, "p50": 0.0123, "p95": 0.02, "max": 0.03},
                     "packets_sent": 150, "packets_received": 150},
            "up": direction(loss), "down": direction(0.0),
            "loaded_rtt_seconds": {"p50": 0.013, "p95": 0.02}, "capacity": {},
        },
        "devices": devices,
        "findings": [{"rule": "line.up.loss", "status": status, "value": loss, "limit": 0.01,
                      "unit": "ratio"}],
    }  # fmt: skip


def silent(identifier: str, name: str) -> dict[str, Any]:
    """A point whose agent never answered."""
    return {
        "point": identifier, "name": name, "verdict": "not_ready", "confidence": "high",
        "cause": "agent_silent", "action": CALL_ACTION, "line": {}, "devices": [],
        "findings": [{"rule": "agent.answered", "status": "bad", "value": 0.0, "limit": 1.0,
                      "unit": ""}],
    }  # fmt: skip


def result(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A whole result."""
    ready = all(one["verdict"] == "ready" for one in points)
    return {
        "schema": "diemcau.test/1", "test": TEST, "hub": "bu-dang", "session": None,
        "profile": "h323-720p", "started_at": "2026-03-14T00:30:00Z", "duration_seconds": 22.1,
        "verdict": "ready" if ready else "not_ready",
        "hub_line": {"verdict": "ready", "cause": None, "up": None, "down": None},
        "points": list(points),
    }  # fmt: skip


FAULTY = result(
    [
        point("thong-nhat", "Xã Thống Nhất"),
        point("bom-bo", "Xã Bom Bo", "own_line_up", LOSS_ACTION, loss=0.061),
        point("dak-nhau", "Xã Đak Nhau", "covered", COVER_ACTION, camera="covered"),
        point("duc-phong", "Thị trấn Đức Phong"),
        silent("dong-nai", "Xã Đồng Nai"),
    ]
)
ALL_READY = result([point("bom-bo", "Xã Bom Bo"), point("dak-nhau", "Xã Đak Nhau")])


def progress(phase: str, elapsed: float, verdict: str | None = None) -> tuple[str, Any]:
    """An event in the middle of a test."""
    cause = "agent_silent" if verdict else None
    return "progress", {
        "test": TEST, "phase": phase, "elapsed_seconds": elapsed, "remaining_seconds": 22 - elapsed,
        "points": [
            {"point": "bom-bo", "name": "Xã Bom Bo", "phase": "measuring", "progress_ratio": 0.5,
             "rtt_seconds": 0.0123, "loss_ratio_up": 0.061, "loss_ratio_down": None,
             "devices": [], "verdict": None, "cause": None},
            {"point": "dong-nai", "name": "Xã Đồng Nai", "phase": "silent", "progress_ratio": 1.0,
             "rtt_seconds": None, "loss_ratio_up": None, "loss_ratio_down": None,
             "devices": [], "verdict": verdict, "cause": cause},
        ],
    }  # fmt: skip


Event = tuple[str, Any]
CUT: Event = ("cut", None)
HANG: Event = ("hang", None)


@dataclass
class Recorded:
    """What the server answers, and what it was asked."""

    streams: list[list[Event]] = field(default_factory=list)
    kept: dict[str, Any] | None = None
    refusal: tuple[int, dict[str, Any]] | None = None
    board: dict[str, Any] = field(default_factory=lambda: {"points": []})
    asked: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    async def create(self, request: web.Request) -> web.Response:
        """POST /api/v1/tests."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return refused(401, "unauthorised", "Sai token.", "Wrong token.")
        self.asked.append(await request.json())
        if self.refusal is not None:
            return web.json_response(self.refusal[1], status=self.refusal[0])
        steps = [
            {"step": 0, "kind": "preflight", "duration_seconds": 2.0},
            {"step": 1, "kind": "idle", "duration_seconds": 3.0},
            {"step": 3, "kind": "rehearsal", "duration_seconds": 15.0},
        ]
        answer = {
            "test": TEST, "hub": "bu-dang", "points": ["bom-bo"], "session": None,
            "profile": "h323-720p", "steps": steps, "estimated_seconds": 22.0,
        }  # fmt: skip
        return web.json_response(answer, status=201)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """GET …/events: one stream after the other, as recorded."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for name, data in self.streams.pop(0) if self.streams else []:
            if name == "cut":
                assert request.transport is not None
                request.transport.abort()
                return response
            if name == "hang":
                self.hanging.set()
                await asyncio.Event().wait()
            text = f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
            await response.write(text.encode())
        return response

    async def test(self, request: web.Request) -> web.Response:
        """GET …/tests/ID."""
        if request.match_info["test"] != TEST:
            return refused(404, "unknown_test", "Không có lượt đo 'x'.", "There is no test 'x'.")
        if self.kept is None:
            return web.json_response(progress("idle", 3.0)[1], status=202)
        return web.json_response(self.kept)

    async def detail(self, _request: web.Request) -> web.Response:
        """GET …/detail."""
        points = [
            {
                "point": "dak-nhau",
                "logs": {"camera.main": "open: 640x360 yuv420p"},
                "capacity": {
                    "up": {"bits_per_second": 8e6, "limited_by": "line", "packets_sent": 9},
                    "down": {"bits_per_second": 250e6, "limited_by": "cap"},
                },
            }
        ]
        return web.json_response({"test": TEST, "points": points})

    async def cancel(self, request: web.Request) -> web.Response:
        """DELETE …/tests/ID."""
        self.cancelled.append(request.match_info["test"])
        return web.json_response({"test": TEST})

    async def points(self, _request: web.Request) -> web.Response:
        """GET /api/v1/points."""
        return web.json_response(self.board)


def refused(status: int, code: str, vi: str, en: str, **more: Any) -> web.Response:
    """An error as the API gives it."""
    return web.json_response(error(code, vi, en, **more), status=status)


def error(code: str, vi: str, en: str, **more: Any) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"code": code, "message": {"vi": vi, "en": en}, **more}}


@contextmanager
def serving(recorded: Recorded) -> Iterator[Recorded]:
    """Serve ``recorded`` on a free loopback port, in a thread of its own."""

    @web.middleware
    async def keep_id(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        recorded.request_ids.append(request.headers[REQUEST_ID])
        return await handler(request)

    app = web.Application(middlewares=[keep_id])
    app.router.add_post("/api/v1/tests", recorded.create)
    app.router.add_get("/api/v1/tests/{test}/events", recorded.events)
    app.router.add_get("/api/v1/tests/{test}/detail", recorded.detail)
    app.router.add_get("/api/v1/tests/{test}", recorded.test)
    app.router.add_delete("/api/v1/tests/{test}", recorded.cancel)
    app.router.add_get("/api/v1/points", recorded.points)
    ready, stop = threading.Event(), _Stop()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(app, recorded, ready, stop)))
    thread.start()
    assert ready.wait(20)
    try:
        yield recorded
    finally:
        stop()
        thread.join(20)
        assert not thread.is_alive()


class _Stop:
    """Ends the serving loop from another thread."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.asked = asyncio.Event()

    def __call__(self) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.asked.set)


async def _serve(
    app: web.Application, recorded: Recorded, ready: threading.Event, stop: _Stop
) -> None:
    stop.loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    recorded.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    ready.set()
    await stop.asked.wait()
    await runner.cleanup()
