"""``diemcau-agent log`` and ``opening``: what was opened in this room, and whether it may be."""

from typing import Final

from diemcau_agent.config import AgentConfig
from diemcau_agent.errors import AgentError, ExitCode
from diemcau_agent.openings import Opening
from diemcau_agent.status import as_json_text, show
from diemcau_contract.causes import DEVICE_NAMES, Language, Text
from diemcau_contract.messages import utc_text

_NOTHING: Final = Text("Chưa mở thiết bị nào.", "No device was opened yet.")
_ALLOWED: Final = Text(
    "Được phép mở camera, micro, loa để kiểm tra.",
    "Camera, microphone and speaker may be opened for a check.",
)
_FORBIDDEN: Final = Text(
    "Không mở camera, micro, loa: đã tắt tại máy này, huyện không thể bật lại.",
    "Camera, microphone and speaker are not opened: switched off here, the hub cannot override.",
)
_BY_FILE: Final = Text(
    "Tệp cấu hình cũng cấm (opening_allowed: false).",
    "The agent's file forbids it as well (opening_allowed: false).",
)


def show_log(config: AgentConfig, language: Language, *, as_json: bool) -> None:
    """Print every opening on record, newest last."""
    entries = config.openings().entries()
    if as_json:
        content = {"schema": "diemcau.agent_openings/1", "openings": list(map(_document, entries))}
        show([as_json_text(content)])
        return
    show([_line(entry, language) for entry in entries] or [_NOTHING.in_language(language)])


def show_switch(config: AgentConfig, language: Language, switch: str | None) -> None:
    """Set the switch where ``on`` or ``off`` is given, and print how it stands.

    Raises:
        AgentError: it cannot be set.
    """
    openings = config.openings()
    if switch is not None:
        try:
            openings.switch(on=switch == "on")
        except OSError as error:
            raise _not_set(error) from error
    show([(_ALLOWED if openings.allowed else _FORBIDDEN).in_language(language)])
    if not config.opening_allowed:
        show([_BY_FILE.in_language(language)])


def _not_set(error: OSError) -> AgentError:
    return AgentError(
        Text(f"không đặt được công tắc: {error}", f"the switch cannot be set: {error}"),
        ExitCode.NOT_OK,
    )


def _line(entry: Opening, language: Language) -> str:
    when = entry.at.astimezone().strftime("%d/%m/%Y %H:%M:%S")
    name = DEVICE_NAMES.get(entry.kind, Text(entry.kind, entry.kind)).in_language(language)
    role = "" if entry.role == "main" else f" ({entry.role})"
    length = "?" if entry.seconds is None else f"{entry.seconds:.1f}"
    length = length.replace(".", ",") if language == "vi" else length
    return f"{when}  {name + role:<24}  {length:>6} s  {entry.asked_by}"


def _document(entry: Opening) -> dict[str, object]:
    return {
        "at": utc_text(entry.at),
        "kind": entry.kind,
        "role": entry.role,
        "seconds": entry.seconds,
        "asked_by": entry.asked_by,
    }
