"""``diemcau-agent doctor``: what this PC lacks to run the agent, and the command that mends it."""

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Final

from diemcau_agent.config import AgentConfig
from diemcau_agent.errors import AgentError, ExitCode
from diemcau_agent.link import LOOP_FACTORY, try_login
from diemcau_agent.linkfaults import LinkFault
from diemcau_agent.needs import Need, same
from diemcau_agent.pcneeds import pc_needs, user_name
from diemcau_agent.rows import SENT_PACKETS_LEAST
from diemcau_agent.status import as_json_text, show
from diemcau_agent.statusfile import AgentStatus, read_status
from diemcau_contract.causes import WORDING, Cause, Language, Text
from diemcau_line.clock import sync_state

_MARKS: Final = {True: "PASS", False: "FAIL", None: "----"}
_RESULTS: Final = {True: "pass", False: "fail", None: "unknown"}
_WINDOWS: Final = sys.platform == "win32"
_START: Final = (
    "schtasks /run /tn diemcau-agent" if _WINDOWS else "systemctl --user start diemcau-agent"
)
_SET_CLOCK: Final = (
    "w32tm /config /update && w32tm /resync" if _WINDOWS else "sudo timedatectl set-ntp true"
)
_OPEN_UDP: Final = (
    'netsh advfirewall firewall add rule name="diemcau" dir=out action=allow protocol=UDP '
    "remoteport={port}"
    if _WINDOWS
    else "sudo ufw allow out {port}/udp"
)


def show_doctor(
    load: Callable[[], AgentConfig], asked: Language | None, *, as_json: bool
) -> ExitCode:
    """Look at everything that the agent needs and print it; 0 where nothing is missing.

    Args:
        load: reads the agent's file; its error is the first thing that may be wrong.
        asked: the language that the user asked for, None: as the agent's file says.
        as_json: print one JSON document instead.
    """
    config, first = _configuration(load)
    language: Language = asked or (config.language if config else "vi")
    needs = [first, *pc_needs(config.devices if config else None)]
    needs.append(clock_need(synchronised=sync_state().synchronised))
    if config is not None:
        needs += [_state_need(config), _broker_need(config)]
        needs += agent_needs(read_status(config.state_directory))
    if as_json:
        content = {"schema": "diemcau.agent_doctor/1", "needs": list(map(_document, needs))}
        show([as_json_text(content)])
    else:
        show(line for need in needs for line in _lines(need, language))
    return ExitCode.NOT_OK if any(need.there is False for need in needs) else ExitCode.OK


def clock_need(*, synchronised: bool | None) -> Need:
    """Say whether something keeps the clock; None: the system does not tell."""
    name = Text("Đồng hồ được đồng bộ", "Clock is synchronised")
    return Need("clock", name, synchronised, mend=_SET_CLOCK)


def agent_needs(status: AgentStatus | None) -> Iterator[Need]:
    """Say whether the agent runs, and whether its UDP packets come back from the hub."""
    running = status is not None and status.running
    yield Need("agent", Text("Agent đang chạy", "The agent runs"), running, mend=_START)
    name = Text("Gói UDP đến huyện và quay về", "UDP to the hub and back")
    line = status.line if status is not None and running else None
    statistics = line.statistics if line else None
    if line is None or statistics is None or statistics.packets_sent < SENT_PACKETS_LEAST:
        detail = Text("chỉ biết khi agent đã chạy nửa phút", "known once the agent has run 30 s")
        yield Need("udp", name, None, detail)
        return
    back = statistics.packets_received > 0
    mend = _OPEN_UDP.format(port=line.port)
    yield Need("udp", name, back, same("") if back else WORDING[Cause.FIREWALL].name, mend)


def _configuration(load: Callable[[], AgentConfig]) -> tuple[AgentConfig | None, Need]:
    name = Text("Tệp cấu hình", "The agent's file")
    try:
        config = load()
    except AgentError as error:
        mend = "diemcau-agent run --check-only --config agent.yaml"
        return None, Need("config", name, there=False, detail=error.text, mend=mend)
    return config, Need("config", name, there=True, detail=same(str(config.file)))


def _state_need(config: AgentConfig) -> Need:
    name, folder = Text("Thư mục lưu báo cáo", "State directory"), config.state_directory
    there = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        mend = f"sudo install -d -o {user_name()} {folder}"
        return Need("state", name, there=False, detail=same(str(error)), mend=mend)
    return Need("state", name, there=True)


def _broker_need(config: AgentConfig) -> Need:
    name = Text("Đăng nhập máy chủ MQTT", "Login at the MQTT broker")
    with asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:
        problem = runner.run(try_login(config))
    if problem is None:
        return Need("broker", name, there=True)
    host, port = config.broker.host, config.broker.port
    mend = f"getent hosts {host}" if problem.fault is LinkFault.UNKNOWN_HOST else ""
    mend = mend or f"diemcau-agent run --verbose --config {config.file}"
    if problem.fault in (LinkFault.NOT_LISTENING, LinkFault.UNREACHABLE):
        mend = f"Test-NetConnection {host} -Port {port}" if _WINDOWS else f"nc -vz {host} {port}"
    return Need("broker", name, there=False, detail=problem.text(), mend=mend)


def _lines(need: Need, language: Language) -> Iterator[str]:
    detail = need.detail.in_language(language)
    name = need.name.in_language(language)
    yield f"{_MARKS[need.there]}  {name}" + (f": {detail}" if detail else "")
    if need.there is False and need.mend:
        yield f"      → {need.mend}"


def _document(need: Need) -> dict[str, object]:
    return {
        "key": need.key,
        "result": _RESULTS[need.there],
        "name": {"vi": need.name.vi, "en": need.name.en},
        "detail": {"vi": need.detail.vi, "en": need.detail.en},
        "mend": need.mend if need.there is False else None,
    }
