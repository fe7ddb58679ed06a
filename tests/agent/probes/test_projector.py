"""What the projector probe says to a projector, and how answers are read."""

import random
import socket
from pathlib import Path

import pytest

from diemcau_agent.probes.frame import run_child
from diemcau_agent.probes.projector import Answers, judge_answers, look_at_projector
from diemcau_agent.probes.result import from_json, to_json
from tests.agent.probes.makers import settings_of
from tests.agent.probes.peers.pjlink import Projector, projector
from tests.agent.probes.peers.sockets import tcp_peer


@pytest.mark.parametrize("password", [None, "máy chiếu"])
def test_it_asks_and_never_switches(password: str | None) -> None:
    """Every command is a question, of class 2 only where the projector has that class."""
    state = Projector(password=password)
    with projector(state) as port:
        look_at_projector({"url": f"pjlink://127.0.0.1:{port}", "password": password})

    asked = {command for command in state.commands if command.endswith(" ?")}
    assert asked == set(state.commands)
    assert {command[:6] for command in asked} == {
        "%1POWR", "%1ERST", "%1INPT", "%1AVMT", "%1CLSS", "%2IRES", "%1LAMP"
    }  # fmt: skip


def test_a_projector_of_class_1_is_not_asked_for_class_2() -> None:
    """It might take the unknown command for an error and show it."""
    state = Projector(pjlink_class="1")
    with projector(state) as port:
        look_at_projector({"url": f"pjlink://127.0.0.1:{port}"})

    assert not [command for command in state.commands if command.startswith("%2")]


def test_what_it_found_is_told_in_numbers_and_codes(tmp_path: Path) -> None:
    """Power, input, mute, signal, hours of the oldest lamp, every place of the errors."""
    made = {"kind": "pjlink", "lamp": "1200 1 90 0", "errors": "010000"}
    with settings_of(made, tmp_path) as settings:
        values = look_at_projector(settings).values

    assert values == {
        "power": "on", "input": "31", "av_mute": "30", "input_resolution": "1920x1080",
        "lamp_hours": 1200, "error_fan": 0, "error_lamp": 1, "error_temp": 0, "error_cover": 0,
        "error_filter": 0, "error_other": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "causes"),
    [
        (Answers("off", {"lamp": 2, "temp": 1}), ("lamp", "off", "temp")),
        (Answers("on", {"cover": 2, "other": 2}), ("device_fault",)),
        (Answers("on", {}, "11", "31", "-"), ("wrong_input", "av_mute", "no_signal")),
        (Answers("on", {}, None, None, None), ()),
    ],
)
def test_a_fault_comes_before_how_it_is_set(answers: Answers, causes: tuple[str, ...]) -> None:
    """Errors first, then power, input, mute and signal, warnings last; each cause once."""
    assert judge_answers(answers, "31").causes == causes


@pytest.mark.parametrize("seed", range(8))
def test_whatever_answers_there_is_a_verdict_and_no_crash(seed: int) -> None:
    """Another device at the address may say anything, whole lines of noise or a megabyte."""
    noise = random.Random(seed)  # noqa: S311  # noise, no secret

    def babble(connection: socket.socket) -> None:
        if noise.random() < 0.5:
            connection.sendall(b"PJLINK 0\r")
        for _ in range(noise.randrange(1, 5)):
            connection.recv(64)
            connection.sendall(noise.randbytes(noise.choice((1, 20, 200_000))) + b"\r")

    with tcp_peer(babble) as port:
        settings = {"format": "pjlink", "url": f"pjlink://127.0.0.1:{port}", "password": "x"}
        result = run_child("display", settings, 60.0).result

    assert result.status in ("bad", "unknown")
    assert "crashed" not in result.causes


def test_what_a_projector_calls_its_input_is_cut_and_made_printable(tmp_path: Path) -> None:
    """A terminal must not obey it, and a result holds short words only."""
    made = {"kind": "pjlink", "input": "\x1b[2J" + "x" * 110, "signal": "1920x1080"}
    with settings_of(made, tmp_path) as settings:
        result = look_at_projector(settings)

    assert str(result.values["input"]).startswith("?[2Jxx")
    assert from_json(to_json(result)) == result
