"""A PC with a fault: a system tree of its own, and what the machine's counters say."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from diemcau_agent.probes import host, power
from tests.agent.probes import trees


@contextmanager
def made(content: Mapping[str, Any], folder: Path) -> Iterator[dict[str, object]]:
    """Yield the settings by which ``read_host`` sees this PC; else it is in order."""
    reading = content.get("reading", {})
    for path, text in content.get("files", {}).items():
        trees.write(folder, path, text)
    gsettings = content.get("gsettings")
    desktop = content.get("desktop", "GNOME" if gsettings else "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CURRENT_DESKTOP", desktop)
        patch.setattr(power, "_output_of", lambda command: (gsettings or {}).get(command[-1]))
        patch.setattr(host, "route_interface", lambda _address: reading.get("interface", "enp2s0"))
        patch.setattr(host, "_CPU", _Meter(reading.get("cpu_ratio", 0.1)))
        usage = SimpleNamespace(free=reading.get("disk_free_bytes", 90_000_000_000))
        patch.setattr(psutil, "disk_usage", lambda _path: usage)
        memory = SimpleNamespace(percent=reading.get("memory_percent", 40.0))
        patch.setattr(psutil, "virtual_memory", lambda: memory)
        battery = SimpleNamespace(power_plugged=reading.get("plugged", True), percent=80)
        patch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
        yield {"state_directory": folder, "route_to": "127.0.0.1", "root": folder}


class _Meter:
    """A processor that has been this busy for long enough."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio

    def ratio(self) -> tuple[float, bool]:
        """Return the share, and that the span is long enough."""
        return self._ratio, True
