"""Every expression of every dashboard gives data on a real Prometheus over a real district.

Two real agents report, one over a line that loses, one with a covered camera and a codec; a third
point never comes up. A test has run, with the capacity of both lines, and the server enters the
broker by TLS. So there is something to show
for every panel, also for those that are about faults.
"""

import json
import math
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from diemcau_dashboards.written import dashboards
from diemcau_server.demo.relay import Relay
from diemcau_server.demo.storyline import storyline
from diemcau_server.speech.wording import SEVERITY
from tests.agent.probes.peers.sip import UserAgent, sip_over_udp
from tests.deploy.dashboards import (
    LABEL_VALUES,
    QUERY_RESULT,
    Expression,
    expressions,
    filled,
    table_columns,
)
from tests.integration.district import ROOM, District, free_port, wait_until
from tests.integration.watchers import Prometheus, start_prometheus

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

DASHBOARDS = dashboards()
LOSSY, COVERED, NEVER_SEEN = POINTS = ("bom-bo", "dak-nhau", "duc-phong")
LOSS_RATIO = 0.2
HAND_BEFORE_IT = {"format": "lavfi", "url": storyline(1).cameras["covered"]}
TRIES = 3
LEAST_WATCHED_SECONDS = 16
"""The board looks back in steps of 15 s; one of them must fall into what Prometheus has seen."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What Prometheus has seen of a district between two times (Unix)."""

    prometheus: Prometheus
    since: float
    until: float
    values: Mapping[str, str]
    """What Grafana would put in place of its variables."""

    def answers(self, one: Expression, **values: str) -> list[tuple[dict[str, str], list[float]]]:
        """Ask as Grafana does: for the last value, or for the whole time range."""
        query = filled(one.expr, {**self.values, **values})
        if one.now:
            return [(labels, [value]) for labels, value in self.prometheus.value(query)]
        return self.prometheus.span(query, self.since, self.until)

    def row(self, dashboard: str, panel: str, number: int) -> dict[str, tuple[str, float]]:
        """Return the answers to a panel's query by point: its ``cause`` or name, and the value."""
        asked = [one for one in expressions(DASHBOARDS[dashboard]) if one.panel.startswith(panel)]
        return {
            labels["point"]: (labels.get("cause") or labels.get("name", ""), values[-1])
            for labels, values in self.answers(asked[number], point=".*")
        }


@contextmanager
def losing_line(hub_port: int) -> Iterator[str]:
    """Give an address from which a share of what is sent there does not reach the hub."""
    relay = Relay(("127.0.0.1", hub_port), LOSS_RATIO, seed=1)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield f"127.0.0.1:{relay.port}"
    finally:
        relay.stop()
        thread.join()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Run the district, test it, and let Prometheus see all of it."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    session = {
        "id": "lop-1", "hub": "bu-dang", "name": "Lớp 1", "form": "line", "profile": "small",
        "start": tomorrow.isoformat(), "end": (tomorrow + timedelta(hours=3)).isoformat(),
    }  # fmt: skip
    district = District(
        tmp_path_factory.mktemp("district"), POINTS, sessions=[session], tls_port=free_port()
    )
    with losing_line(district.measure_port) as line, sip_over_udp(UserAgent()) as sip_port:
        codec = {
            "kind": "codec", "source": {"format": "sip", "url": f"sip://127.0.0.1:{sip_port}"},
        }  # fmt: skip
        try:
            district.start_broker()
            district.start_server()
            prometheus = start_prometheus(district)
            since = time.time()
            district.start_agent(LOSSY, measure={"address": line})
            devices = [{**ROOM[0], "source": HAND_BEFORE_IT}, ROOM[1], codec]
            district.start_agent(COVERED, devices=devices)
            prometheus.wait_for(f'count(diemcau_agent_info{{point!="{NEVER_SEEN}"}})', {2})
            played_and_judged(district)
            prometheus.wait_for(f'diemcau_point_cause{{point="{COVERED}",cause="covered"}}', {1})
            prometheus.wait_for(f'count(diemcau_device_ok{{point="{COVERED}"}} == 0)', {1})
            prometheus.wait_for('count(diemcau_device_info{model="Room Codec 9"})', {1})
            prometheus.wait_for("count(diemcau_certificate_expiry_timestamp_seconds)", {2})
            prometheus.wait_for("count(diemcau_hub_line_last_test_timestamp_seconds)", {1})
            prometheus.wait_for('sum(diemcau_point_state{state="not_ready"})', {2})
            wait_until("time goes on", lambda: time.time() > since + LEAST_WATCHED_SECONDS)
            yield Watched(prometheus, since, time.time(), _values(prometheus))
        finally:
            district.stop()


def played_and_judged(district: District) -> None:
    """Test both points; again where the machine was too busy, as such a test says itself."""
    for _ in range(TRIES):
        tested = district.command("test-line", LOSSY, COVERED, "--quick", "--capacity", "--json")
        assert tested.returncode == 1, tested.stdout + tested.stderr
        causes = {one["point"]: one["cause"] for one in json.loads(tested.stdout)["points"]}
        if "pc_busy" not in causes.values():
            break
    assert causes == {LOSSY: "own_line_up", COVERED: "covered"}


def _values(prometheus: Prometheus) -> dict[str, str]:
    """Fill the variables from what their own queries give, the first of what they offer."""
    values = {"__range": "60s", "__rate_interval": "15s"}
    for document in DASHBOARDS.values():
        for variable in document["templating"]["list"]:
            if variable["type"] == "query":
                values[variable["name"]] = _offered(prometheus, variable, values)[0][1]
            elif variable["type"] == "custom":
                values[variable["name"]] = variable["current"]["value"]
    return values


def _offered(
    prometheus: Prometheus, variable: Mapping[str, Any], values: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Return what Grafana offers as text and value, as its data source for Prometheus does it."""
    query = filled(variable["query"]["query"], values)
    if labels := LABEL_VALUES.fullmatch(query):
        return [(value, value) for value in prometheus.label_values(labels[2], labels[1])]
    result = QUERY_RESULT.fullmatch(query)
    assert result, query
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    texts = [
        ",".join(f'{name}="{value}"' for name, value in labels.items())
        for labels, _ in prometheus.value(result[1])
    ]
    found = [pattern.search(f"{{{text}}} 1 1700000000000") for text in texts]
    return sorted((one["text"], one["value"]) for one in found if one)


def test_variables_offer_what_there_is(watched: Watched) -> None:
    """Hub and points by name, the server by its address; by the dashboards' own queries."""
    offered = {
        variable["name"]: _offered(watched.prometheus, variable, watched.values)
        for variable in DASHBOARDS["board.json"]["templating"]["list"]
        if variable["type"] == "query"
    }

    assert offered["hub"] == [("Hội trường Huyện ủy", "bu-dang")]
    assert offered["point"] == [(f"Xã {point}", point) for point in POINTS]
    ((server, _),) = offered["server"]
    assert f"http://{server}" == watched.prometheus.district.url


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_label_of_a_table_is_a_column(watched: Watched, name: str) -> None:
    """A label without a column would stand in English at the end of each row."""
    answered: dict[str, set[str]] = {}
    for one in expressions(DASHBOARDS[name]):
        for labels, _ in watched.answers(one, point=COVERED):
            answered.setdefault(one.panel, set()).update(labels)
    columns = table_columns(DASHBOARDS[name])

    assert columns == {title: answered[title] for title in columns}


@pytest.mark.parametrize(
    ("name", "point"),
    [("board.json", ".*"), ("point.json", COVERED), ("hub-line.json", ""), ("system.json", "")],
)
def test_every_expression_gives_data(watched: Watched, name: str, point: str) -> None:
    """Numbers, not merely series; asked as Grafana asks."""
    empty = [
        f"{one.panel}: {one.expr}"
        for one in expressions(DASHBOARDS[name])
        if not any(
            math.isfinite(value)
            for _, values in watched.answers(one, point=point)
            for value in values
        )
    ]
    assert empty == []


def test_the_board_says_what_is_wrong_and_since_when(watched: Watched) -> None:
    """The worst first, by their names; causes as the test has found them."""
    tiles = watched.row("board.json", "Từng điểm cầu", 0)
    causes = watched.row("board.json", "Điểm nào có vấn đề", 1)
    since = watched.row("board.json", "Điểm nào có vấn đề", 2)

    states = {point: SEVERITY[int(code)].value for point, (_, code) in tiles.items()}
    assert states == {
        LOSSY: "not_ready", COVERED: "not_ready", NEVER_SEEN: "never_seen",
    }  # fmt: skip
    assert list(tiles)[-1] == NEVER_SEEN
    assert tiles[LOSSY][0] == f"Xã {LOSSY}"
    assert {point: cause for point, (cause, _) in causes.items()} == {
        LOSSY: "own_line_up", COVERED: "covered",
    }  # fmt: skip
    begun = watched.since - LEAST_WATCHED_SECONDS
    assert all(begun <= at / 1000 <= watched.until for _, at in since.values())
    assert since.keys() == set(POINTS)


def test_loss_is_that_of_the_line(watched: Watched) -> None:
    """The exact loss of the light flow lies where the relay put it, on the way up alone."""
    (panel,) = [one for one in expressions(DASHBOARDS["point.json"]) if one.panel == "Mất gói"]
    loss = {
        labels["direction"]: [value for value in values if math.isfinite(value)]
        for labels, values in watched.answers(panel, point=LOSSY)
    }

    assert max(loss["up"]) > LOSS_RATIO / 4
    assert max(loss["down"]) == 0
