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


def camera(root: Path, name: str, usb_id: str, number: int = 0) -> None:
    """Add a USB camera, with a node for pictures and one for its data about them."""
    usb = root / f"sys/devices/usb1/1-{number + 1}"
    (usb / "1-1:1.0").mkdir(parents=True)
    vendor, _, product = usb_id.partition(":")
    write(root, f"sys/devices/usb1/1-{number + 1}/idVendor", f"{vendor}\n")
    write(root, f"sys/devices/usb1/1-{number + 1}/idProduct", f"{product}\n")
    for index, node in enumerate((number, number + 1)):
        folder = f"sys/class/video4linux/video{node}"
        write(root, f"{folder}/name", f"{name}\n")
        write(root, f"{folder}/index", f"{index}\n")
        (root / folder / "device").symlink_to(usb / "1-1:1.0")
        write(root, f"dev/video{node}", "")


def sound_card(
    root: Path, number: int, name: str, *, usb_id: str = "", streams: str = "cp", owner: int = 0
) -> None:
    """Add a sound card; ``owner`` is the process that has its streams open, 0 nobody."""
    lines = f" {number} [{name[:15]:15}]: Driver - {name}\n{'':22}{name} at its port\n"
    listed = root / "proc/asound/cards"
    write(root, "proc/asound/cards", (listed.read_text() if listed.exists() else "") + lines)
    if usb_id:
        write(root, f"proc/asound/card{number}/usbid", f"{usb_id}\n")
    for stream in streams:
        status = f"state: RUNNING\nowner_pid   : {owner}\n" if owner else "closed\n"
        write(root, f"proc/asound/card{number}/pcm0{stream}/sub0/status", status)
        write(root, f"dev/snd/pcmC{number}D0{stream}", "")


def process(root: Path, number: int, name: str, opened: str, *, thread: int = 0) -> None:
    """Add a process that has a file of the tree open; ``thread`` is one of its threads."""
    write(root, f"proc/{number}/comm", f"{name}\n")
    write(root, f"proc/{number}/status", f"Name:\t{name}\nTgid:\t{number}\n")
    if thread:
        write(root, f"proc/{thread}/comm", "data-loop.0\n")
        write(root, f"proc/{thread}/status", f"Name:\tdata-loop.0\nTgid:\t{number}\n")
    (root / f"proc/{number}/fd").mkdir()
    (root / f"proc/{number}/fd/3").symlink_to(root / opened)
