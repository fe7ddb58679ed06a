"""Checks across the parts of the server's file.

They work on the YAML as it stands, not on the parsed values: one wrong key must not hide a
duplicate id elsewhere, all mistakes are told at once.
"""

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from diemcau_contract.causes import Text
from diemcau_contract.documents import Document
from diemcau_contract.errors import Problem, ValueMistake
from diemcau_contract.yaml_text import Place
from diemcau_server.moments import DEFAULT_TIMEZONE, in_utc, moment

_Mapping = Mapping[object, object]

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_HUB = Text("hội trường", "hub")
_POINT = Text("điểm cầu", "point")
_PROFILE = Text("mức đo", "profile")
_UNIT = Text("đơn vị", "unit")
_ID = Text("mã", "id")
_POINT_ID = Text("mã điểm cầu", "point id")
_UNIT_ID = Text("mã đơn vị", "unit id")


def cross_problems(document: Document) -> list[Problem]:
    """Return what is wrong between the parts of the document."""
    return list(_CrossCheck(document).problems()) if isinstance(document.content, dict) else []


def port_problems(document: Document, http_port: int, broker: tuple[str, int]) -> Iterator[Problem]:
    """Say it when pages and a broker on this machine would take one TCP port; 0 is any free one.

    Args:
        document: the file as it stands.
        http_port: where pages and API listen.
        broker: host and port of the broker.
    """
    host, port = broker
    if http_port == 0 or port != http_port or host not in _THIS_MACHINE:
        return
    place: Place = ("http", "port")
    if document.at(place) is None:
        place = ("broker",)
    what = Text(
        f"cổng TCP {http_port} là của broker; trang và API cần cổng khác",
        f"TCP port {http_port} is the broker's; pages and API need another one",
    )
    yield document.problem(place, what)


class _CrossCheck:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._content: _Mapping = document.content
        self._zone = ZoneInfo(DEFAULT_TIMEZONE)

    def problems(self) -> Iterator[Problem]:
        yield from self._timezone()
        for key in ("hubs", "sessions", "profiles"):
            yield from self._duplicates((key,), _ID)
        for index, _ in _entries(self._content.get("hubs")):
            yield from self._duplicates(("hubs", index, "points"), _POINT_ID)
            yield from self._duplicates(("hubs", index, "units"), _UNIT_ID)
        yield from self._reference(("default_profile",), _PROFILE, self._ids("profiles"))
        for index, session in _entries(self._content.get("sessions")):
            yield from self._session(index, session)

    def _timezone(self) -> Iterator[Problem]:
        name = self._content.get("timezone")
        if not isinstance(name, str):
            return
        try:
            self._zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            what = Text(
                f"không có múi giờ {name!r}; ghi tên như {DEFAULT_TIMEZONE!r}",
                f"unknown timezone {name!r}; expected a name such as {DEFAULT_TIMEZONE!r}",
            )
            yield self._document.problem(("timezone",), what)

    def _session(self, index: int, session: _Mapping) -> Iterator[Problem]:
        place: Place = ("sessions", index)
        hubs = self._ids("hubs")
        yield from self._reference((*place, "hub"), _HUB, hubs)
        yield from self._reference((*place, "profile"), _PROFILE, self._ids("profiles"))
        hub = session.get("hub")
        if hub in hubs:
            for key, word in (("points", _POINT), ("units", _UNIT)):
                known = self._hub_ids(hub, key)
                its = Text(f"{word.vi} của {hub}", f"{word.en} of {hub}")
                for number, _ in enumerate(_values(session.get(key))):
                    yield from self._reference((*place, key, number), its, known)
        start, end = self._moment(session.get("start")), self._moment(session.get("end"))
        if start is not None and end is not None and end <= start:
            begins = session["start"]
            what = Text(f"phải sau start ({begins})", f"must be after start ({begins})")
            yield self._document.problem((*place, "end"), what)

    def _moment(self, written: object) -> datetime | None:
        """Return the time that is meant; one that cannot be is told where its key is read."""
        try:
            return in_utc(moment(written), self._zone)
        except ValueMistake:
            return None

    def _duplicates(self, place: Place, word: Text) -> Iterator[Problem]:
        first: dict[str, int] = {}
        for index, entry in _entries(self._document.at(place)):
            identifier = entry.get("id")
            if not isinstance(identifier, str):
                continue
            here: Place = (*place, index, "id")
            if identifier in first:
                line = first[identifier]
                what = Text(
                    f"trùng {word.vi} {identifier!r} (lần đầu ở dòng {line})",
                    f"duplicate {word.en} {identifier!r} (first on line {line})",
                )
                yield self._document.problem(here, what)
            else:
                first[identifier] = self._document.lines.get(here, 0)

    def _reference(self, place: Place, word: Text, known: list[str]) -> Iterator[Problem]:
        value = self._document.at(place)
        if not isinstance(value, str) or value in known:
            return
        hint = _hint(value, known)
        what = Text(
            f"không tìm thấy {value!r} trong các {word.vi}; {hint.vi}",
            f"unknown {word.en} {value!r}; {hint.en}",
        )
        yield self._document.problem(place, what)

    def _ids(self, key: str) -> list[str]:
        return [str(entry.get("id")) for _, entry in _entries(self._content.get(key))]

    def _hub_ids(self, hub: object, key: str) -> list[str]:
        for _, entry in _entries(self._content.get("hubs")):
            if entry.get("id") == hub:
                return [str(item.get("id")) for _, item in _entries(entry.get(key))]
        return []


def _hint(value: str, known: list[str]) -> Text:
    near = difflib.get_close_matches(value, known, n=1)
    if near:
        return Text(f"có phải ý bạn là {near[0]!r}?", f"did you mean {near[0]!r}?")
    if not known:
        return Text("chưa khai báo mã nào", "known: none")
    names = ", ".join(known[:20])
    return Text(f"đang có: {names}", f"known: {names}")


def _entries(value: object) -> Iterator[tuple[int, _Mapping]]:
    for index, entry in enumerate(_values(value)):
        if isinstance(entry, dict):
            yield index, entry


def _values(value: object) -> list[object]:
    return value if isinstance(value, list) else []
