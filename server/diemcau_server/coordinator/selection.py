"""What a request asks for, resolved against the configuration; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from diemcau_contract.causes import Text
from diemcau_contract.profiles import Profile
from diemcau_server.config import HubConfig, PointConfig, ServerConfig, SessionConfig
from diemcau_server.coordinator.errors import SelectionError
from diemcau_server.coordinator.near import nearest


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked for; None leaves the choice to the server."""

    asked_by: str
    hub: str | None = None
    points: tuple[str, ...] | None = None
    session: str | None = None
    profile: str | None = None
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """One point that takes part."""

    point: str
    name: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Who is tested, for which session, against which profile."""

    hub: str
    points: tuple[Chosen, ...]
    session: str | None
    profile: Profile


def select(config: ServerConfig, request: Wanted, now: datetime) -> Selection:
    """Resolve a request at the moment ``now``.

    Raises:
        SelectionError: something is not in the configuration, or nothing is left to test.
    """
    hub = _hub(config, request.hub)
    session = _session(config, hub, request.session, now)
    wanted = request.points
    if wanted is None and session is not None:
        wanted = session.points
    points = _named(hub, wanted) if request.points is not None else _usual(hub, wanted, now)
    if not points:
        raise SelectionError(
            "invalid",
            Text(
                "Không có điểm cầu nào để đo (đang bảo trì hoặc bị tắt trong cấu hình).",
                "No point is left to test (in maintenance or disabled).",
            ),
        )
    profile = _profile(config, request.profile, session)
    chosen = tuple(Chosen(point.id, point.name) for point in points)
    return Selection(hub.id, chosen, session.id if session else None, profile)


def _hub(config: ServerConfig, wanted: str | None) -> HubConfig:
    if wanted is None:
        if len(config.hubs) == 1:
            return config.hubs[0]
        names = ", ".join(hub.id for hub in config.hubs)
        raise SelectionError(
            "unknown_hub",
            Text(f"Hãy nêu hội trường cần đo: {names}.", f"Name the hub to test: {names}."),
            [hub.id for hub in config.hubs],
        )
    for hub in config.hubs:
        if hub.id == wanted:
            return hub
    known = [(hub.id, hub.name) for hub in config.hubs]
    raise _unknown("unknown_hub", "hội trường", "hub", wanted, known)


def _session(
    config: ServerConfig, hub: HubConfig, wanted: str | None, now: datetime
) -> SessionConfig | None:
    sessions = [session for session in config.sessions if session.hub == hub.id]
    if wanted is None:
        coming = [one for one in sessions if one.form == "line" and one.end > now]
        return min(coming, key=lambda one: one.start, default=None)
    for session in sessions:
        if session.id == wanted:
            return session
    known = [(session.id, session.name) for session in sessions]
    raise _unknown("unknown_session", "phiên họp", "session", wanted, known)


def _profile(config: ServerConfig, wanted: str | None, session: SessionConfig | None) -> Profile:
    identifier = wanted or (session.profile if session else None) or config.default_profile
    profile = config.profile(identifier)
    if profile is not None:
        return profile
    known = [(one.id, one.name) for one in config.profiles]
    raise _unknown("unknown_profile", "cấu hình đo", "profile", identifier, known)


def _named(hub: HubConfig, wanted: Sequence[str] | None) -> list[PointConfig]:
    """Return the points that somebody named, each once, in the order of the configuration."""
    by_id = {point.id: point for point in hub.points}
    for identifier in wanted or ():
        if identifier not in by_id:
            known = [(point.id, point.name) for point in hub.points]
            raise _unknown("unknown_point", "điểm cầu", "point", identifier, known)
        if not by_id[identifier].enabled:
            raise SelectionError(
                "invalid",
                Text(
                    f"Điểm cầu {identifier!r} đang bị tắt trong cấu hình (enabled: false).",
                    f"Point {identifier!r} is disabled in the configuration (enabled: false).",
                ),
            )
    return [point for point in hub.points if point.id in set(wanted or ())]


def _usual(hub: HubConfig, wanted: Sequence[str] | None, now: datetime) -> list[PointConfig]:
    """Return the session's or all points, without those disabled or in maintenance."""
    return [
        point
        for point in hub.points
        if (wanted is None or point.id in wanted)
        and point.enabled
        and not (point.maintenance_until is not None and point.maintenance_until > now)
    ]


def _unknown(
    code: str, vi: str, en: str, wanted: str, known: Sequence[tuple[str, str]]
) -> SelectionError:
    near = nearest(wanted, known)
    hint_vi = f" Có phải bạn muốn: {', '.join(near)}?" if near else ""
    hint_en = f" Did you mean: {', '.join(near)}?" if near else ""
    shown = repr(wanted[:80])
    return SelectionError(
        code, Text(f"Không có {vi} {shown}.{hint_vi}", f"There is no {en} {shown}.{hint_en}"), near
    )
