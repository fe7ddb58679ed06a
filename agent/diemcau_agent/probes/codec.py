"""Codec probe: is the room's codec alive, and what does it say of itself. Runs in a child process.

Settings: ``format`` ``sip`` (OPTIONS, ``url`` sip://HOST[:PORT][?transport=tcp]), ``h323`` (a TCP
connection to ``url``'s port, closed at once), or ``xapi`` (the codec's own status; ``url``,
``username``, ``password``, ``ca_file``). Read-only; a call is never set up.
"""

import errno
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from diemcau_agent.probes.address import equipment_host_port
from diemcau_agent.probes.codecstatus import (
    CodecAnswerError,
    CodecLoginError,
    judge_status,
)
from diemcau_agent.probes.log import note
from diemcau_agent.probes.model import model_of_agent
from diemcau_agent.probes.result import ProbeResult, shown
from diemcau_agent.probes.sip import PORT as SIP_PORT
from diemcau_agent.probes.sip import NotSipError, options
from diemcau_agent.probes.xapi import CiscoXapi
from diemcau_contract.device_words import CERTIFICATE_KNOWN

if TYPE_CHECKING:
    from diemcau_agent.probes.codecstatus import (
        StatusApi,
    )
    from diemcau_agent.probes.result import ProbeStatus
    from diemcau_agent.probes.sip import Transport

H323_PORT: Final = 1720
CONNECT_SECONDS: Final = 2.4
_BUSY: Final = frozenset({486, 600})
_SERVER_ERROR: Final = 500
_GLOBAL_FAILURE: Final = 600


def probe(settings: Mapping[str, object]) -> ProbeResult:
    """Ask the codec that the settings name."""
    try:
        return _LOOKS[str(settings["format"])](settings)
    except CodecLoginError as error:
        note(f"login: {error}")
        return ProbeResult("bad", ("auth",))
    except ssl.SSLCertVerificationError as error:
        note(f"certificate: {error}; is ca_file the codec's present certificate?")
        return ProbeResult("bad", ("refused",), {CERTIFICATE_KNOWN: False})
    except (NotSipError, CodecAnswerError, ssl.SSLError) as error:
        note(f"answer: {error}")
        return ProbeResult("bad", ("refused",))
    except OSError as error:
        note(f"connection: {type(error).__name__}: {error}")
        return ProbeResult("bad", (_cause(error),))


def _cause(error: OSError) -> str:
    """A silent host and one without a way to it need the same first step: power and cable."""
    refused = error.errno in (errno.ECONNREFUSED, errno.ECONNRESET)
    return "refused" if refused or isinstance(error, ConnectionError) else "unreachable"


def _sip(settings: Mapping[str, object]) -> ProbeResult:
    url = str(settings["url"])
    host, port = equipment_host_port(url, SIP_PORT)
    transport = urlsplit(url).query.removeprefix("transport=") or "udp"
    answer = options(host, port, cast("Transport", transport))
    note(f"SIP {answer.code} from {answer.agent!r}")
    values = {
        "sip_code": answer.code,
        "rtt_seconds": round(answer.rtt_seconds, 4),
        "agent": shown(answer.agent) or None,
    }
    model = model_of_agent(answer.agent)
    if answer.code in _BUSY:
        return ProbeResult("in_use", ("busy",), {**values, "held_by": "call"}, model)
    # Any other answer proves life (RFC 3261 section 11.2), also one that wants a login.
    broken = _SERVER_ERROR <= answer.code < _GLOBAL_FAILURE
    status: ProbeStatus = "warn" if broken else "ok"
    return ProbeResult(status, ("device_fault",) if broken else (), values, model)


def _h323(settings: Mapping[str, object]) -> ProbeResult:
    """Connect and close: a SETUP (H.225.0) would ring the room or be answered by it."""
    address = equipment_host_port(str(settings["url"]), H323_PORT)
    with socket.create_connection(address, timeout=CONNECT_SECONDS):
        return ProbeResult("ok")


def _xapi(settings: Mapping[str, object]) -> ProbeResult:
    certificate = settings.get("ca_file")
    api: StatusApi = CiscoXapi(
        str(settings["url"]),
        str(settings.get("username") or ""),
        str(settings.get("password") or ""),
        Path(str(certificate)) if certificate else None,
    )
    return judge_status(api.read())


_LOOKS: Final[Mapping[str, Callable[[Mapping[str, object]], ProbeResult]]] = {
    "sip": _sip,
    "h323": _h323,
    "xapi": _xapi,
}
