"""The table of probes: a new probe is one file and one row."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from diemcau_agent.probes.result import ProbeResult

ProbeFunction = Callable[[Mapping[str, object]], ProbeResult]


@dataclass(frozen=True, slots=True)
class Probe:
    """One row: where the function lives, and how long its child may take in all."""

    function: str
    """``module:name``; only the child imports it, for it may load A/V libraries."""
    limit_seconds: float
    """Several times what it takes alone: low priority makes a child slow on a busy PC."""
    kind: str | None
    """Kind of device that it looks at; None for a probe that only lists."""

    def load(self) -> ProbeFunction:
        """Import the function."""
        module, _, name = self.function.partition(":")
        return cast("ProbeFunction", getattr(importlib.import_module(module), name))


PROBES: Final[Mapping[str, Probe]] = {
    "camera": Probe("diemcau_agent.probes.camera:probe", 20.0, "camera"),
    "microphone": Probe("diemcau_agent.probes.microphone:probe", 20.0, "microphone"),
    "speaker": Probe("diemcau_agent.probes.speaker:probe", 20.0, "speaker"),
    "listing": Probe("diemcau_agent.probes.listing:probe", 6.0, None),
}
