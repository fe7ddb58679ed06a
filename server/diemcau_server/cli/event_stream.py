"""Server-sent events from bytes (HTML Living Standard, section 9.2.6), bounded."""

from dataclasses import dataclass, field
from typing import Final

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024
"""A result of 1,000 points has about 4 MB."""


class EventTooLargeError(ValueError):
    """An event beyond :data:`MAX_EVENT_BYTES`: not one of ours."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name and its data."""

    name: str
    data: str


@dataclass(slots=True)
class EventParser:
    """Takes bytes as they come, gives whole events; what a cut leaves unfinished is dropped."""

    _rest: bytearray = field(default_factory=bytearray)
    _name: str = ""
    _data: list[str] = field(default_factory=list)
    _size: int = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Take ``chunk`` and return the events that it completes.

        Raises:
            EventTooLargeError: the stream is none of ours.
        """
        self._rest += chunk
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        self._size += len(chunk)
        if self._size > MAX_EVENT_BYTES:
            raise EventTooLargeError
        events = []
        for line in lines:
            event = self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                events.append(event)
                self._size = len(rest)
        return events

    def _line(self, line: str) -> Event | None:
        if not line:
            event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
            self._name, self._data = "", []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        return None
