"""What an ordinary report says of a point, check by check."""

import pytest

from diemcau_contract.causes import Cause
from diemcau_contract.words import Status
from diemcau_server.watch import WatchLimits, checks
from tests.server.reports import line, report

LIMITS = WatchLimits(loss_warn_ratio=0.005, loss_bad_ratio=0.01, rtt_bad_seconds=0.3)


@pytest.mark.parametrize(
    ("offset_seconds", "synchronised", "right"),
    [(0.25, False, True), (0.25, None, True), (-3.0, True, False), (None, False, None),
     (None, True, None)],
)  # fmt: skip
def test_a_clock_is_right_by_its_offset_whoever_keeps_it(
    *, offset_seconds: float | None, synchronised: bool | None, right: bool | None
) -> None:
    """Nobody knows of a clock that was not held against the hub's."""
    plain = report(1).host
    causes = (Cause.CLOCK_OFF,) if right is False else ()
    host = plain.model_copy(
        update={"clock_synchronised": synchronised, "causes": causes, "status": Status.WARN}
    )
    told = report(1, stamp=line(clock_offset_seconds=offset_seconds), host=host)

    assert checks(told, LIMITS).get("clock") is right
