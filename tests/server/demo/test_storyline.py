from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from diemcau_contract import result as contract_result
from diemcau_contract.words import Verdict
from diemcau_server.config import load_config
from diemcau_server.demo.outcome import compare, print_outcome
from diemcau_server.demo.papers import write_agent_file, write_server_file
from diemcau_server.demo.storyline import storyline
from diemcau_server.speech.language import speech
from tests.server.cli import recorded


def test_the_whole_district() -> None:
    """Sixteen points, at least four kinds of faults, each id once."""
    story = storyline(16)
    assert len({point.id for point in story.points}) == 16
    causes = {str(point.expect.cause) for point in story.points if point.has_fault}
    assert causes >= {"own_line_up", "covered", "digital_silence", "agent_silent"}


@pytest.mark.parametrize("number", [1, 5, 16, 40])
def test_any_number_of_points(number: int) -> None:
    """A small demo keeps the faults, a larger one gets further good points."""
    story = storyline(number)
    assert len(story.points) == number
    assert story.points[0].id == "bom-bo"
    assert all(not point.has_fault for point in story.points[16:])


def test_a_small_machine_carries_less() -> None:
    """Few processors: a smaller profile, one device in each good room, the same faults."""
    whole = storyline(16)
    small = whole.on(2)
    assert small.profile.up.video_bits_per_second < whole.profile.up.video_bits_per_second
    assert small.profile.limits == whole.profile.limits
    assert small.profile.limits.loss_ratio.bad == 0.01
    for point, full in zip(small.points, whole.points, strict=True):
        devices = [point.camera, point.microphone].count("good")
        assert point == full if point.has_fault else devices == 1
    assert whole.on(4) is whole


def test_server_file_is_valid(tmp_path: Path) -> None:
    """The server takes the file that the demo writes; nobody else can read it."""
    file = write_server_file(tmp_path, storyline(3))
    config = load_config(file)
    assert [point.id for point in config.hubs[0].points] == ["bom-bo", "dak-nhau", "tho-son"]
    assert (config.http.port, config.broker.port, config.measure.port) == (0, 0, 0)
    assert file.stat().st_mode & 0o777 == 0o600


def test_agent_file_names_the_stand_ins(tmp_path: Path) -> None:
    """An agent's file has its relay and the devices of the storyline."""
    story = storyline(3)
    file = write_agent_file(tmp_path, story, story.points[1], "mqtt://127.0.0.1:1883", None)
    text = file.read_text()
    assert story.cameras["covered"] in text
    assert "diemcau.agent/1" in text
    relayed = write_agent_file(
        tmp_path, story, story.points[0], "mqtt://127.0.0.1:1883", "127.0.0.1:9"
    )
    assert "address: 127.0.0.1:9" in relayed.read_text()


def _result(*points: dict[str, object]) -> contract_result.TestResult:
    return contract_result.TestResult.model_validate(recorded.result(points))


def _console() -> Console:
    return Console(file=StringIO(), width=120, markup=False)


def test_a_truthful_test_matches() -> None:
    """What was hidden was found: said so, with the numbers."""
    story = storyline(2)
    result = _result(
        recorded.point("bom-bo", "Xã Bom Bo", "own_line_up", recorded.LOSS_ACTION, loss=0.06),
        recorded.point("dak-nhau", "Xã Đak Nhau", "covered", recorded.COVER_ACTION, "covered"),
    )
    console = _console()
    assert print_outcome(compare(story, result), console, speech("vi"))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    assert "Lỗi tìm đúng nguyên nhân: 2/2; điểm cầu tốt được báo sẵn sàng: 0/0." in text
    assert "Tất cả đúng như kịch bản." in text


def test_a_miss_is_said() -> None:
    """A fault that was not found is shown beside what was found instead."""
    story = storyline(2)
    result = _result(recorded.point("bom-bo", "Xã Bom Bo"))
    console = _console()
    compared = compare(story, result)
    assert [one.matches for one in compared] == [False, False]
    assert compared[0].found == (Verdict.READY, None)
    assert not print_outcome(compared, console, speech("en"))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    assert "Faults found with their cause: 0 of 2; good points found ready: 0 of 0." in text
    assert "NOT all as in the storyline." in text
