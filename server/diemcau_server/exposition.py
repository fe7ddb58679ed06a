"""Points and hubs as text: Prometheus' format 0.0.4 and OpenMetrics 1.0, a little at a time.

The lines of a point are made once for each change of it and kept, so that a scrape only joins
them; nothing here holds the event loop for longer than a few milliseconds (decision 0008).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from prometheus_client.utils import floatToGoString

from diemcau_server.config import SessionConfig
from diemcau_server.hub_series import HUB_FAMILIES, Attendance, HubTally, hub_samples
from diemcau_server.point_series import (
    FAMILIES,
    Family,
    Labels,
    Sample,
    is_ready,
    point_samples,
)
from diemcau_server.state import Board, PointKey, PointRecord

CHUNK_BYTES = 128 * 1024
"""A piece of the answer at most: packed in about a millisecond."""
_MADE_IN_A_TURN = 25
"""So many points are written anew between two turns of the event loop: about 3 ms."""
_LOOKED_AT_IN_A_TURN = 2000
_JOINED_AT_ONCE = 200
"""Points whose lines are joined before the piece is looked at: the longest family has 0.7 kB."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one point or hub, by family, and how many there are."""

    by_family: tuple[bytes, ...]
    series: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A point's lines while its record has this version and ``stays_until`` has not come.

    A clock that was set back to before ``made_at`` may make what was young another thing.
    """

    version: int
    made_at: datetime
    stays_until: datetime
    lines: Lines
    session: SessionConfig | None
    ready: bool

    def holds(self, version: int, now: datetime) -> bool:
        """Tell whether these lines are still what would be written at ``now``."""
        return self.version == version and self.made_at <= now < self.stays_until


def header(family: Family, *, openmetrics: bool) -> bytes:
    """Return the two lines before a family's samples."""
    suffix = "_total" if family.kind == "counter" and not openmetrics else ""
    name = family.name + suffix
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n".encode()


class Writer:
    """Writes the samples of one set of families."""

    def __init__(self, families: Sequence[Family]) -> None:
        names = (f"{one.name}_total" if one.kind == "counter" else one.name for one in families)
        self._places = {name: place for place, name in enumerate(names)}

    def lines_of(self, hub: str, point: str | None, samples: Iterable[Sample]) -> Lines:
        """Write samples, labels in the order of their names; both formats share these lines."""
        texts = [""] * len(self._places)
        series = 0
        of_hub = f'hub="{hub}"'
        of_point = f',point="{point}"' if point else ""
        for name, labels, value in samples:
            before, between, after = _around(labels)
            texts[self._places[name]] += (
                f"{name}{{{before}{of_hub}{between}{of_point}{after}}} {number(value)}\n"
            )
            series += 1
        return Lines(tuple(text.encode("utf-8", "replace") for text in texts), series)


@lru_cache(maxsize=4096)
def _around(labels: Labels) -> tuple[str, str, str]:
    """Return the labels that stand before ``hub``, between it and ``point``, and behind."""
    written = [(name, f'{name}="{escaped(value)}"') for name, value in sorted(labels)]
    return (
        "".join(f"{text}," for name, text in written if name < "hub"),
        "".join(f",{text}" for name, text in written if "hub" < name < "point"),
        "".join(f",{text}" for name, text in written if name > "point"),
    )


def escaped(value: str) -> str:
    r"""Escape a label value: backslash, quote and line feed (text format 0.0.4)."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """Write a value as Go and prometheus-client read it."""
    if isinstance(value, bool):
        return "1.0" if value else "0.0"
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # the library has no types there


_POINTS = Writer(FAMILIES)
_HUBS = Writer(HUB_FAMILIES)


@dataclass(frozen=True, slots=True)
class Written:
    """The lines of one scrape."""

    points: Sequence[Lines]
    hubs: Sequence[Lines]

    @property
    def series(self) -> int:
        """How many series they are."""
        return sum(one.series for one in (*self.points, *self.hubs))

    async def pieces(self, *, openmetrics: bool = False) -> AsyncIterator[bytes]:
        """Yield the text in pieces; other tasks run between two of them."""
        piece = bytearray()
        for families, lines in ((FAMILIES, self.points), (HUB_FAMILIES, self.hubs)):
            columns = zip(*(one.by_family for one in lines), strict=True)
            for family, column in zip(families, columns, strict=False):
                written = header(family, openmetrics=openmetrics) if any(column) else b""
                for start in range(0, len(column), _JOINED_AT_ONCE):
                    piece += written + b"".join(column[start : start + _JOINED_AT_ONCE])
                    written = b""
                    while len(piece) >= CHUNK_BYTES:
                        yield bytes(piece[:CHUNK_BYTES])
                        del piece[:CHUNK_BYTES]
                        await asyncio.sleep(0)
        yield bytes(piece)


class Exposition:
    """The text of all points and hubs of a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._kept: dict[PointKey, _Kept] = {}

    async def refresh(self, now: datetime) -> None:
        """Write anew what has changed, so that the next scrape finds it written."""
        await self._points(None, now)

    async def written(self, now: datetime, hub: str | None = None) -> Written:
        """Return all lines (of ``hub``) as they stand at ``now``."""
        keys, points = await self._points(hub, now)
        return Written([one.lines for one in points], self._hubs(keys, points, hub, now))

    async def _points(self, hub: str | None, now: datetime) -> tuple[list[PointKey], list[_Kept]]:
        """Return all points (of ``hub``) with their lines, made anew where they have changed."""
        keys, found, made = [], [], 0
        for index, (key, record) in enumerate(list(self._board.records.items()), start=1):
            if hub is not None and key.hub != hub:
                continue
            kept = self._kept.get(key)
            if kept is None or not kept.holds(record.version, now):
                kept = self._kept[key] = self._made(key, record, now)
                made += 1
                if made % _MADE_IN_A_TURN == 0:
                    await asyncio.sleep(0)
            keys.append(key)
            found.append(kept)
            if index % _LOOKED_AT_IN_A_TURN == 0:
                await asyncio.sleep(0)
        return keys, found

    def _made(self, key: PointKey, record: PointRecord, now: datetime) -> _Kept:
        view = self._board.view_of(key, record, now)
        return _Kept(
            version=record.version,
            made_at=now,
            stays_until=self._board.stays_until(record, now),
            lines=_POINTS.lines_of(key.hub, key.point, point_samples(view, self._board.limits)),
            session=view.session if view.enabled else None,
            ready=is_ready(view),
        )

    def _hubs(
        self, keys: Sequence[PointKey], points: Sequence[_Kept], hub: str | None, now: datetime
    ) -> list[Lines]:
        names = {
            hub_id: name for hub_id, name in self._board.hub_names.items() if hub in {None, hub_id}
        }
        tallies = {hub_id: HubTally({}) for hub_id in names}
        for key, point in zip(keys, points, strict=True):
            tally = tallies[key.hub]
            tally.testing = tally.testing or self._board.records[key].testing
            if point.session is not None:
                one = tally.sessions.setdefault(point.session.id, Attendance(point.session))
                one.points += 1
                one.ready += point.ready
        return [
            _HUBS.lines_of(
                hub_id,
                None,
                hub_samples(name, tallies[hub_id], self._board.hub_lines.get(hub_id), now),
            )
            for hub_id, name in names.items()
        ]
