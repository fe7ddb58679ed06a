"""Frozen dataclasses to JSON values and back, with their types and limits checked.

Only the standard library: a measuring process must be there at once, also on a slow PC, and a
validation library would be most of its start.
"""

import re
import types
from collections.abc import Mapping, Sized
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

Record = TypeVar("Record")


class RecordError(ValueError):
    """A value that does not fit its type; names the place, never the value."""


@dataclass(frozen=True, slots=True)
class Within:
    """Constraint on a number: from ``lowest`` (left out with ``above``) to ``highest``."""

    lowest: float
    highest: float
    above: bool = False

    def fits(self, value: float) -> bool:
        """Tell whether ``value`` lies in the range."""
        return self.lowest <= value <= self.highest and not (self.above and value == self.lowest)


@dataclass(frozen=True, slots=True)
class Length:
    """Constraint on the length of a text or a list."""

    least: int
    most: int

    def fits(self, value: Sized) -> bool:
        """Tell whether ``value`` has a fitting length."""
        return self.least <= len(value) <= self.most


@dataclass(frozen=True, slots=True)
class Matches:
    """Constraint: the whole text matches ``pattern``."""

    pattern: str

    def fits(self, value: str) -> bool:
        """Tell whether ``value`` matches."""
        return re.fullmatch(self.pattern, value) is not None


def to_plain(value: object) -> Any:
    """Return ``value`` as what ``json.dumps`` takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(one) for one in value]
    return value


def from_plain(kind: type[Record], value: object) -> Record:
    """Make a ``kind`` of what ``json.loads`` gave.

    Raises:
        RecordError: a key is missing or unknown, or a value has the wrong type or size.
    """
    made: Record = _made(kind, value, kind.__name__)
    return made


def _made(kind: Any, value: object, place: str) -> Any:  # noqa: PLR0911  # one for each form of type
    origin = get_origin(kind)
    if origin is Annotated:
        base, *limits = get_args(kind)
        return _limited(_made(base, value, place), limits, place)
    if origin in {Union, types.UnionType}:
        return _member(get_args(kind), value, place)
    if origin is Literal:
        return _checked(value in get_args(kind), value, place, f"one of {get_args(kind)}")
    if origin is tuple:
        _checked(isinstance(value, list | tuple), value, place, "a list")
        items = get_args(kind)[0]
        return tuple(_made(items, one, f"{place}[{i}]") for i, one in enumerate(value))  # type: ignore[arg-type, var-annotated]  # checked above
    if origin is dict:
        _checked(isinstance(value, dict), value, place, "an object")
        items = get_args(kind)[1]
        return {str(key): _made(items, one, f"{place}.{key}") for key, one in value.items()}  # type: ignore[attr-defined]  # checked above
    if is_dataclass(kind):
        return _record(kind, value, place)
    return _scalar(kind, value, place)


def _member(kinds: tuple[Any, ...], value: object, place: str) -> Any:
    if value is None:
        return _checked(types.NoneType in kinds, None, place, "not null")
    others = [kind for kind in kinds if kind is not types.NoneType]
    return _made(others[0], value, place)


def _record(kind: Any, value: object, place: str) -> Any:
    if not isinstance(value, dict):
        raise RecordError(f"{place}: not an object")
    known = _fields(kind)
    unknown = value.keys() - known.keys()
    if unknown:
        raise RecordError(f"{place}: unknown key {min(unknown)!r}")
    made = {}
    for name, (hint, one) in known.items():
        if name in value:
            made[name] = _made(hint, value[name], f"{place}.{name}")
        elif one.default is MISSING and one.default_factory is MISSING:
            raise RecordError(f"{place}: {name} is missing")
    try:
        return kind(**made)
    except ValueError as error:
        raise RecordError(f"{place}: out of range") from error


@cache
def _fields(kind: Any) -> dict[str, tuple[Any, Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return {
        one.name: (hints[one.name], one)
        for one in fields(kind)
        if get_origin(hints[one.name]) is not ClassVar
    }


def _scalar(kind: Any, value: object, place: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise RecordError(f"{place}: not a {kind.__name__}") from error
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(_checked(number, value, place, "a number"))
    exact = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return _checked(exact, value, place, f"of type {kind.__name__}")


def _limited(value: Any, limits: list[Any], place: str) -> Any:
    for limit in limits:
        _checked(limit.fits(value), value, place, str(limit))
    return value


def _checked(fits: bool, value: Any, place: str, wanted: str) -> Any:  # noqa: FBT001  # a condition
    if not fits:
        raise RecordError(f"{place}: not {wanted}")
    return value
