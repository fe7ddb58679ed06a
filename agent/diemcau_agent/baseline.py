"""What a technician has accepted of a room, in numbers; later results are held against it.

``baseline.json`` in the state directory: some numbers of each device and when they were accepted,
and through which echo canceller the room's microphone has heard its speaker. No picture and no
sound.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from diemcau_agent.devices import ExpectedDevice
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult, Utc
from diemcau_contract.value_words import ACCEPTED
from diemcau_contract.words import DeviceKind, Status

FILE_NAME: Final = "baseline.json"


@dataclass(frozen=True, slots=True)
class Compared:
    """How far a value may move before it is told."""

    name: str
    most: float
    way: Literal["ratio", "difference"]

    def moved(self, now: float, accepted: float) -> bool:
        """Say whether it has moved too far."""
        if self.way == "difference":
            return abs(now - accepted) > self.most
        least = min(abs(now), abs(accepted))
        return max(abs(now), abs(accepted)) > self.most * max(least, 1e-9)


COMPARED: Final[Mapping[DeviceKind, tuple[Compared, ...]]] = {
    DeviceKind.CAMERA: (
        # A room by day and by lamps differs by less; the auto-exposure keeps it in bounds.
        Compared("luma", 2.5, "ratio"),
        Compared("deviation", 3.0, "ratio"),
        Compared("blur", 0.15, "difference"),
        Compared("frames_per_second", 1.5, "ratio"),
    ),
    DeviceKind.MICROPHONE: (
        Compared("volume_ratio", 0.25, "difference"),
        # A fan that runs or not is less.
        Compared("block_p10_dbfs", 20.0, "difference"),
    ),
    DeviceKind.SPEAKER: (
        Compared("gain_db", 10.0, "difference"),
        Compared("delay_seconds", 0.1, "difference"),
    ),
}
_JUDGED: Final = frozenset({Status.OK, Status.WARN})


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Accepted(_Frozen):
    """One device as it was accepted."""

    at: Utc
    values: dict[str, float]


class Heard(_Frozen):
    """A speaker that was heard through an echo canceller."""

    at: Utc
    output: str
    listener: str
    """Names of speaker and microphone: another pair may well cancel what this one let through."""


def _that_can_be_read(heard: object) -> object:
    """Leave out what an older version kept: when, but not through what."""
    if not isinstance(heard, dict):
        return heard
    return {key: one for key, one in heard.items() if not isinstance(one, str)}


class Baseline(_Frozen):
    """All that is kept of a room; keys are ``kind.role``."""

    schema_: Literal["diemcau.agent_baseline/1"] = Field(
        default="diemcau.agent_baseline/1", alias="schema"
    )
    devices: dict[str, Accepted] = Field(default_factory=dict)
    heard: Annotated[dict[str, Heard], BeforeValidator(_that_can_be_read)] = Field(
        default_factory=dict
    )
    """Speakers that the microphone has heard through a canceller, as they last were."""


def read_baseline(directory: Path) -> Baseline:
    """Return what is kept; an empty one where there is nothing that can be read."""
    try:
        text = (directory / FILE_NAME).read_text(encoding="utf-8")
        return Baseline.model_validate_json(text)
    except (OSError, UnicodeDecodeError, ValidationError):
        return Baseline()


def acceptable(result: DeviceResult) -> bool:
    """Say whether a result can be held as right: ok or a warning, of a kind that is compared.

    A speaker that is not heard has no numbers, and may be right all the same.
    """
    return result.status in _JUDGED and (bool(_numbers(result)) or _unheard(result))


def accept(baseline: Baseline, results: Iterable[DeviceResult], at: datetime) -> Baseline:
    """Return the baseline with the numbers of these results.

    A speaker that is accepted although it is not heard need not be heard from then on.
    """
    kept = {_key(result): result for result in results}
    numbers = {key: Accepted(at=at, values=_numbers(result)) for key, result in kept.items()}
    heard = {key: one for key, one in baseline.heard.items() if key not in kept}
    heard |= _heard(kept.values(), at)
    return baseline.model_copy(update={"devices": baseline.devices | numbers, "heard": heard})


def keep(directory: Path, baseline: Baseline) -> None:
    """Replace the file as a whole.

    Raises:
        OSError: the disk does not take it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / f"{FILE_NAME}.{os.getpid()}.new"
    draft.write_text(baseline.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
    draft.replace(directory / FILE_NAME)


def remember_heard(directory: Path, results: Iterable[DeviceResult]) -> None:
    """Keep that a speakerphone was heard: from then on, not hearing it is more than a warning.

    A speaker without a canceller says nothing of one that may come later.
    """
    baseline = read_baseline(directory)
    heard = _heard(results, datetime.now(UTC))
    news = {key: one for key, one in heard.items() if not _same(one, baseline.heard.get(key))}
    if not news:
        return
    # A full disk must not turn a good check into a failure; the next check tries again.
    with contextlib.suppress(OSError):
        keep(directory, baseline.model_copy(update={"heard": baseline.heard | news}))


def _heard(results: Iterable[DeviceResult], at: datetime) -> dict[str, Heard]:
    return {
        _key(result): Heard(
            at=at,
            output=str(result.values.get("output")),
            listener=str(result.values.get("listener")),
        )
        for result in results
        if result.values.get("heard") is True and result.values.get("echo_canceller") is True
    }


def _same(one: Heard, other: Heard | None) -> bool:
    return other is not None and (one.output, one.listener) == (other.output, other.listener)


def prepared(device: ExpectedDevice, baseline: Baseline) -> ExpectedDevice:
    """Return the device with what its probe must know of former checks."""
    if device.kind != DeviceKind.SPEAKER:
        return device
    heard = baseline.heard.get(f"{device.kind}.{device.role}")
    passed = None if heard is None else [heard.output, heard.listener]
    return replace(device, source={**device.source, "passed_with": passed})


def held_against(result: DeviceResult, baseline: Baseline) -> DeviceResult:
    """Return the result, ``changed`` beside its other causes where it has left the baseline.

    Both numbers are then among its values. It is a warning at most: what is bad is told by its
    own cause, and a good picture that has changed is still a picture.
    """
    accepted = baseline.devices.get(_key(result))
    if accepted is None or result.status not in _JUDGED:
        return result
    numbers = _numbers(result)
    left = {}
    for one in COMPARED.get(result.kind, ()):
        now, before = numbers.get(one.name), accepted.values.get(one.name)
        if now is not None and before is not None and one.moved(now, before):
            left[f"{ACCEPTED}{one.name}"] = before
    if not left:
        return result
    causes = (*result.causes, Cause.CHANGED)
    return result.model_copy(
        update={"status": Status.WARN, "causes": causes, "values": {**result.values, **left}}
    )


def _unheard(result: DeviceResult) -> bool:
    """Say whether it is a speaker that played and was not heard."""
    return result.kind is DeviceKind.SPEAKER and result.values.get("heard") is False


def _numbers(result: DeviceResult) -> dict[str, float]:
    """Return what is compared; delay and level of a chirp that nobody heard are noise."""
    if _unheard(result):
        return {}
    return {
        one.name: float(value)
        for one in COMPARED.get(result.kind, ())
        if isinstance(value := result.values.get(one.name), int | float)
    }


def _key(result: DeviceResult) -> str:
    return f"{result.kind}.{result.role}"
