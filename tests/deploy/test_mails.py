"""What a mail says: Alertmanager's own program fills the texts."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "alertmanager"
CLOCK = "2026-03-14T00:40:00Z"


def alert(point: str, status: str, name: str = "DiemcauPointSilent") -> dict[str, Any]:
    """Return an alert of a point as Alertmanager holds it."""
    return {
        "status": status,
        "labels": {"alertname": name, "hub": "bu-dang", "point": point, "scope": "point"},
        "annotations": {"summary_vi": f"{point} có chuyện.", "summary_en": f"{point} has trouble."},
        "startsAt": CLOCK,
    }


def said(part: str, *alerts: dict[str, Any]) -> str:
    """Return a part of the mail about a group of alerts."""
    program = shutil.which("amtool")
    if program is None:
        pytest.skip("amtool is not installed (Debian package prometheus-alertmanager)")
    status = "firing" if any(one["status"] == "firing" for one in alerts) else "resolved"
    data = {
        "receiver": "technicians", "status": status, "alerts": list(alerts),
        "groupLabels": {}, "commonLabels": {"hub": "bu-dang"}, "commonAnnotations": {},
        "externalURL": "",
    }  # fmt: skip
    done = subprocess.run(
        [program, "template", "render", f"--template.glob={FOLDER}/templates/*.tmpl",
         "--template.data=/dev/stdin", f'--template.text={{{{ template "diemcau.{part}" . }}}}'],
        input=json.dumps(data), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_the_subject_names_a_room_that_is_in_trouble() -> None:
    """Not the one that is back, though its name comes first."""
    back, away = alert("bom-bo", "resolved"), alert("dak-nhau", "firing")

    assert said("subject", back, away) == "[diemcau bu-dang] dak-nhau có chuyện."


def test_the_subject_counts_those_in_trouble() -> None:
    """Who is back stands in the text."""
    alerts = [
        alert("bom-bo", "resolved"),
        *(alert(one, "firing") for one in ("dak-nhau", "y", "z")),
    ]

    assert said("subject", *alerts).endswith("dak-nhau có chuyện. (và 2 cảnh báo khác)")


@pytest.mark.parametrize(
    ("name", "vi", "en"),
    [
        ("DiemcauPointSilent", "Đã hết", "resolved"),
        ("DiemcauDeviceNotWorking", "Không còn báo", "no longer reported"),
        ("DiemcauNotReadyForSession", "Không còn báo", "no longer reported"),
    ],
)
def test_an_end_is_not_told_as_a_mending(name: str, vi: str, en: str) -> None:
    """Who reports again is back; of a fault nobody knows why it is no longer seen."""
    over = alert("bom-bo", "resolved", name)

    assert said("subject", over) == f"[diemcau bu-dang] {vi}: bom-bo có chuyện."
    assert f"{vi} / {en}: bom-bo có chuyện." in said("text", over)


def test_the_end_of_what_is_of_a_hub_or_server_is_known() -> None:
    """Its series are there while it is well."""
    over = alert("", "resolved", "DiemcauHubIsolated")
    over["labels"]["scope"] = "hub"

    assert "Đã hết: " in said("subject", over)


def test_times_are_those_of_the_rooms_clocks() -> None:
    """Vietnam's, seven hours before UTC and without summer time."""
    assert "Từ / since 07:40:00 14/03/2026 (+07:00)" in said("text", alert("bom-bo", "firing"))


def test_the_text_begins_with_what_is_to_be_done() -> None:
    """What fires comes before what has ended."""
    text = said("text", alert("bom-bo", "resolved"), alert("dak-nhau", "firing"))

    assert text.index("dak-nhau") < text.index("bom-bo")
    assert "Việc làm trước tiên" in text
