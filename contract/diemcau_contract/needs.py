"""What the ``doctor`` of hall and room looks at: PASS or FAIL a line, and what mends it."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diemcau_contract.texts import Language, Text

_MARKS: Final[Mapping[bool | None, str]] = {True: "PASS", False: "FAIL", None: "----"}
_RESULTS: Final[Mapping[bool | None, str]] = {True: "pass", False: "fail", None: "unknown"}
_SET_CLOCK: Final = (
    "w32tm /config /update && w32tm /resync"
    if sys.platform == "win32"
    else "sudo timedatectl set-ntp true"
)
GIBIBYTE: Final = 1 << 30
DISK_LEAST_BYTES: Final = 2_000_000_000
"""The doctors of hall and room and the watch over a room's PC hold a disk against the same. Ours:
on a room's PC an outbox takes 64 MiB of it and the system's updates the rest. A hub's store needs
more by its points: its doctor asks for that."""


def same(text: str) -> Text:
    """Return what reads the same in both languages: a path, a system's own words."""
    return Text(text, text)


def shown_path(path: Path) -> str:
    """Return ``path`` as it stands in a command of this system's shell."""
    if sys.platform == "win32":
        return f'"{path}"' if " " in str(path) else str(path)
    return shlex.quote(str(path))


@dataclass(frozen=True, slots=True)
class Need:
    """``there`` None: it cannot be said now."""

    key: str
    name: Text
    there: bool | None
    detail: Text = Text("", "")  # noqa: RUF009  # frozen
    mend: str = ""
    """The command that gives it, or that shows why it is missing."""
    advice: Text = Text("", "")  # noqa: RUF009  # frozen
    """What to do where no command does it."""


def anything_missing(needs: Iterable[Need]) -> bool:
    """Say whether one of ``needs`` fails; what cannot be said does not."""
    return any(need.there is False for need in needs)


def need_lines(needs: Iterable[Need], language: Language) -> Iterator[str]:
    """Return ``PASS  name: detail`` for each need, and behind a FAIL the line that mends it."""
    for need in needs:
        detail = need.detail.in_language(language)
        name = need.name.in_language(language)
        yield f"{_MARKS[need.there]}  {name}" + (f": {detail}" if detail else "")
        mend = need.mend or need.advice.in_language(language)
        if need.there is False and mend:
            yield f"      → {mend}"


def need_document(schema: str, needs: Iterable[Need]) -> dict[str, object]:
    """Return the same for programs; ``mend`` is null where nothing is to be mended."""
    return {"schema": schema, "needs": [_document(need) for need in needs]}


def clock_need(*, synchronised: bool | None) -> Need:
    """Say whether something keeps the clock; None: the system does not tell."""
    name = Text("Đồng hồ được đồng bộ", "Clock is synchronised")
    return Need("clock", name, synchronised, mend=_SET_CLOCK)


def loop_need(*, watches_sockets: bool) -> Need:
    """Say whether the event loop watches sockets, as the MQTT library wants it."""
    name = Text("Vòng lặp sự kiện theo dõi được socket", "The event loop watches sockets")
    advice = Text(
        "bỏ chính sách vòng lặp đã đặt (uvloop, Proactor)",
        "remove the event loop policy that was set (uvloop, Proactor)",
    )
    return Need("loop", name, watches_sockets, advice=advice)


def disk_need(folder: str, free_bytes: int, least_bytes: int = DISK_LEAST_BYTES) -> Need:
    """Say whether the disk of ``folder`` has room for what will be kept there."""
    free = gibibytes(free_bytes)
    detail = Text(f"còn trống {free.vi}", f"{free.en} free")
    name = Text("Dung lượng ổ đĩa", "Disk space")
    advice = Text(f"dọn ổ đĩa chứa {folder}", f"free space on the disk of {folder}")
    return Need("disk", name, free_bytes >= least_bytes, detail, advice=advice)


def gibibytes(count: int) -> Text:
    """Return a size as each language writes it."""
    size = f"{count / GIBIBYTE:.1f} GiB"
    return Text(size.replace(".", ","), size)


def acl_need(*, heard: bool, hears: bool, topic: str) -> Need:
    """Say whether the broker keeps this account from ``topic``, on which it must not publish.

    Args:
        heard: what was published there came through.
        hears: the account hears what it may hear; otherwise its silence proves nothing.
        topic: where it must not publish.
    """
    name = Text("Tin nhắn bị cấm không lọt qua", "A forbidden message does not arrive")
    detail = same("")
    if heard:
        detail = Text(f"broker đã chuyển {topic}", f"the broker passed on {topic}")
    elif not hears:
        detail = Text(
            "chưa biết được: tài khoản này chưa nghe được tin nào",
            "not known: this account has heard nothing that it may hear",
        )
    advice = Text(
        "đặt acl_file trong mosquitto.conf (mẫu: diemcau init), rồi khởi động lại broker",
        "set acl_file in mosquitto.conf (diemcau init writes one), then restart the broker",
    )
    there = None if not (heard or hears) else not heard
    return Need("broker_acl", name, there, detail, advice=advice)


def _document(need: Need) -> dict[str, object]:
    mend = need.mend or {"vi": need.advice.vi, "en": need.advice.en}
    return {
        "key": need.key,
        "result": _RESULTS[need.there],
        "name": {"vi": need.name.vi, "en": need.name.en},
        "detail": {"vi": need.detail.vi, "en": need.detail.en},
        "mend": mend if need.there is False else None,
    }
