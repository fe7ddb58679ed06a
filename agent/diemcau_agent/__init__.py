"""What runs in a room: it watches the line, looks at the devices, and reports to the hub."""

from importlib import metadata

try:
    __version__ = metadata.version("diemcau")
except metadata.PackageNotFoundError:
    from diemcau_contract import __version__ as __version__
