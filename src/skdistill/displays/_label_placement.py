"""Place the names of points so that they do not overlap."""

import numpy as np

# Cost of a leader that crosses a name, a point or another leader, in heights of a name.
_CROSSING = 10.0
# Number of grid positions tried in each direction.
_N_PLACES = (90, 60)
# Crossings are counted for this many nearest positions, and for every nth of the others.
_N_NEAREST, _STRIDE = 300, 12
# Positions along a leader, from its point to its name, that are tested for crossings.
_ALONG = np.linspace(0.15, 0.95, 9)


def place_labels(
    points: np.ndarray,
    sizes: np.ndarray,
    room: tuple[float, float, float, float],
    *,
    clearance: float,
    obstacles: np.ndarray,
) -> np.ndarray:
    """Return the lower left corner of each name, close to its point and clear of everything else.

    Names of crowded points are placed first. Each name gets a free position near its point whose
    leader, the line to the point, crosses as little as possible. If the room is too small, some
    names overlap.

    All values are in pixels. `points` and `sizes` (width and height of each name) have shape
    (n_points, 2); `room` is (left, bottom, right, top). `obstacles`, of shape (n_obstacles, 4), are
    boxes that names avoid but leaders may cross.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.displays._label_placement import place_labels
    >>> points = np.array([[50.0, 50.0], [50.0, 50.0]])
    >>> sizes = np.array([[40.0, 10.0], [40.0, 10.0]])
    >>> room, nothing = (0, 0, 100, 100), np.empty((0, 4))
    >>> first, second = place_labels(points, sizes, room, clearance=5, obstacles=nothing)
    >>> first.tolist(), second.tolist()  # right and left of the point
    ([55.0, 45.0], [5.0, 45.0])
    """
    markers = np.column_stack([points - clearance, points + clearance])
    placed = np.empty((0, 4))
    corners = np.zeros_like(points, dtype=float)
    leaders: list[np.ndarray] = []
    for row in _most_crowded_first(points, sizes):
        blocks = np.concatenate([markers, placed])
        starts = _candidates(points[row], sizes[row], room, clearance)
        boxes = np.column_stack([starts, starts + sizes[row]])
        ends = nearest_in_box(points[row], boxes)
        cost = np.hypot(*(ends - points[row]).T)
        # A single overlap costs more than any free position.
        cost += 1e6 * _overlaps(boxes, np.concatenate([blocks, obstacles])).sum(axis=1)
        order = np.argsort(cost, kind="stable")
        near = np.concatenate([order[:_N_NEAREST], order[_N_NEAREST::_STRIDE]])
        # A leader cannot avoid crossing the boxes that contain its point.
        others = blocks[~_inside(points[row], blocks)]
        crossings = _crossings(points[row], ends[near], boxes[near], others, leaders)
        best = near[(cost[near] + _CROSSING * sizes[row, 1] * crossings).argmin()]
        corners[row] = starts[best]
        placed = np.concatenate([placed, boxes[[best]]])
        leaders.append(np.stack([points[row], ends[best]]))
    return corners


def nearest_in_box(point: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the position in each box, ``(left, bottom, right, top)``, nearest to a point."""
    return np.clip(point, boxes[..., :2], boxes[..., 2:])


def _most_crowded_first(points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    apart = np.abs(points[:, None] - points[None]) / sizes.mean(axis=0)
    return np.argsort(-np.exp(-apart.max(axis=2)).sum(axis=1), kind="stable")


def _candidates(
    point: np.ndarray, size: np.ndarray, room: tuple[float, float, float, float], clearance: float
) -> np.ndarray:
    """Return the positions next to the point, and a grid over the whole room."""
    low, high = np.array(room[:2], float), np.array(room[2:], float)
    high = np.maximum(high - size, low)
    axes = [np.linspace(low[axis], high[axis], _N_PLACES[axis]) for axis in (0, 1)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    shifts = [
        (clearance, -size[1] / 2),
        (-clearance - size[0], -size[1] / 2),
        (-size[0] / 2, clearance),
        (-size[0] / 2, -clearance - size[1]),
    ]
    beside = point + np.array(shifts)
    inside = ((beside >= low) & (beside <= high)).all(axis=1)
    return np.concatenate([beside[inside], grid])


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    boxes, others = boxes[:, None], others[None]
    return (
        (boxes[..., 0] < others[..., 2])
        & (others[..., 0] < boxes[..., 2])
        & (boxes[..., 1] < others[..., 3])
        & (others[..., 1] < boxes[..., 3])
    )


def _crossings(
    point: np.ndarray,
    ends: np.ndarray,
    boxes: np.ndarray,
    others: np.ndarray,
    leaders: list[np.ndarray],
) -> np.ndarray:
    """Count what each leader crosses, and the earlier leaders that each box covers."""
    along = point + _ALONG[:, None, None] * (ends - point)
    count = _inside(along[:, :, None], others).any(axis=0).sum(axis=1)
    for start, end in leaders:
        count += _cross(point, ends, start, end)
        count += _inside(start + _ALONG[:, None, None] * (end - start), boxes).any(axis=0)
    return count


def _inside(places: np.ndarray, box: np.ndarray) -> np.ndarray:
    return np.all((places > box[..., :2]) & (places < box[..., 2:]), axis=-1)


def _cross(point: np.ndarray, ends: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return which of the lines from a point cross the line from start to end."""

    def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        ab, ac = b - a, c - a
        return ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]

    return (side(point, ends, start) * side(point, ends, end) < 0) & (
        side(start, end, point) * side(start, end, ends) < 0
    )
