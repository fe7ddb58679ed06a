"""The closed lists of words, and figures, as command line, pages and dashboards say them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Protocol

from diemcau_contract.causes import DEVICE_NAMES, WORDING, Cause, wording
from diemcau_contract.messages import Value
from diemcau_contract.words import DeviceKind, PointState, Status, Verdict
from diemcau_server.speech.language import Speech, mark

VERDICTS: Final[Mapping[str, str]] = {
    "ready": mark("ready"),
    "degraded": mark("usable, with warnings"),
    "not_ready": mark("not ready"),
    "unknown": mark("not known"),
}
STATES: Final[Mapping[str, str]] = {
    **VERDICTS,
    "testing": mark("being tested"),
    "silent": mark("silent"),
    "never_seen": mark("never seen"),
    "maintenance": mark("in maintenance"),
}
PHASES: Final[Mapping[str, str]] = {
    "waiting": mark("waiting"),
    "asked": mark("asked"),
    "accepted": mark("answered"),
    "opening": mark("joining"),
    "opened": mark("joined"),
    "measuring": mark("measuring"),
    "no_answer": mark("UDP blocked"),
    "refused": mark("refused"),
    "busy": mark("busy"),
    "failed": mark("failed"),
    "silent": mark("no contact"),
    "preflight": mark("preparation"),
    "idle": mark("line at rest"),
    "groups": mark("group by group"),
    "rehearsal": mark("rehearsal"),
    "margin": mark("margin"),
    "capacity": mark("capacity of each line"),
    "judging": mark("judging"),
    "ended": mark("done"),
    "finished": mark("done"),
    "done": mark("done"),
}
STATUSES: Final[Mapping[str, str]] = {
    "ok": mark("good"),
    "warn": mark("warning"),
    "bad": mark("bad"),
    "unknown": mark("not known"),
    "in_use": mark("in use"),
    "not_applicable": mark("not applicable"),
}
SYMBOLS: Final[Mapping[str, str]] = {
    "ready": "✓", "degraded": "!", "not_ready": "✗", "unknown": "?",
    "ok": "✓", "warn": "!", "bad": "✗", "in_use": "•", "not_applicable": "–",
    "testing": "…", "silent": "✗", "never_seen": "?", "maintenance": "•",
}  # fmt: skip
COLOURS: Final[Mapping[str, str]] = {
    "ready": "green", "degraded": "yellow", "not_ready": "bold red", "unknown": "magenta",
    "ok": "green", "warn": "yellow", "bad": "red", "silent": "red",
}  # fmt: skip
SEVERITY: Final = (
    PointState.READY,
    PointState.MAINTENANCE,
    PointState.TESTING,
    PointState.DEGRADED,
    PointState.UNKNOWN,
    PointState.NEVER_SEEN,
    PointState.SILENT,
    PointState.NOT_READY,
)
"""States by how soon somebody must act, the worst last."""
_FINE_MILLISECONDS: Final = 100
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_BY_WHOM: Final = frozenset({Cause.BUSY, Cause.WRONG_DEVICE})
NO_NEED: Final = frozenset({Status.OK, Status.NOT_APPLICABLE, Status.IN_USE})
"""Nobody has to do anything about a device of these."""


class DeviceSeen(Protocol):
    """A device as progress and results name it."""

    @property
    def kind(self) -> str:
        """Kind of device."""

    @property
    def role(self) -> str:
        """Its place in the room."""

    @property
    def status(self) -> Status:
        """What the probe says."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Why."""

    @property
    def values(self) -> Mapping[str, Value]:
        """What the probe saw."""


def said(words: Mapping[str, str], word: str, say: Speech) -> str:
    """Return the word of a closed list in the user's language, an unknown one as it is."""
    return say(words[word]) if word in words else word


def verdict_words(verdict: Verdict | str, say: Speech) -> str:
    """Return symbol and words of a verdict or state; the symbol alone tells it without colour."""
    return f"{SYMBOLS.get(verdict, '?')} {said(STATES, verdict, say)}"


def cause_name(cause: Cause, say: Speech) -> str:
    """Return a cause in a few words."""
    return say.pick(WORDING[cause].name)


def device_name(kind: str, role: str, say: Speech) -> str:
    """Return a device's name, with its role where that is not the main one."""
    name = say.pick(DEVICE_NAMES[kind]) if kind in DEVICE_NAMES else kind
    return name if role == "main" else f"{name} {role}"


def named_program(kind: str, values: Mapping[str, Value]) -> str:
    """Return which program has a device, or which device is used in its place; empty: not told.

    What has a codec is a call, which its cause says already.
    """
    if kind == DeviceKind.CODEC:
        return ""
    return str(values.get("held_by") or values.get("used") or "")


def fault_words(cause: Cause, kind: str, values: Mapping[str, Value], say: Speech) -> str:
    """Return a device's cause in a few words, with who has it or what is used in its place."""
    fault = say.pick(wording(cause, kind, values).name)
    who = named_program(kind, values) if cause in _BY_WHOM else ""
    return f"{fault} ({who})" if who else fault


def device_fault(device: DeviceSeen, cause: Cause, say: Speech) -> str:
    """Return "device: cause", without saying the device's name twice."""
    name = device_name(device.kind, device.role, say)
    fault = fault_words(cause, device.kind, device.values, say)
    return fault if fault.casefold().startswith(name.casefold()) else f"{name}: {fault}"


def is_untried(device: DeviceSeen) -> bool:
    """Tell whether nobody has looked at what only a probe can prove (SPEC 6.6): it is there."""
    return bool(device.values.get("untried")) and device.status in NO_NEED


def device_words(devices: Iterable[DeviceSeen], say: Speech) -> str:
    """Return what a table cell says of a room's devices: the faults, or that all are good."""
    listed = list(devices)
    if not listed:
        return "–"
    untried = [device for device in listed if is_untried(device)]
    faults = []
    for device in listed:
        if device.status in NO_NEED or device in untried:
            continue
        cause = device.causes[0] if device.causes else Cause.UNKNOWN
        faults.append(f"{SYMBOLS[device.status]} {device_fault(device, cause, say)}")
    if faults:
        return "\n".join(faults)
    if untried:
        return f"{SYMBOLS['unknown']} {say('not tried yet')}"
    in_use = [device for device in listed if device.status is Status.IN_USE]
    if not in_use:
        return f"{SYMBOLS['ok']} {say('good')}"
    named = dict.fromkeys(named_program(device.kind, device.values) for device in in_use)
    who = ", ".join(one for one in named if one)
    return f"{SYMBOLS['in_use']} {say('in use')}" + (f" ({who})" if who else "")


def milliseconds(seconds: float | None, say: Speech) -> str:
    """Return a delay for a table cell."""
    if seconds is None:
        return "–"
    value = seconds * 1000
    return f"{say.number(value, 1 if value < _FINE_MILLISECONDS else 0)} ms"


def megabits(rate: float | None, say: Speech) -> str:
    """Return a bit rate in Mbit/s."""
    return "–" if rate is None else f"{say.number(rate / 1e6, 1)} Mbit/s"


def at_least(rate: float | None, say: Speech, *, bound: bool) -> str:
    """Return a capacity in Mbit/s, as a lower bound where it is one."""
    shown = megabits(rate, say)
    return f"≥ {shown}" if bound and rate is not None else shown


def percent(ratio: float | None, say: Speech) -> str:
    """Return a share for a table cell."""
    return "–" if ratio is None else f"{say.number(ratio * 100, 1)} %"


def age(moment: datetime | None, now: datetime, say: Speech) -> str:
    """Return how long ago ``moment`` was."""
    if moment is None:
        return say("never")
    seconds = max(0.0, (now - moment).total_seconds())
    if seconds < _MINUTE:
        return say("{number} s ago", number=int(seconds))
    if seconds < _HOUR:
        return say("{number} min ago", number=int(seconds // _MINUTE))
    if seconds < _DAY:
        return say("{number} h ago", number=int(seconds // _HOUR))
    return say("{number} days ago", number=int(seconds // _DAY))
