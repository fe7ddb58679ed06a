"""What the server derives from a point's reports and keeps beside them: pure, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from diemcau_contract.messages import Report
from diemcau_contract.words import DeviceKind
from diemcau_server.config import SessionConfig

DeviceChanges = Mapping[tuple[DeviceKind, str], datetime]
"""When the status of a device, by kind and role, was last seen to change; server's clock."""


@dataclass(frozen=True, slots=True)
class ProbeTotals:
    """Packets of a point's light flow since the server's start, by direction.

    What left the point is sent up; what reached the hub is sent down. Reports of the backlog are
    not counted: their time is past.
    """

    sent_up: int = 0
    lost_up: int = 0
    sent_down: int = 0
    lost_down: int = 0

    def with_report(self, report: Report) -> "ProbeTotals":
        """Add one report; where nothing came back nobody knows on which way it was lost."""
        line = report.line
        if line is None or line.loss_ratio_up is None or line.loss_ratio_down is None:
            return self
        lost_up = round(line.loss_ratio_up * line.packets_sent)
        reached = line.packets_sent - lost_up
        return ProbeTotals(
            self.sent_up + line.packets_sent,
            self.lost_up + lost_up,
            self.sent_down + reached,
            self.lost_down + round(line.loss_ratio_down * reached),
        )


def changed(
    known: DeviceChanges, before: Report | None, report: Report, at: datetime
) -> DeviceChanges:
    """Return ``known`` with the devices whose status in ``report`` is another than ``before``."""
    if before is None:
        return known
    was = {(one.kind, one.role): one.status for one in before.devices}
    new = {
        (one.kind, one.role): at
        for one in report.devices
        if was.get((one.kind, one.role), one.status) is not one.status
    }
    return {**known, **new} if new else known


def came_live(report: Report, received_at: datetime, within_seconds: float) -> bool:
    """Tell whether a report is of now, not one that waited in an outbox for longer than that.

    Told by the offset between both clocks as the report itself gives it; a report without one is
    taken as live, for the PC's clock alone may be off by any time.
    """
    if report.line is None or report.line.clock_offset_seconds is None:
        return True
    taken_at = report.taken_at + timedelta(seconds=report.line.clock_offset_seconds)
    return (received_at - taken_at).total_seconds() <= within_seconds


def next_session(sessions: Sequence[SessionConfig], now: datetime) -> SessionConfig | None:
    """Return the first of ``sessions``, which are in order, that has not ended."""
    return next((one for one in sessions if now < one.end), None)
