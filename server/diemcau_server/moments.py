"""Times as the server's file writes them."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from diemcau_contract.errors import ValueMistake

DEFAULT_TIMEZONE: Final = "Asia/Ho_Chi_Minh"
_WRITTEN: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?(?P<offset>[Zz]|[+-]\d\d:\d\d)?)?"
)
_YEAR_FIRST: Final = 2000
_YEAR_LAST: Final = 2199
"""Mistyped beyond, and far enough from the ends of the calendar for every offset."""


def moment(written: object) -> datetime:
    """Read a date, or a date and time, with an offset or without.

    Raises:
        ValueMistake: it is none, or of another age.
    """
    found = _WRITTEN.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise ValueMistake(
            "phải là ngày giờ như 2026-03-14T07:30:00",
            "must be a date and time such as 2026-03-14T07:30:00",
        )
    time, offset = found["time"] or "00:00", (found["offset"] or "").upper()
    try:
        value = datetime.fromisoformat(f"{found['date']}T{time}{offset}")
    except ValueError as error:
        raise ValueMistake(
            "ngày hoặc giờ này không có trong lịch", "there is no such date or time"
        ) from error
    if not _YEAR_FIRST <= value.year <= _YEAR_LAST:
        raise ValueMistake(
            f"năm phải từ {_YEAR_FIRST} đến {_YEAR_LAST}",
            f"the year must be {_YEAR_FIRST} to {_YEAR_LAST}",
        )
    return value


Moment = Annotated[datetime, BeforeValidator(moment)]


def in_utc(moment: datetime, zone: ZoneInfo) -> datetime:
    """Take a time without an offset as the district's own."""
    local = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return local.astimezone(UTC)
