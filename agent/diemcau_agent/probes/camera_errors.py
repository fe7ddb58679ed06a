"""Tell missing, denied, busy and unreachable apart from the error of opening a camera."""

import errno
from typing import Final

import av.error

from diemcau_agent.probes.result import ProbeResult, judged

_BY_ERRNO: Final = {
    errno.ENOENT: "missing",
    errno.ENODEV: "missing",
    errno.ENXIO: "missing",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.EBUSY: "busy",
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ETIMEDOUT: "unreachable",
}
_NETWORK_FORMATS: Final = frozenset({"rtsp"})


def open_failure(error: av.error.FFmpegError | OSError, source_format: str) -> ProbeResult:
    """Return the result for a camera that could not be opened."""
    cause = _cause(error, source_format)
    if cause == "busy":
        return ProbeResult("in_use", ("busy",))
    if cause == "crashed":
        return ProbeResult("unknown", ("crashed",))
    return judged((cause,), {})


def _cause(error: av.error.FFmpegError | OSError, source_format: str) -> str:
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return "auth"
    if isinstance(error, av.error.HTTPNotFoundError):
        return "missing"
    by_number = _BY_ERRNO.get(error.errno or 0)
    if by_number is not None:
        return by_number
    if source_format in _NETWORK_FORMATS:
        # A name that does not resolve and a silent host both end as a general I/O error.
        return "unreachable"
    # The device is there (DirectShow lists it) and answers nonsense; a wrong stand-in graph is our
    # own mistake.
    return "crashed" if source_format == "lavfi" else "no_frames"
