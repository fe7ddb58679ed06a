"""The light flow to the hub, as a probe tells of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diemcau_agent.probes.frame import run_child
from diemcau_agent.probes.line import judged_line
from diemcau_agent.statusfile import LineStatus, write_status
from tests.agent.statuses import NOW, STAMP, room

ENOUGH_SECONDS = 60.0


def line(**changes: Any) -> LineStatus:
    """Return a line with other figures than a good one's."""
    return LineStatus(port=8620, statistics=replace(STAMP, **changes), measured_at=NOW)


@pytest.mark.parametrize(
    ("changes", "status", "causes"),
    [
        ({}, "ok", ()),
        ({"packets_sent": 3, "packets_received": 0}, "unknown", ()),
        ({"packets_received": 0}, "bad", ("firewall",)),
        ({"packets_received": 58, "loss_ratio_up": 0.03}, "ok", ()),
        ({"packets_received": 55, "loss_ratio_up": 0.08}, "warn", ("own_line_up",)),
        ({"packets_received": 55, "loss_ratio_down": 0.08}, "warn", ("own_line_down",)),
        ({"packets_received": 50, "loss_ratio_up": 0.1, "loss_ratio_down": 0.1}, "warn",
         ("own_line",)),
    ],
)  # fmt: skip
def test_the_light_flow_is_judged(
    changes: dict[str, Any], status: str, causes: tuple[str, ...]
) -> None:
    """Nothing back is a firewall; two lost packets are no share, three may be."""
    found = judged_line(line(**changes))

    assert (found.status, found.causes) == (status, causes)
    assert found.values["port"] == 8620


def test_nothing_measured_yet_is_told_from_no_agent() -> None:
    """Both are unknown; only a running agent has anything to tell."""
    assert judged_line(LineStatus(port=8620)).values == {"port": 8620, "packets_sent": 0}
    assert judged_line(None).values == {}


@pytest.mark.parametrize(("stopped", "status"), [(False, "ok"), (True, "unknown")])
def test_a_child_reads_what_the_running_agent_left(
    tmp_path: Path, *, stopped: bool, status: str
) -> None:
    """The row of the table; what a stopped agent left is too old to tell."""
    write_status(tmp_path, room(stopped=stopped))
    run = run_child("line", {"state_directory": str(tmp_path)}, ENOUGH_SECONDS)

    assert run.result.status == status
    assert run.duration_seconds > 0
    assert "exit code 0" in run.log
