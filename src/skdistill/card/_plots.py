"""Draw a model card's plots as SVG in the colour of the surrounding text."""

from collections.abc import Sequence
from math import ceil, floor, log10
from unicodedata import east_asian_width

import numpy as np

from skdistill.runtime._markup import Markup, element

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 320, 260, 54, 36, 14, 16
_MAX_OPACITY = 0.35


def plot_reliability(confidence: np.ndarray, share: np.ndarray, counts: np.ndarray) -> Markup:
    """Draw accuracy against confidence.

    `confidence` and `share` are the mean probability and the share of correct predictions in each
    non-empty bin. `counts` are the predictions in each bin, shown as the area of a point.
    """
    points = [
        element(
            "circle",
            element("title", f"confidence {x:.0%}, accuracy {y:.0%}, {count:,} predictions"),
            cx=f"{_x(x):.1f}",
            cy=f"{_y(y):.1f}",
            r=f"{2.5 + 7 * np.sqrt(count / counts.sum()):.1f}",
            fill="currentColor",
            fill_opacity=0.55,
            stroke="currentColor",
        )
        for x, y, count in zip(confidence, share, counts, strict=True)
    ]
    diagonal = _line(_x(0), _y(0), _x(1), _y(1), stroke_dasharray="4 4", opacity=0.6)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    labels = [f"{tick:.0%}" for tick in ticks]
    return _frame(
        "Reliability: "
        + "; ".join(
            f"confidence {x:.0%}, accuracy {y:.0%}" for x, y in zip(confidence, share, strict=True)
        ),
        [*zip(ticks, labels, strict=True)],
        [*zip(ticks, labels, strict=True)],
        "confidence",
        "accuracy",
        diagonal,
        *points,
    )


def plot_training(losses: Sequence[float], n_gold_epochs: int = 0) -> Markup:
    """Draw the training loss of each epoch.

    The last `n_gold_epochs` epochs are on gold labels. Their loss is a different one, so it gets a
    separate line.
    """
    ticks = _round_ticks(max(losses))
    top = ticks[-1]
    n = len(losses)
    x = [_x((epoch + 0.5) / n) for epoch in range(n)]
    y = [_y(loss / top) for loss in losses]
    corners = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]
    n_soft = n - n_gold_epochs
    curves = [
        element(
            "polyline", points=" ".join(part), fill="none", stroke="currentColor", stroke_width=2
        )
        for part in (corners[:n_soft], corners[n_soft:])
        if part
    ]
    dots = [
        element(
            "circle",
            element("title", f"epoch {epoch}: {loss:.3g}"),
            cx=f"{a:.1f}",
            cy=f"{b:.1f}",
            r=3,
            fill="currentColor",
        )
        for epoch, (a, b, loss) in enumerate(zip(x, y, losses, strict=True), start=1)
    ]
    step = -(-n // 8)
    return _frame(
        f"Training loss, from {losses[0]:.3g} in the first to {losses[n_soft - 1]:.3g} in the last "
        f"of {n_soft} epochs" + (f", then {n_gold_epochs} on gold labels" if n_gold_epochs else ""),
        [((epoch + 0.5) / n, str(epoch + 1)) for epoch in range(0, n, step)],
        [(tick / top, f"{tick:g}") for tick in ticks],
        "epoch",
        "loss",
        *curves,
        *dots,
    )


def plot_confusion(matrix: np.ndarray, classes: Sequence[str]) -> Markup:
    """Draw a confusion matrix with true classes in rows and predicted classes in columns.

    The shade of a cell is its share of the row.
    """
    n = len(classes)
    short = [name if len(name) <= 11 else name[:10] + "…" for name in classes]
    margin = 14 + max(map(_width_of, short))
    side = max(24, min(48, 320 // n))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    cells = []
    for row in range(n):
        y = margin + row * side
        cells.append(_text(margin - 6, y + side / 2 + 4, short[row], "end"))
        x = margin + row * side + side / 2 + 4
        turn = f"rotate(-90 {x} {margin - 6})"
        cells.append(_text(x, margin - 6, short[row], "start", transform=turn))
        for column in range(n):
            x = margin + column * side
            count = int(matrix[row, column])
            cells.append(
                element(
                    "rect",
                    element("title", f"{classes[row]} predicted as {classes[column]}: {count:,}"),
                    x=x,
                    y=y,
                    width=side,
                    height=side,
                    fill="currentColor",
                    fill_opacity=f"{_MAX_OPACITY * shares[row, column]:.3f}",
                    stroke="currentColor",
                    stroke_opacity=0.2,
                )
            )
            cells.append(_text(x + side / 2, y + side / 2 + 4, f"{count:,}", "middle"))
    size = margin + n * side + 2
    axis = _text(margin + n * side / 2, size + 14, "predicted class", "middle")
    right = np.trace(matrix)
    return _svg(
        size,
        size + 20,
        f"Confusion matrix: {right:,} of {matrix.sum():,} texts classified correctly",
        *cells,
        axis,
    )


def _round_ticks(top: float) -> list[float]:
    """Return two to six round numbers, from 0 to the first that is at least `top`."""
    if top <= 0:
        return [0.0, 1.0]
    power = 10 ** floor(log10(top))
    step = next(step for step in (0.2, 0.5, 1, 2) if step * power * 5 >= top) * power
    return [float(f"{number * step:.6g}") for number in range(ceil(top / step) + 1)]


def _frame(
    label: str,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    x_name: str,
    y_name: str,
    *marks: Markup,
) -> Markup:
    grid = []
    for place, name in x_ticks:
        grid.append(_text(_x(place), _HEIGHT - _BOTTOM + 15, name, "middle"))
    for place, name in y_ticks:
        grid.append(_line(_x(0), _y(place), _x(1), _y(place), stroke_opacity=0.15))
        grid.append(_text(_LEFT - 6, _y(place) + 4, name, "end"))
    middle = (_y(0) + _y(1)) / 2
    names = [
        _text(_x(0.5), _HEIGHT - 4, x_name, "middle"),
        _text(12, middle, y_name, "middle", transform=f"rotate(-90 12 {middle})"),
    ]
    return _svg(_WIDTH, _HEIGHT, label, *grid, *names, *marks)


def _svg(width: float, height: float, label: str, *children: Markup) -> Markup:
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        fill="currentColor",
    )


def _text(x: float, y: float, text: str, anchor: str, **attributes: str) -> Markup:
    return element("text", text, x=f"{x:g}", y=f"{y:g}", text_anchor=anchor, **attributes)


def _width_of(text: str) -> int:
    """Estimate the width of a text, too wide rather than too narrow."""
    return sum(
        11 if east_asian_width(character) in "WF" else 8 if character.isupper() else 6
        for character in text
    )


def _line(x1: float, y1: float, x2: float, y2: float, **attributes: object) -> Markup:
    return element(
        "line",
        x1=f"{x1:g}",
        y1=f"{y1:g}",
        x2=f"{x2:g}",
        y2=f"{y2:g}",
        stroke="currentColor",
        **attributes,
    )


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)
