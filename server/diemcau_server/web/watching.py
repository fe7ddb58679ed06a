"""What can be asked without a test: health, hubs, points, sessions, profiles."""

from datetime import UTC, datetime

from aiohttp import web
from pydantic import BaseModel

from diemcau_contract import __version__
from diemcau_contract.causes import Text
from diemcau_contract.result import Sentence
from diemcau_server.capacity import DirectionCapacity, LineCapacity
from diemcau_server.config import HubConfig, ServerConfig
from diemcau_server.coordinator.near import nearest
from diemcau_server.state import PointView
from diemcau_server.web.bodies import (
    CapacityBody,
    CapacityDirection,
    HealthBody,
    HubBody,
    HubList,
    LineBody,
    PointBody,
    PointList,
    ProfileList,
    SessionBody,
    SessionList,
)
from diemcau_server.web.errors import ProblemError
from diemcau_server.web.routing import SERVICES


def answer(body: BaseModel, status: int = 200) -> web.Response:
    """Return ``body`` as JSON."""
    return web.Response(
        text=body.model_dump_json(by_alias=True), content_type="application/json", status=status
    )


async def get_health(request: web.Request) -> web.Response:
    """Tell whether the server's parts work: 200, or 503 with what does not."""
    health = request.app[SERVICES].health()
    body = HealthBody(
        status="ok" if health.ok else "degraded",
        version=__version__,
        problems=tuple(Sentence(vi=one.vi, en=one.en) for one in health.sentences),
    )
    return answer(body, 200 if health.ok else 503)


async def list_hubs(request: web.Request) -> web.Response:
    """List the hubs with their points and units."""
    hubs = request.app[SERVICES].config.hubs
    return answer(HubList(hubs=tuple(_hub(hub) for hub in hubs)))


async def list_points(request: web.Request) -> web.Response:
    """List the points as they stand now, of ``?hub=`` or of all hubs."""
    services = request.app[SERVICES]
    hub = known_hub(services.config, request.query.get("hub"))
    views = services.board.view(datetime.now(UTC), hub)
    return answer(PointList(points=tuple(_point(view) for view in views if view.enabled)))


def known_hub(config: ServerConfig, hub: str | None) -> str | None:
    """Return ``hub`` as it is, None for all hubs.

    Raises:
        ProblemError: there is no such hub.
    """
    if hub is None or config.hub(hub) is not None:
        return hub
    known = [(one.id, one.name) for one in config.hubs]
    shown = repr(hub[:80])
    raise ProblemError(
        400,
        "unknown_hub",
        Text(f"Không có hội trường {shown}.", f"There is no hub {shown}."),
        near=list(nearest(hub, known)),
    )


async def list_sessions(request: web.Request) -> web.Response:
    """List the sessions of the configuration."""
    sessions = request.app[SERVICES].config.sessions
    return answer(
        SessionList(
            sessions=tuple(
                SessionBody(
                    session=one.id,
                    hub=one.hub,
                    name=one.name,
                    form=one.form,
                    profile=one.profile,
                    start=one.start,
                    end=one.end,
                    points=one.points,
                    units=one.units,
                )
                for one in sessions
            )
        )
    )


async def list_profiles(request: web.Request) -> web.Response:
    """List the profiles with their planned rates and limits."""
    config = request.app[SERVICES].config
    return answer(ProfileList(default=config.default_profile, profiles=config.profiles))


def _hub(hub: HubConfig) -> HubBody:
    return HubBody(
        hub=hub.id,
        name=hub.name,
        points=tuple(HubBody.Place(id=one.id, name=one.name) for one in hub.points),
        units=tuple(HubBody.Place(id=one.id, name=one.name) for one in hub.units),
    )


def _point(view: PointView) -> PointBody:
    return PointBody(
        hub=view.key.hub,
        point=view.key.point,
        name=view.name,
        state=view.state,
        verdict=view.verdict,
        cause=view.cause,
        cause_name=_sentence(view.cause_name),
        action=_sentence(view.action),
        agent_connected=view.agent_connected,
        last_report_at=view.last_report_at,
        line=_line(view),
        capacity=_capacity(view.capacity),
        devices=view.devices,
        host=view.host,
    )


def _sentence(text: Text | None) -> Sentence | None:
    return Sentence(vi=text.vi, en=text.en) if text else None


def _capacity(found: LineCapacity | None) -> CapacityBody | None:
    if found is None:
        return None
    return CapacityBody(
        measured_at=found.measured_at, up=_direction(found.up), down=_direction(found.down)
    )


def _direction(found: DirectionCapacity | None) -> CapacityDirection | None:
    if found is None:
        return None
    return CapacityDirection(
        bits_per_second=found.bits_per_second,
        limited_by=found.limited_by,
        lower_bound=found.is_lower_bound,
    )


def _line(view: PointView) -> LineBody | None:
    line = view.report.line if view.report else None
    if line is None:
        return None
    return LineBody(
        rtt_p50_seconds=line.rtt_seconds.p50 if line.rtt_seconds else None,
        loss_ratio_up=line.loss_ratio_up,
        loss_ratio_down=line.loss_ratio_down,
    )
