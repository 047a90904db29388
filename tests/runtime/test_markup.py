from skdistill.runtime._markup import Markup, element, join


def test_text_is_escaped_and_markup_is_not():
    inner = element("b", "1 < 2 & 'x'")
    assert inner == "<b>1 &lt; 2 &amp; &#x27;x&#x27;</b>"
    assert element("p", inner, 3) == f"<p>{inner}3</p>"
    assert join("<", Markup("<br>")) == "&lt;<br>"


def test_attributes_are_escaped_and_named():
    written = element("i", title='">', data_n=0, for_="x")
    assert written == '<i title="&quot;&gt;" data-n="0" for="x"></i>'
