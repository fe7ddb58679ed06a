"""The dashboards: their files are those of the code, Grafana knows every key, all names exist."""

import json
import re
import shutil
import subprocess
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from diemcau_contract.causes import Cause
from diemcau_contract.errors import RejectReason
from diemcau_contract.messages import DeviceResult
from diemcau_contract.words import Direction, PointState, Verdict
from diemcau_dashboards import words
from diemcau_dashboards.written import FOLDER, dashboards, text_of, write
from diemcau_server.measure_metrics import REASONS
from diemcau_server.server_series import (
    AUTH_FAILURES,
    MESSAGE_RESULTS,
    TEST_KINDS,
    TEST_RESULTS,
)
from diemcau_server.speech.wording import SEVERITY
from diemcau_server.watch import WatchLimits, checks
from diemcau_server.web.routes import PAGES, ROUTES
from tests.deploy.dashboards import expressions, links, variables
from tests.deploy.test_rules import ALERTS, known_names
from tests.server.reports import report
from tests.server.series import FULL_HOST

DASHBOARDS = dashboards()
GRAFANA = FOLDER.parent
UIDS = {one["uid"] for one in DASHBOARDS.values()}
COLUMNS = 24
OF_PROMETHEUS = {"up", "scrape_duration_seconds", "ALERTS", "ALERTS_FOR_STATE"}
NAME = re.compile(r"\b(?:diemcau|process|scrape)_\w+|\bup\b|\bALERTS\w*")
SPACE_OF_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|on|group_left) \([^)]*\)")

CLOSED = {
    "alertname", "alertstate", "cause", "check", "direction", "kind", "of", "reason", "result",
    "role", "severity", "state", "verdict",
}  # fmt: skip
"""Labels whose values are English words."""

each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)
pytestmark = pytest.mark.filterwarnings("error")


def lost(before: Any, after: Any, place: str = "") -> list[str]:
    """Return the places of ``before`` that are not, or are otherwise, in ``after``."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for key, value in before.items()
            for found in lost(value, after.get(key), f"{place}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [found for at, (one, two) in pairs for found in lost(one, two, f"{place}[{at}]")]
    return [] if before == after else [place]


def round_trip(document: dict[str, Any]) -> Any:
    """Read a dashboard by Grafana's schema, and write it again."""
    register_default_plugins()
    read = Dashboard.from_json(json.loads(json.dumps(document)))
    return json.loads(json.dumps(read, cls=JSONEncoder))


def test_the_files_are_those_of_the_code() -> None:
    """Whoever changes the code writes them anew: make dashboards."""
    written = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}
    assert written == {name: text_of(document) for name, document in DASHBOARDS.items()}


def test_writing_leaves_no_dashboard_of_before(tmp_path: Path) -> None:
    """A renamed dashboard would stand twice in Grafana."""
    (tmp_path / "gone.json").write_text("{}")

    files = write(tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted(files)


@each_dashboard
def test_grafana_knows_every_key(name: str) -> None:
    """What its schema does not know is lost when a dashboard is read."""
    assert lost(DASHBOARDS[name], round_trip(DASHBOARDS[name])) == []


@pytest.mark.parametrize("where", ["", "panels.0", "panels.0.fieldConfig.defaults", "templating"])
def test_an_unknown_key_is_found(where: str) -> None:
    """The round trip finds a misspelt key wherever it stands."""
    document = json.loads(json.dumps(DASHBOARDS["board.json"]))
    node = document
    for step in filter(None, where.split(".")):
        node = node[int(step)] if step.isdigit() else node[step]
    node["kolour"] = 1

    assert [place.rpartition(".")[2] for place in lost(document, round_trip(document))] == [
        "kolour"
    ]


@each_dashboard
def test_panels_lie_beside_each_other(name: str) -> None:
    """No two overlap, none leaves the grid, and every number is there once."""
    panels = DASHBOARDS[name]["panels"]
    areas = {}
    for panel in panels:
        at = panel["gridPos"]
        assert 0 <= at["x"] < at["x"] + at["w"] <= COLUMNS, panel["title"]
        areas[panel["id"]] = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
    assert len(areas) == len(panels)
    for one, other in combinations(areas, 2):
        assert not areas[one] & areas[other], (one, other)


@each_dashboard
def test_a_dashboard_can_be_named_and_found(name: str) -> None:
    """ASCII names of a length that Grafana takes, Vietnamese titles, one tag for the links."""
    one = DASHBOARDS[name]
    assert re.fullmatch(r"diemcau-[a-z-]{1,32}", one["uid"])
    assert name == f"{one['uid'].removeprefix('diemcau-')}.json"
    assert len(UIDS) == len(DASHBOARDS)
    assert (one["tags"], one["editable"], one["schemaVersion"] >= 41) == (["diemcau"], False, True)
    assert not one["title"].isascii()


@each_dashboard
def test_every_panel_says_what_it_shows(name: str) -> None:
    """Title, description, unit, and Prometheus by the variable."""
    for panel in DASHBOARDS[name]["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(one["datasource"] == panel["datasource"] for one in panel["targets"])
        if panel["type"] == "table":
            shown = panel["fieldConfig"]["overrides"]
            units = [{one["id"] for one in column["properties"]} for column in shown]
            assert units
            assert all({"displayName", "unit"} <= one for one in units), panel["title"]
        else:
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@each_dashboard
def test_one_panel_carries_any_number_of_points(name: str) -> None:
    """Five hundred points are rows and series of a panel, never panels."""
    document = DASHBOARDS[name]
    assert not any("repeat" in panel for panel in document["panels"])
    for panel in document["panels"]:
        if panel["type"] == "stat" and "{{name}}" in json.dumps(panel):
            assert all("topk($tiles" in target["expr"] for target in panel["targets"])
        if panel["type"] == "state-timeline":
            assert panel["options"]["perPage"] == 25
        if panel["type"] == "timeseries":
            legends = [target.get("legendFormat", "") for target in panel["targets"]]
            assert not any("point}}" in one or "name}}" in one for one in legends)


@each_dashboard
def test_expressions_name_only_what_there_is(name: str) -> None:
    """A series that nobody gives would be a panel that stays empty."""
    for one in expressions(DASHBOARDS[name]):
        named = set(NAME.findall(SPACE_OF_LABELS.sub(" ", one.expr)))
        known = known_names() | OF_PROMETHEUS
        parts = {re.sub("_(?:bucket|sum|count)$", "", found) for found in named}
        assert named
        assert parts <= known | {f"{found}_total" for found in known}, one.panel


@each_dashboard
def test_every_variable_is_declared(name: str) -> None:
    """In expressions, titles, links, and in the queries of the variables themselves."""
    document = DASHBOARDS[name]
    declared = [one["name"] for one in document["templating"]["list"]]
    assert len(declared) == len(set(declared))
    assert variables(json.dumps(document)) == set(declared)
    for place, one in enumerate(document["templating"]["list"]):
        assert one["label"], one["name"]
        assert variables(json.dumps(one.get("query"))) <= set(declared[:place])


@each_dashboard
def test_links_lead_somewhere(name: str) -> None:
    """To a dashboard that there is, or to a page of the server by GET."""
    document = DASHBOARDS[name]
    pages = {route.path for route in (*ROUTES, *PAGES) if route.method == "GET"}
    found = list(links(document))
    assert found
    for url in found:
        dashboard = re.match(r"/d/([a-z-]+)/", url)
        path = url.removeprefix("http://${server}").partition("?")[0].replace("${", "{")
        assert (dashboard[1] in UIDS) if dashboard else (path in pages), url
    (others,) = [one for one in document["links"] if one["type"] == "dashboards"]
    assert (others["tags"], others["includeVars"]) == (["diemcau"], True)


def test_promtool_reads_every_expression(tmp_path: Path) -> None:
    """As rules, with Grafana's own variables filled in."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    found = {
        re.sub(r"\$__\w+", "1m", one.expr).replace("$tiles", "64")
        for document in DASHBOARDS.values()
        for one in expressions(document)
    }
    rules = [{"record": f"panel:{place}", "expr": expr} for place, expr in enumerate(sorted(found))]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    done = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(found)} rules found" in done.stdout


def test_every_word_of_a_closed_list_is_shown_in_vietnamese() -> None:
    """What labels can hold that a panel shows, none too many."""

    def values(shown: tuple[words.Shown, ...]) -> list[str]:
        return sorted(one.value for one in shown)

    every_check = checks(report(host=FULL_HOST), WatchLimits(0.1, 0.1, 1))
    assert sorted(SEVERITY) == sorted(PointState)
    assert sorted(words.HUB_LINE_SEVERITY) == sorted(Verdict)
    assert values(words.STATE_WORDS) == sorted(PointState)
    assert values(words.CAUSE_WORDS) == sorted(Cause)
    assert values(words.DIRECTION_WORDS) == sorted(Direction)
    assert set(every_check) <= set(values(words.CHECK_WORDS))
    assert values(words.ALERT_WORDS) == sorted(ALERTS)
    assert values(words.SEVERITY_WORDS) == sorted(
        {rule["labels"]["severity"] for rule in ALERTS.values()}
    )
    assert [one.value for one in words.ROLE_WORDS] == [DeviceResult.model_fields["role"].default]
    assert values(words.TEST_KIND_WORDS) == sorted(TEST_KINDS)
    assert values(words.TEST_RESULT_WORDS) == sorted(TEST_RESULTS)
    assert values(words.MESSAGE_WORDS) == sorted(MESSAGE_RESULTS)
    assert values(words.REJECT_WORDS) == sorted(RejectReason)
    assert values(words.AUTH_WORDS) == sorted(AUTH_FAILURES)
    assert values(words.PACKET_WORDS) == sorted(REASONS)


@each_dashboard
def test_no_word_of_a_label_is_shown_as_it_is(name: str) -> None:
    """Names of series and cells of tables: a label of a closed list has its words."""
    for panel in DASHBOARDS[name]["panels"]:
        overrides = {
            one["matcher"]["options"]: {item["id"] for item in one["properties"]}
            for one in panel.get("fieldConfig", {}).get("overrides", ())
        }
        if panel["type"] == "table":
            assert all(
                "mappings" in shown for field, shown in overrides.items() if field in CLOSED
            ), panel["title"]
        legends = [target.get("legendFormat", "") for target in panel.get("targets", ())]
        if any(f"{{{{{label}}}}}" in legend for legend in legends for label in CLOSED):
            assert any("displayName" in shown for shown in overrides.values()), panel["title"]


def test_grafana_is_told_where_prometheus_and_the_dashboards_are() -> None:
    """The data source is the one that the dashboards choose first; nothing is changed by hand."""
    (source,) = _provisioned("datasources")["datasources"]
    (provider,) = _provisioned("dashboards")["providers"]

    for document in DASHBOARDS.values():
        (chosen,) = [one for one in document["templating"]["list"] if one["name"] == "datasource"]
        assert chosen["current"] == {
            "selected": True, "text": source["name"], "value": source["uid"],
        }  # fmt: skip
    scraped = yaml.safe_load((GRAFANA.parent / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert source["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]
    assert (source["type"], source["editable"]) == ("prometheus", False)
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    told = (GRAFANA / "README.md").read_text("utf-8")
    assert source["url"] in told
    assert provider["options"]["path"] in told


def test_the_schema_is_that_of_the_grafana_that_the_documents_name() -> None:
    """The library's releases differ in the Grafana that they are made for."""
    release = version("grafana-foundation-sdk").partition("!")[2]
    assert f"Grafana {release}" in (GRAFANA / "README.md").read_text("utf-8")


def _provisioned(kind: str) -> Any:
    return yaml.safe_load((GRAFANA / "provisioning" / kind / "diemcau.yaml").read_text("utf-8"))
