"""What a log bears of what comes from outside."""

import logging

from diemcau_server.seldom import Seldom


def test_each_of_its_like_is_told_once_in_a_while() -> None:
    """The second is a detail; after ten minutes one that still goes on is told again."""
    now = 0.0
    seldom = Seldom(10, lambda: now)
    first = [seldom.level("a", "1"), seldom.level("a", "1"), seldom.level("a", "2")]
    now = 599.0
    late = seldom.level("a", "1")
    now = 600.0

    assert first == [logging.WARNING, logging.DEBUG, logging.WARNING]
    assert (late, seldom.level("a", "1")) == (logging.DEBUG, logging.WARNING)


def test_no_more_than_so_many_are_told_or_remembered() -> None:
    """Whoever makes up new names fills neither log nor memory."""
    seldom = Seldom(2, lambda: 0.0)
    levels = [seldom.level(str(number)) for number in range(1000)]

    assert levels == [logging.WARNING] * 2 + [logging.DEBUG] * 998
    assert len(seldom._told) == 2
