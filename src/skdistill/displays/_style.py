"""Style of the figures; matplotlib is imported when the first one is drawn."""

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.utils._plotting import _validate_style_kwargs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# Colours that colour-blind readers can distinguish (Okabe and Ito). Markers and line patterns
# distinguish the same elements in greyscale.
KINDS = {
    "baseline": ("#555555", "s"),
    "hard labels": ("#E69F00", "o"),
    "teacher": ("#0072B2", "*"),
    "distilled": ("#009E73", "D"),
}


class LineStyle(NamedTuple):
    """The style that distinguishes a curve from the others."""

    color: str
    marker: str
    linestyle: Any


LINE_STYLES = [
    LineStyle("#0072B2", "o", "-"),
    LineStyle("#D55E00", "s", "--"),
    LineStyle("#009E73", "D", "-."),
    LineStyle("#000000", "^", ":"),
    LineStyle("#CC79A7", "v", (0, (6, 1.5))),
    LineStyle("#E69F00", "P", (0, (3, 1, 1, 1))),
    LineStyle("#56B4E9", "X", (0, (1, 3))),
]
# Style of reference lines, such as a diagonal.
REFERENCE_LINE: dict[str, Any] = {"color": "#888888", "linewidth": 1, "linestyle": (0, (1, 1))}
# Group id that distinguishes curves from other lines, such as error bars.
_CURVE = "skdistill-curve"

# Approximate width in inches of a letter in a legend, and of the handle before a name.
_LETTER, _HANDLE = 0.075, 0.5


def require_matplotlib(what: str, otherwise: str = "") -> None:
    """Raise an ImportError that says how to install matplotlib, unless it is installed.

    The message starts with `what` needs matplotlib and ends with the alternative, `otherwise`.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{what} needs matplotlib, which is not installed: run "
            f"'pip install skdistill[plot]'{otherwise}."
        ) from error


def with_style(defaults: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """Return the defaults, overridden by the user's keyword arguments under any alias."""
    style: dict[str, Any] = _validate_style_kwargs(defaults, given or {})
    return style


def next_curve(ax: "Axes", name: str | None, kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """Return keyword arguments that distinguish a new curve from those on the axes.

    Mark the drawn line with :func:`mark_curve`.
    """
    n_curves = sum(line.get_gid() == _CURVE for line in ax.get_lines())
    style = LINE_STYLES[n_curves % len(LINE_STYLES)]._asdict()
    return with_style({**style, "markersize": 5, "label": name}, kwargs)


def mark_curve(line: "Line2D") -> "Line2D":
    """Mark a line as a curve, so that the next curve gets another style, and return it."""
    line.set_gid(_CURVE)
    return line


def draw_curve(
    ax: "Axes", x: Any, y: Any, name: str | None, kwargs: dict[str, Any] | None
) -> "Line2D":
    """Draw a curve in a style of its own and return it."""
    (line,) = ax.plot(x, y, **next_curve(ax, name, kwargs))
    return mark_curve(line)


def soften(ax: "Axes") -> None:
    """Remove the top and right spines, and draw a light grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(color="#DDDDDD", linewidth=0.6)


def wrapped(name: str, most: int) -> str:
    """Return a name wrapped to at most `most` letters per line."""
    return fill(name, max(1, most)) if len(name) > most else name


def legend_below(ax: "Axes", handles: Sequence[Any] | None = None, *, n_columns: int = 4) -> None:
    """Draw the legend below the x-axis label, where it covers no data.

    Long names reduce the number of columns; names wider than the axes are wrapped. Without named
    curves, no legend is drawn.
    """
    from matplotlib.transforms import ScaledTranslation

    if handles is None:
        handles = ax.get_legend_handles_labels()[0]
    if not handles:
        return
    below = ax.transAxes + ScaledTranslation(0, -36 / 72, ax.figure.dpi_scale_trans)
    inches = ax.get_window_extent().width / ax.figure.dpi
    most = int((inches - _HANDLE) / _LETTER)
    names = [wrapped(str(handle.get_label()), most) for handle in handles]
    longest = max(len(line) for name in names for line in name.split("\n"))
    fitting = int(inches / (_HANDLE + _LETTER * longest))
    ax.legend(
        handles,
        names,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=below,
        ncols=max(1, min(n_columns, len(handles), fitting)),
        frameon=False,
        borderaxespad=0,
        fontsize=9,
    )


def set_log_axis(ax: "Axes", limits: tuple[float, float], show: Callable[[float], str]) -> None:
    """Make the x-axis logarithmic, with a few tick labels formatted by `show`."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    decades = np.log10(limits[1] / limits[0])
    subs = (1, 2, 5) if decades < 1.6 else (1, 3) if decades < 2.6 else (1,)
    ax.set_xscale("log")
    ax.set_xlim(limits)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())


def set_percent_axis(ax: "Axes", values: np.ndarray) -> None:
    """Format the y-axis in per cent, with room for names above and below."""
    margin = max(0.01, 0.15 * float(np.ptp(values)))
    ax.set_ylim(values.min() - margin, values.max() + margin)
    write_percent(ax)


def write_percent(ax: "Axes") -> None:
    """Format the y-axis in per cent; the % sign belongs in the axis label."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.5g}"))
