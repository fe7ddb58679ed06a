"""A line's capacity as a row of the store, and back."""

from datetime import UTC, datetime
from typing import Any, cast, get_args

from diemcau_contract.measurements import LimitedBy
from diemcau_contract.words import Direction
from diemcau_server.capacity import DirectionCapacity, LineCapacity


def capacity_row(hub: str, point: str, found: LineCapacity) -> dict[str, object]:
    """Return the row of one line; what could not be told is null."""
    row: dict[str, object] = {
        "hub": hub, "point": point, "measured_at": found.measured_at.timestamp(),
        "duration_seconds": found.duration_seconds,
    }  # fmt: skip
    for way in Direction:
        one = found.way(way)
        row[f"{way}_bits_per_second"] = one.bits_per_second if one else None
        row[f"{way}_limited_by"] = one.limited_by if one else None
    return row


def capacity_of(row: Any) -> LineCapacity | None:  # noqa: ANN401  # a row of SQLAlchemy has no type
    """Return the capacity that a row holds; None where the line was only tried."""
    if row.measured_at is None:
        return None
    measured_at = datetime.fromtimestamp(row.measured_at, UTC)
    up = _direction(row.up_bits_per_second, row.up_limited_by)
    down = _direction(row.down_bits_per_second, row.down_limited_by)
    return LineCapacity(measured_at, up, down, row.duration_seconds)


def _direction(rate: float | None, limited_by: str | None) -> DirectionCapacity | None:
    """Return one direction; a limit of another version is some lower bound."""
    if rate is None:
        return None
    known = limited_by if limited_by in get_args(LimitedBy) else "sender"
    return DirectionCapacity(rate, cast("LimitedBy", known))
