"""The dashboards as Grafana loads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from diemcau_dashboards.board import board
from diemcau_dashboards.hub_line import hub_line
from diemcau_dashboards.point import point
from diemcau_dashboards.system import system

FOLDER: Final = Path(__file__).resolve().parent.parent / "dashboards"
_MADE: Final = (board, point, hub_line, system)


def dashboards() -> Mapping[str, dict[str, Any]]:
    """Return the dashboards by file name; panels have numbers in the order of the page."""
    made = {}
    for make in _MADE:
        document = json.loads(json.dumps(make().build(), cls=JSONEncoder))
        for number, panel in enumerate(document["panels"], start=1):
            panel["id"] = number
        made[f"{make.__name__.replace('_', '-')}.json"] = document
    return made


def text_of(document: Mapping[str, Any]) -> str:
    """Return a dashboard as it stands in its file."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every dashboard into ``folder``, whose other dashboards go; return the files."""
    made = dashboards()
    for old in folder.glob("*.json"):
        if old.name not in made:
            old.unlink()
    for name, document in made.items():
        (folder / name).write_text(text_of(document), encoding="utf-8")
    return [folder / name for name in made]
