"""Camera, microphone and speaker: what is found of the listed faults, false alarms, and time."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diemcau_agent.probes.capture import WINDOW_FRAMES
from diemcau_agent.probes.frame import run_child
from diemcau_agent.signal import picture
from tests.agent.probes import rooms, scenes, sounds
from tests.agent.probes.makers_av import (
    ENOUGH_SECONDS,
    SOUND_SETTINGS,
    faults,
    found,
    judged_pictures,
    judged_sound,
    sounding_room,
)
from tests.bench import Row

_CLEAN_RUNS = 200
_OTHER_CLEAN = (
    scenes.busy_room, scenes.plain_wall, scenes.dusk, scenes.moving_people,
    scenes.speech, scenes.quiet_room, scenes.fan_noise,
)  # fmt: skip
_FRESH = 7_000
"""Seeds that no limit was set by begin here."""
_REPEATS = 20
_GOAL_SECONDS = {"camera": 6, "microphone": 5, "speaker": 4}
_CAMERA = "testsrc2=size=1280x720:rate=30,noise=alls=4:allf=t,realtime"


def run() -> list[Row]:
    """Make every fault once, look at 200 clean rooms, take each probe's time; about 5 minutes."""
    rows = [*_faults(), *_clean(), _per_frame()]
    return [*rows, *_durations()]


def _faults() -> Iterator[Row]:
    listed = faults()
    seen = {fault["id"]: _told(fault) for fault in listed}
    for probe in _GOAL_SECONDS:
        ids = {fault["id"]: fault for fault in listed if fault["probe"] == probe}
        status = sum(_same(seen[name], fault, "status") for name, fault in ids.items())
        causes = sum(_same(seen[name], fault, "causes") for name, fault in ids.items())
        goal = f"{len(ids)} of {len(ids)}"
        yield Row("room_av", f"{probe}: faults found", status, "faults", goal)
        yield Row("room_av", f"{probe}: causes right", causes, "faults", goal)


def _told(fault: dict[str, Any]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        results = found(fault["probe"], fault["made"], Path(folder), patch)
    return [{"status": str(one.status), "causes": [*map(str, one.causes)]} for one in results]


def _same(told: list[dict[str, Any]], fault: dict[str, Any], key: str) -> bool:
    return bool(told) and all(one[key] == fault[key] for one in told)


def _clean() -> Iterator[Row]:
    makers = (*rooms.CLEAN, *sounds.CLEAN, *_OTHER_CLEAN)
    alarms = 0
    for number in range(_CLEAN_RUNS):
        maker = makers[number % len(makers)]
        taken: Any = maker(_FRESH + number)
        judged = judged_sound if taken.ndim == 1 else judged_pictures
        alarms += judged(taken).status != "ok"
    yield Row("room_av", f"false alarms in {_CLEAN_RUNS} clean runs", alarms, "alarms", "0")


def _per_frame() -> Row:
    frames = np.concatenate([scenes.busy_room(1), scenes.busy_room(2)])[:WINDOW_FRAMES]
    started = time.perf_counter()
    for _ in range(_REPEATS):
        picture.classify(picture.measure(frames))
    each = (time.perf_counter() - started) / _REPEATS / len(frames)
    return Row("room_av", "camera classifier", each * 1000, "ms/frame", "<= 3")


def _durations() -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        sounding_room({}, Path(folder), patch),
    ):
        settings = {**SOUND_SETTINGS, "camera": {"format": "lavfi", "url": _CAMERA}}
        for probe, goal in _GOAL_SECONDS.items():
            ran = run_child(probe, settings[probe], ENOUGH_SECONDS)
            if ran.result.status != "ok":
                raise RuntimeError(f"{probe} does not work here: {ran}")
            yield Row("room_av", f"{probe} probe", ran.duration_seconds, "s", f"<= {goal}")
