"""Sound cards as the kernel lists them (ALSA, /proc/asound), without opening any (Linux)."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from diemcau_agent.probes.mixer import matches
from diemcau_agent.probes.model import model_of

Stream = Literal["c", "p"]
"""Ending of a stream's name: capture, playback."""
_SOUND_SERVERS: Final = frozenset(
    {"pulseaudio", "pipewire", "pipewire-media-session", "wireplumber"}
)
"""They hold a card for all programs of a session: whom they hold it for, they say themselves."""


@dataclass(frozen=True, slots=True)
class Card:
    """One sound card; ``usb_id`` is ``usb:VVVV:PPPP`` or empty."""

    number: str
    lines: str
    usb_id: str
    folder: Path
    serial: str = ""
    """Of the USB device behind it; never told."""

    @property
    def model(self) -> str | None:
        """What the card is called: the end of ``0 [id ]: Driver - Name``, without its port."""
        name = self.lines.partition("\n")[0].partition("]: ")[2].partition(" - ")[2]
        return model_of(name, self.serial)

    def has(self, stream: Stream) -> bool:
        """Say whether it records (``c``) or plays (``p``)."""
        return any(self.folder.glob(f"pcm*{stream}"))

    def fits(self, pattern: str | None) -> bool:
        """Say whether the name or the USB id fits the pattern; None fits all."""
        return matches(pattern, *self.lines.splitlines(), self.usb_id)

    def owner(self, stream: Stream, proc: Path) -> str | None:
        """Return the program that has the stream open past the sound server, None for nobody."""
        for status in sorted(self.folder.glob(f"pcm*{stream}/sub*/status")):
            for line in _read(status).splitlines():
                name, _, value = line.partition(":")
                if name.strip() == "owner_pid":
                    program = _program(proc, value.strip())
                    if program not in _SOUND_SERVERS:
                        return program
        return None

    def accessible(self, stream: Stream, dev: Path) -> bool:
        """Say whether this process may open one of its streams (groups, or the session's ACL)."""
        nodes = list(dev.glob(f"snd/pcmC{self.number}D*{stream}"))
        return any(os.access(node, os.R_OK | os.W_OK) for node in nodes)


def _program(proc: Path, thread: str) -> str:
    """Name the program that a thread belongs to: ALSA names the thread, which has its own name."""
    fields = dict(line.partition(":")[::2] for line in _read(proc / thread / "status").splitlines())
    process = fields.get("Tgid", thread).strip()
    return _read(proc / process / "comm") or process


def sound_cards(root: Path) -> list[Card]:
    """Read the list of cards; empty where there is none, or no kernel that would say."""
    asound = root / "proc/asound"
    lines = _read(asound / "cards").splitlines()
    cards = []
    for first, second in zip(lines[::2], lines[1::2], strict=False):
        number = first.split("[", 1)[0].strip()
        folder = asound / f"card{number}"
        usb = _read(folder / "usbid")
        device = (root / "sys/class/sound" / f"card{number}" / "device").resolve()
        serial = _read(device.parent / "serial")
        usb_id = f"usb:{usb}" if usb else ""
        cards.append(Card(number, f"{first}\n{second}", usb_id, folder, serial))
    return cards


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\n")
    except OSError:
        return ""
