"""Kernel trees (/sys, /proc) made for a test, as the kernel lays them out."""

from pathlib import Path


def write(root: Path, path: str, content: str | bytes) -> Path:
    """Write one file of the tree."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def connector(
    root: Path,
    name: str,
    *,
    status: str = "connected",
    enabled: str | None = None,
    edid: str = "good",
    title: str = "BenQ MH550",
) -> None:
    """Add a connector of a graphics card; ``edid`` is ``good``, ``none`` or ``damaged``."""
    folder = f"sys/class/drm/card0-{name}"
    on = status == "connected"
    block = b""
    if on and edid != "none":
        block = edid_block("BNQ", 0x7856, title)
    if edid == "damaged":
        block = block[:-1] + bytes([block[-1] ^ 1])
    write(root, f"{folder}/status", f"{status}\n")
    write(root, f"{folder}/enabled", f"{enabled or ('enabled' if on else 'disabled')}\n")
    write(root, f"{folder}/edid", block)


def edid_block(maker: str, product: int, title: str) -> bytes:
    """Return a base block by VESA E-EDID 1.4: header, ids, one name descriptor, checksum."""
    letters = 0
    for letter in maker:
        letters = letters << 5 | (ord(letter) - ord("@"))
    block = bytearray(128)
    block[0:8] = b"\x00\xff\xff\xff\xff\xff\xff\x00"
    block[8:10] = letters.to_bytes(2, "big")
    block[10:12] = product.to_bytes(2, "little")
    block[72:77] = b"\x00\x00\x00\xfc\x00"
    block[77:90] = f"{title}\n".encode().ljust(13)[:13]
    block[127] = -sum(block) % 256
    return bytes(block)
