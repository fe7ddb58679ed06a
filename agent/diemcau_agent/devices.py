"""Inventory: which expected devices are there, without opening any of them.

Cheap enough for every 30 seconds: it reads the kernel's lists. A child process asks the sound
system only where those do not know the device, where they have changed, and now and then for who
uses it and which device programs use instead.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

from diemcau_agent.probes.cards import Card, Stream, sound_cards
from diemcau_agent.probes.consent import Registry, WindowsRegistry, occupied, refusal
from diemcau_agent.probes.dshow import name_pattern
from diemcau_agent.probes.frame import ChildRun, device_result, run_child
from diemcau_agent.probes.holders import programs_holding
from diemcau_agent.probes.interfaces import plugged_in
from diemcau_agent.probes.outputs import judge_outputs, linux_outputs
from diemcau_agent.probes.result import ProbeResult, ProbeValue, judged, shown
from diemcau_agent.probes.table import PROBES, probe_for
from diemcau_agent.probes.v4l2 import camera_model, find_v4l2
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult

ASK_SECONDS: Final = 120.0
"""How old the sound system's answer may be while the kernel's list stays the same: asking costs
more than all the rest."""
UNTRIED: Final = "untried"
"""Value of a device of which only a probe can say that it works, and that none has looked at."""
HOLDERS_HIDDEN: Final = "holders_hidden"
"""Value of a device that is there, but nobody can say whether a program has it open."""
_STREAMS: Final[Mapping[str, Stream]] = {"microphone": "c", "speaker": "p"}


@dataclass(frozen=True, slots=True)
class ExpectedDevice:
    """One device that the room's settings name."""

    kind: str
    role: str
    source: Mapping[str, object] = field(repr=False)
    """The probe's settings: ``format`` and what goes with it; it may hold a password."""

    @property
    def pattern(self) -> str | None:
        """What its name must fit, None for any."""
        pattern = self.source.get("device")
        return None if pattern is None else str(pattern)


def silenced(device: ExpectedDevice) -> ExpectedDevice:
    """Return the device; a speaker so that its probe plays nothing."""
    if device.kind != "speaker":
        return device
    return replace(device, source={**device.source, "silent": True})


Ask = Callable[[str, list[ExpectedDevice]], ProbeResult]
"""Asks the system's libraries for devices of a form; see ``probes.listing``."""


def ask_child(source_format: str, devices: list[ExpectedDevice]) -> ProbeResult:
    """Ask in a child process: the libraries are large, and may hang."""
    wanted = [{"kind": one.kind, "pattern": _listed_pattern(one)} for one in devices]
    settings = {"format": source_format, "devices": wanted}
    return run_child("listing", settings, PROBES["listing"].limit_seconds).result


def _listed_pattern(device: ExpectedDevice) -> str | None:
    if device.source.get("format") == "dshow":
        return name_pattern(str(device.source.get("url", "")))
    return device.pattern


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a child said: at which look, when, and what was plugged in then."""

    number: int
    asked_at: float
    signature: object
    result: ProbeResult


class Inventory:
    """Looks for the expected devices again and again; remembers what costs much to ask."""

    def __init__(
        self,
        expected: Iterable[ExpectedDevice],
        root: Path = Path("/"),
        ask: Ask = ask_child,
        registry: Registry | None = None,
        clock: Callable[[], float] = time.monotonic,
        plugged: Callable[[], object] | None = plugged_in if sys.platform == "win32" else None,
    ) -> None:
        self._expected = tuple(expected)
        self._root = root
        self._ask = ask
        self._registry = registry or (WindowsRegistry() if sys.platform == "win32" else None)
        self._clock = clock
        self._plugged = plugged
        self._signature: object = None
        self._answers: dict[str, _Answer] = {}
        self._number = 0

    def look(self) -> tuple[DeviceResult, ...]:
        """Look once; blocking, to be called through ``asyncio.to_thread``.

        ``ok`` there, ``bad`` with ``missing`` or ``denied``, ``in_use`` with who has it, ``warn``
        with ``wrong_device`` where programs use another one, ``unknown`` where this system cannot
        say, ``not_applicable`` for what only a probe can tell. What no look of this kind can prove
        has the value UNTRIED.
        """
        cards = sound_cards(self._root)
        self._number += 1
        plugged = self._plugged() if self._plugged is not None else None
        self._signature = ([(card.number, card.lines) for card in cards], plugged)
        results = []
        for device in self._expected:
            started = time.perf_counter()
            found = self._look_audio(device, cards) if _is_audio(device) else self._look(device)
            run = ChildRun(_marked(device, found), "", time.perf_counter() - started)
            results.append(device_result(device.kind, device.role, run))
        return tuple(results)

    def _look(self, device: ExpectedDevice) -> ProbeResult:
        match device.source.get("format"):
            case "lavfi":
                return ProbeResult("ok")
            case "v4l2":
                return _look_v4l2(str(device.source.get("url", "")), self._root)
            case "dshow" if self._registry is not None:
                return self._look_dshow(device, self._registry)
            case "system" if device.kind == "display" and sys.platform != "win32":
                return judge_outputs(linux_outputs(self._root), device.pattern)
            case _:
                return ProbeResult("not_applicable")

    def _look_dshow(self, device: ExpectedDevice, registry: Registry) -> ProbeResult:
        denied = refusal("webcam", registry)
        if denied is not None:
            return denied
        cameras = [one for one in self._expected if one.source.get("format") == "dshow"]
        answer = self._answer("dshow", cameras, listed=False)
        if answer.status != "ok":
            return answer
        number = cameras.index(device)
        if not answer.values.get(f"found.{number}"):
            return judged(("missing",), {})
        found = occupied("webcam", registry) or judged((), {})
        return replace(found, model=_listed_model(answer.values, number))

    def _answer(self, form: str, devices: list[ExpectedDevice], *, listed: bool) -> ProbeResult:
        """Ask, or return the last answer where nothing came or went and it is fresh enough.

        ``listed``: the kernel's list has all of them, so that it would show one that goes.
        """
        now, last = self._clock(), self._answers.get(form)
        if last is not None and last.number == self._number:
            return last.result
        shows = listed or self._plugged is not None
        same = last is not None and last.signature == self._signature
        if last is not None and shows and same and now - last.asked_at < ASK_SECONDS:
            return last.result
        result = self._ask(form, devices)
        self._answers[form] = _Answer(self._number, now, self._signature, result)
        return result

    def _look_audio(self, device: ExpectedDevice, cards: list[Card]) -> ProbeResult:
        listens = self._registry is not None and device.kind == "microphone"
        denied = refusal("microphone", self._registry) if listens else None
        if denied is not None:
            return denied
        found = self._look_for_sound(device, cards)
        used = occupied("microphone", self._registry) if listens else None
        # Windows says who uses a microphone, not which: what its list says of this one comes first.
        return replace(used, model=found.model) if used and found.status == "ok" else found

    def _look_for_sound(self, device: ExpectedDevice, cards: list[Card]) -> ProbeResult:
        stream, fits = _STREAMS[device.kind], _cards_of(device, cards)
        owners = {card.owner(stream, self._root / "proc") for card in fits} - {None}
        model = fits[0].model if len(fits) == 1 else None
        if owners:
            return _in_use(", ".join(sorted(cast("set[str]", owners))), model)
        audio = [one for one in self._expected if _is_audio(one)]
        sound = self._answer("system", audio, listed=all(_cards_of(one, cards) for one in audio))
        if sound.status == "ok":
            told = _told_by_sound_system(sound.values, audio.index(device))
            if told.model or device.pattern is None or Cause.MISSING in told.causes:
                # Without a pattern it means the default device, which need not be this card.
                return told
            return replace(told, model=model)
        if not fits:
            return sound
        reachable = any(card.accessible(stream, self._root / "dev") for card in fits)
        return replace(judged(() if reachable else ("denied",), {}), model=model)


def _told_by_sound_system(values: Mapping[str, ProbeValue], number: int) -> ProbeResult:
    if not values.get(f"found.{number}"):
        return judged(("missing",), {})
    model = _listed_model(values, number)
    if held_by := values.get(f"held_by.{number}"):
        return _in_use(str(held_by), model)
    if used := values.get(f"used.{number}"):
        return replace(judged(("wrong_device",), {"used": used}), model=model)
    return replace(judged((), {}), model=model)


def _listed_model(values: Mapping[str, ProbeValue], number: int) -> str | None:
    model = values.get(f"model.{number}")
    return str(model) if model else None


def inventory(
    expected: Iterable[ExpectedDevice], root: Path = Path("/")
) -> tuple[DeviceResult, ...]:
    """Look for each expected device once; see ``Inventory.look``."""
    return Inventory(expected, root).look()


def _marked(device: ExpectedDevice, found: ProbeResult) -> ProbeResult:
    """Say of what is only there, or not even asked, that its probe has not looked at it."""
    row = probe_for(device.kind, device.source.get("format"))
    only_there = found.status == "ok" and row is not None and row[1].opens
    if only_there or (found.status == "not_applicable" and row is not None):
        return replace(found, values={**found.values, UNTRIED: True})
    return found


def _is_audio(device: ExpectedDevice) -> bool:
    return device.kind in _STREAMS and device.source.get("format") == "system"


def _cards_of(device: ExpectedDevice, cards: list[Card]) -> list[Card]:
    stream = _STREAMS[device.kind]
    return [card for card in cards if card.has(stream) and card.fits(device.pattern)]


def _look_v4l2(url: str, root: Path) -> ProbeResult:
    path = find_v4l2(url, root)
    if path is None:
        return judged(("missing",), {})
    model = camera_model(path, root)
    if not os.access(path, os.R_OK | os.W_OK):
        return replace(judged(("denied",), {}), model=model)
    holders = programs_holding(path, root / "proc")
    if holders is None:
        return ProbeResult("unknown", (), {HOLDERS_HIDDEN: True}, model)
    if holders:
        return _in_use(", ".join(holders), model)
    return replace(judged((), {}), model=model)


def _in_use(held_by: str, model: str | None) -> ProbeResult:
    return ProbeResult("in_use", ("busy",), {"held_by": shown(held_by)}, model)
