"""Sound in and out through the sound server of Linux: PulseAudio's simple API, by ctypes.

PortAudio has no Pulse host; by way of ALSA it opens every other sound system first, and its duplex
streams break off on virtual devices. ``libpulse-simple`` comes with ``libpulse0``, which the mixer
needs anyway; PipeWire serves the same protocol.
"""

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 48_000

_PLAYBACK: Final = 1
_RECORD: Final = 2
"""pa_stream_direction_t."""
_S16LE: Final = 3
"""pa_sample_format_t."""
_DEFAULT: Final = 0xFFFFFFFF
_CHUNK_SECONDS: Final = 0.02
_CHUNK: Final = int(_CHUNK_SECONDS * RATE_HZ)
_BUFFER_SECONDS: Final = 0.1
_MOST_WAITING: Final = 3000
"""A minute of parts: more than a sound server keeps."""

Steps = NDArray[np.int16]


class _Sample(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_int), ("rate", ctypes.c_uint32), ("channels", ctypes.c_uint8),
    )  # fmt: skip


class _Buffer(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize")
    )


def record(source: str, seconds: float) -> Steps:
    """Record one channel of 16 bit at RATE_HZ.

    Raises:
        OSError: the sound server refuses or breaks off.
    """
    library = _library()
    with _stream(library, _RECORD, source, 1) as stream:
        return _read(library, stream, int(seconds * RATE_HZ))


def play_and_record(sink: str, source: str, wave: Steps) -> tuple[Steps, float]:
    """Play frames, of shape (count, channels), and record one channel for as long meanwhile.

    Also returns by how many seconds this process was held up at most: what it took longer to come
    to play, and to fetch what had been recorded, than the sound itself took.

    Raises:
        OSError: the sound server refuses or breaks off.
    """
    library = _library()
    count, channels = wave.shape
    with (
        _stream(library, _RECORD, source, 1) as ear,
        _stream(library, _PLAYBACK, sink, channels, whole=count) as mouth,
    ):
        last = _read_all_there_is(library, ear)
        _write(library, mouth, wave)
        begun = time.perf_counter()
        # What came in before the wave went out.
        _read(library, ear, int((begun - last) * RATE_HZ))
        parts, held_up = [], begun - last
        for start in range(0, count, _CHUNK):
            part = min(_CHUNK, count - start)
            parts.append(_read(library, ear, part))
            late = time.perf_counter() - begun - (start + part) / RATE_HZ
            # Too early is what had waited: the first reads were held up as well.
            held_up = max(held_up, abs(late))
    return np.concatenate(parts), held_up


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libpulse-simple.so.0")
    library.pa_simple_new.restype = ctypes.c_void_p
    library.pa_strerror.restype = ctypes.c_char_p
    pointer, size, error = ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)
    for name in ("pa_simple_read", "pa_simple_write"):
        getattr(library, name).argtypes = (pointer, pointer, size, error)
    library.pa_simple_free.argtypes = (pointer,)
    return library


@contextmanager
def _stream(
    library: ctypes.CDLL, direction: int, device: str, channels: int, whole: int = 0
) -> Iterator[ctypes.c_void_p]:
    """Open a stream; what it plays, ``whole`` frames, the server takes at once.

    A busy PC lets a process of low priority wait: it must not have to bring the rest in time.
    Half of what the buffer is longer than two requests is asked of the device as its latency.
    """
    sample = _Sample(_S16LE, RATE_HZ, channels)
    chunk, room = (2 * channels * int(part * RATE_HZ) for part in (_CHUNK_SECONDS, _BUFFER_SECONDS))
    length = 2 * channels * whole + room
    buffer = _Buffer(_DEFAULT, length, chunk, (length - room) // 2, chunk)
    error = ctypes.c_int()
    stream = library.pa_simple_new(
        None, b"diemcau", direction, device.encode(), b"room check",
        ctypes.byref(sample), None, ctypes.byref(buffer), ctypes.byref(error),
    )  # fmt: skip
    _check(library, 0 if stream else -1, error)
    try:
        yield ctypes.c_void_p(stream)
    finally:
        library.pa_simple_free(stream)


def _read(library: ctypes.CDLL, stream: ctypes.c_void_p, count: int) -> Steps:
    steps, error = np.zeros(count, "<i2"), ctypes.c_int()
    done = library.pa_simple_read(stream, steps.ctypes.data, steps.nbytes, ctypes.byref(error))
    _check(library, done, error)
    return steps.astype(np.int16)


def _write(library: ctypes.CDLL, stream: ctypes.c_void_p, wave: Steps) -> None:
    steps, error = np.ascontiguousarray(wave, "<i2"), ctypes.c_int()
    done = library.pa_simple_write(stream, steps.ctypes.data, steps.nbytes, ctypes.byref(error))
    _check(library, done, error)


def _read_all_there_is(library: ctypes.CDLL, stream: ctypes.c_void_p) -> float:
    """Read up to where a read must wait for the sound; return when that one came.

    Raises:
        OSError: no read has to, for the source is faster than time.
    """
    before = time.perf_counter()
    for _ in range(_MOST_WAITING):
        _read(library, stream, _CHUNK)
        now = time.perf_counter()
        if now - before > _CHUNK_SECONDS / 2:
            return now
        before = now
    raise OSError("the sound comes faster than time")


def _check(library: ctypes.CDLL, done: int, error: ctypes.c_int) -> None:
    if done < 0:
        what = library.pa_strerror(error).decode("utf-8", "replace")
        raise OSError(error.value, f"sound server: {what}")
