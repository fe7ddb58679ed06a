"""Where the installed commands begin: what is not installed is told before it is imported."""

import os
import sys
from typing import Final, NoReturn

from diemcau_contract.commandline import need_libraries, wanted_language
from diemcau_contract.errors import CommandLineError

_LIBRARIES: Final = (
    "aiohttp", "aiomqtt", "aiosqlite", "alembic", "amqtt", "jinja2", "prometheus_client", "psutil",
    "rich", "sqlalchemy", "typer",
)  # fmt: skip
"""Modules of the extra ``server``; a test installs it alone."""
_EXIT_USAGE: Final = 2


def technician() -> NoReturn:
    """Run ``diemcau``."""
    _need_libraries("diemcau")
    from diemcau_server.cli.main import main  # noqa: PLC0415  # only where its libraries are

    main()


def server() -> NoReturn:
    """Run ``diemcau-server``."""
    _need_libraries("diemcau-server")
    from diemcau_server.__main__ import main  # noqa: PLC0415  # as above

    sys.exit(main())


def _need_libraries(command: str) -> None:
    try:
        need_libraries("server", _LIBRARIES)
    except CommandLineError as error:
        language = wanted_language(sys.argv[1:], os.environ) or "vi"
        print(f"{command}: {error.text.in_language(language)}", file=sys.stderr)  # noqa: T201
        sys.exit(_EXIT_USAGE)
