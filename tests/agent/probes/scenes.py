"""Synthetic rooms and sounds, one per seed, for every class that the classifiers tell apart."""

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Plane = NDArray[np.float64]
Samples = NDArray[np.float32]

WIDTH, HEIGHT = 320, 180
RATE_HZ = 48_000


def _film(scene: Plane, seed: int, noise: float, count: int = 30) -> Frames:
    """Take frames of a scene as a live sensor does: with fresh noise in each."""
    random = np.random.default_rng(seed + 77)
    frames = scene + random.normal(0.0, noise, (count, HEIGHT, WIDTH))
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


def _noise(seed: int) -> float:
    return float(np.random.default_rng(seed + 5).uniform(0.8, 3.0))


def _furniture(seed: int, pieces: int, least: float = 40.0, most: float = 210.0) -> Plane:
    """A lit wall with rectangles; edges two pixels wide, as a lens gives them."""
    random = np.random.default_rng(seed)
    level = random.uniform(least + 40, most - 40)
    slope = random.uniform(-0.1, 0.1, 2)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    scene = level + slope[0] * (rows - HEIGHT / 2) + slope[1] * (columns - WIDTH / 2)
    for _ in range(pieces):
        top, left = random.integers(0, HEIGHT - 10), random.integers(0, WIDTH - 10)
        height, width = random.integers(8, 90), random.integers(8, 120)
        scene[top : top + height, left : left + width] = random.uniform(least, most)
    return _box_blur(scene, 2)


def _box_blur(scene: Plane, width: int) -> Plane:
    kernel = np.ones(width) / width
    for axis in (0, 1):
        padded = np.pad(scene, [(width, width) if a == axis else (0, 0) for a in (0, 1)], "edge")
        blurred = np.apply_along_axis(np.convolve, axis, padded, kernel, "same")
        scene = blurred[width:-width] if axis == 0 else blurred[:, width:-width]
    return scene


def busy_room(seed: int) -> Frames:
    """Tables, chairs, people sitting still."""
    return _film(_furniture(seed, 40), seed, _noise(seed))


def plain_wall(seed: int) -> Frames:
    """An empty room: a wall and a door frame."""
    return _film(_furniture(seed, 3), seed, _noise(seed))


def dusk(seed: int) -> Frames:
    """Little light, yet everything can be made out."""
    scene = _furniture(seed, 30)
    return _film(scene * (42.0 / scene.mean()), seed, _noise(seed) + 1.5)


def moving_people(seed: int) -> Frames:
    """The whole picture moves, as when a camera pans."""
    scene = _furniture(seed, 60)
    frames = _film(scene, seed, _noise(seed), 40)
    return np.stack([np.roll(frame, 5 * step, axis=1) for step, frame in enumerate(frames)])


def lens_cap(seed: int) -> Frames:
    """Nearly no light, with the noise of a sensor at full gain."""
    level = float(np.random.default_rng(seed).uniform(2, 18))
    return _film(np.full((HEIGHT, WIDTH), level), seed, _noise(seed))


def _smooth(seed: int, least: float, most: float) -> Plane:
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    centre = random.uniform(0.2, 0.8, 2) * (HEIGHT, WIDTH)
    distance = np.hypot(rows - centre[0], columns - centre[1])
    scene: Plane = random.uniform(least, most) + 25.0 * np.exp(-distance / 150.0)
    return scene


def hand_on_lens(seed: int) -> Frames:
    """Light comes through, no edge does."""
    return _film(_smooth(seed, 35, 120), seed, _noise(seed))


def grey_sticker(seed: int) -> Frames:
    """One plain grey with live noise."""
    level = float(np.random.default_rng(seed).uniform(40, 180))
    return _film(np.full((HEIGHT, WIDTH), level), seed, _noise(seed))


def idle_source(seed: int) -> Frames:
    """One plain grey without any noise."""
    level = int(np.random.default_rng(seed).integers(30, 200))
    return np.full((30, HEIGHT, WIDTH), level, np.uint8)


def frozen(seed: int) -> Frames:
    """A room that stops after a quarter of the window."""
    frames = busy_room(seed).copy()
    frames[8:] = frames[8]
    return frames


def too_dark(seed: int) -> Frames:
    """Lights off, windows still to be seen."""
    scene = _furniture(seed, 30)
    return _film(scene * (14.0 / scene.mean()) + 4.0, seed, _noise(seed))


def too_bright(seed: int) -> Frames:
    """A window behind the people burns out more than half of the picture."""
    scene = _furniture(seed, 30)
    scene[:, : WIDTH * 11 // 20] += 400.0
    return _film(scene, seed, _noise(seed))


def out_of_focus(seed: int) -> Frames:
    """A lens set to the wrong distance."""
    scene = _furniture(seed, 40)
    for _ in range(3):
        scene = _box_blur(scene, 15)
    return _film(scene, seed, _noise(seed))


def _pink(seed: int, seconds: float, dbfs: float) -> Samples:
    random = np.random.default_rng(seed)
    count = int(seconds * RATE_HZ)
    spectrum = random.normal(size=count // 2 + 1) + 1j * random.normal(size=count // 2 + 1)
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 20.0)
    return _levelled(np.fft.irfft(spectrum / np.sqrt(hertz), count), dbfs)


def _levelled(wave: Plane, dbfs: float) -> Samples:
    scaled = wave / np.sqrt(np.mean(np.square(wave))) * 10 ** (dbfs / 20)
    return _converted(scaled)


def _converted(wave: NDArray[np.floating]) -> Samples:
    """Pass through a 16 bit converter."""
    steps = np.clip(np.rint(np.asarray(wave, np.float64) * 32768), -32768, 32767)
    return (steps / 32768).astype(np.float32)


def _syllables(seed: int, seconds: float = 4.0) -> Plane:
    """Voice-like: harmonics of a gliding pitch, four syllables a second, pauses."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch = random.uniform(95, 230) * (1 + 0.15 * np.sin(2 * np.pi * random.uniform(0.3, 1) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    wave = sum(np.sin(number * phase + number) / number for number in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * random.uniform(2, 4) * time), 0, None) ** 1.5
    pause = random.uniform(0.5, 2.0)
    envelope[int(pause * RATE_HZ) : int((pause + 0.8) * RATE_HZ)] = 0.0
    return np.asarray(wave * envelope)


def speech(seed: int) -> Samples:
    """Somebody speaks in a normal room."""
    level = float(np.random.default_rng(seed).uniform(-38, -20))
    return _converted(_levelled(_syllables(seed), level) + _pink(seed, 4.0, -58))


def quiet_room(seed: int) -> Samples:
    """Nobody there; the room's own noise."""
    return _pink(seed, 4.0, float(np.random.default_rng(seed).uniform(-56, -42)))


def fan_noise(seed: int) -> Samples:
    """A ceiling fan: noise that swells with the blades, still below speech."""
    time = np.arange(4 * RATE_HZ) / RATE_HZ
    swell = 1 + 0.3 * np.sin(2 * np.pi * 3.3 * time)
    return _converted(
        _pink(seed, 4.0, float(np.random.default_rng(seed).uniform(-50, -41))) * swell
    )


def digital_silence(seed: int) -> Samples:
    """Zeros with a constant offset of up to a few steps."""
    return np.full(4 * RATE_HZ, (seed % 3) / 32768, np.float32)


def clipping(seed: int) -> Samples:
    """Gain far too high."""
    return _converted(_levelled(_syllables(seed), -3.0) * 4)


def mains_hum(seed: int) -> Samples:
    """50 Hz and harmonics from a broken earth, over the room's noise."""
    random = np.random.default_rng(seed)
    time = np.arange(4 * RATE_HZ) / RATE_HZ
    hertz = 50.0 + random.uniform(-0.2, 0.2)
    wave = sum(
        random.uniform(0.3, 1.0) / number * np.sin(2 * np.pi * hertz * number * time)
        for number in (1, 2, 3, 5, 7)
    )
    return _converted(_levelled(np.asarray(wave), random.uniform(-45, -25)) + _pink(seed, 4.0, -60))


def loud_noise(seed: int) -> Samples:
    """A loud hiss that buries speech."""
    return _pink(seed, 4.0, float(np.random.default_rng(seed).uniform(-30, -18)))


def too_quiet(seed: int) -> Samples:
    """A microphone that is turned nearly off."""
    return _pink(seed, 4.0, float(np.random.default_rng(seed).uniform(-80, -66)))
