"""Files of ``deploy/`` for programs that tests cannot run: container engine, Windows, shells."""

import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from codecs import BOM_UTF8
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_powershell
import yaml
from tree_sitter import Language, Parser

from diemcau_agent.__main__ import _parser as agent_parser
from diemcau_server.__main__ import _parser as server_parser
from diemcau_server.cli import main as command_line
from diemcau_server.district.names import Ports

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
INSIDE = r"C:\ProgramData\diemcau"


def instructions() -> Iterator[tuple[str, str]]:
    """Instructions of the Containerfile, in order, with their arguments."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    joined = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")
    for line in filter(None, joined.splitlines()):
        name, _, rest = line.strip().partition(" ")
        yield name, rest.strip()


def ignored_but() -> set[str]:
    """What of this tree a build may see at all."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    return {line[1:] for line in lines if line.startswith("!")}


def every_mount() -> Iterator[str]:
    """What the services mount, in the short form."""
    return (mount for service in SERVICES.values() for mount in service["volumes"])


@pytest.fixture
def district(tmp_path: Path) -> Path:
    """What ``diemcau init`` writes for the example."""
    folder = tmp_path / "district"
    assert command_line.run(["init", str(ROOT / "config" / "names.yaml"), str(folder)]) == 0
    return folder


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_pinned_watched_and_bounded(name: str) -> None:
    """A version that stays, a health check, no more rights than none, started again."""
    service = SERVICES[name]

    assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    passwords = {word for word in service.get("environment", {}) if "PASSWORD" in word}
    assert passwords <= {"GF_SECURITY_ADMIN_PASSWORD__FILE"}


def under_the_specification(file: Path) -> str:
    """What the Compose Specification's JSON schema says of a file; check-jsonschema carries it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_compose_file_is_valid_under_the_compose_specification(tmp_path: Path) -> None:
    """Every key is a known one of the right type; one that is not would be found."""
    wrong = tmp_path / "compose.yaml"
    server = {**SERVICES["server"], "health_check": {}}
    wrong.write_text(yaml.safe_dump({**COMPOSE, "services": {**SERVICES, "server": server}}))

    assert under_the_specification(DEPLOY / "compose.yaml") == ""
    assert "health_check" in under_the_specification(wrong)


def test_grafana_has_no_password_that_everybody_knows() -> None:
    """Its administrator's is the one that init made, read by the user whose file it is."""
    grafana = SERVICES["grafana"]
    (secret,) = grafana["secrets"]

    inside = grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert inside == f"/run/secrets/{secret}"
    assert COMPOSE["secrets"][secret] == {"file": "${DISTRICT}/grafana/admin-password"}
    assert grafana["user"] == SERVICES["server"]["user"]


def test_the_mail_password_comes_from_the_district(district: Path) -> None:
    """Read by the user whose file it is, where it is put, and never from this tree."""
    alertmanager = SERVICES["alertmanager"]
    (secret,) = alertmanager["secrets"]
    routes = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text("utf-8"))

    assert routes["global"]["smtp_auth_password_file"] == f"/run/secrets/{secret}"
    assert alertmanager["user"] == SERVICES["server"]["user"]
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert any(fnmatch(secret, pattern) for pattern in ignored)
    # What both ways in bear out of DISTRICT is what init has written.
    sources = [one["file"] for one in COMPOSE["secrets"].values()]
    sources += [mount.split(":/")[0] for mount in every_mount() if mount.startswith("${DISTRICT")]
    for source in sources:
        assert (district / re.sub(r"^\$\{DISTRICT[^}]*\}/", "", source)).exists(), source


def test_only_the_needed_ports_are_open(district: Path) -> None:
    """Rooms reach broker, pages and measuring port; the rest is for this machine alone."""
    ports = Ports()
    broker = (district / "broker" / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    server = yaml.safe_load((district / "server" / "server.yaml").read_text(encoding="utf-8"))

    listeners = [line for line in broker if line.startswith("listener")]
    assert listeners == [f"listener {ports.broker}"]
    anywhere = "0.0.0.0"  # noqa: S104  # rooms come from outside
    assert [server["http"][key] for key in ("host", "port")] == [anywhere, ports.http]
    assert [server["measure"][key] for key in ("host", "port")] == [anywhere, ports.measure]
    for name in ("prometheus", "alertmanager"):
        asked = [word for word in SERVICES[name]["command"] if "listen-address" in word]
        assert asked[0].startswith("--web.listen-address=127.0.0.1:")
        assert [word.partition("=")[2] for word in asked[1:]] == [""] * len(asked[1:])
    assert SERVICES["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"


def test_no_service_lives_in_the_network_of_another() -> None:
    """A service that is started anew has another network: who shares its old one is cut off."""
    assert {service["network_mode"] for service in SERVICES.values()} == {"host"}
    assert not [name for name, service in SERVICES.items() if "ports" in service]


def test_two_services_are_a_district_and_monitoring_is_asked_for() -> None:
    """The server waits for the broker; the rest starts with its profile only."""
    plain = {name for name, service in SERVICES.items() if "profiles" not in service}

    assert plain == {"broker", "server"}
    for name, service in SERVICES.items():
        for other in service.get("depends_on", {}):
            assert "profiles" not in SERVICES[other] or "profiles" in service, name
    volumes = {mount.split(":")[0] for service in SERVICES.values() for mount in service["volumes"]}
    assert {volume for volume in volumes if re.fullmatch(r"\w+", volume)} == set(COMPOSE["volumes"])


def test_what_compose_mounts_of_this_folder_is_there() -> None:
    """Rules, routes and dashboards; Grafana looks for its dashboards where they are put."""
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service["volumes"]]
    ours = {source: target for source, target, *_ in mounts if source.startswith("./")}
    provider = DEPLOY / "grafana" / "provisioning" / "dashboards"
    (settings,) = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in provider.iterdir()]

    assert all((DEPLOY / source).is_dir() for source in ours)
    assert ours["./grafana/dashboards"] == settings["providers"][0]["options"]["path"]
    sources = (DEPLOY / "grafana" / "provisioning" / "datasources").iterdir()
    (source,) = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sources]
    listens = f"--web.listen-address={source['datasources'][0]['url'].removeprefix('http://')}"
    assert listens in SERVICES["prometheus"]["command"]


def test_the_commands_of_compose_and_image_are_real_ones() -> None:
    """Our own programs take their arguments."""
    (entry,) = [yaml.safe_load(rest) for name, rest in instructions() if name == "ENTRYPOINT"]
    (usual,) = [yaml.safe_load(rest) for name, rest in instructions() if name == "CMD"]

    assert entry == ["diemcau-server"]
    for words in (usual, SERVICES["server"]["command"]):
        asked = server_parser("en").parse_args(words)
        assert asked.config == Path("/etc/diemcau/server.yaml")


def test_the_image_is_built_from_the_lock_and_nothing_else() -> None:
    """Hashes are required, the project itself adds nothing, and it does not run as root."""
    found = list(instructions())
    bases = [rest.split()[0] for name, rest in found if name == "FROM"]
    installs = [rest for name, rest in found if name == "RUN"]

    assert len(set(bases)) == 1
    assert re.search(r":\d+\.\d+\.\d+-", bases[0])
    assert ["--require-hashes" in one or "--no-index --no-deps" in one for one in installs] == [
        True, True,
    ]  # fmt: skip
    assert [rest for name, rest in found if name == "ARG"] == ["REVISION="]
    assert "DIEMCAU_REVISION" in installs[-1]
    assert [rest for name, rest in found if name == "USER"] == ["1000:1000"]
    assert {name for name, _ in found} <= {
        "FROM", "WORKDIR", "ARG", "RUN", "COPY", "ENV", "USER", "EXPOSE", "HEALTHCHECK",
        "ENTRYPOINT", "CMD",
    }  # fmt: skip


def test_the_image_can_have_every_file_that_it_copies() -> None:
    """Each source is in the tree and not hidden from the build; so is all that a wheel needs."""
    copies = [rest for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    sources = {word for one in copies for word in shlex.split(one)[:-1]}

    assert sources <= ignored_but()
    assert all((ROOT / source).exists() for source in sources)
    assert {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE"} <= sources
    assert {"contract", "line", "agent", "server"} <= sources


SCRIPTS = sorted((*DEPLOY.rglob("*.sh"), *(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"))


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_shell_script_parses(file: Path) -> None:
    """By the shell that runs it."""
    shell = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!").split()[-1]
    subprocess.run([shell, "-n", file], check=True)


def test_the_windows_task_starts_the_agent_in_the_users_session() -> None:
    """At logon, without a time limit or a wish for mains, started again when it fails."""
    task = ET.parse(DEPLOY / "windows" / "diemcau-agent.xml").getroot()  # noqa: S314  # our file

    def text(path: str) -> str | None:
        return task.findtext("/".join(f"{TASK}{name}" for name in path.split("/")))

    assert task.find(f"{TASK}Triggers/{TASK}LogonTrigger") is not None
    assert text("Principals/Principal/RunLevel") == "LeastPrivilege"
    assert text("Settings/ExecutionTimeLimit") == "PT0S"
    assert text("Settings/DisallowStartIfOnBatteries") == "false"
    assert text("Settings/StopIfGoingOnBatteries") == "false"
    assert text("Settings/RestartOnFailure/Interval") == "PT1M"
    module, name, *words = (text("Actions/Exec/Arguments") or "").split(" ")
    assert (module, name) == ("-m", "diemcau_agent")
    asked = agent_parser("en").parse_args(words)
    assert str(asked.config) == rf"{INSIDE}\point\agent.yaml"
    assert str(asked.log_file) == rf"{INSIDE}\point\state\agent.log"
    assert (text("Actions/Exec/Command") or "").startswith(INSIDE)


def test_the_windows_installer_agrees_with_the_task_and_the_archive() -> None:
    """Same places and names; PowerShell 5.1 reads Vietnamese only behind a byte order mark."""
    raw = (DEPLOY / "windows" / "install.ps1").read_bytes()
    text = raw.decode("utf-8-sig")

    assert raw.startswith(BOM_UTF8)
    assert "Join-Path $env:ProgramData 'diemcau'" in text
    assert "$Task = 'diemcau-agent'" in text
    assert "--require-hashes" in text
    assert "'run.txt'" in text
    assert "'wheels'" in text
    assert "--no-index" in text
    # Held up before anything is installed: changed files, another Python than the wheels are for.
    before = text[: text.index("'venv', '--clear'")]
    assert "'SHA256SUMS'" in before
    assert "Get-FileHash -Algorithm SHA256" in before
    assert "'python-version'" in before


def test_the_windows_installer_parses() -> None:
    """By a grammar of PowerShell, for no PowerShell is here: no error, and none that it mended."""
    parser = Parser(Language(tree_sitter_powershell.language()))
    script = (DEPLOY / "windows" / "install.ps1").read_bytes().removeprefix(BOM_UTF8)

    assert not parser.parse(script).root_node.has_error
    assert parser.parse(script.replace(b"{", b"", 1)).root_node.has_error


def test_the_windows_installer_gives_users_no_more_than_they_need() -> None:
    """They read and run; they write below state alone, where the task keeps its log."""
    text = (DEPLOY / "windows" / "install.ps1").read_text(encoding="utf-8-sig")
    users = "*S-1-5-32-545:(OI)(CI)"
    grants = re.findall(r"'icacls\.exe' @\((\$\w+), ([^)]*(?:\(\w+\)[^)]*)*)\)\n", text)

    assert [(place, users + "M" in words, users + "RX" in words) for place, words in grants] == [
        ("$Root", False, True), ("$Home_", False, False), ("$State", True, False),
    ]  # fmt: skip
    assert text.index("'icacls.exe' @($Root, '/inheritance:r'") < text.index("'venv', '--clear'")
    assert "/reset" in grants[1][1]
