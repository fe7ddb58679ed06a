"""Where the installed command begins: what is not installed is told before it is imported."""

import os
import sys
from typing import Final, NoReturn

from diemcau_contract.commandline import need_libraries, wanted_language
from diemcau_contract.errors import CommandLineError

_LIBRARIES: Final = ("aiomqtt", "aiopjlink", "av", "numpy", "psutil")
"""Modules of the extra ``agent``; a test installs it alone."""
_EXIT_USAGE: Final = 2


def agent() -> NoReturn:
    """Run ``diemcau-agent``."""
    try:
        need_libraries("agent", _LIBRARIES)
    except CommandLineError as error:
        language = wanted_language(sys.argv[1:], os.environ) or "vi"
        print(f"diemcau-agent: {error.text.in_language(language)}", file=sys.stderr)  # noqa: T201
        sys.exit(_EXIT_USAGE)
    from diemcau_agent.__main__ import main  # noqa: PLC0415  # only where its libraries are

    main()
