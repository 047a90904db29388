"""Label the points of an axes, with positions computed at each drawing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform

from skdistill.displays._label_placement import nearest_in_box, place_labels
from skdistill.displays._style import with_style

_PADDING = 3.0


class PointLabels(Artist):
    """Places names before they are drawn.

    The positions of names depend on the figure's layout, the window and the resolution, which are
    known only when the figure is drawn. This artist draws nothing itself, but it is the first of
    its axes to be drawn and then computes the positions.

    The names, `texts`, keep `clearance` typographic points away from all points, which are in data
    coordinates. They also avoid the line `avoid`, which has only horizontal and vertical segments.
    `leaders` are the lines from the points to the names; short ones are invisible.
    """

    def __init__(
        self,
        ax: Axes,
        x: np.ndarray,
        y: np.ndarray,
        names: Sequence[str],
        *,
        clearance: float,
        avoid: Line2D,
        **text_kw: Any,
    ):
        super().__init__()
        self.set_zorder(-1)
        self.set_in_layout(False)
        self.ax = ax
        self.clearance = clearance
        self.avoid = avoid
        self.xy = np.column_stack([x, y])
        halo = [withStroke(linewidth=2.5, foreground=ax.get_facecolor())]
        style = with_style({"fontsize": 8.5, "path_effects": halo, "zorder": 6}, text_kw)
        pixels = IdentityTransform()
        self.texts = [
            ax.text(0, 0, name, ha="left", va="bottom", transform=pixels, **style) for name in names
        ]
        self.leaders = [
            Line2D([], [], color="#888888", linewidth=0.7, transform=pixels, zorder=2)
            for _ in names
        ]
        for leader in self.leaders:
            ax.add_artist(leader)
        for artist in (*self.texts, *self.leaders):
            artist.set_in_layout(False)
        ax.add_artist(self)

    def draw(self, renderer: Any) -> None:
        """Place names and leaders."""
        boxes = [Text.get_window_extent(text, renderer) for text in self.texts]
        padding = renderer.points_to_pixels(_PADDING)
        sizes = np.array([[box.width + padding, box.height + padding] for box in boxes])
        clearance = renderer.points_to_pixels(self.clearance)
        points = self.ax.transData.transform(self.xy)
        # Offset from a text's position to its bounding box.
        offsets = [
            np.subtract((box.x0, box.y0), text.get_position())
            for box, text in zip(boxes, self.texts, strict=True)
        ]
        corners = place_labels(
            points,
            sizes,
            self.ax.bbox.extents,
            clearance=clearance,
            obstacles=_boxes_along(self.avoid, renderer.points_to_pixels(1.0)),
        )
        for point, corner, size, offset, text, leader in zip(
            points, corners, sizes, offsets, self.texts, self.leaders, strict=True
        ):
            text.set_position(corner + padding / 2 - offset)
            end = nearest_in_box(point, np.concatenate([corner, corner + size]))
            leader.set_data(*np.stack([point, end]).T)
            leader.set_visible(np.hypot(*(end - point)) > 1.6 * clearance)
        self.stale = False


def _boxes_along(line: Line2D, margin: float) -> np.ndarray:
    """Return a box around each segment of a line, in pixels."""
    ends = line.get_transform().transform(line.get_xydata())
    starts, ends = ends[:-1], ends[1:]
    return np.column_stack([np.minimum(starts, ends) - margin, np.maximum(starts, ends) + margin])
