"""Format numbers and tables for a terminal."""

from collections.abc import Sequence

# Characters that would end a line or a column, for some program; see Python's `str.splitlines`.
_ENDS = "\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_ESCAPES = str.maketrans(
    {"\\": "\\\\"} | {end: end.encode("unicode_escape").decode() for end in _ENDS}
)


def format_bytes(count: float) -> str:
    """Format a size in bytes with about three digits, in decimal units.

    Examples
    --------
    >>> from skdistill._core.format import format_bytes
    >>> format_bytes(330_412), format_bytes(90_870_598)
    ('330 kB', '90.9 MB')
    """
    count, unit = _scale(count, ["B", "kB", "MB", "GB"])
    digits = 0 if unit == "B" or count >= 99.95 else 1
    return f"{count:.{digits}f} {unit}"


def format_count(count: float) -> str:
    """Format a number of parameters with about three digits.

    Examples
    --------
    >>> from skdistill._core.format import format_count
    >>> format_count(80_000), format_count(22_700_000), format_count(1e9)
    ('80k', '22.7M', '1B')
    """
    count, unit = _scale(count, ["", "k", "M", "B"])
    return f"{count:.3g}{unit}"


def one_line(text: str) -> str:
    r"""Return a text on one line, without tabs; a backslash begins an escape, as in Python.

    Examples
    --------
    >>> from skdistill._core.format import one_line
    >>> print(one_line("two\nlines"))
    two\nlines
    """
    return text.translate(_ESCAPES)


def _scale(count: float, units: Sequence[str]) -> tuple[float, str]:
    """Scale a number to at most three digits before the point, and return it with its unit."""
    for unit in units[:-1]:
        if count < 999.5:
            return count, unit
        count /= 1000
    return count, units[-1]


def align(rows: Sequence[Sequence[str]], *, rule: bool = False) -> str:
    """Align rows in columns: the first column to the left, the others to the right.

    Parameters
    ----------
    rows : sequence of sequence of str
        Rows of equal length.
    rule : bool, default=False
        Whether to underline the first row.

    Returns
    -------
    str

    Examples
    --------
    >>> from skdistill._core.format import align
    >>> print(align([["class", "texts"], ["joy", "695"], ["surprise", "66"]]))
    class     texts
    joy         695
    surprise     66
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if rule:
        rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    lines = []
    for first, *cells in rows:
        aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *aligned]).rstrip())
    return "\n".join(lines)
