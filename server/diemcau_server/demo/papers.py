"""The files that the demo's server and agents run by, in the demo's own folder."""

import os
from pathlib import Path
from typing import Any, Final

import yaml

from diemcau_server.demo.storyline import Storyline, StoryPoint

REPORT_INTERVAL_SECONDS: Final = 5
_PRIVATE_FILE: Final = 0o600


def write_server_file(folder: Path, story: Storyline) -> Path:
    """Write the server's configuration: embedded broker, free ports, state in ``folder``."""
    content = {
        "schema": "diemcau.server/1",
        "timezone": "Asia/Ho_Chi_Minh",
        "http": {"host": "127.0.0.1", "port": 0, "token_file": "token"},
        "broker": {"url": "embedded", "port": 0},
        "store": {"url": "sqlite:///diemcau.sqlite"},
        "state_directory": "server-state",
        "measure": {"host": "127.0.0.1", "port": 0},
        "report_interval_seconds": REPORT_INTERVAL_SECONDS,
        "default_profile": story.profile.id,
        "hubs": [
            {
                "id": story.hub.id,
                "name": story.hub.name,
                "points": [{"id": point.id, "name": point.name} for point in story.points],
            }
        ],
        "profiles": [story.profile.model_dump(mode="json")],
    }
    return _write(folder / "server.yaml", content)


def write_agent_file(
    folder: Path, story: Storyline, point: StoryPoint, broker_url: str, measure_address: str | None
) -> Path:
    """Write one agent's configuration; ``measure_address`` leads it over a relay."""
    content = {
        "schema": "diemcau.agent/1",
        "hub": story.hub.id,
        "point": point.id,
        "broker": {"url": broker_url},
        "state_directory": f"agent-{point.id}",
        "measure": {"address": measure_address},
        "opening_allowed": True,
        "devices": _devices(story, point),
    }
    return _write(folder / f"agent-{point.id}.yaml", content)


def _devices(story: Storyline, point: StoryPoint) -> list[dict[str, Any]]:
    devices: list[dict[str, Any]] = []
    if point.camera is not None:
        source = {"format": "lavfi", "url": story.cameras[point.camera]}
        size = story.camera_size.model_dump()
        devices.append({"kind": "camera", "role": "main", "source": source, **size})
    if point.microphone is not None:
        source = {"format": "lavfi", "url": story.microphones[point.microphone]}
        devices.append({"kind": "microphone", "role": "main", "source": source})
    return devices


def _write(file: Path, content: dict[str, Any]) -> Path:
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    return file
