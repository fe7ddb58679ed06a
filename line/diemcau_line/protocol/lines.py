"""Commands and events as lines of JSON."""

import json
from dataclasses import fields
from typing import Any, get_args

from diemcau_line.protocol.commands import Command
from diemcau_line.protocol.events import Event
from diemcau_line.records import RecordError, from_plain, to_plain


class ProtocolError(Exception):
    """A line that is no command or event of this version."""


def encode_command(command: Command) -> bytes:
    """Return ``command`` as one JSON line with its newline."""
    return _line(command)


def encode_event(event: Event) -> bytes:
    """Return ``event`` as one JSON line with its newline."""
    return _line(event)


def decode_command(line: bytes) -> Command:
    """Read one line.

    Raises:
        ProtocolError: when it is no command.
    """
    command: Command = _decoded(line, "command", _COMMANDS)
    return command


def decode_event(line: bytes) -> Event:
    """Read one line.

    Raises:
        ProtocolError: when it is no event.
    """
    event: Event = _decoded(line, "event", _EVENTS)
    return event


def _by_name(union: Any, key: str) -> dict[object, type[Any]]:
    return {
        one.default: kind for kind in get_args(union) for one in fields(kind) if one.name == key
    }


_COMMANDS = _by_name(Command, "command")
_EVENTS = _by_name(Event, "event")


def _line(message: Command | Event) -> bytes:
    return json.dumps(to_plain(message), separators=(",", ":")).encode() + b"\n"


def _decoded(line: bytes, key: str, kinds: dict[object, type[Any]]) -> Any:
    """Read one line; an error names the place only, for the input may hold a secret."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = "not JSON"
        raise ProtocolError(message) from error
    name = content.get(key) if isinstance(content, dict) else None
    if not isinstance(name, str) or name not in kinds:
        message = f"no known {key}"
        raise ProtocolError(message)
    try:
        return from_plain(kinds[name], content)
    except RecordError as error:
        raise ProtocolError(str(error)) from error
