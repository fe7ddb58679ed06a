"""The devices between tests: looked for at intervals, told missing only when that is sure."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from diemcau_agent.devices import HOLDERS_HIDDEN, UNTRIED
from diemcau_contract.causes import Cause
from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import Status

LOOK_SECONDS: Final = 30.0
DOUBT_SECONDS: Final = 10.0
"""To the next look while something may have gone: red within a minute of the unplugging."""
LOOKS: Final = 3
BAD_LOOKS: Final = 2
"""So many of the last LOOKS make red; one that is not bad makes it go."""
STALE: Final = timedelta(hours=12)
"""A real look says nothing of today after this time."""
_NO_SIGNAL: Final = frozenset({Status.IN_USE, Status.NOT_APPLICABLE, Status.UNKNOWN})
"""A test that ended so has not looked at a signal."""
_SEEN: Final = frozenset({Cause.MISSING, Cause.DENIED, Cause.BUSY})
"""What a test may find and the inventory sees as well: where it is gone now, it is gone."""

Look = Callable[[], tuple[DeviceResult, ...]]
_Key = tuple[str, str]


class DeviceWatch:
    """Looks again and again; ``results`` is what may be told now."""

    def __init__(
        self,
        look: Look,
        look_seconds: float = LOOK_SECONDS,
        doubt_seconds: float = DOUBT_SECONDS,
    ) -> None:
        self._look = look
        self._look_seconds = look_seconds
        self._doubt_seconds = doubt_seconds
        self._states: dict[_Key, Settled] = {}
        self._results: tuple[DeviceResult, ...] | None = None
        self._looking = asyncio.Lock()

    async def results(self) -> tuple[DeviceResult, ...]:
        """Return what is sure; looks, where nobody has looked yet."""
        async with self._looking:
            return self._results if self._results is not None else await self._take()

    async def take(self) -> tuple[DeviceResult, ...]:
        """Look now."""
        async with self._looking:
            return await self._take()

    async def _take(self) -> tuple[DeviceResult, ...]:
        looks = await asyncio.to_thread(self._look)
        settled = []
        for look in looks:
            state = self._states.setdefault((look.kind, look.role), Settled())
            settled.append(state.after(look))
        self._results = tuple(settled)
        return self._results

    @property
    def doubtful(self) -> bool:
        """Whether the last look saw something bad that is not told yet."""
        return any(state.doubtful for state in self._states.values())

    async def run(self, on_change: Callable[[], None]) -> None:
        """Look until cancelled; say when what is told has changed."""
        while True:
            before = told(self._results)
            now = told(await self.take())
            if before is not None and now != before:
                on_change()
            await asyncio.sleep(self._doubt_seconds if self.doubtful else self._look_seconds)


class Settled:
    """What is told of one device after its last looks."""

    def __init__(self) -> None:
        self._bad: deque[bool] = deque(maxlen=LOOKS)
        self._told: DeviceResult | None = None
        self.doubtful = False

    def after(self, look: DeviceResult) -> DeviceResult:
        """Return what to tell after a further look."""
        self._bad.append(look.status is Status.BAD)
        self.doubtful = self._bad[-1] and sum(self._bad) < BAD_LOOKS
        if not self.doubtful:
            self._told = look
        elif self._told is None:
            # The first look of all: not sure that it is bad, and nothing good to tell.
            return look.model_copy(update={"status": Status.UNKNOWN})
        return self._told


def told(results: Iterable[DeviceResult] | None) -> list[tuple[object, ...]] | None:
    """Return what a reader would notice of results: not their times and numbers."""
    if results is None:
        return None
    return [(one.kind, one.role, one.status, one.causes) for one in results]


def merged(
    present: DeviceResult, opened: dict[_Key, DeviceResult], now: datetime | None = None
) -> DeviceResult:
    """Join what the inventory sees now with what the last test found by opening the device.

    A device that is gone, in use by a program, or of which the system says nothing is so now, and
    what the inventory alone can prove it says best. Else the last real look counts, with its own
    time, as far as it looked at a signal and the inventory does not disprove it, until it is STALE:
    then what was bad, or what only a real look can tell, is ``unknown``. That programs use another
    device hides nothing of the last look. What the device is called, the inventory knows best.
    """
    last = opened.get((present.kind, present.role))
    if last is None or not _leaves_open(present):
        return present
    last = _without_choice(last)
    fresh = last.measured_at is None or (now or datetime.now(UTC)) - last.measured_at <= STALE
    asked = present.status is not Status.NOT_APPLICABLE
    if asked and (last.status in _NO_SIGNAL or _SEEN & set(last.causes)):
        return present
    if present.status is Status.WARN:
        return _both(last, present) if fresh and last.causes else present
    if fresh:
        return last.model_copy(update={"model": present.model}) if present.model else last
    if last.status is Status.BAD or not asked:
        stale = {"status": Status.UNKNOWN, "causes": (Cause.STALE,), "model": present.model}
        return last.model_copy(update=stale)
    return present


def _leaves_open(present: DeviceResult) -> bool:
    """Say whether an earlier look can tell more than the inventory does now."""
    match present.status:
        case Status.OK:
            return bool(present.values.get(UNTRIED))
        case Status.UNKNOWN:
            return bool(present.values.get(HOLDERS_HIDDEN))
        case Status.WARN:
            return Cause.WRONG_DEVICE in present.causes
        case status:
            return status is Status.NOT_APPLICABLE


def _without_choice(last: DeviceResult) -> DeviceResult:
    """Leave out that programs used another device: the inventory has looked for it since."""
    if Cause.WRONG_DEVICE not in last.causes:
        return last
    causes = tuple(cause for cause in last.causes if cause is not Cause.WRONG_DEVICE)
    values = {name: value for name, value in last.values.items() if name != "used"}
    status = Status.OK if last.status is Status.WARN and not causes else last.status
    return last.model_copy(update={"status": status, "causes": causes, "values": values})


def _both(last: DeviceResult, present: DeviceResult) -> DeviceResult:
    """Tell the fault of the last look and, behind it, the one that the inventory sees."""
    return last.model_copy(
        update={
            "causes": (*last.causes, *present.causes),
            "values": {**last.values, **present.values},
            "model": present.model or last.model,
        }
    )
