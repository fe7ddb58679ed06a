"""The HTTP side of the server: API, metrics, health, pages."""

from diemcau_server.web.app import make_app

__all__ = ["make_app"]
