"""The main job, end to end: a real broker, a real server, real agents, the real command."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.integration.district import District, running_district

POINTS = ("bom-bo", "dak-nhau", "duc-phong")
pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """Run one district for all tests of this module."""
    with running_district(tmp_path_factory.mktemp("district"), POINTS) as running:
        yield running


def test_test_line_measures_every_point_and_keeps_the_result(district: District) -> None:
    """``test-line --json`` prints one object of the shipped schema; the store gives it again."""
    done = district.command("test-line", "--json")

    assert done.returncode in {0, 1}, done.stderr
    result = json.loads(done.stdout)
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
    assert done.returncode == 0
    assert json.loads(district.command("report", result["test"], "--json").stdout) == result


def test_every_step_is_kept_with_the_test_and_explained(district: District) -> None:
    """Groups and margin stand beside the rehearsal, each second of which can be looked at."""
    listed = district.get("/api/v1/tests")["tests"]
    test = listed[0]["test"]

    detail = district.get(f"/api/v1/tests/{test}/detail")
    explained = district.command("report", test, "bom-bo", "--explain", "--lang", "en").stdout

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


def test_unknown_point_offers_the_nearest_name(district: District) -> None:
    """A name with a slip of the pen is a usage error that offers the right one."""
    done = district.command("test-line", "bombo")

    assert done.returncode == 2
    assert "bom-bo" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_token_is_refused(district: District, tmp_path: Path) -> None:
    """Without the token no test is started; the exit code says that it could not run."""
    wrong = tmp_path / "wrong"
    wrong.write_text("nonsense")
    wrong.chmod(0o600)

    done = district.command("test-line", "--token-file", str(wrong))

    assert done.returncode == 3
    assert "Traceback" not in done.stderr
