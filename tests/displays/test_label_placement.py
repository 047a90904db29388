import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdistill.displays._label_placement import nearest_in_box, place_labels

ROOM = (0.0, 0.0, 600.0, 400.0)
NOTHING = np.empty((0, 4))


def boxes_of(corners, sizes):
    return np.column_stack([corners, corners + sizes])


def n_overlaps(boxes):
    return sum(
        min(a[2], b[2]) - max(a[0], b[0]) > 1e-9 and min(a[3], b[3]) - max(a[1], b[1]) > 1e-9
        for row, a in enumerate(boxes)
        for b in boxes[:row]
    )


coordinate = st.tuples(st.floats(0, 600), st.floats(0, 400))
name = st.tuples(st.floats(10, 220), st.just(14.0))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(coordinate, name), min_size=1, max_size=12))
def test_names_overlap_neither_each_other_nor_points(cases):
    points, sizes = np.array([p for p, _ in cases]), np.array([s for _, s in cases])
    corners = place_labels(points, sizes, ROOM, clearance=6, obstacles=NOTHING)
    boxes = boxes_of(corners, sizes)
    assert n_overlaps(boxes) == 0
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= ROOM[2:]).all()
    for box in boxes:
        apart = np.abs(nearest_in_box(points[:, None], box[None, None])[:, 0] - points).max(axis=1)
        assert (apart >= 6 - 1e-9).all()


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 12), coordinate)
def test_names_of_equal_points_stand_apart(n_names, point):
    sizes = np.full((n_names, 2), (180.0, 14.0))
    corners = place_labels(
        np.tile(point, (n_names, 1)), sizes, ROOM, clearance=6, obstacles=NOTHING
    )
    assert n_overlaps(boxes_of(corners, sizes)) == 0


def test_names_keep_off_obstacles():
    point, sizes = np.array([[300.0, 200.0]]), np.array([[100.0, 14.0]])
    line = np.array([[0.0, 199.0, 600.0, 201.0]])
    free = place_labels(point, sizes, ROOM, clearance=6, obstacles=NOTHING)[0]
    assert free[1] == pytest.approx(193)  # beside its point
    y = place_labels(point, sizes, ROOM, clearance=6, obstacles=line)[0, 1]
    assert y >= 201 or y + 14 <= 199


def test_a_name_stands_beside_its_point_where_it_can():
    point, sizes = np.array([[300.0, 200.0]]), np.array([[100.0, 14.0]])
    assert place_labels(point, sizes, ROOM, clearance=6, obstacles=NOTHING).tolist() == [[306, 193]]


def test_leaders_do_not_cross_names():
    # Two points, one over the other: the upper name must not stand between the lower one and its
    # name, nor the other way round.
    points = np.array([[5.0, 200.0], [5.0, 206.0], [5.0, 212.0]])
    sizes = np.full((3, 2), (150.0, 14.0))
    corners = place_labels(points, sizes, ROOM, clearance=6, obstacles=NOTHING)
    boxes = boxes_of(corners, sizes)
    for row, point in enumerate(points):
        end = nearest_in_box(point, boxes[row])
        along = point + np.linspace(0, 1, 50)[:, None] * (end - point)
        for other in np.delete(boxes, row, axis=0):
            assert not ((along > other[:2]) & (along < other[2:])).all(axis=1).any()


def test_too_small_a_room_is_no_error():
    points, sizes = np.zeros((3, 2)), np.full((3, 2), (50.0, 14.0))
    corners = place_labels(points, sizes, (0, 0, 40, 20), clearance=6, obstacles=NOTHING)
    assert np.isfinite(corners).all()
