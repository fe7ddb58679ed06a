"""The pages that people read: the board and one room. They show the board's views, judge nothing.

Vietnamese unless ``?lang=en`` asks for English. One stylesheet and one small script, both by this
server; without the script the browser renews the page itself.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from yarl import URL

from diemcau_contract.causes import Cause, Text, action
from diemcau_contract.messages import DeviceResult, HostState, Value
from diemcau_contract.value_words import changes
from diemcau_contract.words import PointState, Status
from diemcau_server.point_series import is_ready
from diemcau_server.speech import wording as words
from diemcau_server.speech.collation import vietnamese_key
from diemcau_server.speech.duties import duty
from diemcau_server.speech.language import Speech, speech
from diemcau_server.state import PointKey, PointView
from diemcau_server.web.errors import Handler, ProblemError, problem_of
from diemcau_server.web.routing import SERVICES
from diemcau_server.web.watching import known_hub

_REFRESH_SECONDS: Final = 15
_HERE: Final = Path(__file__).parent
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
_TEMPLATES.globals |= {
    name: getattr(words, name)
    for name in (
        "age", "at_least", "device_words", "milliseconds", "percent", "verdict_words",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checked:
    """A device of a room, or its PC, in words."""

    name: str
    status: Status
    status_words: str
    causes: tuple[str, ...]
    action: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page: the language, the moment, and the time of day where the hub stands."""

    say: Speech
    now: datetime
    zone: ZoneInfo
    hub: str | None = None

    def time(self, moment: datetime) -> str:
        """Return a moment as clocks at the hub show it."""
        return f"{moment.astimezone(self.zone):%H:%M:%S %d/%m/%Y}"

    def link(self, path: str, **query: str | None) -> str:
        """Return the address of a page in the same language."""
        asked = {"lang": "en" if self.say.language == "en" else None, **query}
        return str(URL.build(path=path, query={k: v for k, v in asked.items() if v}))

    @property
    def other_language(self) -> str:
        """Return the address of the same page in the other language."""
        return self.link("", hub=self.hub, lang="vi" if self.say.language == "en" else "en")

    def first(self, view: PointView) -> str:
        """Return what to do first, as the board gives it; what a state itself asks for is here."""
        if view.state is PointState.TESTING:
            return self.say("A test is running: touch nothing until it has ended.")
        if view.state is PointState.MAINTENANCE and view.maintenance_until is not None:
            return self.say("In maintenance until {time}.", time=self.time(view.maintenance_until))
        return self.say.pick(view.action) if view.action else ""

    def checked(self, view: PointView) -> Iterator[Checked]:
        """Yield what the last report says of devices and PC."""
        for one in view.devices:
            name = words.device_name(one.kind, one.role, self.say)
            if words.is_untried(one):
                yield Checked(name, Status.UNKNOWN, self._status_words(Status.UNKNOWN),
                              (self.say("not tried yet"),), "")  # fmt: skip
                continue
            yield self._checked(name, one.kind, one, one.values)
        if view.host is not None:
            name = words.device_name("host", "main", self.say)
            yield self._checked(name, "host", view.host, {})

    def who(self, view: PointView) -> str:
        """Return who does what is to be done first; nobody where a state itself tells to wait."""
        if view.state in {PointState.READY, PointState.TESTING, PointState.MAINTENANCE}:
            return ""
        return self.say(duty(view.cause or Cause.UNKNOWN))

    def _status_words(self, status: Status) -> str:
        return f"{words.SYMBOLS[status]} {words.said(words.STATUSES, status, self.say)}"

    def _checked(
        self, name: str, kind: str, looked: DeviceResult | HostState, values: Mapping[str, Value]
    ) -> Checked:
        found, status = looked.causes, looked.status
        unclear = {Status.WARN, Status.BAD} | ({Status.UNKNOWN} if kind != "host" else set())
        if not found and status in unclear:
            found = (Cause.UNKNOWN,)
        numbers = changes([looked]) if isinstance(looked, DeviceResult) else None
        first = found[0] if found else Cause.UNKNOWN
        to_do = action(first, device=kind, values=values, evidence=numbers)
        return Checked(
            name,
            status,
            self._status_words(status),
            tuple(words.fault_words(one, kind, values, self.say) for one in found),
            self.say.pick(to_do) if found and status not in words.NO_NEED else "",
        )


async def show_board(request: web.Request) -> web.Response:
    """Show every point of ``?hub=``, or of all hubs, those first that need something."""
    services = request.app[SERVICES]
    reader = _reader(request)
    hub = known_hub(services.config, reader.hub)
    shown = [view for view in services.board.view(reader.now, hub) if view.enabled]
    shown.sort(key=lambda one: (-words.SEVERITY.index(one.state), vietnamese_key(one.name)))
    parts = [
        (one, [view for view in shown if view.key.hub == one.id])
        for one in services.config.hubs
        if hub in {None, one.id}
    ]
    headline = reader.say(
        "{ready}/{total} points ready", ready=sum(map(is_ready, shown)), total=len(shown)
    )
    return await _page("board.html", reader, parts=parts, headline=headline)


async def show_point(request: web.Request) -> web.Response:
    """Show one room for its staff."""
    services = request.app[SERVICES]
    reader = _reader(request)
    key = PointKey(request.match_info["hub"], request.match_info["point"])
    record = services.board.records.get(key)
    if record is None or not record.section.enabled:
        shown = repr(f"{key.hub}/{key.point}"[:160])
        text = Text(f"Không có điểm cầu {shown}.", f"There is no point {shown}.")
        raise ProblemError(404, "unknown_point", text)
    view = services.board.view_of(key, record, reader.now)
    hub = services.board.hub_names[key.hub]
    return await _page("point.html", reader, view=view, hub=hub, checked=[*reader.checked(view)])


async def give_style(_request: web.Request) -> web.FileResponse:
    """Give the stylesheet; browsers keep it and ask whether it has changed."""
    return _static("diemcau.css")


async def give_renewal(_request: web.Request) -> web.FileResponse:
    """Give the script that renews a page, and says when the server no longer answers."""
    return _static("renew.js")


def _static(name: str) -> web.FileResponse:
    return web.FileResponse(_HERE / "static" / name, headers={"Cache-Control": "no-cache"})


@web.middleware
async def errors_as_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what goes wrong with a page into a page; other addresses answer programs."""
    if request.path != "/" and not request.path.startswith(("/points/", "/static/")):
        return await handler(request)
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001  # the border of a page
        problem = problem_of(request, error)
        response = await _page("error.html", _reader(request), text=problem.text)
        response.set_status(problem.status)
        response.headers.update(problem.headers)
        return response


def _reader(request: web.Request) -> Reader:
    say = speech("en" if request.query.get("lang") == "en" else "vi")
    zone = request.app[SERVICES].config.timezone
    return Reader(say, datetime.now(UTC), zone, request.query.get("hub") or None)


async def _page(name: str, reader: Reader, **content: object) -> web.Response:
    """Render in a thread: a page of a thousand points takes longer than the loop may stand."""
    template = _TEMPLATES.get_template(name)
    text = await asyncio.to_thread(
        template.render, reader=reader, say=reader.say, refresh=_REFRESH_SECONDS, **content
    )
    return web.Response(text=text, content_type="text/html", charset="utf-8")
