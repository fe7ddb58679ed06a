"""``python -m diemcau_server.cli`` is ``diemcau``."""

from diemcau_server.entry import technician

if __name__ == "__main__":
    technician()
