"""Which alert holds which back: a real Alertmanager is told of both, and asked."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.deploy.test_rules import ALERTS, ROOT
from tests.integration.district import free_port, wait_until

Held = Callable[..., bool]
HERE = {"instance": "a"}
HUB = {**HERE, "hub": "h"}
POINT = {**HUB, "point": "p"}
SESSION = {**POINT, "session": "s"}


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one with the rules of deploy/, and nobody to tell."""
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip("prometheus-alertmanager (Debian package) is not installed")
    folder = tmp_path_factory.mktemp("alertmanager")
    shipped = yaml.safe_load((ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text())
    config = {
        "route": {"receiver": "nobody"},
        "receivers": [{"name": "nobody"}],
        "inhibit_rules": shipped["inhibit_rules"],
    }
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    at = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={file}", f"--storage.path={folder / 'data'}",
             f"--web.listen-address={at}", "--cluster.listen-address="],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until("alertmanager is ready", lambda: ready(f"http://{at}/-/ready"))
        yield f"http://{at}/api/v2/alerts"
    finally:
        process.terminate()
        process.wait()


def ready(url: str) -> bool:
    """Tell whether it answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def is_held(alertmanager: str, request: pytest.FixtureRequest) -> Held:
    """Return whether one alert holds another back; the test's name keeps their districts apart.

    An alert is known a moment before Alertmanager has thought about what it holds back: who
    expects it (``patience_seconds``) asks again.
    """

    def asked(
        source: str, of: dict[str, str], target: str, at: dict[str, str],
        patience_seconds: float = 1.0,
    ) -> bool:  # fmt: skip
        case = request.node.name
        alerts = [
            {"labels": {**ALERTS[name]["labels"], **labels, "alertname": name,
                        "instance": f"{case} {labels['instance']}"}}
            for name, labels in ((source, of), (target, at))
        ]  # fmt: skip
        order = urllib.request.Request(
            alertmanager, json.dumps(alerts).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(order, timeout=10).close()
        where = urllib.parse.quote(json.dumps(alerts[1]["labels"]["instance"], ensure_ascii=False))
        filters = f"filter=instance%3D{where}&filter=alertname%3D%22{target}%22"
        found: list[list[str]] = []

        def known() -> bool:
            with urllib.request.urlopen(f"{alertmanager}?{filters}", timeout=10) as answer:
                found[:] = [one["status"]["inhibitedBy"] for one in json.load(answer)]
            return bool(found)

        wait_until("the alert is known", known)
        ends = time.monotonic() + patience_seconds
        while not found[0] and time.monotonic() < ends:
            time.sleep(0.1)
            known()
        return bool(found[0])

    return asked


@pytest.mark.parametrize(
    ("source", "of", "target", "at"),
    [
        ("DiemcauServerDown", HERE, "DiemcauBrokerDown", HERE),
        ("DiemcauServerDown", HERE, "DiemcauHubIsolated", HUB),
        ("DiemcauBrokerDown", HERE, "DiemcauHubIsolated", HUB),
        ("DiemcauBrokerDown", HERE, "DiemcauNotReadyInSession", SESSION),
        ("DiemcauStoreFailing", HERE, "DiemcauHubIsolated", HUB),
        ("DiemcauStoreFailing", HERE, "DiemcauPointSilent", POINT),
        ("DiemcauPartDown", {**HUB, "part": "h"}, "DiemcauDeviceNotWorking", POINT),
        ("DiemcauMeasureDown", {**HERE, "process": "1"}, "DiemcauLineBlocked", POINT),
        ("DiemcauHubIsolated", HUB, "DiemcauPointSilent", POINT),
        *(
            ("DiemcauHubIsolated", HUB, f"DiemcauNotReady{when}", SESSION)
            for when in ("BeforeSession", "ForSession", "InSession")
        ),
        ("DiemcauHubIsolated", HUB, "DiemcauHubLoss", {**HUB, "direction": "up"}),
        (
            "DiemcauHubLoss",
            {**HUB, "direction": "up"},
            "DiemcauLossHigh",
            {**POINT, "direction": "up"},
        ),
        *(
            ("DiemcauPointSilent", POINT, f"Diemcau{name}", POINT)
            for name in (
                "DeviceNotWorking",
                "LossHigh",
                "LineBlocked",
                "ClockSkew",
                "OutboxGrowing",
            )
        ),
        ("DiemcauNotReadyForSession", SESSION, "DiemcauNotReadyBeforeSession", SESSION),
        ("DiemcauNotReadyInSession", SESSION, "DiemcauNotReadyBeforeSession", SESSION),
        ("DiemcauNotReadyInSession", SESSION, "DiemcauNotReadyForSession", SESSION),
    ],
)
def test_what_follows_is_held_back(
    is_held: Held, source: str, of: dict[str, str], target: str, at: dict[str, str]
) -> None:
    """The cause is told, not its consequences."""
    assert is_held(source, of, target, at, patience_seconds=20.0)


@pytest.mark.parametrize(
    ("source", "of", "target", "at"),
    [
        ("DiemcauBrokerDown", HERE, "DiemcauHubIsolated", {**HUB, "instance": "b"}),
        ("DiemcauServerRestarting", HERE, "DiemcauPointSilent", POINT),
        ("DiemcauBrokerDown", HERE, "DiemcauCertificateExpiring", {**HERE, "of": "broker"}),
        ("DiemcauPartDown", {**HUB, "part": "h"}, "DiemcauPointSilent", {**POINT, "hub": "g"}),
        ("DiemcauMeasureDown", {**HERE, "process": "1"}, "DiemcauDeviceNotWorking", POINT),
        ("DiemcauHubIsolated", HUB, "DiemcauPointSilent", {**POINT, "hub": "g"}),
        (
            "DiemcauHubLoss",
            {**HUB, "direction": "up"},
            "DiemcauLossHigh",
            {**POINT, "direction": "down"},
        ),
        ("DiemcauPointSilent", POINT, "DiemcauDeviceNotWorking", {**POINT, "point": "q"}),
        ("DiemcauPointSilent", POINT, "DiemcauNotReadyForSession", SESSION),
        ("DiemcauNotReadyBeforeSession", SESSION, "DiemcauNotReadyForSession", SESSION),
        ("DiemcauNotReadyForSession", SESSION, "DiemcauNotReadyInSession", SESSION),
        (
            "DiemcauNotReadyInSession",
            SESSION,
            "DiemcauNotReadyForSession",
            {**SESSION, "session": "t"},
        ),
    ],
)
def test_what_is_another_matter_is_told(
    is_held: Held, source: str, of: dict[str, str], target: str, at: dict[str, str]
) -> None:
    """Of another server, hub, point, way or session, or the more urgent of two."""
    assert not is_held(source, of, target, at)
