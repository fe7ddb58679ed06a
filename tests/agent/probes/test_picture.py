"""The picture classifier against synthetic rooms."""

from collections.abc import Callable

import numpy as np
import pytest

from diemcau_agent.signal import picture
from diemcau_agent.signal.limits import PictureLimits
from tests.agent.probes import rooms, scenes

SEEDS = (1, 20, 303, 4004, 50005)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "scene", [scenes.busy_room, scenes.plain_wall, scenes.dusk, scenes.moving_people]
)
def test_clean_rooms_raise_no_alarm(scene: Callable[[int], scenes.Frames], seed: int) -> None:
    """A working camera has no cause, whatever the room."""
    assert picture.classify(picture.measure(scene(seed))) == ()


@pytest.mark.parametrize("seed", [403, 591, 758, 1131, 1254, 1318, 910235])
def test_a_wall_with_a_corner_of_a_frame_is_not_covered(seed: int) -> None:
    """Its edges take less than half a hundredth of the picture."""
    assert picture.classify(picture.measure(scenes.plain_wall(seed))) == ()


@pytest.mark.parametrize(("dark", "bright", "step"), [(80, 160, 12), (60, 180, 25)])
def test_a_wall_that_is_lit_from_one_side_is_not_blurred(dark: int, bright: int, step: int) -> None:
    """The light's own course is no detail that a sharp picture would have to follow."""
    wall = np.tile(np.linspace(dark, bright, rooms.WIDTH), (rooms.HEIGHT, 1))
    wall[40:90, 60:130] -= step

    assert picture.classify(picture.measure(rooms.film([wall] * 30, 5))) == ()


def test_a_finger_through_which_light_falls_unevenly_is_covered() -> None:
    """As uneven as any of 800: no edge is among it."""
    assert picture.classify(picture.measure(rooms.finger(310080))) == ("covered",)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("scene", "cause"),
    [
        (scenes.lens_cap, "black"),
        (scenes.hand_on_lens, "covered"),
        (scenes.grey_sticker, "covered"),
        (scenes.idle_source, "no_signal"),
        (scenes.frozen, "frozen"),
        (scenes.too_dark, "dark"),
        (scenes.too_bright, "overexposed"),
        (scenes.out_of_focus, "blurred"),
    ],
)
def test_each_fault_has_its_own_cause(
    scene: Callable[[int], scenes.Frames], cause: str, seed: int
) -> None:
    """Every fault is named, and nothing else with it."""
    assert picture.classify(picture.measure(scene(seed))) == (cause,)


def test_plain_white_is_overexposed() -> None:
    """A sensor driven to its end has no noise left, yet it is not a missing signal."""
    white = np.full((12, 180, 320), 255, np.uint8)
    assert picture.classify(picture.measure(white)) == ("overexposed",)


@pytest.mark.parametrize(
    ("level", "rgb", "cause"),
    [
        (29, (0.0, 0.0, 254.0), "no_signal"),
        (18, (0.0, 0.0, 255.0), "no_signal"),
        (60, (180.0, 20.0, 10.0), "covered"),
        (0, (0.0, 0.0, 0.0), "black"),
    ],
)
def test_colour_tells_an_idle_screen_from_a_finger(
    level: int, rgb: picture.Rgb, cause: str
) -> None:
    """Blue is a source without signal even with noise; red is skin, black is a cap."""
    noise = np.random.default_rng(3).integers(0, 3, (12, 180, 320))
    frames = (level + noise).astype(np.uint8)
    assert picture.classify(picture.measure(frames, rgb)) == (cause,)


def test_one_frame_is_never_called_frozen() -> None:
    """Without a second frame nothing is known of motion."""
    assert picture.classify(picture.measure(scenes.busy_room(9)[:1])) == ()


def test_two_faults_are_both_told() -> None:
    """A frozen picture of a dark room has both causes."""
    frames = scenes.too_dark(4).copy()
    frames[1:] = frames[0]
    assert picture.classify(picture.measure(frames)) == ("frozen", "dark")


def test_limits_of_a_profile_are_used() -> None:
    """A stricter limit turns a clean room into a finding."""
    strict = PictureLimits(blur=0.05)
    measures = picture.measure(scenes.busy_room(2), limits=strict)
    assert picture.classify(measures, strict) == ("blurred",)


@pytest.mark.parametrize("shape", [(0, 180, 320), (180, 320)])
def test_frames_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    """No frame at all is an error of the caller, not a picture."""
    with pytest.raises(ValueError, match="shape"):
        picture.measure(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("seed", [167, 910059])
def test_edges_of_jpegs_blocks_are_no_sharp_detail(seed: int) -> None:
    """Of a room far out of focus they are what is left of detail."""
    assert picture.classify(picture.measure(rooms.out_of_focus(seed))) == ("blurred",)


@pytest.mark.parametrize("seed", SEEDS)
def test_fine_detail_that_moves_is_no_empty_picture(seed: int) -> None:
    """One frame of it looks like noise, but of more than any sensor has."""
    blinds = np.random.default_rng(seed).integers(20, 235, (180, 320)).astype(np.uint8)
    moved = np.stack([np.roll(blinds, 3 * step, axis=0) for step in range(30)])

    assert picture.classify(picture.measure(moved)) == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_camera_that_is_moved_is_not_out_of_focus(seed: int) -> None:
    """Whatever the motion does to the mean of some frames, each of them is sharp."""
    room = scenes.busy_room(seed)
    zoomed = [
        frame[step * 2 : 180 - step * 2, step * 3 : 320 - step * 3]
        .repeat(2, axis=0)
        .repeat(2, axis=1)[:180, :320]
        for step, frame in enumerate(room[:22])
    ]
    turned = [
        np.roll(np.roll(frame, 9 * step, axis=1), 6 * step, axis=0)
        for step, frame in enumerate(room)
    ]

    for frames in (
        np.stack([frame for frame in zoomed if frame.shape == (180, 320)]),
        np.stack(turned),
    ):
        assert picture.classify(picture.measure(frames)) == ()
