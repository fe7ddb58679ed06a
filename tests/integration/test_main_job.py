"""The main job, end to end: a real broker, a real server, real agents, the real command."""

import getpass
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.integration.district import (
    District,
    Ended,
    ended,
    free_port,
    running_district,
    wait_until,
)

POINTS = ("bom-bo", "dak-nhau", "duc-phong")
pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """Run one district for all tests of this module."""
    with running_district(tmp_path_factory.mktemp("district"), POINTS) as running:
        yield running


@pytest.fixture(scope="module")
def tested(district: District) -> Ended:
    """Run ``test-line --json`` once."""
    return district.command("test-line", "--json")


def test_test_line_measures_every_point_and_keeps_the_result(
    district: District, tested: Ended
) -> None:
    """``test-line --json`` prints one object of the shipped schema; the store gives it again."""
    assert tested.returncode in {0, 1}, tested.stderr
    result = json.loads(tested.stdout)
    schema = files("diemcau_contract") / "schema" / "test-1.schema.json"
    jsonschema.validate(result, json.loads(schema.read_text()))
    assert [point["point"] for point in result["points"]] == sorted(POINTS)
    for point in result["points"]:
        for direction in ("up", "down"):
            assert point["line"][direction]["packets_sent"] > 1000
            assert point["line"][direction]["loss_ratio"] == 0.0
        assert {device["kind"]: device["status"] for device in point["devices"]} == {
            "camera": "ok",
            "microphone": "ok",
        }
    assert result["verdict"] == "ready", json.dumps(result, indent=1)
    assert tested.returncode == 0
    assert json.loads(district.command("report", result["test"], "--json").stdout) == result
    metrics = district.get("/metrics")
    counted = 'diemcau_test_runs_total{hub="bu-dang",kind="full",result="ready"}'
    assert counted in metrics
    assert f"{counted} 0.0" not in metrics
    verdict = result["hub_line"]["verdict"]
    assert f'diemcau_hub_line_state{{hub="bu-dang",verdict="{verdict}"}} 1.0' in metrics


def test_every_step_is_kept_with_the_test_and_explained(district: District, tested: Ended) -> None:
    """Groups and margin stand beside the rehearsal, each second of which can be looked at."""
    test = json.loads(tested.stdout)["test"]
    listed = district.get("/api/v1/tests")["tests"]

    detail = district.get(f"/api/v1/tests/{test}/detail")
    explained = district.command("report", test, "bom-bo", "--explain", "--lang", "en").stdout

    assert test in [one["test"] for one in listed]
    for point in detail["points"]:
        evidence = point["evidence"]
        steps = [(step["kind"], step["rate_ratio"]) for step in evidence["steps"]]
        assert steps == [("groups", 1.0), ("margin", 1.2)]
        assert len(evidence["up"]["traffic"]["bins"]) == 150
        assert evidence["preflight"]["path_mtu_bytes"] >= 1280
    for words in ("Clock: hub minus PC", "margin 120 %", "The rehearsal second by second"):
        assert words in explained


def test_metrics_pass_promtool(district: District) -> None:
    """What Prometheus would scrape has no lint and holds every point."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    text = district.get("/metrics")

    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    for point in POINTS:
        assert f'diemcau_point_enabled{{hub="bu-dang",point="{point}"}} 1' in text
    assert 'diemcau_config_hash_info{hash="' in text


def refused(district: District, *arguments: str) -> list[tuple[int, str]]:
    """Return exit code and the one sentence of a ``test-line`` that did nothing else, vi and en."""
    said = []
    for language in ("vi", "en"):
        done = district.command("test-line", *arguments, "--lang", language)
        assert done.stdout == ""
        assert done.stderr.startswith("diemcau: ")
        assert done.stderr.count("\n") == 1
        said.append((done.returncode, done.stderr.removeprefix("diemcau: ").rstrip("\n")))
    return said


@pytest.mark.parametrize(
    ("arguments", "vi", "en"),
    [
        (
            ["bombo"],
            "Không có điểm cầu 'bombo'. Có phải ý bạn là: bom-bo?",
            "There is no point 'bombo'. Did you mean: bom-bo?",
        ),
        (
            ["Đắc Nhau", "duc-fong"],
            "Không có điểm cầu 'Đắc Nhau'. Có phải ý bạn là: dak-nhau? "
            "Không có điểm cầu 'duc-fong'. Có phải ý bạn là: duc-phong?",
            "There is no point 'Đắc Nhau'. Did you mean: dak-nhau? "
            "There is no point 'duc-fong'. Did you mean: duc-phong?",
        ),
        (
            ["--session", "lop1"],
            "Không có phiên họp 'lop1'. Có phải ý bạn là: lop-1?",
            "There is no session 'lop1'. Did you mean: lop-1?",
        ),
        (
            ["--profile", "smal"],
            "Không có cấu hình đo 'smal'. Có phải ý bạn là: small?",
            "There is no profile 'smal'. Did you mean: small?",
        ),
    ],
    ids=["point", "two points", "session", "profile"],
)
def test_an_unknown_name_offers_the_nearest(
    district: District, arguments: list[str], vi: str, en: str
) -> None:
    """A slip of the pen is a usage error that offers the right name, in both languages."""
    assert refused(district, *arguments) == [(2, vi), (2, en)]


def test_a_wrong_token_is_refused(district: District, tmp_path: Path) -> None:
    """Without the token no test is started; the sentence says where the right one is."""
    wrong = tmp_path / "wrong"
    wrong.write_text("nonsense")
    wrong.chmod(0o600)

    vi, en = refused(district, "--token-file", str(wrong))

    assert vi == (
        3,
        f"Máy chủ {district.url} không chấp nhận mã truy cập (token). Hãy lấy token từ tệp ghi "
        "trong cấu hình máy chủ (http.token_file): --token-file hoặc DIEMCAU_TOKEN.",
    )
    assert en == (
        3,
        f"The server {district.url} does not accept the token. Take it from the file that the "
        "server's configuration names (http.token_file): --token-file or DIEMCAU_TOKEN.",
    )


def test_a_server_that_is_not_there_is_told(district: District) -> None:
    """The sentence names the address that was asked and what to check."""
    address = f"http://127.0.0.1:{free_port()}"

    vi, en = refused(district, "--server", address)

    assert vi == (
        3,
        f"Không kết nối được máy chủ {address} (kết nối bị từ chối). Kiểm tra máy chủ đã chạy "
        "chưa (diemcau-server run) và địa chỉ có đúng không (--server hoặc DIEMCAU_SERVER).",
    )
    assert en == (
        3,
        f"The server {address} cannot be reached (connection refused). Check that it runs "
        "(diemcau-server run) and that the address is right (--server or DIEMCAU_SERVER).",
    )


def test_while_a_test_runs_another_is_told_whose_it_is(district: District) -> None:
    """Who started it and since when, in the technician's own time; ending it ends the test."""
    first = district.begun("test-line")
    try:
        wait_until(
            "the first test runs, or has ended",
            lambda: "testing" in district.states().values() or first.poll() is not None,
        )
        vi, en = refused(district)
        running = district.running_test()
        first.terminate()
    finally:
        left = ended(first)

    test, since = running["test"], datetime.fromisoformat(running["started_at"])
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    local = (since + timedelta(hours=7)).strftime("%H:%M:%S %d/%m/%Y")
    assert test.startswith(f"{since:%Y%m%d-%H%M%S}-")
    assert vi == (
        3,
        f"Đang có lượt đo khác: {who} bắt đầu lúc {local} (lượt đo {test}). Hãy chờ lượt đó "
        "xong, rồi đo lại.",
    )
    assert en == (
        3,
        f"Another test is running: started by {who} at {local} (test {test}). Wait until it has "
        "ended, then test again.",
    )
    assert (left.returncode, left.stdout) == (143, "")
    assert "testing" not in district.states().values()
