"""The texts of a district's files, by their paths in its folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from diemcau_contract.messages import MAX_MESSAGE_BYTES
from diemcau_contract.topics import ROOT
from diemcau_contract.yaml_text import write_yaml
from diemcau_server.district.names import NamedPoint, Names
from diemcau_server.district.secrets import Account, new_password

SERVER_ACCOUNT: Final = "diemcau-server"
AGENT_UNIT: Final = "diemcau-agent@.service"
"""Started with the name of the user whose session has camera and sound."""
_FILES: Final = Path(__file__).parent / "files"
_ALERTMANAGER_DATA: Final = (
    "Alertmanager ghi vào đây những gì đã báo và những gì đang tắt báo.\n"
    "Alertmanager keeps here what it has told, and what is silenced.\n"
)
_HEAD_BYTES: Final = 1024
"""More than topic and header of a message of ours take."""
_HOMES: Final = (Path("/home"), Path("/root"))


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs are on this machine."""

    server: str
    agent: str
    broker: str


@dataclass(frozen=True, slots=True)
class Paper:
    """One file's text; ``secret``: for its owner only."""

    text: str
    secret: bool = False


def papers(names: Names, folder: Path, programs: Programs) -> dict[str, Paper]:
    """Return every file of the district that will stand in ``folder``; passwords are made here."""
    server = Account.new(SERVER_ACCOUNT)
    points = {point.id: Account.new(f"{names.hub.id}.{point.id}") for point in names.points}
    accounts = [server, *points.values()]
    found = {
        "server/server.yaml": Paper(_server_file(names)),
        "server/broker-password": Paper(f"{server.password}\n", secret=True),
        "broker/mosquitto.conf": Paper(broker_file(names)),
        "broker/passwords": Paper("".join(f"{one.line()}\n" for one in accounts), secret=True),
        "broker/acl": Paper(acl(names), secret=True),
        "grafana/admin-password": Paper(f"{new_password()}\n", secret=True),
        "prometheus/prometheus.yml": Paper(_filled("prometheus.yml", **_common(names))),
        "alertmanager/smtp-password": Paper("", secret=True),
        "alertmanager/data/README.txt": Paper(_ALERTMANAGER_DATA),
    }
    for rules in sorted(_rules_folder().glob("*.yml")):
        found[f"prometheus/rules/{rules.name}"] = Paper(rules.read_text(encoding="utf-8"))
    units = unit_files(folder, programs)
    agent_unit = units.pop(AGENT_UNIT)
    found |= {f"systemd/{name}": Paper(text) for name, text in units.items()}
    for point in names.points:
        account = points[point.id]
        home = f"agents/{point.id}"
        found[f"{home}/agent.yaml"] = Paper(_agent_file(names, point, account))
        found[f"{home}/broker-password"] = Paper(f"{account.password}\n", secret=True)
        found[f"{home}/{AGENT_UNIT}"] = Paper(agent_unit)
    return found


def _rules_folder() -> Path:
    """Return where Prometheus' rules are: in the package, by the build hook; else in this tree."""
    built = _FILES / "rules"
    return built if built.is_dir() else _FILES.parents[3] / "deploy" / "prometheus" / "rules"


def broker_file(names: Names) -> str:
    """Return mosquitto.conf."""
    packet_bytes = MAX_MESSAGE_BYTES + _HEAD_BYTES
    return _filled("mosquitto.conf", broker_port=names.ports.broker, packet_bytes=packet_bytes)


def acl(names: Names) -> str:
    """Return who may publish and hear what; what no line allows is forbidden."""
    lines = [
        "# Mỗi điểm cầu chỉ nói và nghe chuyện của mình / each point speaks and hears for itself.",
        f"user {SERVER_ACCOUNT}",
        f"topic read {ROOT}/+/+/up/+",
        f"topic write {ROOT}/+/+/down/+",
        "# Để diemcau doctor nghe lại chính mình / what diemcau doctor says, to hear itself.",
        f"topic write {ROOT}/+/doctor/up/doctor",
    ]
    for point in names.points:
        own = f"{ROOT}/{names.hub.id}/{point.id}"
        lines += ["", f"user {names.hub.id}.{point.id}"]
        lines += [f"topic write {own}/up/+", f"topic read {own}/down/+"]
    return "\n".join(lines) + "\n"


def unit_files(folder: Path, programs: Programs) -> dict[str, str]:
    """Return the systemd units by name: two for the hall, one for a room's PC and its user."""
    paths = (folder, Path(programs.server), Path(programs.broker))
    at_home = any(path.is_relative_to(home) for path in paths for home in _HOMES)
    values = {
        "folder": str(folder), "server_program": programs.server,
        "agent_program": programs.agent, "broker_program": programs.broker,
    }  # fmt: skip
    shown = "read-only" if at_home else "yes"
    hardened = {
        name: _filled("hardening.conf", protect_home=home).rstrip("\n")
        for name, home in (
            ("diemcau-server.service", shown), ("diemcau-broker.service", shown),
            (AGENT_UNIT, "no"),
        )
    }  # fmt: skip
    return {name: _filled(name, **values, hardening=text) for name, text in hardened.items()}


def _server_file(names: Names) -> str:
    rows = (f"      - {{id: {_quoted(one.id)}, name: {_quoted(one.name)}}}" for one in names.points)
    text = _filled(
        "server.yaml",
        **_common(names),
        hub_name=_quoted(names.hub.name),
        timezone=_quoted(names.timezone),
        profile=names.profile,
        server_account=SERVER_ACCOUNT,
        points="\n".join(rows),
    )
    return text + (_FILES / "profiles.yaml").read_text(encoding="utf-8")


def _agent_file(names: Names, point: NamedPoint, account: Account) -> str:
    devices = names.devices if point.devices is None else point.devices
    asked = [device.model_dump(exclude_unset=True) for device in devices]
    return _filled(
        "agent.yaml",
        **_common(names),
        point=_quoted(point.id),
        point_name=point.name,
        account=_quoted(account.name),
        devices=write_yaml({"devices": asked}).rstrip("\n"),
    )


def _common(names: Names) -> Mapping[str, object]:
    return {
        "hub": _quoted(names.hub.id), "address": names.address, "broker_port": names.ports.broker,
        "http_port": names.ports.http, "measure_port": names.ports.measure,
    }  # fmt: skip


def _quoted(text: str) -> str:
    """Return ``text`` as YAML takes it for text, also where it is ``10``, ``1e3`` or ``no``."""
    return json.dumps(text, ensure_ascii=False)


def _filled(name: str, /, **values: object) -> str:
    return Template((_FILES / name).read_text(encoding="utf-8")).substitute(values)
