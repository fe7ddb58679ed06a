"""``diemcau-agent doctor``: what this PC lacks to run the agent, and the command that mends it."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from diemcau_agent.config import AgentConfig
from diemcau_agent.errors import AgentError, ExitCode
from diemcau_agent.link import LOOP_FACTORY, try_login
from diemcau_agent.linkfaults import LinkFault, LinkProblem
from diemcau_agent.pcneeds import pc_needs, shown_file, user_name
from diemcau_agent.probes.line import SENT_PACKETS_LEAST
from diemcau_agent.status import as_json_text, show
from diemcau_agent.statusfile import AgentStatus, read_status
from diemcau_contract.causes import WORDING, Cause, Language, Text
from diemcau_contract.needs import (
    Need,
    acl_need,
    anything_missing,
    clock_need,
    disk_need,
    loop_need,
    need_document,
    need_lines,
    same,
    shown_path,
)
from diemcau_contract.topics import ROOT
from diemcau_line.clock import sync_state

_WINDOWS: Final = sys.platform == "win32"
_UNIT: Final = "systemctl cat 'diemcau-agent@*' | grep ^PrivateUsers"
"""Shows the line that put it there; the unit that ``diemcau init`` writes has none."""
_OPEN_UDP: Final = (
    'netsh advfirewall firewall add rule name="diemcau" dir=out action=allow protocol=UDP '
    "remoteport={port}"
    if _WINDOWS
    else "sudo ufw allow out {port}/udp"
)


def show_doctor(
    load: Callable[[], AgentConfig], file: Path | None, asked: Language | None, *, as_json: bool
) -> ExitCode:
    """Look at everything that the agent needs and print it; 0 where nothing is missing.

    Args:
        load: reads the agent's file; its error is the first thing that may be wrong.
        file: the agent's file that is meant, None: none is named, and none is here.
        asked: the language that the user asked for, None: as the agent's file says.
        as_json: print one JSON document instead.
    """
    config, first = _configuration(load, file)
    language: Language = asked or (config.language if config else "vi")
    needs = [first, *pc_needs(config.devices if config else None, file)]
    needs.append(clock_need(synchronised=sync_state().synchronised))
    if config is not None:
        needs += [_state_need(config), _disk_need(config)]
        status = read_status(config.state_directory)
        needs += _broker_needs(config, hears=hub_need(status).there is True)
        needs += [*agent_needs(status), *sight_needs(status)]
    if as_json:
        show([as_json_text(need_document("diemcau.agent_doctor/1", needs))])
    else:
        show(need_lines(needs, language))
    return ExitCode.NOT_OK if anything_missing(needs) else ExitCode.OK


def agent_needs(status: AgentStatus | None) -> Iterator[Need]:
    """Say whether the agent runs, and whether its UDP packets come back from the hub."""
    running = status is not None and status.running
    unit = f"sudo systemctl start diemcau-agent@{user_name()}"
    mend = "schtasks /run /tn diemcau-agent" if _WINDOWS else unit
    yield Need("agent", Text("Agent đang chạy", "The agent runs"), running, mend=mend)
    yield hub_need(status)
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


def sight_needs(status: AgentStatus | None, proc: Path = Path("/proc")) -> Iterator[Need]:
    """Say whether the agent that runs sees who has a camera open: not from a user namespace."""
    if sys.platform != "linux" or status is None or not status.running:
        return
    name = Text("Thấy chương trình nào đang dùng camera", "Sees which program uses the camera")
    try:
        here, there = (
            (proc / process / "ns/user").readlink() for process in ("self", str(status.process_id))
        )
    except OSError as error:
        yield Need("holders", name, None, same(str(error)))
        return
    hidden = Text("agent chạy trong user namespace riêng", "the agent has its own user namespace")
    yield Need("holders", name, here == there, same("") if here == there else hidden, _UNIT)


def hub_need(status: AgentStatus | None) -> Need:
    """Say whether the hub acknowledges reports: only that shows what the broker really lets pass.

    A broker that refuses a message, or keeps one back, does so in silence (MQTT 3.1.1).
    """
    name = Text("Huyện đã nhận báo cáo", "The hub acknowledges reports")
    if status is not None and status.running and status.link.problem is not None:
        detail = Text(status.link.problem.vi, status.link.problem.en)
        advice = Text(
            "xem mã điểm cầu trong tệp của máy chủ, và quyền của tài khoản trong acl_file",
            "look for this point in the server's file, and for its account's rights in acl_file",
        )
        return Need("hub", name, there=False, detail=detail, advice=advice)
    if status is not None and status.running and status.link.connected and _delivered(status):
        return Need("hub", name, there=True)
    detail = Text("chỉ biết khi agent đã chạy vài phút", "known once the agent has run for minutes")
    return Need("hub", name, None, detail)


def _delivered(status: AgentStatus) -> bool:
    """Say whether the outbox has let go of a report: nothing but an acknowledgement makes it."""
    kept = status.outbox.messages + status.outbox.in_memory + status.outbox.dropped_total
    return status.reports > kept


def _configuration(
    load: Callable[[], AgentConfig], file: Path | None
) -> tuple[AgentConfig | None, Need]:
    name = Text("Tệp cấu hình", "The agent's file")
    try:
        config = load()
    except AgentError as error:
        mend = f"diemcau-agent run --check-only --config {shown_file(file)}"
        return None, Need("config", name, there=False, detail=error.text, mend=mend)
    return config, Need("config", name, there=True, detail=same(str(config.file)))


def _state_need(config: AgentConfig) -> Need:
    name, folder = Text("Thư mục lưu báo cáo", "State directory"), config.state_directory
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            pass
    except OSError as error:
        shown = shown_path(folder)
        mend = f"mkdir {shown}" if _WINDOWS else f"sudo install -d -o {user_name()} {shown}"
        return Need("state", name, there=False, detail=same(str(error)), mend=mend)
    return Need("state", name, there=True)


def _existing(folder: Path) -> Path:
    """Return the nearest that can be seen: what lies in a folder closed to us cannot."""
    return next(one for one in (folder, *folder.parents) if os.path.exists(one))  # noqa: PTH110  # no error


def _disk_need(config: AgentConfig) -> Need:
    folder = config.state_directory
    return disk_need(str(folder), shutil.disk_usage(_existing(folder)).free)


def _broker_needs(config: AgentConfig, *, hears: bool) -> Iterator[Need]:
    """Enter the broker; once within, publish where only the hub may, and listen there."""
    topic = f"{ROOT}/{config.hub}/{config.point}/down/doctor"
    with asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:
        yield loop_need(watches_sockets=isinstance(runner.get_loop(), asyncio.SelectorEventLoop))
        problem, heard = runner.run(try_login(config, topic))
    yield _login_need(config, problem)
    if problem is None:
        yield acl_need(heard=heard, hears=hears, topic=topic)


def _login_need(config: AgentConfig, problem: LinkProblem | None) -> Need:
    name = Text("Đăng nhập máy chủ MQTT", "Login at the MQTT broker")
    if problem is None:
        return Need("broker", name, there=True)
    host, port = config.broker.host, config.broker.port
    mend = f"diemcau-agent run --verbose --config {shown_path(config.file)}"
    if problem.fault is LinkFault.UNKNOWN_HOST:
        mend = f"nslookup {host}" if _WINDOWS else f"getent hosts {host}"
    elif problem.fault in (LinkFault.NOT_LISTENING, LinkFault.UNREACHABLE):
        mend = f"Test-NetConnection {host} -Port {port}" if _WINDOWS else f"nc -vz {host} {port}"
    return Need("broker", name, there=False, detail=problem.text(), mend=mend)
