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
