"""The closed lists of words that messages, metrics, pages and the command line share (SPEC 1)."""

from enum import StrEnum

ID_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
"""A hub, point, session or profile id: it becomes a topic level, a label and a user name.

No ``+``, ``#`` or ``/`` can occur, so an id never widens a subscription.
"""

MAX_MODEL = 64
"""Characters of the name of a device's product."""


class Status(StrEnum):
    """Outcome of one rule or probe."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"
    IN_USE = "in_use"
    NOT_APPLICABLE = "not_applicable"


class Verdict(StrEnum):
    """What a test says of a point or of the hub's line."""

    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"


class PointState(StrEnum):
    """State of a point on the board: its verdict, or why there is none."""

    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"
    TESTING = "testing"
    SILENT = "silent"
    NEVER_SEEN = "never_seen"
    MAINTENANCE = "maintenance"


class Confidence(StrEnum):
    """How far a verdict can be trusted (after draft-ietf-ippm-responsiveness)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class DeviceKind(StrEnum):
    """Kinds of devices in a room."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SPEAKER = "speaker"
    DISPLAY = "display"
    CODEC = "codec"


HANDBOOK_ORDER = (
    DeviceKind.CODEC,
    DeviceKind.DISPLAY,
    DeviceKind.CAMERA,
    DeviceKind.MICROPHONE,
    DeviceKind.SPEAKER,
)
"""In which the communes' handbook looks at the devices of a room: the set, picture, sound."""


class Direction(StrEnum):
    """Direction on a line: up is point to hub."""

    UP = "up"
    DOWN = "down"


class StepKind(StrEnum):
    """Steps of a line test in their order."""

    PREFLIGHT = "preflight"
    IDLE = "idle"
    GROUPS = "groups"
    REHEARSAL = "rehearsal"
    MARGIN = "margin"
