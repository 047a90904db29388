"""Figures in columns, for a terminal."""

from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]], *, rule: bool = False) -> str:
    """Set rows in columns: the first to the left, the others to the right.

    Parameters
    ----------
    rows : sequence of sequence of str
        All of the same length.
    rule : bool, default=False
        Whether to underline the first row.

    Returns
    -------
    str

    Examples
    --------
    >>> from skdistill._text_tables import align
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
