"""What a probe says, and how it travels from the child process to the agent."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Final, Literal, get_args

ProbeStatus = Literal["ok", "warn", "bad", "unknown", "in_use", "not_applicable"]
ProbeValue = bool | int | float | str | None

MAX_RESULT_BYTES: Final = 4096
MAX_TEXT: Final = 120

_BAD_CAUSES: Final = frozenset(
    {
        "missing", "denied", "timeout", "no_frames", "no_signal", "black", "covered", "frozen",
        "muted", "volume_zero", "digital_silence", "chirp_not_heard", "auth", "refused",
        "unreachable",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Outcome of one probe: causes from the contract's closed list, numbers and short words."""

    status: ProbeStatus
    causes: tuple[str, ...] = ()
    values: Mapping[str, ProbeValue] = field(default_factory=dict)
    model: str | None = None
    """What the device is called by its maker; see ``probes.model``."""


_KEYS: Final = frozenset(one.name for one in fields(ProbeResult))


def shown(text: str) -> str:
    """Return what a device or a program says of itself as a short word that is safe to print.

    A terminal must not obey what a stranger on the network calls itself.
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:MAX_TEXT]


def judged(causes: tuple[str, ...], values: Mapping[str, ProbeValue]) -> ProbeResult:
    """Give causes their status: bad when nothing is seen or heard, a warning when it is poor."""
    if not causes:
        return ProbeResult("ok", (), values)
    bad = any(cause in _BAD_CAUSES for cause in causes)
    return ProbeResult("bad" if bad else "warn", causes, values)


def to_json(result: ProbeResult) -> bytes:
    """Encode a result as one line of ASCII JSON; numbers are finite or null."""
    return json.dumps(asdict(result), allow_nan=False).encode("ascii")


def from_json(text: bytes) -> ProbeResult:
    """Decode what a child wrote.

    Raises:
        ValueError: too long, not JSON, or not a result.
    """
    if len(text) > MAX_RESULT_BYTES:
        raise ValueError("the result is too long")
    document = json.loads(text)
    if not isinstance(document, dict) or document.keys() != _KEYS:
        raise ValueError("not a probe's result")
    status, causes, values = document["status"], document["causes"], document["values"]
    if status not in get_args(ProbeStatus):
        raise ValueError("the status is not one of the list")
    if not isinstance(causes, list) or not all(isinstance(cause, str) for cause in causes):
        raise ValueError("causes are not a list of words")
    if not isinstance(values, dict) or not all(map(_is_value, values.values())):
        raise ValueError("values are not numbers and short words")
    model = document["model"]
    if model is not None and not isinstance(model, str):
        raise ValueError("the model is no word")
    return ProbeResult(status, tuple(causes), values, model)


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return value is None or isinstance(value, bool | int | float)
