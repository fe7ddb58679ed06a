"""What a request asks for, resolved against the configuration; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from diemcau_contract.causes import Text
from diemcau_contract.profiles import Profile
from diemcau_line.traffic import RATE_RATIO_MAX, offered_bits_per_second
from diemcau_server.config import HubConfig, PointConfig, ServerConfig, SessionConfig
from diemcau_server.coordinator.errors import SelectionError
from diemcau_server.coordinator.near import named, nearest

CAPACITY_AWAY = timedelta(minutes=30)
"""Before a session the lines belong to those who try their cameras."""
_LISTED = 20
"""So many ids are listed where nothing comes close; more would hide the sentence."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked for; None leaves the choice to the server."""

    asked_by: str
    hub: str | None = None
    points: tuple[str, ...] | None = None
    session: str | None = None
    profile: str | None = None
    quick: bool = False
    capacity: bool = False
    silent: bool = False


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
    planned: int
    """Points that are to take part in the conference; those that are tested may be fewer."""


def select(config: ServerConfig, request: Wanted, now: datetime) -> Selection:
    """Resolve a request at the moment ``now``.

    Raises:
        SelectionError: something is not in the configuration, or nothing is left to test.
    """
    request = _with_ids(config, request)
    hub = _hub(config, request)
    session = _session(config, hub, request.session, now)
    usual = _usual(hub, session.points if session else None, now)
    points = usual if request.points is None else _named(hub, request.points)
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
    planned = len({point.id for point in (*usual, *points)})
    return Selection(hub.id, chosen, session.id if session else None, profile, planned)


def check_bound(most_bits_per_second: float, chosen: Selection, *, quick: bool) -> None:
    """See that a test stays within what the measuring port may carry, to its last step.

    Raises:
        SelectionError: all points together would send or receive more.
    """
    profile, ratio = chosen.profile, 1.0 if quick else RATE_RATIO_MAX
    each = max(offered_bits_per_second(one, ratio) for one in (profile.up, profile.down))
    needed = each * len(chosen.points)
    if needed <= most_bits_per_second:
        return
    shown = [f"{number / 1e6:.1f}" for number in (needed, most_bits_per_second)]
    in_vietnamese = [one.replace(".", ",") for one in shown]
    raise SelectionError(
        "over_limit",
        Text(
            f"Đo {len(chosen.points)} điểm cầu cùng lúc cần {in_vietnamese[0]} Mbit/s, mà "
            f"measure.max_bits_per_second chỉ cho {in_vietnamese[1]} Mbit/s: nâng mức đó trong tệp "
            "cấu hình máy chủ, hoặc đo ít điểm cầu hơn.",
            f"Testing {len(chosen.points)} points at once takes {shown[0]} Mbit/s, and "
            f"measure.max_bits_per_second allows {shown[1]} Mbit/s: raise it in the server's file, "
            "or test fewer points.",
        ),
    )


def check_capacity(config: ServerConfig, chosen: Selection, now: datetime, most: int) -> None:
    """See that the lines' capacity may be measured now: it fills one line after the other.

    Raises:
        SelectionError: a session is on the lines or about to begin, or the points are too many.
    """
    for session in _line_sessions(config, chosen.hub):
        if session.start - CAPACITY_AWAY <= now < session.end:
            raise SelectionError(
                "in_session",
                Text(
                    f"Không đo dung lượng khi sắp họp hoặc đang họp (phiên {session.id!r}): "
                    "đo sau phiên họp, hoặc bỏ --capacity.",
                    f"Capacity is not measured close to or in a session ({session.id!r}): "
                    "test after it, or leave out --capacity.",
                ),
            )
    if len(chosen.points) > most:
        raise SelectionError(
            "invalid",
            Text(
                f"Mỗi lần đo dung lượng được nhiều nhất {most} điểm cầu: hãy nêu tên điểm cầu.",
                f"Capacity is measured for at most {most} points at a time: name some points.",
            ),
        )


def quiet_until(config: ServerConfig, hub: str, now: datetime) -> datetime | None:
    """Return until when lines of ``hub`` may be filled; None where a session is on or near."""
    coming = [one for one in _line_sessions(config, hub) if one.end > now]
    far = datetime.max.replace(tzinfo=UTC)
    until = min((one.start - CAPACITY_AWAY for one in coming), default=far)
    return until if until > now else None


def _line_sessions(config: ServerConfig, hub: str) -> list[SessionConfig]:
    return [one for one in config.sessions if (one.hub, one.form) == (hub, "line")]


def _with_ids(config: ServerConfig, request: Wanted) -> Wanted:
    """Replace the names of points, as every table prints them, by their ids."""
    if request.points is None:
        return request
    hubs = [hub for hub in config.hubs if request.hub in (None, hub.id)]
    known = [(point.id, point.name) for hub in hubs for point in hub.points]
    return replace(request, points=tuple(named(given, known) for given in request.points))


def _hub(config: ServerConfig, request: Wanted) -> HubConfig:
    """Return the hub that is named, else the only one that the session or the points leave."""
    wanted = request.hub
    if wanted is None:
        candidates = _candidates(config, request)
        if len(candidates) == 1:
            return candidates[0]
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
    raise _unknown("unknown_hub", "hội trường", "hub", [wanted], known)


def _candidates(config: ServerConfig, request: Wanted) -> list[HubConfig]:
    """Return the hubs that the request may mean.

    Raises:
        SelectionError: no hub has the session, or none has any of the points.
    """
    if len(config.hubs) == 1:
        return list(config.hubs)
    if request.session is not None:
        holders = {one.hub for one in config.sessions if one.id == request.session}
        if not holders:
            sessions = [(one.id, one.name) for one in config.sessions]
            raise _unknown("unknown_session", "phiên họp", "session", [request.session], sessions)
        return [hub for hub in config.hubs if hub.id in holders]
    if not request.points:
        return list(config.hubs)
    points = set(request.points)
    owners = [points & {point.id for point in hub.points} for hub in config.hubs]
    if not any(owners):
        known = [(point.id, point.name) for hub in config.hubs for point in hub.points]
        raise _unknown("unknown_point", "điểm cầu", "point", request.points, known)
    sure = {
        index
        for index, owned in enumerate(owners)
        if any(sum(identifier in other for other in owners) == 1 for identifier in owned)
    }
    return [config.hubs[index] for index in sorted(sure)] or list(config.hubs)


def _session(
    config: ServerConfig, hub: HubConfig, wanted: str | None, now: datetime
) -> SessionConfig | None:
    sessions = [session for session in config.sessions if session.hub == hub.id]
    if wanted is None:
        coming = [one for one in sessions if one.form == "line" and one.end > now]
        return min(coming, key=lambda one: one.start, default=None)
    for session in sessions:
        if session.id == wanted:
            if session.form == "meet":
                raise _meet(session)
            return session
    known = [(session.id, session.name) for session in sessions]
    raise _unknown("unknown_session", "phiên họp", "session", [wanted], known)


def _profile(config: ServerConfig, wanted: str | None, session: SessionConfig | None) -> Profile:
    identifier = wanted or (session.profile if session else None) or config.default_profile
    profile = config.profile(identifier)
    if profile is not None:
        return profile
    known = [(one.id, one.name) for one in config.profiles]
    raise _unknown("unknown_profile", "cấu hình đo", "profile", [identifier], known)


def _named(hub: HubConfig, wanted: Sequence[str] | None) -> list[PointConfig]:
    """Return the points that somebody named, each once, in the order of the configuration."""
    by_id = {point.id: point for point in hub.points}
    missing = [identifier for identifier in wanted or () if identifier not in by_id]
    if missing:
        known = [(point.id, point.name) for point in hub.points]
        raise _unknown("unknown_point", "điểm cầu", "point", missing, known)
    for identifier in wanted or ():
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


def _meet(session: SessionConfig) -> SelectionError:
    return SelectionError(
        "invalid",
        Text(
            f"Phiên {session.id!r} họp qua Google Meet: có các đơn vị tham gia, không có điểm cầu "
            "để đo. Hãy chọn phiên có form: line hoặc nêu tên điểm cầu.",
            f"Session {session.id!r} is held on Google Meet: it has units, not points to test. "
            "Choose a session with form: line, or name points.",
        ),
    )


def _unknown(
    code: str, vi: str, en: str, wanted: Sequence[str], known: Sequence[tuple[str, str]]
) -> SelectionError:
    """Name everything that is unknown with what comes closest, else with what there is."""
    said_vi, said_en, all_near = [], [], dict[str, None]()
    none_near = False
    for identifier in dict.fromkeys(wanted):
        near = nearest(identifier, known)
        all_near.update(dict.fromkeys(near))
        none_near |= not near
        hint_vi = f" Có phải ý bạn là: {', '.join(near)}?" if near else ""
        hint_en = f" Did you mean: {', '.join(near)}?" if near else ""
        shown = repr(identifier[:80])
        said_vi.append(f"Không có {vi} {shown}.{hint_vi}")
        said_en.append(f"There is no {en} {shown}.{hint_en}")
    if none_near:
        there = _all_there(vi, en, known)
        said_vi.append(there.vi)
        said_en.append(there.en)
    return SelectionError(code, Text(" ".join(said_vi), " ".join(said_en)), tuple(all_near))


def _all_there(vi: str, en: str, known: Sequence[tuple[str, str]]) -> Text:
    if not known:
        return Text(f"Cấu hình không có {vi} nào.", f"The configuration has no {en}.")
    ids = list(dict.fromkeys(identifier for identifier, _ in known))
    listed, more = ", ".join(ids[:_LISTED]), len(ids) - _LISTED
    if more <= 0:
        return Text(f"Hiện có: {listed}.", f"There are: {listed}.")
    return Text(f"Hiện có: {listed} và {more} {vi} khác.", f"There are: {listed} and {more} more.")
