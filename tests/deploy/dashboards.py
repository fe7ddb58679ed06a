"""The dashboards' expressions, links and variables, found wherever a dashboard can hold them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")


@dataclass(frozen=True, slots=True)
class Expression:
    """A query of a panel; ``now`` where only its last value is asked for."""

    panel: str
    expr: str
    now: bool


def expressions(dashboard: Mapping[str, Any]) -> Iterator[Expression]:
    """Yield what every panel asks Prometheus for."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield Expression(panel["title"], target["expr"], bool(target.get("instant")))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return ``text`` with its variables filled; one without a value raises KeyError."""
    return VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def variables(text: str) -> set[str]:
    """Return the variables that ``text`` uses, without those that Grafana itself defines."""
    found = {one or other for one, other in VARIABLE.findall(text)}
    return {name for name in found if not name.startswith("__")}


def links(node: Any) -> Iterator[str]:
    """Yield every address that a click opens."""
    if isinstance(node, list):
        for one in node:
            yield from links(one)
    elif isinstance(node, dict):
        if isinstance(node.get("url"), str) and node["url"]:
            yield node["url"]
        for one in node.values():
            yield from links(one)
