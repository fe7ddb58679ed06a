"""Projector and network display over PJLink, class 1 and 2. It asks, it never switches.

JBMIA, PJLink Specifications version 2.00 (2013): POWR, INPT, AVMT, ERST, LAMP of class 1; IRES,
the resolution of the input signal, of class 2.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiopjlink

from diemcau_agent.probes.address import equipment_host_port
from diemcau_agent.probes.log import note
from diemcau_agent.probes.result import ProbeResult, ProbeValue, shown

if TYPE_CHECKING:
    from diemcau_agent.probes.result import ProbeStatus

PORT: Final = 4352
DEADLINE_SECONDS: Final = 1.9
"""For all questions together: a room does not wait longer for its projector."""
ANSWER_SECONDS: Final = 1.5
"""For the connection and for each answer; less than the whole, so that each is told apart."""

_POWERS: Final = {"0": "off", "1": "on", "2": "cooling", "3": "warming"}
_ERRORS: Final = ("fan", "lamp", "temp", "cover", "filter", "other")
"""Places of ERST's six digits: 0 no fault or not known, 1 a warning, 2 an error."""
_CAUSE_OF_ERROR: Final = {"fan": "fan", "lamp": "lamp", "temp": "temp"}
_ERROR: Final = 2
_VIDEO_MUTED: Final = frozenset({"11", "31"})
_NO_SIGNAL: Final = "-"
_NONSENSE: Final = (
    aiopjlink.PJLinkException, asyncio.LimitOverrunError, OSError, ValueError, LookupError,
)  # fmt: skip
"""What the library lets through of a peer that hangs up or speaks something else."""
_BAD: Final = frozenset({"off", "wrong_input", "av_mute", "no_signal"})


@dataclass(slots=True)
class Answers:
    """What the projector has said, as far as it got; None: not said."""

    power: str | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
    input: str | None = None
    muted: str | None = None
    signal: str | None = None
    lamp_hours: int | None = None
    late: bool = False


def look_at_projector(settings: Mapping[str, object]) -> ProbeResult:
    """Ask the projector; settings: ``url``, ``password`` and ``input`` (INPT's two signs) or None.

    A projector that takes no commands just now (ERR3, while it starts or cools) is ``unknown``
    with ``warming``.
    """
    answers = Answers()
    try:
        asyncio.run(_ask_in_time(settings, answers))
    except aiopjlink.PJLinkPassword as error:
        note(f"login: {error}")
        return ProbeResult("bad", ("auth",))
    except aiopjlink.PJLinkNoConnection as error:
        note(f"connect: {error}")
        refused = isinstance(error.__context__, ConnectionRefusedError)
        return ProbeResult("bad", ("refused" if refused else "unreachable",))
    except aiopjlink.PJLinkERR3:
        return ProbeResult("unknown", ("warming",))
    except aiopjlink.PJLinkERR4:
        return ProbeResult("bad", ("device_fault",))
    except _NONSENSE as error:
        # It hung up, or what it says is not PJLink: another device may have the address.
        note(f"answer: {type(error).__name__}: {error}")
        silent = isinstance(error.__context__, TimeoutError)
        return ProbeResult("bad", ("timeout" if silent else "refused",))
    expected = settings.get("input")
    return judge_answers(answers, str(expected) if expected else None)


async def _ask_in_time(settings: Mapping[str, object], answers: Answers) -> None:
    host, port = equipment_host_port(str(settings["url"]), PORT)
    password = settings.get("password")
    link = aiopjlink.PJLink(host, port, str(password) if password else None, timeout=ANSWER_SECONDS)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS), link:
            await _ask(link, answers)
    except TimeoutError:
        answers.late = True


async def _ask(link: aiopjlink.PJLink, answers: Answers) -> None:
    answers.power = _POWERS.get(await link.transmit("POWR", "?", link.C1), "unknown")
    digits = await _optional(link, "ERST", link.C1)
    if digits is not None and len(digits) == len(_ERRORS) and digits.isdecimal():
        answers.errors = dict(zip(_ERRORS, map(int, digits), strict=True))
    if answers.power == "on":
        answers.input = await _optional(link, "INPT", link.C1)
        answers.muted = await _optional(link, "AVMT", link.C1)
        if await _optional(link, "CLSS", link.C1) == "2":
            answers.signal = await _optional(link, "IRES", link.C2)
    answers.lamp_hours = _hours(await _optional(link, "LAMP", link.C1))


async def _optional(link: aiopjlink.PJLink, command: str, pjlink_class: object) -> str | None:
    """Ask what not every projector answers, or not in every state."""
    try:
        return shown(str(await link.transmit(command, "?", pjlink_class)))
    except (aiopjlink.PJLinkERR1, aiopjlink.PJLinkERR2, aiopjlink.PJLinkERR3) as error:
        note(f"{command}: {error}")
        return None


def _hours(lamps: str | None) -> int | None:
    """LAMP answers hours and a switch per lamp: ``1200 1 30 0``; the oldest lamp counts."""
    words = (lamps or "").split()
    hours = [int(word) for word in words[::2] if word.isdecimal()]
    return max(hours, default=None)


def judge_answers(answers: Answers, expected_input: str | None) -> ProbeResult:
    """Judge what a projector says of itself; errors that it reports come before how it is set."""
    if answers.power is None:
        return ProbeResult("bad", ("timeout",))
    errors = _error_causes(answers.errors, _ERROR)
    causes = [*errors, *_setting_causes(answers, expected_input)]
    causes += [cause for cause in _error_causes(answers.errors, 1) if cause not in causes]
    bad = bool(errors) or any(cause in _BAD for cause in causes)
    status: ProbeStatus = "bad" if bad else "warn" if causes else "ok"
    if status == "ok" and (answers.late or answers.power == "unknown"):
        return ProbeResult("unknown", ("timeout",) if answers.late else (), _values(answers))
    return ProbeResult(status, tuple(causes), _values(answers))


def _setting_causes(answers: Answers, expected_input: str | None) -> list[str]:
    if answers.power in ("off", "cooling"):
        return ["off"]
    causes = ["warming"] if answers.power == "warming" else []
    if expected_input and answers.input not in (None, expected_input):
        causes.append("wrong_input")
    if answers.muted in _VIDEO_MUTED:
        causes.append("av_mute")
    if answers.signal == _NO_SIGNAL:
        causes.append("no_signal")
    return causes


def _error_causes(errors: Mapping[str, int], level: int) -> list[str]:
    found = [name for name, value in errors.items() if value == level]
    return list(dict.fromkeys(_CAUSE_OF_ERROR.get(name, "device_fault") for name in found))


def _values(answers: Answers) -> dict[str, ProbeValue]:
    return {
        "power": answers.power,
        "input": answers.input,
        "av_mute": answers.muted,
        "input_resolution": answers.signal,
        "lamp_hours": answers.lamp_hours,
        **{f"error_{name}": value for name, value in answers.errors.items()},
    }
