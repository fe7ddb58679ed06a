"""What runs at the hub: broker link, ingest, store, coordinator, API, pages, metrics."""

from diemcau_contract import __version__

__all__ = ["__version__"]
