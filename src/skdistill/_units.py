"""Numbers as readers want them."""


def format_bytes(count: float) -> str:
    """Write a size with three digits, in the decimal units of file managers.

    Examples
    --------
    >>> from skdistill._units import format_bytes
    >>> format_bytes(330_412), format_bytes(90_870_598)
    ('330 kB', '90.9 MB')
    """
    units = ["B", "kB", "MB", "GB"]
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        del units[0]
    digits = 0 if units[0] == "B" or count >= 99.95 else 1
    return f"{count:.{digits}f} {units[0]}"


def format_count(count: float) -> str:
    """Write a number of parameters the short way.

    Examples
    --------
    >>> from skdistill._units import format_count
    >>> format_count(80_000), format_count(22_700_000), format_count(1e9)
    ('80k', '22.7M', '1B')
    """
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g}{unit}"
    return f"{count:.3g}"
