"""HTML and SVG out of Python values: whatever is not markup already is escaped."""

from html import escape
from typing import Any


class Markup(str):
    """Text that is HTML or SVG already, and is not escaped again."""

    __slots__ = ()


def element(name: str, *children: Any, **attributes: Any) -> Markup:
    """Write an element.

    Parameters
    ----------
    name : str
        The tag.
    *children
        Markup is taken as it is, None is left out, and anything else is escaped as text.
    **attributes
        Underscores stand for hyphens, and one at the end for nothing (``class_``). None and False
        leave an attribute out, True gives it no value.

    Returns
    -------
    Markup

    Examples
    --------
    >>> from skdistill._core.markup import element
    >>> element("td", "a < b", class_="text", hidden=True, title=None)
    '<td class="text" hidden>a &lt; b</td>'
    """
    opening = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        opening += " " + key.rstrip("_").replace("_", "-")
        if value is not True:
            opening += f'="{escape(str(value))}"'
    return Markup(f"<{opening}>{join(*children)}</{name}>")


def join(*children: Any) -> Markup:
    """Put children side by side, escaping those that are no markup."""
    return Markup("".join(map(_escaped, children)))


def _escaped(child: Any) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else escape(str(child))
