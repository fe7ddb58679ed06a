"""Limits of the picture and sound classifiers: data, so that the agent's file can set them.

No numpy here: the resident agent reads its file without loading it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

_STRICT: Final[Mapping[str, str]] = {"extra": "forbid"}
"""A ConfigDict for the agent's file; a probe's child reads it without loading pydantic."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Limits in grey levels (0 to 255), in levels per pixel, or as ratios.

    The order of the rules is that of :func:`diemcau_agent.signal.picture.classify`. Where no
    standard gives a number, it was set on synthetic rooms (busy, plain wall, dusk) with sensor
    noise of 1 to 8 levels; a room's own baseline is to be preferred once a technician has
    accepted one.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    flat_deviation: float = 1.0
    """Spatial deviation below which a picture is one plain colour."""
    still_difference: float = 0.0255
    """Mean difference of two frames below which they are the same picture: 1e-4 of full scale,
    a tenth of the default of FFmpeg's freezedetect, so that an empty room's noise is alive."""
    black_luma: float = 24.0
    """Webrtc troubleshooter calls a mean luma under 20 black; a lens cap lets some light in."""
    smooth_gradient: float = 1.2
    """99.9th percentile of the gradient below which there is no edge anywhere: a cap, a hand or a
    sticker on the lens, lit through or from the side."""
    covered_gradient: float = 4.0
    """The same for a picture that varies by less than ``covered_deviation`` and is not dark: 800
    fingers had at most 3.7, plain walls with nothing but the corner of a frame at least 4.4."""
    covered_deviation: float = 12.0
    black_deviation: float = 2.0
    """The same for a dark picture: the blocks of a compressed black one look like faint edges."""
    frozen_ratio: float = 0.6
    """Share of the window that the longest run of same frames covers."""
    dark_luma: float = 30.0
    bright_level: int = 250
    bright_ratio: float = 0.35
    bright_luma: float = 235.0
    """Mean luma above which a picture with content is washed out, however few of its pixels reach
    ``bright_level``; the brightest of 3,000 clean rooms had 228, washed-out bars 242."""
    blur: float = 0.52
    """Ratio of :func:`diemcau_agent.signal.picture.blur_ratio`, 0 sharp to 1 blurred; sharp rooms
    stayed under 0.34, with people walking under 0.49; a blur of 5 pixels of 320 came over 0.52."""
    edge_ratio: float = 0.45
    """Gradient of the strongest edges, as a share of the spatial deviation without that of the
    light (a surface of second degree), below which nothing is sharp: blur leaves 0.8 of it per
    pixel of its own width. Sharp rooms stayed over 1.5, side-lit walls over 2, blurs of 5 to 12
    pixels mostly under 0.4, also where the edges of coarse MJPEG blocks pass for detail."""
    blurred_gradient: float = 16.0
    """Gradient above which there is a sharp edge all the same: a blur of 5 pixels leaves so much of
    a step of 200 levels. The stairs of FFmpeg's colour bars have 23, the blurs had 13 at most."""
    colour_difference: float = 60.0
    """A plain blue or green picture with this much colour is a source's own idle screen."""
    rate_ratio: float = 0.8
    """Share of the frames a second that are asked for, below which it is a warning."""
    rate_least: float = 10.0
    """Frames per second under which motion is no longer seen as motion, whatever was asked."""


@dataclass(frozen=True, slots=True)
class SoundLimits:
    """Limits in dB of full scale (RMS of a full-scale square wave is 0 dBFS), Hz, or ratios.

    Where no source is named, the number was set on synthetic speech, room tone and faults.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    silence_bits: float = 1.5
    """Peak to peak, in steps of 16 bit: a live converter always has more noise than this."""
    clipping_level: float = 0.999
    clipping_ratio: float = 0.001
    flat_top_ratio: float = 0.02
    """Share of the peak within which a top that was cut below full scale counts as flat: noise
    that is added after the cut, up to -60 dBFS, leaves it so; unclipped sounds scored 0."""
    hum_hz: float = 50.0
    """Mains frequency of Viet Nam; its harmonics are sought up to ``hum_lines`` times it."""
    hum_lines: int = 8
    hum_width_hz: float = 4.0
    hum_ratio: float = 0.7
    """Share of the steady energy above 20 Hz that lies on the lines: clean rooms stayed under
    0.55, hum came over 0.86 also while somebody spoke."""
    hum_line_ratio: float = 0.03
    """A second line must bear this share, unless 50 or 100 Hz is the strongest: one clean tone
    of another pitch is not hum."""
    hum_dbfs: float = -60.0
    """Weaker hum disturbs nobody."""
    noisy_dbfs: float = -35.0
    """Level that the quietest tenth of the blocks of 20 ms must stay under, unless the loudest
    twentieth is louder by ``noisy_spread_db``: then it is speech, or speech comes through."""
    noisy_spread_db: float = 7.0
    quiet_dbfs: float = -60.0
    """Level that the loudest twentieth must reach; FFmpeg's silencedetect has the same."""
    volume_least_ratio: float = 0.01
    """Volume of the sound system below which it is turned off."""


@dataclass(frozen=True, slots=True)
class EchoLimits:
    """Limits and levels of the test of loudspeaker and microphone, in dB, dBFS or as ratios."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    score_db: float = 20.0
    """Least score of a chirp that was heard: without one, speech stayed under 18 dB in 1,000
    synthetic rooms, noise under 11 dB; with one 10 dB under pink noise, it came over 22 dB."""
    chirp_dbfs: float = -12.0
    """Peaks of the chirp; the volume of the PC applies to it."""
    soft_chirp_dbfs: float = -26.0
    """The same when voices are heard before it."""
    voice_dbfs: float = -48.0
    """Level that one block of 20 ms in ten must exceed for voices,"""
    voice_spread_db: float = 12.0
    """and by how much it must exceed the quiet ones: a fan is as loud all the time."""
    held_up_seconds: float = 0.2
    """So long a busy PC may hold the test up: what comes later may be looked for in vain."""
    volume_least_ratio: float = 0.01
    """Volume below which the speaker, or the microphone that listens, is turned off."""


PICTURE_LIMITS: Final = PictureLimits()
SOUND_LIMITS: Final = SoundLimits()
ECHO_LIMITS: Final = EchoLimits()
"""Those that hold where the agent's file sets none."""
