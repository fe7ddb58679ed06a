"""Benchmarks: modules with ``run()`` that gives rows; ``python -m tests.bench [MODULE…]``.

Never run by pytest: they measure time, tests do not.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: of what, which, its value and unit, and what it is held against.

    ``peer`` is today's best tool or the project's own goal.
    """

    name: str
    figure: str
    value: float
    unit: str
    peer: str = ""
