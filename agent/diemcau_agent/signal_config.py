"""What the agent's file says of picture and sound: limits, the speaker's test, quiet hours."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict

from diemcau_agent.signal.limits import (
    ECHO_LIMITS,
    PICTURE_LIMITS,
    SOUND_LIMITS,
    EchoLimits,
    PictureLimits,
    SoundLimits,
)
from diemcau_contract.errors import ValueMistake

AnyLimits = PictureLimits | SoundLimits | EchoLimits

_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "dbfs": (-120, 0),
    "db": (0, 120),
    "lines": (1, 40),
    "hz": (1, 24_000),
    "seconds": (0, 10),
    "ratio": (0, 2),
    "blur": (0.01, 2),
    "bits": (0, 65_536),
}
"""By the last word of a limit's name: what it may be. A share that is none turns a rule off: 0 of
those below which, above 1 of those above which something is wrong."""
_LEVELS: Final = (0, 255)
"""Grey levels, and frames per second."""
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


def _in_range(limits: AnyLimits) -> AnyLimits:
    """Return the limits as they are; a mistake names those that no room can mean."""
    wrong = {}
    for name, value in asdict(limits).items():
        least, most = _RANGES.get(name.rpartition("_")[2], _LEVELS)
        if not least <= value <= most:  # also what is no number
            wrong[name] = f"{least:g} … {most:g}"
    if wrong:
        names_vi = "; ".join(f"{name} phải trong {span}" for name, span in wrong.items())
        names_en = "; ".join(f"{name} must be in {span}" for name, span in wrong.items())
        raise ValueMistake(names_vi, names_en)
    return limits


class Limits(BaseModel):
    """Limits of the classifiers; what is absent stays as this version has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: Annotated[PictureLimits, AfterValidator(_in_range)] = PICTURE_LIMITS
    sound: Annotated[SoundLimits, AfterValidator(_in_range)] = SOUND_LIMITS
    echo: Annotated[EchoLimits, AfterValidator(_in_range)] = ECHO_LIMITS

    def settings(self, kind: str) -> Mapping[str, Any]:
        """Return what a probe of this kind is told: only what differs from this version's."""
        pairs: dict[str, tuple[AnyLimits, AnyLimits]] = {
            "camera": (self.picture, PICTURE_LIMITS),
            "microphone": (self.sound, SOUND_LIMITS),
            "speaker": (self.echo, ECHO_LIMITS),
        }
        if kind not in pairs:
            return {}
        chosen, usual = pairs[kind]
        changed = {
            name: value for name, value in asdict(chosen).items() if value != getattr(usual, name)
        }
        return {"limits": changed} if changed else {}


def checked_hours(hours: str) -> str:
    """Return the hours as they are; a mistake says how they are written."""
    if not _HOURS.fullmatch(hours):
        raise ValueMistake("phải là HH:MM-HH:MM, giờ địa phương", "must be HH:MM-HH:MM, local time")
    return hours
