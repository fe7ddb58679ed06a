"""Why the server cannot listen on an address, and what to do about it."""

import errno
import os
import socket
from collections.abc import Mapping
from typing import Final

from diemcau_contract.causes import Text

_TAKEN: Final = Text(
    "cổng này đang có chương trình khác dùng; dừng chương trình đó, hoặc đổi {section}.port trong "
    "tệp cấu hình",
    "another program uses this port; stop it, or change {section}.port in the configuration",
)
_NOT_ALLOWED: Final = Text(
    "tài khoản chạy máy chủ không được mở cổng này; đổi {section}.port thành cổng từ 1024 trở lên",
    "the account that runs the server may not open it; change {section}.port to 1024 or above",
)
_NOT_HERE: Final = Text(
    "máy này không có địa chỉ đó; sửa {section}.host trong tệp cấu hình",
    "this machine has no such address; change {section}.host in the configuration",
)
_WHY: Final[Mapping[int, Text]] = {
    errno.EADDRINUSE: _TAKEN,
    errno.EACCES: _NOT_ALLOWED,
    errno.EADDRNOTAVAIL: _NOT_HERE,
    socket.EAI_NONAME: _NOT_HERE,
}


def why_not_listening(error_number: int, section: str) -> Text:
    """Return the reason, and which key of the file's ``section`` to change.

    ``error_number`` is an errno, or a code of ``socket.gaierror``.
    """
    known = _WHY.get(error_number)
    if known is None:
        reason = os.strerror(abs(error_number))
        return Text(reason, reason)
    return Text(known.vi.format(section=section), known.en.format(section=section))
