"""PromQL that several panels share. Every result is aggregated to labels that are named.

A point's series bear ``instance`` and ``job`` of whoever was scraped; after a move of the server
both addresses live on for five minutes, and only ``max by`` keeps a join from failing then.
"""

from collections.abc import Iterable
from typing import Final

HUB: Final = 'hub="$hub"'
POINT: Final = 'hub="$hub",point="$point"'
POINTS: Final = 'hub="$hub",point=~"$point"'
SERVER: Final = 'instance=~"$server"'

BITS: Final = 8
"""Metrics count bytes, as Prometheus wants it; lines are sold and planned in bits."""


def coded(metric: str, label: str, order: Iterable[str], selector: str, by: str) -> str:
    """Return the code of the state that holds, of a state set with one series a state.

    Args:
        metric: the state set; of each set exactly one series is 1.
        label: its label that names the state.
        order: the states; the place of each is its code.
        selector: label matchers that choose the sets.
        by: labels of the result.
    """
    return " or ".join(
        f'max by ({by}) ({metric}{{{selector},{label}="{state}"}} == 1) * {code}'
        for code, state in enumerate(order)
    )


def named(expr: str, selector: str, by: str = "hub, point") -> str:
    """Return ``expr``, which is by hub and point (and more), with the point's ``name`` beside."""
    info = f"max by (hub, point, name) (diemcau_point_info{{{selector}}})"
    return f"max by ({by}, name) (({expr}) * on (hub, point) group_left (name) {info})"


def loss_ratio(selector: str, by: str, window: str = "$__rate_interval") -> str:
    """Return the exact share of the light flow that was lost within ``window``."""
    lost, sent = (
        f"sum by ({by}) (increase(diemcau_link_probes_{what}_total{{{selector}}}[{window}]))"
        for what in ("lost", "sent")
    )
    return f"{lost} / ({sent} > 0)"


def milliseconds(seconds: str) -> str:
    """Return a time as Grafana's date units want it."""
    return f"({seconds}) * 1000"
