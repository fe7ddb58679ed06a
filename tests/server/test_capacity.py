"""Who is measured beside whom, and how a figure is said."""

from datetime import UTC, datetime

import pytest

from diemcau_contract.measurements import LimitedBy
from diemcau_contract.words import Direction
from diemcau_server.capacity import (
    DirectionCapacity,
    LineCapacity,
    batches,
    hub_rates,
    is_confirmed,
)

NOON = datetime(2026, 3, 14, 5, tzinfo=UTC)
NAMES = ("a", "b", "c", "d")


def line(up: float, down: float, limited_by: LimitedBy = "line") -> LineCapacity:
    """Return a line of ``up`` and ``down`` Mbit/s."""
    return LineCapacity(
        NOON, DirectionCapacity(up * 1e6, limited_by), DirectionCapacity(down * 1e6, limited_by)
    )


def room(up: float, down: float) -> dict[Direction, float]:
    """Return a hub's line in Mbit/s."""
    return {Direction.UP: up * 1e6, Direction.DOWN: down * 1e6}


def test_points_go_together_as_far_as_twice_their_lines_fit() -> None:
    """Four lines of 8/20 Mbit/s: on a hub of 100 Mbit/s two, on one of 160 four."""
    known = {name: line(8, 20) for name in NAMES}

    assert batches(NAMES, known, room(100, 100)) == (("a", "b"), ("c", "d"))
    assert batches(NAMES, known, room(160, 160)) == (NAMES,)
    assert batches(NAMES, known, room(160, 159)) == (("a", "b", "c"), ("d",))


def test_each_direction_must_fit() -> None:
    """A hub that is narrow one way holds everybody back."""
    known = {name: line(8, 8) for name in NAMES}

    assert batches(NAMES, known, room(15, 1000)) == tuple((name,) for name in NAMES)


def test_a_small_line_fills_a_gap_further_up() -> None:
    """Order stays, room is used."""
    known = {"a": line(20, 20), "b": line(40, 40), "c": line(5, 5)}

    assert batches(("a", "b", "c"), known, room(80, 80)) == (("a", "c"), ("b",))


@pytest.mark.parametrize("limited_by", ["sender", "cap", "receiver", "loss", "time", "hub"])
def test_what_is_only_a_lower_bound_goes_alone(limited_by: LimitedBy) -> None:
    """Nobody knows how much such a line would take from the others."""
    known = {"a": line(8, 8), "b": line(8, 8, limited_by), "c": line(8, 8)}

    assert batches(("a", "b", "c", "d"), known, room(1000, 1000)) == (("a", "c"), ("b",), ("d",))


def test_without_room_all_go_one_by_one() -> None:
    """The same as before anything is known."""
    known = {name: line(8, 8) for name in NAMES}

    assert batches(NAMES, known, room(0, 0)) == tuple((name,) for name in NAMES)


def test_the_hub_carries_at_least_what_one_point_got_alone() -> None:
    """What the file says counts before that."""
    known = {"a": line(8, 90, "cap"), "b": line(30, 20)}

    assert hub_rates(None, known) == room(30, 90)
    assert hub_rates(None, {}) == room(0, 0)
    assert hub_rates(room(10, 10), known) == room(10, 10)


def test_beside_others_only_what_was_known_is_confirmed() -> None:
    """5 % less, or a lower bound, may be a share of something."""
    known = DirectionCapacity(20e6, "line")

    assert is_confirmed(DirectionCapacity(19e6, "line"), known)
    assert not is_confirmed(DirectionCapacity(18.9e6, "line"), known)
    assert not is_confirmed(DirectionCapacity(40e6, "cap"), known)


def test_a_lower_bound_is_a_finding_of_another_name() -> None:
    """The result's own place for capacity holds no bound."""
    found = LineCapacity(NOON, DirectionCapacity(8e6, "line"), DirectionCapacity(250e6, "cap"))
    rules = [(one.rule, one.value, one.unit) for one in found.findings()]

    assert rules == [
        ("line.up.capacity", 8e6, "bits_per_second"),
        ("line.down.capacity_at_least", 250e6, "bits_per_second"),
    ]
    assert found.as_result().down_bits_per_second == 250e6
