"""How a fault is made: by kind, a real peer or a kernel tree, and the settings that lead to it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.agent.probes import trees
from tests.agent.probes.peers import host, xapi
from tests.agent.probes.peers.pjlink import Projector, projector
from tests.agent.probes.peers.pulse import private_pulse
from tests.agent.probes.peers.rtsp import NetworkCamera, network_camera
from tests.agent.probes.peers.sip import UserAgent, sip_over_tcp, sip_over_udp
from tests.agent.probes.peers.sockets import black_hole, closed_port, stay_silent, tcp_peer

Made = Mapping[str, Any]
Settings = dict[str, object]


@contextmanager
def settings_of(made: Made, folder: Path) -> Iterator[Settings]:
    """Make the fault; yield the settings of the probe that shall find it."""
    rest = {key: value for key, value in made.items() if key not in ("kind", "settings", "device")}
    with MAKERS[made["kind"]](rest, folder) as found:
        yield {**found, **made.get("settings", {})}


@contextmanager
def _outputs(made: Made, folder: Path) -> Iterator[Settings]:
    for name, content in made["connectors"].items():
        trees.connector(folder, name, **content)
    yield {"format": "system", "root": str(folder)}


@contextmanager
def _room(made: Made, folder: Path) -> Iterator[Settings]:
    if "camera" in made:
        trees.camera(folder, **made["camera"])
    if "card" in made:
        trees.sound_card(folder, 1, **made["card"])
    if "process" in made:
        trees.process(folder, **made["process"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULSE_SERVER", f"unix:{folder}/nobody")
        if made.get("denied"):
            # Tests run as root, whom no file refuses.
            patch.setattr(os, "access", lambda *_arguments: False)
        yield {}


@contextmanager
def _pulse(made: Made, folder: Path) -> Iterator[Settings]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        server = stack.enter_context(private_pulse(folder, patch))
        for name in made["sinks"]:
            server.control("load-module", "module-null-sink", f"sink_name={name}")
        server.control("set-default-sink", made["default"])
        if "play" in made:
            server.play_silence(made["play"])
        yield {}


@contextmanager
def _pjlink(made: Made, _folder: Path) -> Iterator[Settings]:
    with projector(Projector(**made)) as port:
        yield {"format": "pjlink", "url": f"pjlink://127.0.0.1:{port}"}


@contextmanager
def _sip(made: Made, _folder: Path) -> Iterator[Settings]:
    state = {key: value for key, value in made.items() if key != "transport"}
    tcp = made.get("transport") == "tcp"
    with (sip_over_tcp if tcp else sip_over_udp)(UserAgent(**state)) as port:
        query = "?transport=tcp" if tcp else ""
        yield {"format": "sip", "url": f"sip://127.0.0.1:{port}{query}"}


@contextmanager
def _h323(_made: Made, _folder: Path) -> Iterator[Settings]:
    with tcp_peer(stay_silent) as port:
        yield {"format": "h323", "url": f"h323://127.0.0.1:{port}"}


@contextmanager
def _xapi(made: Made, _folder: Path) -> Iterator[Settings]:
    with xapi.codec(xapi.Codec(**made)) as port:
        yield {
            "format": "xapi", "url": f"http://127.0.0.1:{port}",
            "username": xapi.USERNAME, "password": xapi.PASSWORD,
        }  # fmt: skip


@contextmanager
def _rtsp(made: Made, _folder: Path) -> Iterator[Settings]:
    with network_camera(NetworkCamera(**made)) as port:
        yield {"format": "rtsp", "url": f"rtsp://127.0.0.1:{port}/main"}


@contextmanager
def _no_listener(
    made: Made, holder: Callable[[], AbstractContextManager[int]]
) -> Iterator[Settings]:
    with ExitStack() as stack:
        port = stack.enter_context(holder())
        scheme = made["scheme"]
        yield {"format": scheme, "url": f"{scheme}://127.0.0.1:{port}{made.get('query', '')}"}


def _closed(made: Made, _folder: Path) -> AbstractContextManager[Settings]:
    return _no_listener(made, closed_port)


def _black_hole(made: Made, _folder: Path) -> AbstractContextManager[Settings]:
    return _no_listener(made, black_hole)


@contextmanager
def _no_name(made: Made, _folder: Path) -> Iterator[Settings]:
    yield {"format": made["scheme"], "url": f"{made['scheme']}://no-such-host.invalid"}


MAKERS: Mapping[str, Callable[[Made, Path], AbstractContextManager[Settings]]] = {
    "outputs": _outputs,
    "room": _room,
    "pulse": _pulse,
    "host": host.made,
    "pjlink": _pjlink,
    "sip": _sip,
    "h323": _h323,
    "xapi": _xapi,
    "rtsp": _rtsp,
    "closed": _closed,
    "black_hole": _black_hole,
    "no_name": _no_name,
}
