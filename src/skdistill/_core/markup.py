"""HTML and SVG out of Python values: whatever is not markup already is escaped."""

from html import escape
from typing import Any


class Markup(str):
    """Text that is HTML or SVG already, and is not escaped again."""

    __slots__ = ()

    def __html__(self) -> str:
        """Tell Jinja2 the same."""
        return self


def element(name: str, *children: Any, **attributes: Any) -> Markup:
    """Write an element.

    Markup among the children is taken as it is, anything else is escaped as text. In the names of
    attributes underscores stand for hyphens, and one at the end for nothing (``class_``).

    Examples
    --------
    >>> from skdistill._core.markup import element
    >>> element("td", "a < b", class_="text", data_n=3)
    '<td class="text" data-n="3">a &lt; b</td>'
    """
    opening = name
    for key, value in attributes.items():
        opening += f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
    return Markup(f"<{opening}>{join(*children)}</{name}>")


def join(*children: Any) -> Markup:
    """Put children side by side, escaping those that are no markup."""
    return Markup(
        "".join(child if isinstance(child, Markup) else escape(str(child)) for child in children)
    )
