"""A second family of synthetic pictures: a room in perspective, as a cheap webcam sends it.

Made otherwise than ``scenes``: floor, walls, screen, table and people, uneven light, vignetting,
noise that grows with light and is smoothed over time, blocks of 8 by 8 as JPEG leaves them.
"""

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Plane = NDArray[np.float64]
Random = np.random.Generator

WIDTH, HEIGHT = 320, 180
COUNT = 40
_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)


def _random(seed: int, salt: int) -> Random:
    return np.random.default_rng((seed, salt))


def _ellipse(centre: tuple[float, float], radii: tuple[float, float]) -> NDArray[np.bool_]:
    distance = ((_ROWS - centre[0]) / radii[0]) ** 2 + ((_COLUMNS - centre[1]) / radii[1]) ** 2
    return np.asarray(distance <= 1.0)


def _texture(random: Random, roughness: float) -> Plane:
    """Noise whose spectrum falls with frequency, deviation 1: cloth, wood, plaster."""
    spectrum = np.fft.rfft2(random.normal(size=(HEIGHT, WIDTH)))
    hertz = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None, :])
    wave = np.fft.irfft2(spectrum / np.maximum(hertz, 0.01) ** roughness, (HEIGHT, WIDTH))
    return np.asarray(wave / wave.std())


def _person(scene: Plane, random: Random, column: float, size: float) -> None:
    """Head and shoulders, seen from the front."""
    row = HEIGHT * 0.62 - size
    scene[_ellipse((row + size * 1.9, column), (size * 1.1, size * 1.3))] = random.uniform(25, 190)
    scene[_ellipse((row, column), (size * 0.62, size * 0.48))] = random.uniform(90, 190)
    scene[_ellipse((row - size * 0.35, column), (size * 0.35, size * 0.5))] = random.uniform(15, 60)


def _soften(scene: Plane, sigma: float) -> Plane:
    """Blur as a lens does, by a Gaussian of ``sigma`` pixels."""
    rows, columns = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None, :]
    transfer = np.exp(-2.0 * (np.pi * sigma) ** 2 * (rows**2 + columns**2))
    mirrored = np.fft.irfft2(np.fft.rfft2(scene - scene.mean()) * transfer, (HEIGHT, WIDTH))
    return np.asarray(mirrored + scene.mean())


def _light(random: Random) -> Plane:
    """Lamps and vignetting: brighter here, darker towards the corners."""
    row, column = random.uniform(0, 0.4) * HEIGHT, random.uniform(0.2, 0.8) * WIDTH
    lamp = 1.0 + random.uniform(0.0, 0.4) * np.exp(
        -np.hypot(_ROWS - row, _COLUMNS - column) / random.uniform(60, 200)
    )
    corner = np.hypot(_ROWS / HEIGHT - 0.5, _COLUMNS / WIDTH - 0.5)
    return np.asarray(lamp * (1.0 - random.uniform(0.0, 0.5) * corner**2))


def scene(seed: int, people: int = 4) -> Plane:
    """A room: back wall with a screen, side walls, floor, table, people; sharp as a lens is."""
    random = _random(seed, 1)
    wall, floor = random.uniform(80, 190), random.uniform(45, 150)
    plane = np.full((HEIGHT, WIDTH), wall)
    horizon = HEIGHT * random.uniform(0.5, 0.68)
    plane[horizon < _ROWS] = floor
    plane[WIDTH * random.uniform(0.05, 0.2) + (_ROWS - horizon) * -0.2 > _COLUMNS] = wall * 0.8
    plane += _texture(random, random.uniform(0.8, 1.6)) * random.uniform(1.0, 4.0)
    top, left = random.integers(10, 40), random.integers(60, 170)
    height, width = random.integers(30, 55), random.integers(50, 100)
    plane[top : top + height, left : left + width] = random.uniform(20, 230)
    plane[top : top + 2, left : left + width] = 20.0
    table = HEIGHT * random.uniform(0.78, 0.9)
    plane[table < _ROWS] = random.uniform(50, 160)
    for _ in range(people):
        _person(plane, random, random.uniform(30, WIDTH - 30), random.uniform(14, 26))
    return _soften(np.clip(plane * _light(random), 0, 255), random.uniform(0.5, 0.9))


def wall_only(seed: int) -> Plane:
    """Nothing but plaster, a skirting board and the corner of a door."""
    random = _random(seed, 2)
    plane = np.full((HEIGHT, WIDTH), random.uniform(110, 200))
    plane += _texture(random, 1.3) * random.uniform(0.3, 1.2)
    board = random.integers(150, 172)
    plane[board : board + 6] *= random.uniform(0.6, 0.85)
    plane[40:, : random.integers(8, 40)] *= random.uniform(0.55, 0.85)
    return _soften(np.clip(plane * _light(random), 0, 255), random.uniform(0.5, 0.9))


def film(planes: list[Plane], seed: int, *, gain: float = 1.0, jpeg: bool = True) -> Frames:
    """Take frames as a sensor does: noise grows with light, is smoothed over time, then JPEG."""
    random = _random(seed, 3)
    read, shot = random.uniform(0.6, 2.0) * gain, random.uniform(0.02, 0.12) * gain
    smoothing = random.uniform(0.0, 0.6)
    noise = np.zeros((HEIGHT, WIDTH))
    frames = []
    for plane in planes:
        fresh = random.normal(size=(HEIGHT, WIDTH)) * (read + shot * np.sqrt(np.maximum(plane, 0)))
        noise = smoothing * noise + np.sqrt(1 - smoothing**2) * fresh
        frames.append(np.clip(np.rint(plane + noise), 0, 255))
    taken = np.stack(frames)
    if jpeg:
        taken = _blocks(taken, random.uniform(0.05, 0.3))
    return taken.astype(np.uint8)


def _blocks(frames: Plane, share: float) -> Plane:
    """Draw each block of 8 by 8 towards its mean: fine detail of flat blocks is lost first."""
    count, height, width = frames.shape
    rows, columns = height // 8 * 8, width // 8 * 8
    tiles = frames[:, :rows, :columns].reshape(count, rows // 8, 8, columns // 8, 8)
    mean = tiles.mean(axis=(2, 4), keepdims=True)
    weight = np.where(tiles.std(axis=(2, 4), keepdims=True) < 3.0, share * 2, 0.0)
    frames[:, :rows, :columns] = (tiles + weight * (mean - tiles)).reshape(count, rows, columns)
    return np.rint(frames)


def conference(seed: int) -> Frames:
    """People sit at the table and hardly move."""
    return film([scene(seed, 5)] * COUNT, seed)


def empty_room(seed: int) -> Frames:
    """Tables and a screen, nobody there."""
    return film([scene(seed, 0)] * COUNT, seed)


def plain_wall(seed: int) -> Frames:
    """The camera looks at a wall."""
    return film([wall_only(seed)] * COUNT, seed)


def dusk(seed: int) -> Frames:
    """Evening, lamps off: mean luma 36 to 50, the sensor at high gain."""
    plane = scene(seed, 3)
    level = _random(seed, 4).uniform(36, 50)
    return film([plane * (level / plane.mean())] * COUNT, seed, gain=1.6)


def people_walking(seed: int) -> Frames:
    """Two people cross the picture before a still room."""
    random = _random(seed, 5)
    room = scene(seed, 2)
    starts, speeds = random.uniform(0, WIDTH, 2), random.uniform(-4, 4, 2)
    looks = (int(random.integers(1 << 30)), int(random.integers(1 << 30)))
    planes = []
    for step in range(COUNT):
        plane = room.copy()
        for start, speed, look in zip(starts, speeds, looks, strict=True):
            _person(plane, _random(look, 6), (start + speed * step) % WIDTH, 30)
        planes.append(_soften(plane, 0.6))
    return film(planes, seed)


def lights_switched(seed: int) -> Frames:
    """The lamps come on in the window: exposure follows over ten frames."""
    random = _random(seed, 7)
    room, begin = scene(seed, 3), int(random.integers(5, 20))
    least = random.uniform(0.45, 0.8)
    steps = [least + (1 - least) * min(1.0, max(0, n - begin) / 10) for n in range(COUNT)]
    return film([room * step for step in steps], seed)


def backlit(seed: int) -> Frames:
    """A window behind the people burns out a fifth of the picture: still to be used."""
    room = scene(seed, 3)
    room[: HEIGHT // 2, : int(WIDTH * _random(seed, 8).uniform(0.25, 0.45))] += 150
    return film([room] * COUNT, seed)


def slide_show(seed: int) -> Frames:
    """Most of the picture is a bright screen with lines of text."""
    random = _random(seed, 9)
    room = scene(seed, 1)
    room[15:150, 40:280] = random.uniform(215, 238)
    for row in range(25, 140, 12):
        for column in range(50, 50 + int(random.integers(100, 220)), 7):
            room[row : row + 6, column : column + int(random.integers(2, 6))] = 40.0
    return film([_soften(room, 0.6)] * COUNT, seed)


def lens_cap(seed: int) -> Frames:
    """A cap: nearly no light, the sensor at full gain, a slight glow of one corner."""
    random = _random(seed, 11)
    glow = random.uniform(0, 3) * np.exp(-np.hypot(_ROWS, _COLUMNS) / 120)
    return film([random.uniform(0, 14) + glow] * COUNT, seed, gain=random.uniform(0.5, 2.5))


def shutter(seed: int) -> Frames:
    """An electronic privacy shutter: plain black, not one level of noise."""
    return np.full((COUNT, HEIGHT, WIDTH), _random(seed, 12).integers(0, 17), np.uint8)


def finger(seed: int) -> Frames:
    """A finger or a sticker: light comes through unevenly, no edge does."""
    random = _random(seed, 13)
    row, column = random.uniform(0, HEIGHT), random.uniform(0, WIDTH)
    distance = np.hypot(_ROWS - row, _COLUMNS - column)
    plane = random.uniform(40, 130) + random.uniform(10, 60) * np.exp(
        -distance / random.uniform(120, 260)
    )
    plane += _soften(_texture(random, 1.5), 18) * random.uniform(0, 3)
    return film([plane] * COUNT, seed, gain=random.uniform(0.8, 1.8))


def frozen(seed: int) -> Frames:
    """A lively room that stops within the first third of the window."""
    frames = people_walking(seed).copy()
    stop = int(_random(seed, 14).integers(1, COUNT // 3))
    frames[stop:] = frames[stop]
    return frames


def repeating(seed: int, times: int = 4) -> Frames:
    """A camera whose sensor is too slow for the rate at which it sends: each picture again."""
    return np.repeat(conference(seed)[: 60 // times + 1], times, axis=0)[:60]


def lights_off(seed: int) -> Frames:
    """Night: mean luma 8 to 24, a lit screen or an exit sign still to be seen."""
    random = _random(seed, 15)
    plane = scene(seed, 2)
    plane = plane * (random.uniform(6, 18) / plane.mean())
    plane[30:38, 250:270] += random.uniform(30, 120)
    return film([_soften(plane, 0.6)] * COUNT, seed, gain=1.5)


def burnt_out(seed: int) -> Frames:
    """Exposure far too long: 45 to 85 % of the picture is white."""
    random = _random(seed, 16)
    plane = scene(seed, 3)
    share = random.uniform(0.45, 0.85)
    return film([plane * (275.0 / max(20.0, np.quantile(plane, 1 - share)))] * COUNT, seed)


def out_of_focus(seed: int) -> Frames:
    """Focus on infinity or on the lens' own dirt: blur of 5 to 12 pixels."""
    random = _random(seed, 17)
    return film([_soften(scene(seed, 5), random.uniform(5, 12))] * COUNT, seed)


def blue_screen(seed: int) -> tuple[Frames, tuple[float, float, float]]:
    """A capture device without input shows plain blue; analogue ones with a little noise."""
    random = _random(seed, 18)
    noise = random.normal(0, random.choice([0.0, 0.6]), (COUNT, HEIGHT, WIDTH))
    frames = np.clip(np.rint(random.integers(16, 45) + noise), 0, 255).astype(np.uint8)
    return frames, (random.uniform(0, 20), random.uniform(0, 40), random.uniform(160, 255))


def plain_colour(seed: int) -> Frames:
    """A dead source: one plain grey without any noise."""
    return np.full((COUNT, HEIGHT, WIDTH), _random(seed, 19).integers(40, 200), np.uint8)


CLEAN = (
    conference, empty_room, plain_wall, dusk, people_walking, lights_switched, backlit, slide_show,
)  # fmt: skip
