"""Names of the MQTT topics (SPEC 2). No other module writes a topic."""

import re
from dataclasses import dataclass
from enum import StrEnum

from diemcau_contract.errors import TopicError
from diemcau_contract.words import ID_PATTERN

ROOT = "diemcau/v1"
_ID = re.compile(ID_PATTERN)
_LEVELS = 6
_DOCTOR = "doctor"


class Up(StrEnum):
    """What a point publishes."""

    HELLO = "hello"
    REPORT = "report"
    RESULT = "result"


class Down(StrEnum):
    """What the hub publishes to a point."""

    SETTINGS = "settings"
    ACK = "ack"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class UpTopic:
    """A parsed topic from a point."""

    hub: str
    point: str
    kind: Up


def up(hub: str, point: str, kind: Up) -> str:
    """Return the topic on which ``point`` publishes messages of ``kind``."""
    return f"{ROOT}/{_checked(hub)}/{_checked(point)}/up/{kind}"


def down(hub: str, point: str, kind: Down) -> str:
    """Return the topic on which the hub publishes messages of ``kind`` to ``point``."""
    return f"{ROOT}/{_checked(hub)}/{_checked(point)}/down/{kind}"


def all_up() -> str:
    """Return the filter by which the server hears every point of every hub."""
    return f"{ROOT}/+/+/up/+"


def all_down(hub: str, point: str) -> str:
    """Return the filter by which ``point`` hears the hub."""
    return f"{ROOT}/{_checked(hub)}/{_checked(point)}/down/+"


def doctors(hub: str) -> str:
    """Return the topic of no point on which the hub's doctor says something, and must hear it.

    The server's account may publish there, and hears it by the filter by which it hears points.
    """
    return f"{ROOT}/{_checked(hub)}/{_DOCTOR}/up/{_DOCTOR}"


def is_doctors(topic: str) -> bool:
    """Say whether this is the doctor's own topic of some hub."""
    return topic.startswith(f"{ROOT}/") and topic.endswith(f"/{_DOCTOR}/up/{_DOCTOR}")


def parse_up(topic: str) -> UpTopic:
    """Take a topic apart.

    Raises:
        TopicError: when it is not a topic of a point.
    """
    levels = topic.split("/")
    if len(levels) != _LEVELS or "/".join(levels[:2]) != ROOT or levels[4] != "up":
        message = f"not a topic of a point: {topic!r}"
        raise TopicError(message)
    try:
        return UpTopic(_checked(levels[2]), _checked(levels[3]), Up(levels[5]))
    except ValueError as error:
        message = f"unknown message kind {levels[5]!r} in topic {topic!r}"
        raise TopicError(message) from error


def _checked(identifier: str) -> str:
    if not _ID.match(identifier):
        message = f"not an id: {identifier!r} (a-z, 0-9 and '-', at most 63 characters)"
        raise TopicError(message)
    return identifier
