"""What runs in a room: it watches the line, looks at the devices, and reports to the hub."""

from diemcau_contract import __version__

__all__ = ["__version__"]
