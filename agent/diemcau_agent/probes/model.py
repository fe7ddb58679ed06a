"""What a device is called by its maker: a name that may leave the room, and nothing else of it.

No serial number, address, path or login travels, whoever has written one into a name.
"""

import re
from typing import Final

from diemcau_contract.words import MAX_MODEL

_OWN: Final = re.compile(
    r"""\S*(?:@|::|://)\S*            # a login, an address in words or of IPv6
    | (?<!\S)/\S+                     # a path
    | (?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}
    | (?<![0-9a-f])[0-9a-f]{12,}(?![0-9a-f])   # the same without colons, or a long number
    | (?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LEAST_SERIAL: Final = 6
"""Cheap cameras have serial numbers like ``1``, which stand in the name of many a product."""
_ASIDE: Final = re.compile(r"\([^)]*\)|/\S*")
"""Comments and versions of the header User-Agent or Server (RFC 3261, section 20.41)."""


def model_of(name: str, serial: str = "") -> str | None:
    """Return the name without what is not the maker's, None where nothing is left of it.

    Args:
        name: as the device, or the system for it, gives it.
        serial: the serial number of the very device, where it is known.
    """
    if len(serial) >= _LEAST_SERIAL:
        name = name.replace(serial, " ")
    printable = "".join(sign if sign.isprintable() else " " for sign in name)
    words = _OWN.sub(" ", printable).split()
    return " ".join(words)[:MAX_MODEL].strip() or None


def model_of_agent(header: str) -> str | None:
    """Return the product that a SIP device names itself by, without version and comments."""
    return model_of(_ASIDE.sub(" ", header))
