"""The table of probes: a new probe is one file and one row.

A form of source that is new as well is one word more in ``diemcau_contract.room_devices``, which
says what a room's file may name: the hub writes such files and does not have these rows.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from diemcau_agent.probes.result import ProbeResult
from diemcau_contract.words import HANDBOOK_ORDER

ProbeFunction = Callable[[Mapping[str, object]], ProbeResult]


@dataclass(frozen=True, slots=True)
class Probe:
    """One row: where the function lives, and how long its child may take in all."""

    function: str
    """``module:name``; only the child imports it, for it may load A/V libraries."""
    limit_seconds: float
    """Several times what it takes alone: low priority makes a child slow on a busy PC."""
    kind: str | None
    """Kind of device that it looks at; None for a probe of no device."""
    formats: tuple[str, ...] = ()
    """Forms of a device's source that it takes; none: all of its kind."""
    opens: bool = True
    """Whether it opens the device: who is in the room may object, and it is written down."""

    def load(self) -> ProbeFunction:
        """Import the function."""
        module, _, name = self.function.partition(":")
        return cast("ProbeFunction", getattr(importlib.import_module(module), name))


PROBES: Final[Mapping[str, Probe]] = {
    "line": Probe("diemcau_agent.probes.line:probe", 10.0, None, opens=False),
    # It asks for the way to the hub: name servers may be silent.
    "host": Probe("diemcau_agent.probes.host:probe", 10.0, None, opens=False),
    "camera": Probe(
        "diemcau_agent.probes.camera:probe", 20.0, "camera", ("v4l2", "dshow", "lavfi")
    ),
    "network-camera": Probe("diemcau_agent.probes.camera:probe", 20.0, "camera", ("rtsp",)),
    "microphone": Probe(
        "diemcau_agent.probes.microphone:probe", 20.0, "microphone", ("system", "lavfi")
    ),
    "speaker": Probe("diemcau_agent.probes.speaker:probe", 20.0, "speaker", ("system",)),
    "display": Probe(
        "diemcau_agent.probes.display:probe", 10.0, "display", ("system", "pjlink"), opens=False
    ),
    "codec": Probe(
        "diemcau_agent.probes.codec:probe", 10.0, "codec", ("sip", "h323", "xapi"), opens=False
    ),
    "listing": Probe("diemcau_agent.probes.listing:probe", 6.0, None, opens=False),
}

CPU_STARVED_RATIO: Final = 0.85
"""Share of all processors' time above which a child of low priority hardly runs."""

WITHOUT_DEVICE: Final = ("line", "host")
"""They are there in any room, and in no file."""


def probe_names() -> tuple[str, ...]:
    """Return the names that a user may ask for, in the order of the communes' handbook."""
    named = [name for kind in HANDBOOK_ORDER for name, row in PROBES.items() if row.kind == kind]
    return (*WITHOUT_DEVICE, *named)


def probe_for(kind: str, source_format: object) -> tuple[str, Probe] | None:
    """Return the row for a device, by its kind and the form of its source; None: no probe."""
    for name, row in PROBES.items():
        if row.kind == kind and (not row.formats or source_format in row.formats):
            return name, row
    return None
