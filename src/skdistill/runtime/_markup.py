"""Write HTML and SVG from Python values, and escape everything that is not markup."""

from html import escape
from typing import Any


class Markup(str):
    """A string of HTML or SVG, which is not escaped again."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return the string itself, so that Jinja2 does not escape it."""
        return self


def element(name: str, *children: Any, **attributes: Any) -> Markup:
    """Return an element as markup.

    Children that are not markup are escaped. In the names of attributes, underscores become
    hyphens, and trailing underscores are dropped (``class_``).

    Examples
    --------
    >>> from skdistill.runtime._markup import element
    >>> element("td", "a < b", class_="text", data_n=3)
    '<td class="text" data-n="3">a &lt; b</td>'
    """
    opening = name
    for key, value in attributes.items():
        opening += f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
    return Markup(f"<{opening}>{join(*children)}</{name}>")


def join(*children: Any) -> Markup:
    """Concatenate children and escape those that are not markup."""
    return Markup(
        "".join(child if isinstance(child, Markup) else escape(str(child)) for child in children)
    )
