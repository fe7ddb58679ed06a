"""The alert rules: each is tested by promtool, names only what there is, and speaks."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from diemcau_contract.causes import DEVICE_NAMES
from diemcau_contract.words import DeviceKind
from diemcau_server.hub_series import HUB_FAMILIES
from diemcau_server.point_series import FAMILIES
from diemcau_server.server_series import ServerSeries

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
CASES = sorted((ROOT / "tests" / "deploy" / "rules").glob("*.yml"))
TEXTS = {
    f"{part}_{language}" for part in ("summary", "cause", "action") for language in ("vi", "en")
}
END_OF_CHOICE = re.compile(r"\{\{-? end -?\}\}$")
VIETNAMESE = re.compile(
    "[ăâđêôơưàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ]", re.IGNORECASE
)


def rules() -> list[dict[str, Any]]:
    """Return every rule of every file."""
    return [
        rule
        for file in RULES
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDS = [rule["record"] for rule in rules() if "record" in rule]


def expectations() -> list[tuple[str, bool]]:
    """Return each tested expression with whether it must give something."""
    return [
        (expectation["expr"], bool(expectation["exp_samples"]))
        for file in CASES
        for case in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
        for expectation in case.get("promql_expr_test", ())
    ]


def known_names() -> set[str]:
    """Return the names of all series that a server gives, and of Prometheus' own that rules use."""
    series = ServerSeries()
    own = {
        sample_name
        for registry in (series.registry, series.of_scrape)
        for family in registry.collect()
        for sample_name in (family.name, f"{family.name}_total")
    }
    of_points = {
        f"{one.name}_total" if one.kind == "counter" else one.name
        for one in (*FAMILIES, *HUB_FAMILIES)
    }
    return own | of_points | set(RECORDS) | {"up", "alertmanager_notifications_failed_total"}


def test_promtool_sees_every_rule_fire_and_not_fire() -> None:
    """All cases hold, in the order of evaluation that is the worst for them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run(
        [promtool, "test", "rules", *map(str, CASES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_both_cases(alert: str) -> None:
    """Every alert is seen to fire and seen quiet; only the watchdog never rests."""
    named = [gives for expr, gives in expectations() if alert in expr]
    assert True in named
    assert False in named or alert == "DiemcauWatchdog"


@pytest.mark.parametrize("record", RECORDS)
def test_every_recorded_series_has_a_case(record: str) -> None:
    """Its value is looked at by name, not only through an alert."""
    assert (True, True) in [(record in expr, gives) for expr, gives in expectations()]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_name_only_what_there_is(rule: dict[str, Any]) -> None:
    """A name that no server gives would make a rule that never fires."""
    expression = re.sub(r"\{[^}]*\}|\"[^\"]*\"|\((?:instance|of)[^)]*\)", " ", rule["expr"])
    names = r"\b(?:[a-z]+:)?(?:diemcau|process|alertmanager)_\w+(?::\w+)?|\bup\b"
    named = set(re.findall(names, expression))
    assert named <= known_names()
    assert named or rule.get("alert") == "DiemcauWatchdog"


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_why_and_what_to_do(alert: str) -> None:
    """In both languages, for a scope and a severity that Alertmanager knows."""
    rule = ALERTS[alert]
    texts = rule["annotations"]
    assert set(texts) == TEXTS
    ends = (END_OF_CHOICE.sub("", texts[name].strip()) for name in TEXTS)
    assert all(text.endswith(".") for text in ends), texts
    assert all(VIETNAMESE.search(texts[name]) for name in TEXTS if name.endswith("_vi"))
    assert not any(VIETNAMESE.search(texts[name]) for name in TEXTS if name.endswith("_en"))
    assert rule["labels"]["scope"] in {"server", "hub", "point"}
    assert rule["labels"]["severity"] in {"none", "warning", "critical"}


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_broken_device_is_told_by_its_name(kind: DeviceKind) -> None:
    """The words of the contract, which the pages and the dashboards use as well."""
    text = ALERTS["DiemcauDeviceNotWorking"]["annotations"]["summary_vi"]
    name = DEVICE_NAMES[kind].vi
    assert f'"{kind}" }}}}{name[:1].upper()}{name[1:]}' in text


@pytest.mark.parametrize("alert", ALERTS)
def test_no_alert_loads_the_line_in_a_session(alert: str) -> None:
    """A test is advised before a session, or with the word that none may run."""
    texts = ALERTS[alert]["annotations"]
    if (
        "test-line" in texts["action_vi"]
        and "BeforeSession" not in alert
        and "ForSession" not in alert
    ):
        assert re.search("khi không có phiên họp|đừng chạy", texts["action_vi"], re.IGNORECASE)
        assert re.search("when no session runs|do not run", texts["action_en"], re.IGNORECASE)
