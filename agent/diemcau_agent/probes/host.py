"""The PC itself: load, memory, disk, the way to the hub, clock, power.

The agent reads it for every report by itself; who looks at the room does it in a child, like any
other probe.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from diemcau_agent.probes.power import PowerWatch
from diemcau_agent.probes.result import ProbeResult
from diemcau_contract.needs import DISK_LEAST_BYTES

Medium = Literal["cable", "wifi", "loopback", "unknown"]

DISK_FULL_BYTES: Final = 200_000_000
CPU_MOST_RATIO: Final = 0.8
CPU_SPAN_SECONDS: Final = 30.0
"""A peak of some seconds is no busy PC."""
MEMORY_MOST_RATIO: Final = 0.92
CLOCK_MOST_SECONDS: Final = 2.0
_SYS_NET: Final = "sys/class/net"
_DISCARD_PORT: Final = 9
_SPEED_UNKNOWN: Final = 65_535
_PERCENT: Final = 100.0
_WIFI_NAMES: Final = ("wi-fi", "wifi", "wlan", "wireless", "không dây")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What to look at."""

    state_directory: Path
    """Its disk holds the outbox."""
    route_to: str
    """Address or name of the hub: the interface of this route is the one that counts."""
    clock_synchronised: bool | None = None
    clock_offset_seconds: float | None = None
    """Own clock less the hub's, as the line engine measured it."""
    cpu_ratio: float | None = None
    """Busy share over CPU_SPAN_SECONDS as another process measured it; None: measured here."""
    root: Path = Path("/")
    """The file system whose ``/sys``, ``/etc`` and ``/run`` are read."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "HostSettings":
        """Take them from JSON values."""
        paths = {name: Path(settings[name]) for name in ("state_directory", "root")}
        return cls(**{**settings, **paths})

    def as_json(self) -> dict[str, object]:
        """Return them as JSON values, to be handed to a child."""
        paths = {"state_directory": str(self.state_directory), "root": str(self.root)}
        return {**asdict(self), **paths}


def probe(settings: Mapping[str, object]) -> ProbeResult:
    """Read the PC's state by settings in JSON, those of :class:`HostSettings`."""
    return read_host(HostSettings.of(settings))


def read_host(settings: HostSettings) -> ProbeResult:
    """Read the PC's state; what cannot be read is None. Blocks for some milliseconds.

    The CPU ratio is the one given, else that of CpuMeter over all calls of this process.
    """
    given = settings.cpu_ratio
    cpu_ratio, long_enough = _CPU.ratio() if given is None else (given, True)
    memory_ratio = psutil.virtual_memory().percent / 100.0
    disk_free_bytes = _disk_free_bytes(settings.state_directory)
    name = route_interface(settings.route_to)
    medium = medium_of(name, settings.root / _SYS_NET)
    on_mains, battery_ratio = _supply()
    power = _POWER.read(settings.root)
    there = {
        "disk_low": disk_free_bytes is not None and disk_free_bytes < DISK_LEAST_BYTES,
        "clock_off": _clock_is_off(settings),
        "cpu_busy": long_enough and cpu_ratio > CPU_MOST_RATIO,
        "memory_low": memory_ratio > MEMORY_MOST_RATIO,
        "wifi_only": medium == "wifi",
        "on_battery": on_mains is False,
        "sleep_timer": power.sleeps is True,
        "usb_suspend": power.usb_suspends is True,
    }
    causes = [cause for cause, holds in there.items() if holds]
    full = disk_free_bytes is not None and disk_free_bytes < DISK_FULL_BYTES
    return ProbeResult(
        "bad" if full else "warn" if causes else "ok",
        tuple(causes),
        {
            "cpu_ratio": round(cpu_ratio, 3),
            "memory_ratio": round(memory_ratio, 3),
            "disk_free_bytes": disk_free_bytes,
            "medium": medium,
            "interface_bits_per_second": _speed(name),
            "clock_synchronised": settings.clock_synchronised,
            "on_mains": on_mains,
            "battery_ratio": battery_ratio,
        },
    )


def measured_load() -> float | None:
    """Return the busy share as this process has measured it; None before it ran long enough."""
    ratio, long_enough = _CPU.ratio()
    return ratio if long_enough else None


def route_interface(address: str) -> str | None:
    """Return the interface that carries the route to the address; None if there is no route.

    A connected UDP socket sends nothing: the system only chooses its own address.
    """
    try:
        family, _, _, _, target = socket.getaddrinfo(
            address, _DISCARD_PORT, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe_socket:
            probe_socket.connect(target)
            own = str(probe_socket.getsockname()[0])
    except OSError:
        return None
    if own.startswith("127."):
        # All of 127.0.0.0/8 is the loopback's, though only its first address is listed.
        own = "127.0.0.1"
    for name, addresses in psutil.net_if_addrs().items():
        if any(item.address.partition("%")[0] == own.partition("%")[0] for item in addresses):
            return name
    return None


def medium_of(name: str | None, sys_net: Path = Path("/") / _SYS_NET) -> Medium:
    """Say whether an interface is cable or Wi-Fi; ``unknown`` for None."""
    if name is None:
        return "unknown"
    if name == "lo" or "loopback" in name.casefold():
        return "loopback"
    if psutil.LINUX:
        wireless = any((sys_net / name / entry).exists() for entry in ("wireless", "phy80211"))
        return "wifi" if wireless else "cable"
    return "wifi" if any(word in name.casefold() for word in _WIFI_NAMES) else "cable"


class CpuMeter:
    """Busy share of all processors over the last half minute or more.

    Work of low priority does not count: it yields, and the agent's own probes are such.
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[float, float, float]] = deque()

    def ratio(self) -> tuple[float, bool]:
        """Return the share (0..1) since the look that is CPU_SPAN_SECONDS old, and True.

        Before there is one: the load average of the last minute, and False.
        """
        times = psutil.cpu_times()
        total = sum(times)
        idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "nice", 0.0)
        now = (time.monotonic(), total - idle, total)
        while len(self._looks) > 1 and now[0] - self._looks[1][0] >= CPU_SPAN_SECONDS:
            self._looks.popleft()
        self._looks.append(now)
        since, busy, before = self._looks[0]
        if now[0] - since < CPU_SPAN_SECONDS or now[2] <= before:
            return min(1.0, psutil.getloadavg()[0] / (os.cpu_count() or 1)), False
        return min(1.0, max(0.0, (now[1] - busy) / (now[2] - before))), True


_CPU = CpuMeter()
_POWER = PowerWatch()


def _disk_free_bytes(directory: Path) -> int | None:
    try:
        return int(psutil.disk_usage(str(directory)).free)
    except OSError:
        return None


def _clock_is_off(settings: HostSettings) -> bool:
    """Only a measured offset counts: a PC that no server synchronises may well be right."""
    offset = settings.clock_offset_seconds
    return offset is not None and abs(offset) > CLOCK_MOST_SECONDS


def _speed(name: str | None) -> float | None:
    statistics = psutil.net_if_stats().get(name) if name else None
    if statistics is None or statistics.speed <= 0 or statistics.speed >= _SPEED_UNKNOWN:
        # Virtual interfaces report zero or the largest number of the field.
        return None
    return statistics.speed * 1e6


def _supply() -> tuple[bool | None, float | None]:
    """Return whether the PC is on mains, and its battery's charge; a PC without one has none."""
    if not hasattr(psutil, "sensors_battery"):
        return None, None
    battery = psutil.sensors_battery()
    if battery is None:
        return True, None
    on_mains = None if battery.power_plugged is None else bool(battery.power_plugged)
    # Windows says 255 where it does not know.
    known = 0 <= battery.percent <= _PERCENT
    return on_mains, round(battery.percent / _PERCENT, 3) if known else None
