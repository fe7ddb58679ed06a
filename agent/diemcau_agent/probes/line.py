"""The line to the hub, as the light flow of the agent that runs has last measured it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from diemcau_agent.probes.log import note
from diemcau_agent.probes.result import ProbeResult, ProbeValue
from diemcau_agent.statusfile import LineStatus, read_status
from diemcau_contract.measurements import StampStatistics
from diemcau_contract.profiles import Limits

LOST_PACKETS_LEAST: Final = 3
"""The light flow is thin: fewer lost packets in one interval say nothing of a share."""
SENT_PACKETS_LEAST: Final = 4
"""Before this many packets went out, none came back says nothing."""


def probe(settings: Mapping[str, object]) -> ProbeResult:
    """Read what the agent has measured; the flow itself is signed with a key that only it has.

    ``settings``: the agent's ``state_directory``.
    """
    status = read_status(Path(str(settings["state_directory"])))
    if status is None or not status.running:
        note("no agent runs that could tell")
        return judged_line(None)
    note(f"measured at {status.line.measured_at}")
    return judged_line(status.line)


def judged_line(line: LineStatus | None) -> ProbeResult:
    """Judge the light flow; unknown without values where no agent runs (None).

    Unknown with values is too early to tell. A whole line test alone tells a bad line of its own
    from the hub's, so here a lossy line is a warning.
    """
    if line is None:
        return ProbeResult("unknown")
    statistics = line.statistics
    if statistics is None:
        return ProbeResult("unknown", (), {"port": line.port, "packets_sent": 0})
    values = {"port": line.port, **line_values(statistics)}
    if statistics.packets_sent < SENT_PACKETS_LEAST:
        return ProbeResult("unknown", (), values)
    if statistics.packets_received == 0:
        return ProbeResult("bad", ("firewall",), values)
    causes = _causes(statistics)
    return ProbeResult("warn" if causes else "ok", causes, values)


def line_values(statistics: StampStatistics) -> dict[str, ProbeValue]:
    """Return the numbers of a flow by their names."""
    delays = {
        "rtt_p50_seconds": (statistics.rtt_seconds, "p50"),
        "rtt_p95_seconds": (statistics.rtt_seconds, "p95"),
        "queue_delay_up_p95_seconds": (statistics.queue_delay_up_seconds, "p95"),
        "queue_delay_down_p95_seconds": (statistics.queue_delay_down_seconds, "p95"),
    }
    return {
        "packets_sent": statistics.packets_sent,
        "packets_received": statistics.packets_received,
        "loss_ratio_up": statistics.loss_ratio_up,
        "loss_ratio_down": statistics.loss_ratio_down,
        **{
            name: None if quantiles is None else getattr(quantiles, which)
            for name, (quantiles, which) in delays.items()
        },
        "clock_offset_seconds": statistics.clock_offset_seconds,
        "clock_offset_bound_seconds": statistics.clock_offset_bound_seconds,
        "path_mtu_bytes": statistics.path_mtu_bytes,
    }


def _causes(statistics: StampStatistics) -> tuple[str, ...]:
    limit = Limits().loss_ratio.bad
    up = (statistics.loss_ratio_up or 0.0) > limit
    down = (statistics.loss_ratio_down or 0.0) > limit
    lost = statistics.packets_sent - statistics.packets_received
    if lost < LOST_PACKETS_LEAST or not (up or down):
        return ()
    if up and down:
        return ("own_line",)
    return ("own_line_up",) if up else ("own_line_down",)
