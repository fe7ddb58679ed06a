"""A real Prometheus and a real Alertmanager over a district, on the files of deploy/.

Their time runs faster by one factor: what a rule waits for, how long Alertmanager waits for others,
and how often Prometheus looks. What Alertmanager repeats comes faster still; nothing waits for it.
Rules, routes, inhibition and texts stay as they are.
"""

import json
import re
import shutil
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.district import District, free_port, wait_until

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FASTER = 15
"""Prometheus looks and judges every 15 s in deploy/, every second here."""
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def faster(duration: str, factor: float = FASTER) -> str:
    """Return a duration of one unit, divided."""
    return f"{int(duration[:-1]) * _SECONDS[duration[-1]] * 1000 / factor:.0f}ms"


@dataclass
class Prometheus:
    """Prometheus beside a district, which ends it."""

    district: District
    prometheus_port: int

    def value(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of every series that Prometheus finds now."""
        found = self._asked("query", query=query)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def span(
        self, query: str, since: float, until: float
    ) -> list[tuple[dict[str, str], list[float]]]:
        """Return labels and values of every series, second by second, up to ``until`` itself.

        Times are Unix. Steps counted from ``since`` would leave out the last part of a second, in
        which the last scrape may lie.
        """
        start = until - int(until - since)
        found = self._asked("query_range", query=query, start=start, end=until, step=1)["result"]
        return [(one["metric"], [float(value) for _, value in one["values"]]) for one in found]

    def label_values(self, label: str, selector: str) -> list[str]:
        """Return the values that a label has in the series of a selector."""
        found: list[str] = self._asked(f"label/{label}/values", **{"match[]": selector})
        return found

    def firing(self, alert: str) -> set[str]:
        """Return the points (or hubs, or "") for which an alert fires, by Prometheus."""
        found = self.value(f'ALERTS{{alertname="{alert}",alertstate="firing"}}')
        return {labels.get("point") or labels.get("hub", "") for labels, _ in found}

    def wait_for(self, query: str, values: set[float], seconds: float = 60) -> None:
        """Wait until Prometheus finds at least one series, and no other values than these."""
        wait_until(
            f"{query} gives {values}",
            lambda: {value for _, value in self.value(query)} == values,
            seconds,
        )

    def targets(self, job: str) -> list[dict[str, Any]]:
        """Return what Prometheus scrapes for a job, with how it fared."""
        found = self._asked("targets", state="active")["activeTargets"]
        return [one for one in found if one["labels"]["job"] == job]

    def _asked(self, what: str, **parameters: object) -> Any:
        path = f"/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        return _get(self.prometheus_port, path)["data"]


@dataclass
class Watchers(Prometheus):
    """Prometheus and Alertmanager beside a district; the district ends them."""

    alertmanager_port: int

    def held_back(self, alert: str) -> set[str]:
        """Return the points for which an alert is active at Alertmanager and held back."""
        query = urllib.parse.urlencode({"filter": f'alertname="{alert}"'})
        found = _get(self.alertmanager_port, f"/api/v2/alerts?{query}")
        return {one["labels"]["point"] for one in found if one["status"]["inhibitedBy"]}


def start_prometheus(district: District, alertmanager: str | None = None) -> Prometheus:
    """Start Prometheus over a running server; alerts go to the address ``alertmanager``."""
    program = _program("prometheus")
    port = free_port()
    folder = district.folder / "watchers"
    shutil.copytree(DEPLOY / "prometheus", folder / "prometheus")
    for file in (folder / "prometheus" / "rules").glob("*.yml"):
        _rewrite(file, _faster_rules)
    main = folder / "prometheus" / "prometheus.yml"
    _rewrite(main, lambda content: _prometheus_here(content, district.url, alertmanager))
    part = district.part(
        "prometheus",
        [program, f"--config.file={main}", f"--storage.tsdb.path={folder / 'data'}",
         f"--rules.alert.resend-delay={faster('1m')}", "--log.level=warn",
         f"--web.listen-address=127.0.0.1:{port}"],
    )  # fmt: skip
    wait_until(f"prometheus is ready\n{part.tail()}", lambda: _ready(port))
    return Prometheus(district, port)


def start_watchers(district: District, hook_port: int, mail_port: int) -> Watchers:
    """Start both over a running district."""
    program = _program("prometheus-alertmanager")
    port = free_port()
    folder = district.folder / "watchers"
    shutil.copytree(DEPLOY / "alertmanager", folder / "alertmanager")
    routes = folder / "alertmanager" / "alertmanager.yml"
    _rewrite(routes, lambda content: _alertmanager_here(content, hook_port, mail_port))
    at = f"127.0.0.1:{port}"
    part = district.part(
        "alertmanager",
        [program, f"--config.file={routes}", f"--storage.path={folder / 'am-data'}",
         f"--web.listen-address={at}", "--cluster.listen-address=", "--log.level=warn"],
    )  # fmt: skip
    prometheus = start_prometheus(district, at)
    wait_until(f"alertmanager is ready\n{part.tail()}", lambda: _ready(port))
    return Watchers(district, prometheus.prometheus_port, port)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} (Debian package) is not installed")
    return found


def _rewrite(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def _faster_rules(content: dict[str, Any]) -> None:
    for group in content["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            for key in rule.keys() & {"for", "keep_firing_for"}:
                rule[key] = faster(rule[key])
            # A server that has just started has heard nobody yet: 120 s in deploy/.
            rule["expr"] = re.sub(r"< 120\b", f"< {120 // FASTER}", rule["expr"])


def _prometheus_here(content: dict[str, Any], server: str, alertmanager: str | None) -> None:
    for key in ("scrape_interval", "scrape_timeout", "evaluation_interval"):
        content["global"][key] = "1s"
    targets = [alertmanager] if alertmanager else []
    content["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": targets}]}]
    of_server, of_alertmanager = content["scrape_configs"]
    of_server["http_sd_configs"] = [{"url": f"{server}/sd/hubs", "refresh_interval": "1s"}]
    of_alertmanager["static_configs"] = [{"targets": targets}]


def _alertmanager_here(content: dict[str, Any], hook_port: int, mail_port: int) -> None:
    settings = content["global"]
    settings |= {"smtp_smarthost": f"127.0.0.1:{mail_port}", "smtp_require_tls": False}
    for key in ("smtp_auth_username", "smtp_auth_password_file"):
        del settings[key]
    hook = {"url": f"http://127.0.0.1:{hook_port}/", "send_resolved": True}
    for receiver in content["receivers"]:
        receiver["webhook_configs"] = [hook]
    route = content["route"]
    for one in (route, *route["routes"]):
        if "group_wait" in one:
            one["group_wait"] = faster(one["group_wait"])
        if "group_interval" in one:
            one["group_interval"] = faster(one["group_interval"], 12 * FASTER)
    watchdog = route["routes"][0]
    watchdog["repeat_interval"] = faster(watchdog["repeat_interval"], 20 * FASTER)


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
