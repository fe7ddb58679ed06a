"""The dashboards' expressions, links and variables, found wherever a dashboard can hold them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

VARIABLE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")


QUERY_RESULT = re.compile(r"query_result\((.+)\)")
LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")


@dataclass(frozen=True, slots=True)
class Expression:
    """A query of a panel; ``now`` where only its last value is asked for."""

    panel: str
    expr: str
    now: bool


def expressions(dashboard: Mapping[str, Any]) -> Iterator[Expression]:
    """Yield what every panel, and every mark in time, asks Prometheus for."""
    for mark in dashboard.get("annotations", {}).get("list", ()):
        yield Expression(mark["name"], mark["expr"], now=False)
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield Expression(panel["title"], target["expr"], bool(target.get("instant")))


def table_columns(dashboard: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return, for each table, the labels that its columns show; values of queries are none."""
    return {
        panel["title"]: {
            column["matcher"]["options"]
            for column in panel["fieldConfig"]["overrides"]
            if not column["matcher"]["options"].startswith("Value")
        }
        for panel in dashboard["panels"]
        if panel["type"] == "table"
    }


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
