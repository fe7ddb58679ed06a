"""What the agent's file says of picture and sound."""

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from diemcau_agent.config import load_config
from diemcau_agent.errors import ConfigError
from diemcau_agent.signal.limits import EchoLimits, PictureLimits, SoundLimits

EXAMPLE = Path(__file__).parents[2] / "config" / "agent.yaml"
SPEAKER = """
- kind: speaker
  source: {format: system, url: Jabra}
"""
MICROPHONE = """
- kind: microphone
  source: {format: system, url: ceiling}
"""


def test_the_example_explains_every_limit_with_the_value_that_holds_without_it() -> None:
    """Who reads config/agent.yaml reads what this version judges by."""
    written = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["limits"]

    assert written == {
        "picture": asdict(PictureLimits()),
        "sound": asdict(SoundLimits()),
        "echo": asdict(EchoLimits()),
    }


def test_a_speaker_is_heard_by_the_microphone_that_the_file_names(tmp_path: Path) -> None:
    """Its probe is told the microphone's pattern, the quiet hours and only changed limits."""
    extra = "quiet_hours: ['22:00-05:30']\nlimits: {echo: {score_db: 24}, sound: {hum_hz: 50}}\n"
    config = load_config(_file(tmp_path, extra, SPEAKER + MICROPHONE))
    microphone, speaker = config.devices

    assert speaker.source == {
        "format": "system", "device": "Jabra", "microphone": "ceiling", "echo_canceller": None,
        "quiet_hours": ["22:00-05:30"], "limits": {"score_db": 24.0},
    }  # fmt: skip
    assert "limits" not in microphone.source


@pytest.mark.parametrize(
    ("extra", "devices", "what"),
    [
        ("quiet_hours: ['22:00']\n", "", "must be HH:MM-HH:MM, local time"),
        ("quiet_hours: ['24:00-05:00']\n", "", "must be HH:MM-HH:MM, local time"),
        ("limits: {picture: {dark: 1}}\n", "", "unknown key"),
        ("limits: {sound: {hum_hz: loud}}\n", "", "hum_hz"),
        ("limits: {sound: {hum_lines: 0}}\n", "", "hum_lines must be in 1 … 40"),
        ("limits: {echo: {chirp_dbfs: 12}}\n", "", "chirp_dbfs must be in -120 … 0"),
        ("limits: {picture: {rate_ratio: 80}}\n", "", "rate_ratio must be in 0 … 2"),
        ("limits: {picture: {blur: .nan}}\n", "", "blur must be in 0.01 … 2"),
        ("limits: {picture: {rate_least: -.inf}}\n", "", "rate_least must be in 0 … 255"),
        ("", f"{SPEAKER}  microphone: table\n{MICROPHONE}", "microphone table listens"),
        ("", f"{MICROPHONE}  echo_canceller: true\n", "is of use with speakers only"),
    ],
)
def test_mistakes_about_sound_are_told(tmp_path: Path, extra: str, devices: str, what: str) -> None:
    """Where and what, as with every other key."""
    with pytest.raises(ConfigError) as told:
        load_config(_file(tmp_path, extra, devices))

    assert what in told.value.text.en


def _file(folder: Path, extra: str, devices: str) -> Path:
    file = folder / "agent.yaml"
    file.write_text(
        "schema: diemcau.agent/1\nhub: bu-dang\npoint: bom-bo\nbroker: {url: 'mqtt://127.0.0.1'}\n"
        f"state_directory: state\n{extra}devices: {devices or '[]'}\n",
        encoding="utf-8",
    )
    return file
