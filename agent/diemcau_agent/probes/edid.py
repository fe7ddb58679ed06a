"""What a display says of itself over its cable (VESA E-EDID 1.4, section 3)."""

from dataclasses import dataclass
from typing import Final

_BLOCK_BYTES: Final = 128
_HEADER: Final = b"\x00\xff\xff\xff\xff\xff\xff\x00"
_DESCRIPTORS: Final = (54, 72, 90, 108)
_NAME_TAG: Final = b"\x00\x00\x00\xfc\x00"


@dataclass(frozen=True, slots=True)
class Edid:
    """Maker's three letters, product code, and the name in clear (may be empty)."""

    maker: str
    product: int
    name: str

    @property
    def title(self) -> str:
        """What to call the display."""
        return self.name or f"{self.maker} {self.product:04x}"


def parse_edid(data: bytes) -> Edid | None:
    """Read the base block; None where it is absent, cut short or its checksum is wrong."""
    block = data[:_BLOCK_BYTES]
    if len(block) < _BLOCK_BYTES or not block.startswith(_HEADER) or sum(block) % 256:
        return None
    letters = int.from_bytes(block[8:10], "big")
    maker = "".join(chr(ord("@") + (letters >> shift & 31)) for shift in (10, 5, 0))
    return Edid(maker, int.from_bytes(block[10:12], "little"), _name(block))


def _name(block: bytes) -> str:
    for start in _DESCRIPTORS:
        descriptor = block[start : start + 18]
        if descriptor.startswith(_NAME_TAG):
            text = descriptor[5:].partition(b"\n")[0]
            return text.decode("ascii", "replace").strip()
    return ""
