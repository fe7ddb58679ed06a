"""A second family of synthetic sounds, made otherwise than those of ``scenes``.

Voices have formants and a room's echo, several people speak at once, fans have blades and air.
"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Wave = NDArray[np.float64]
Random = np.random.Generator

RATE_HZ = 48_000
SECONDS = 4.0
_COUNT = int(RATE_HZ * SECONDS)
_TIME = np.arange(_COUNT) / RATE_HZ
_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (440, 1020, 2240))


def _random(seed: int, salt: int) -> Random:
    return np.random.default_rng((seed, 100 + salt))


def coloured(random: Random, slope: float, low_hz: float = 20.0, count: int = _COUNT) -> Wave:
    """Noise whose power falls as frequency to the power ``slope``, RMS 1."""
    spectrum = random.normal(size=count // 2 + 1) + 1j * random.normal(size=count // 2 + 1)
    hertz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum *= np.maximum(hertz, low_hz) ** (-slope / 2)
    spectrum[hertz < low_hz] = 0
    wave = np.fft.irfft(spectrum, count)
    return np.asarray(wave / np.sqrt(np.mean(np.square(wave))))


def levelled(wave: Wave, dbfs: float) -> Wave:
    """Scale to a level of RMS."""
    return np.asarray(wave / np.sqrt(np.mean(np.square(wave))) * 10 ** (dbfs / 20))


def converted(wave: Wave) -> Samples:
    """Pass through a 16 bit converter."""
    steps = np.clip(np.rint(wave * 32768), -32768, 32767)
    return (steps / 32768).astype(np.float32)


def voice(random: Random) -> Wave:
    """One speaker: a pulse train of the voice through formants, syllable by syllable."""
    pitch_hz = random.uniform(85, 260) * (
        1 + 0.1 * np.sin(2 * np.pi * random.uniform(0.2, 1) * _TIME)
    )
    phase = np.cumsum(pitch_hz) / RATE_HZ
    wave, at = np.zeros(_COUNT), int(random.uniform(0, 0.5) * RATE_HZ)
    while at < _COUNT:
        length = min(int(random.uniform(0.09, 0.28) * RATE_HZ), _COUNT - at)
        part = slice(at, at + length)
        vowel = _VOWELS[int(random.integers(len(_VOWELS)))]
        tone = sum(
            np.sin(2 * np.pi * number * phase[part]) * _formants(number * pitch_hz[at], vowel)
            for number in range(1, 26)
        )
        hiss = random.normal(size=length) * random.uniform(0, 0.3)
        wave[part] = (tone + hiss) * np.sin(np.pi * np.arange(length) / length)
        pause = random.uniform(0.3, 0.9) if random.uniform() < 0.15 else random.uniform(0.0, 0.07)
        at += length + int(pause * RATE_HZ)
    return wave


def _formants(hertz: float, vowel: tuple[int, int, int]) -> float:
    return sum(
        weight / (1 + ((hertz - centre) / 110) ** 2)
        for centre, weight in zip(vowel, (1.0, 0.5, 0.2), strict=True)
    )


def room_response(random: Random, rt60_seconds: float) -> Wave:
    """Impulse response of a room: direct sound, some early echoes, an exponential tail."""
    count = int(rt60_seconds * RATE_HZ)
    decay = np.exp(-6.9 * np.arange(count) / count)
    response = random.normal(size=count) * decay * 0.04
    response[: int(0.002 * RATE_HZ)] = 0.0
    for _ in range(6):
        response[int(random.uniform(0.003, 0.04) * RATE_HZ) % count] += random.uniform(-0.4, 0.4)
    response[0] = 1.0
    return response


def convolved(wave: Wave, response: Wave) -> Wave:
    """Filter by an impulse response; as long as the wave."""
    size = 1 << (wave.size + response.size).bit_length()
    product = np.fft.rfft(wave, size) * np.fft.rfft(response, size)
    return np.asarray(np.fft.irfft(product, size)[: wave.size])


def _spoken(random: Random, level_dbfs: float, floor_dbfs: float) -> Wave:
    wave = convolved(voice(random), room_response(random, random.uniform(0.2, 0.7)))
    return levelled(wave, level_dbfs) + levelled(coloured(random, 1.0), floor_dbfs)


def speech(seed: int) -> Samples:
    """One person speaks into the microphone."""
    random = _random(seed, 1)
    return converted(_spoken(random, random.uniform(-40, -19), random.uniform(-66, -52)))


def meeting(seed: int) -> Samples:
    """Three people speak at once, a fan runs."""
    random = _random(seed, 2)
    wave = sum(_spoken(random, random.uniform(-40, -26), -62) for _ in range(3))
    return converted(np.asarray(wave) + levelled(coloured(random, 1.5), random.uniform(-56, -46)))


def quiet_room(seed: int) -> Samples:
    """Nobody there: air, a clock, a distant motorbike."""
    random = _random(seed, 3)
    wave = levelled(coloured(random, random.uniform(0.5, 2.0)), random.uniform(-56, -42))
    for beat in range(4):
        click = coloured(random, 0.0, 800, int(0.004 * RATE_HZ)) * 0.003
        at = int((beat + 0.3) * RATE_HZ)
        wave[at : at + click.size] += click
    return converted(wave)


def ceiling_fan(seed: int) -> Samples:
    """Air pushed by blades: low noise that swells, with the motor's own faint tone."""
    random = _random(seed, 4)
    blades_hz = random.uniform(2.0, 14.0)
    swell = 1 + random.uniform(0.1, 0.5) * np.sin(2 * np.pi * blades_hz * _TIME)
    wave = levelled(coloured(random, random.uniform(1.0, 2.0)) * swell, random.uniform(-52, -40))
    return converted(wave + 10 ** (random.uniform(-72, -64) / 20) * np.sin(2 * np.pi * 100 * _TIME))


def air_conditioner(seed: int) -> Samples:
    """Steady broad noise, below speech, while somebody speaks."""
    random = _random(seed, 5)
    noise = levelled(coloured(random, random.uniform(0.5, 1.5)), random.uniform(-52, -42))
    return converted(_spoken(random, random.uniform(-34, -22), -64) + noise)


def rain_on_the_roof(seed: int) -> Samples:
    """Highland rain on sheet iron: steady, bright, not as loud as to bury speech."""
    random = _random(seed, 6)
    drops = np.where(random.uniform(size=_COUNT) < 0.002, random.normal(size=_COUNT) * 6, 0.0)
    wave = coloured(random, 0.3, 200) + drops
    return converted(levelled(wave, random.uniform(-50, -41)))


def zeros(seed: int) -> Samples:
    """Muted in hardware or blocked by the system: one constant."""
    return np.full(_COUNT, int(_random(seed, 7).integers(-3, 4)) / 32768, np.float32)


def overdriven(seed: int) -> Samples:
    """Gain 14 to 26 dB too high: the converter cuts the peaks."""
    random = _random(seed, 8)
    return converted(_spoken(random, random.uniform(-14, -2), -50) * 4)


def overdriven_before(seed: int) -> Samples:
    """The mixing desk cuts, what follows turns it down and adds noise: flat tops, not quite."""
    random = _random(seed, 9)
    cut = np.clip(_spoken(random, -8.0, -50) * 4, -1, 1)
    turned_down = cut * 10 ** (random.uniform(-9, -3) / 20)
    noise = random.normal(size=_COUNT) * 10 ** (random.uniform(-90, -60) / 20)
    return converted(turned_down + noise)


def hum(seed: int) -> Samples:
    """A ground loop: 50 Hz and odd harmonics, or the buzz of 100 Hz from a rectifier."""
    random = _random(seed, 10)
    base_hz = 50.0 * (1 + random.uniform(-0.004, 0.004))
    numbers = (1, 2, 3, 5, 7) if random.uniform() < 0.5 else (2, 4, 6, 8)
    wave = sum(
        random.uniform(0.3, 1) / n * np.sin(2 * np.pi * base_hz * n * _TIME + random.uniform(0, 6))
        for n in numbers
    )
    floor = levelled(coloured(random, 1.0), random.uniform(-66, -56))
    return converted(levelled(np.asarray(wave), random.uniform(-48, -22)) + floor)


def hum_under_speech(seed: int) -> Samples:
    """The same loop, strong, while somebody speaks."""
    random = _random(seed, 11)
    return converted(hum(seed).astype(np.float64) * 1.0 + _spoken(random, -46, -66))


def hiss(seed: int) -> Samples:
    """A broken cable or a preamplifier at its end: noise that buries speech."""
    random = _random(seed, 12)
    noise = levelled(coloured(random, random.uniform(0.0, 1.6)), random.uniform(-30, -12))
    return converted(noise + _spoken(random, -34, -60))


def far_too_quiet(seed: int) -> Samples:
    """Gain at its lowest: even speech is under -66 dBFS."""
    random = _random(seed, 13)
    return converted(_spoken(random, random.uniform(-80, -69), -84))


CLEAN = (speech, meeting, quiet_room, ceiling_fan, air_conditioner, rain_on_the_roof)
