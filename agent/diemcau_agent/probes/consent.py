"""Windows: may programs use camera and microphone, and which ones do right now.

From the registry, where the privacy settings keep it: CapabilityAccessManager, ConsentStore,
``webcam`` and ``microphone``. ``Value`` is ``Allow`` or ``Deny``; a program whose
``LastUsedTimeStop`` is 0 is using the device. Written against that layout, not run on Windows yet.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from diemcau_agent.probes.result import MAX_TEXT, ProbeResult, judged

Capability = Literal["webcam", "microphone"]
_STORE: Final = r"SOFTWARE\Microsoft\Windows\CurrentVersion\CapabilityAccessManager\ConsentStore"
_DESKTOP: Final = "NonPackaged"


class Registry(Protocol):
    """The part of the registry that is read; ``hive`` is ``HKLM`` or ``HKCU``."""

    def value(self, hive: str, path: str, name: str) -> object:
        """Return a value, None where it is not there."""

    def subkeys(self, hive: str, path: str) -> tuple[str, ...]:
        """Return the names of the keys below a key, none where it is not there."""


@dataclass(frozen=True, slots=True)
class Consent:
    """``users`` are file names of programs that use the device now, this one left out."""

    allowed: bool
    users: tuple[str, ...]


def read_consent(
    capability: Capability, registry: Registry, own_program: str = sys.executable
) -> Consent:
    """Read the machine's and the user's switches, and who uses the device."""
    path = rf"{_STORE}\{capability}"
    switches = [
        registry.value(hive, place, "Value")
        for hive, place in (
            ("HKLM", path), ("HKCU", path), ("HKCU", rf"{path}\{_DESKTOP}"),
        )
    ]  # fmt: skip
    users = {name for name in _users(path, registry) if name != _file_name(own_program)}
    return Consent("Deny" not in switches, tuple(sorted(users)))


def refusal(capability: Capability, registry: Registry | None = None) -> ProbeResult | None:
    """Return ``denied`` where the settings forbid programs the device; None otherwise.

    None as well where there is no Windows.
    """
    registry = registry or _own_registry()
    if registry is None or read_consent(capability, registry).allowed:
        return None
    return judged(("denied",), {})


def users_now(capability: Capability, registry: Registry | None = None) -> tuple[str, ...]:
    """Return the programs that use a device of this kind now: the settings do not say which one.

    To be asked last: what is missing, or not the one that was chosen, is so whoever uses another.
    """
    registry = registry or _own_registry()
    return () if registry is None else read_consent(capability, registry).users


def occupied(capability: Capability, registry: Registry | None = None) -> ProbeResult | None:
    """Return ``in_use`` with the programs of ``users_now``, which is no fault; None for none."""
    held_by = ", ".join(users_now(capability, registry))[:MAX_TEXT]
    return ProbeResult("in_use", ("busy",), {"held_by": held_by}) if held_by else None


def _own_registry() -> Registry | None:
    return WindowsRegistry() if sys.platform == "win32" else None


def _users(path: str, registry: Registry) -> Iterator[str]:
    for place in (path, rf"{path}\{_DESKTOP}"):
        for key in registry.subkeys("HKCU", place):
            entry = rf"{place}\{key}"
            started = registry.value("HKCU", entry, "LastUsedTimeStart")
            if started and registry.value("HKCU", entry, "LastUsedTimeStop") == 0:
                # A desktop program's key is its path with "#" for each backslash.
                yield _file_name(key.replace("#", "\\"))


def _file_name(path: str) -> str:
    return path.replace("/", "\\").rpartition("\\")[2].lower()


class WindowsRegistry:
    """The real one. Not run on Windows yet."""

    def value(self, hive: str, path: str, name: str) -> object:
        """Return a value, None where it is not there."""
        import winreg  # noqa: PLC0415  # Windows only

        try:
            with winreg.OpenKey(self._hive(hive), path) as key:  # type: ignore[attr-defined,unused-ignore]  # Windows only
                return winreg.QueryValueEx(key, name)[0]  # type: ignore[attr-defined,unused-ignore]  # as above
        except OSError:
            return None

    def subkeys(self, hive: str, path: str) -> tuple[str, ...]:
        """Return the names of the keys below a key, none where it is not there."""
        import winreg  # noqa: PLC0415  # Windows only

        try:
            with winreg.OpenKey(self._hive(hive), path) as key:  # type: ignore[attr-defined,unused-ignore]  # Windows only
                count = winreg.QueryInfoKey(key)[0]  # type: ignore[attr-defined,unused-ignore]  # as above
                return tuple(winreg.EnumKey(key, number) for number in range(count))  # type: ignore[attr-defined,unused-ignore]  # as above
        except OSError:
            return ()

    @staticmethod
    def _hive(name: str) -> int:
        import winreg  # noqa: PLC0415  # Windows only

        return int({"HKLM": winreg.HKEY_LOCAL_MACHINE, "HKCU": winreg.HKEY_CURRENT_USER}[name])  # type: ignore[attr-defined,unused-ignore]  # Windows only
