"""What ``diemcau init`` tells: the commands that start a district, each on a line of its own."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from diemcau_server.district.names import Names
from diemcau_server.district.papers import Programs
from diemcau_server.speech.language import Speech

ROOM_AGENT: Final = "/opt/diemcau/bin/diemcau-agent"
"""Where install.sh puts it in a room; this machine's own place says nothing about a room."""

END_DEBIANS_BROKER: Final = "sudo systemctl disable --now mosquitto"
"""It listens on port 1883 of loopback and lets everybody in: our server would enter it."""
_MQTT_PORT: Final = 1883


def find_programs() -> Programs:
    """Return where the hall's programs are on this machine, and where a room's will be."""
    return Programs(_program("diemcau-server"), ROOM_AGENT, _program("mosquitto"))


def told(names: Names, folder: Path, say: Speech) -> Iterator[str]:
    """Say what was written and how it is started."""
    home = shlex.quote(str(folder))
    doctor = f"doctor --config {home}/server/server.yaml"
    server = f"http://127.0.0.1:{names.ports.http}"
    test = f"test-line --server {server} --token-file {home}/server/token"
    yield say("The files of {hub} are in {folder} ({count} points).",
              hub=names.hub.name, folder=folder, count=len(names.points))  # fmt: skip
    yield ""
    if _as_root_for_another():
        yield say("These files belong to root. What follows is for a root shell:")
        yield "    sudo -s"
        yield ""
    if names.ports.broker == _MQTT_PORT:
        yield say(
            "The Mosquitto service of Debian takes port 1883 when it is installed; end it first:"
        )
        yield f"    {END_DEBIANS_BROKER}"
        yield ""
    yield say("Start the broker, then the server, and look whether all is well:")
    yield f"    cd {home}/broker && {_shown('mosquitto')} -c mosquitto.conf"
    yield f"    {_shown('diemcau-server')} run --config {home}/server/server.yaml"
    yield f"    {_shown('diemcau')} {doctor}"
    yield ""
    yield say(
        "Copy agents/ROOM to each room's PC as ~/diemcau (it holds that room's password); there:"
    )
    yield "    cd ~/diemcau && diemcau-agent run --config agent.yaml"
    yield say(
        "How it starts with that PC is said at the head of diemcau-agent@.service there; end this "
        "one first (Ctrl-C)."
    )
    yield ""
    yield say("Test all rooms:")
    yield f"    {_shown('diemcau')} {test}"
    yield ""
    yield from _by_systemd(home, (doctor, test), say)
    yield from _besides(say)


def _by_systemd(home: str, later: tuple[str, ...], say: Speech) -> Iterator[str]:
    yield say("To have broker and server start with this machine (systemd):")
    yield "    sudo useradd --system --no-create-home --shell /usr/sbin/nologin diemcau"
    yield f"    sudo chown -R diemcau: {home}/server && sudo chown -R mosquitto: {home}/broker"
    yield f"    sudo install -m 644 {home}/systemd/*.service /etc/systemd/system/"
    yield "    sudo systemctl daemon-reload"
    yield "    sudo systemctl enable --now diemcau-broker diemcau-server"
    yield ""
    yield say("From then on their files are theirs; look and test with sudo:")
    for command in later:
        yield f"    sudo {shlex.quote(_program('diemcau'))} {command}"


def _besides(say: Speech) -> Iterator[str]:
    yield ""
    yield say("Written as well, for what watches over the district:")
    yield say("- prometheus/ is for Prometheus as it is: its file and the rules of the alerts.")
    yield say(
        "- alertmanager/smtp-password is empty: write the mail server's password there, one line."
    )
    yield say("- grafana/admin-password is the password of Grafana's user admin.")


def _as_root_for_another() -> bool:
    return os.name == "posix" and os.geteuid() == 0 and "SUDO_USER" in os.environ


def _program(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else _found(name)
    return found or f"/usr/sbin/{name}"


def _found(name: str) -> str | None:
    # Debian keeps daemons out of a user's PATH.
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


def _shown(name: str) -> str:
    return name if shutil.which(name) else shlex.quote(_program(name))
