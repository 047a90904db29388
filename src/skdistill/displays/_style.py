"""How the figures look; matplotlib loads with the first one that is drawn."""

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.utils._plotting import _validate_style_kwargs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# Colours that colour-blind readers can tell apart (Okabe and Ito). None stands alone: each comes
# with a marker, and lines with a pattern, for those who print in grey.
KINDS = {
    "baseline": ("#555555", "s"),
    "hard labels": ("#E69F00", "o"),
    "teacher": ("#0072B2", "*"),
    "distilled": ("#009E73", "D"),
}


class LineStyle(NamedTuple):
    """What tells one curve from the others."""

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
# What curves are held against, such as a diagonal.
REFERENCE_LINE: dict[str, Any] = {"color": "#888888", "linewidth": 1, "linestyle": (0, (1, 1))}
# Marks the curves of an axes, among lines that are none, such as error bars.
_CURVE = "skdistill-curve"

# Inches that a letter of a legend takes, about, and the mark before a name.
_LETTER, _HANDLE = 0.075, 0.5


def require_matplotlib(what: str, otherwise: str = "") -> None:
    """Raise an error that says how to install matplotlib, if it is not there.

    The message begins with `what` needs it, and ends with what could be done `otherwise`.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{what} needs matplotlib, which is not installed: run "
            f"'pip install skdistill[plot]'{otherwise}."
        ) from error


def with_style(defaults: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """Return keyword arguments of an artist: a user's, by whichever alias, before the defaults."""
    style: dict[str, Any] = _validate_style_kwargs(defaults, given or {})
    return style


def next_curve(ax: "Axes", name: str | None, kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """Return the keyword arguments of a curve that differs from those that are there.

    The line is to be marked by :func:`mark_curve`.
    """
    n_curves = sum(line.get_gid() == _CURVE for line in ax.get_lines())
    style = LINE_STYLES[n_curves % len(LINE_STYLES)]._asdict()
    return with_style({**style, "markersize": 5, "label": name}, kwargs)


def mark_curve(line: "Line2D") -> "Line2D":
    """Make a line count as a curve, so that the next one gets another style."""
    line.set_gid(_CURVE)
    return line


def draw_curve(
    ax: "Axes", x: Any, y: Any, name: str | None, kwargs: dict[str, Any] | None
) -> "Line2D":
    """Draw a curve that differs from those that are there."""
    (line,) = ax.plot(x, y, **next_curve(ax, name, kwargs))
    return mark_curve(line)


def soften(ax: "Axes") -> None:
    """Leave out the frame where nothing is read from it, and draw a quiet grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(color="#DDDDDD", linewidth=0.6)


def wrapped(name: str, most: int) -> str:
    """Break a name of more letters than fit into several lines."""
    return fill(name, max(1, most)) if len(name) > most else name


def legend_below(ax: "Axes", handles: Sequence[Any] | None = None, *, n_columns: int = 4) -> None:
    """Put the legend under the label of the x-axis, where no data can be.

    Long names stand in fewer columns, and longer ones than the axes are wide in several lines.
    Without any curve of a name there is no legend.
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
    """Make the x-axis logarithmic, with few numbers along it, which `show` writes."""
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
    """Show shares on the y-axis as per cent, with room above and below for names."""
    margin = max(0.01, 0.15 * float(np.ptp(values)))
    ax.set_ylim(values.min() - margin, values.max() + margin)
    write_percent(ax)


def write_percent(ax: "Axes") -> None:
    """Write shares along the y-axis as per cent; its label is to hold the sign."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.5g}"))
