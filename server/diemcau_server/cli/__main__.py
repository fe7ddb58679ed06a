"""``python -m diemcau_server.cli`` is ``diemcau``."""

from diemcau_server.cli.main import main

if __name__ == "__main__":
    main()
