"""What a room codec says of itself: one form, whatever its maker's own interface."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from diemcau_agent.probes.result import ProbeResult

if TYPE_CHECKING:
    from diemcau_agent.probes.result import ProbeValue


class CodecLoginError(Exception):
    """The codec refuses the login."""


class CodecAnswerError(Exception):
    """What answers there is not this kind of codec, or a fault of its own keeps it from it."""


@dataclass(frozen=True, slots=True)
class CodecStatus:
    """State of a codec; None: it does not say."""

    active_calls: int | None = None
    standby: bool | None = None
    camera_connected: bool | None = None
    camera_signal: bool | None = None
    """Whether the main camera's picture arrives at the codec."""
    microphones_connected: int | None = None
    microphones_muted: bool | None = None
    volume_ratio: float | None = None


class StatusApi(Protocol):
    """A maker's own interface: a new one is one file and one row in the codec probe."""

    def read(self) -> CodecStatus:
        """Ask the codec; read-only.

        Raises:
            CodecLoginError: user name or password is refused.
            CodecAnswerError: no codec of this kind, or it cannot answer.
            OSError: no connection.
        """


def judge_status(status: CodecStatus) -> ProbeResult:
    """Judge a codec's state: in a call is ``in_use``, nothing to see or hear is bad."""
    values: dict[str, ProbeValue] = {
        "active_calls": status.active_calls,
        "standby": status.standby,
        "camera_connected": status.camera_connected,
        "camera_signal": status.camera_signal,
        "microphones_connected": status.microphones_connected,
        "microphones_muted": status.microphones_muted,
        "volume_ratio": status.volume_ratio,
    }
    if status.active_calls:
        # What is muted or switched in a meeting is the meeting's own affair.
        return ProbeResult("in_use", ("busy",), {**values, "held_by": "call"})
    bad = []
    if status.camera_connected is False or status.microphones_connected == 0:
        bad.append("missing")
    if status.camera_connected is not False and status.camera_signal is False:
        bad.append("no_signal")
    warnings = []
    if status.microphones_muted:
        warnings.append("muted")
    if status.volume_ratio == 0.0:
        warnings.append("volume_zero")
    causes = (*bad, *warnings)
    return ProbeResult("bad" if bad else "warn" if causes else "ok", causes, values)
