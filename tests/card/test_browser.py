"""A model card in a browser: it predicts what Python predicts, without a network, for everyone."""

import json
import os
import shutil
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    load_emotion,
)

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright and Chromium")

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
ODD_TEXTS = [
    "",
    " \t\n ",
    "\0",
    "a\0the oven\0",
    "THE OVEN, THE BREAD!",
    "İstanbul İ İİ the",
    "ΣΑΣ ΟΔΟΣ. ΟΔΟΣ' Σ ΑΣ\u0301Α ΑΣ\u0301 ΑΣ:Α ΑΣ.",
    "STRASSE straße ǅ Ǆ ß ẞ K Å Ω",
    "🙂🙂 👩‍👩‍👧‍👦 🇩🇪 the 👍🏽",
    "e\u0301 é ü ñ\u0303 \u0301the",
    "שלום עולם العربية ‏the‎ oven",
    "नमस्ते क्‌ष ไทย 中文字 かな ｆｕｌｌ",
    "\ud800 the \udc00 \udfff\ud800",
    "\x01\x1c\x1d\x1e\x1f\x7f\x85\xa0\u2003\u2028\u3000the\ufeffoven",
    "snake_case don't x²³ ½ ⅷ 1,000.5 @#$%^&*()",
    "𐐀𐐁 𝐀𝐁 𞤀𞤁 Ꭰ ꭰ Ა ა \U0001e9de \U0010ffff \U000e0041",
    "the oven " * 300,
    "<script>alert(1)</script> <img src=x onerror=alert(1)> &amp; bread",
]
# Of the words that a student of the topics knows, and of everything else.
PIECES = st.one_of(
    st.sampled_from(["the ", "oven ", "WIND ", "rail", "Σ", "İ", "'", ", ", "\n", "\0", "🙂"]),
    st.characters(codec="utf-8"),
)


def make_texts():
    """Make 200 texts: odd ones, ones of hypothesis and, where they are at hand, real ones."""
    made = []

    @settings(
        max_examples=100,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(PIECES, max_size=30).map("".join))
    def collect(text):
        made.append(text)

    collect()
    texts = [*ODD_TEXTS, *made]
    rng = np.random.default_rng(0)
    if os.environ.get("SKDISTILL_DATA"):
        texts += load_emotion().X_test
    known = ["the", "oven", "bread", "WIND", "sail", "rail", "Ticket", "zebra", ",", "🙂"]
    texts += [" ".join(rng.choice(known, size=rng.integers(1, 40))) for _ in range(200)]
    return texts[:200]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        names = ("chromium", "chromium-browser", "google-chrome")
        path = next(filter(None, map(shutil.which, names)), driver.chromium.executable_path)
        if not os.path.exists(path):
            pytest.skip("needs Chromium: none is on the PATH, nor has playwright one of its own")
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(browser):
    """A page without a network, and all that goes wrong in it or leaves it."""
    page, troubles, requests = browser.new_context(offline=True).new_page(), [], []
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    return SimpleNamespace(page=page, troubles=troubles, requests=requests)


@pytest.fixture
def open_page(tab):
    """Open files, one after the other; they may neither fail nor ask for anything else."""
    opened = []
    tab.troubles.clear()
    tab.requests.clear()

    def open_one(path, *, width=1280, color_scheme="light", reduced_motion="no-preference"):
        opened.append(path.as_uri())
        tab.page.set_viewport_size({"width": width, "height": 720})
        tab.page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)
        tab.page.goto(path.as_uri())
        return tab.page

    yield open_one
    assert tab.troubles == []
    assert tab.requests == opened


@pytest.fixture(scope="module")
def cards(tmp_path_factory, topics):
    """Write the pages of several students, at their first use."""
    folder, written = tmp_path_factory.mktemp("cards"), {}

    def card(name):
        if name not in written:
            kind, options, labels = STUDENTS[name]
            texts, classes = topics
            options = {"max_epochs": 3, "lr": 0.05, "random_state": 0} | options
            rows = [*texts[:150], *ODD_TEXTS * 3]
            student = kind(**options).fit(rows, labels(classes[:150]))
            student.to_html(folder / f"{name}.html", example="The oven, the wind")
            written[name] = SimpleNamespace(student=student, path=folder / f"{name}.html")
        return written[name]

    return card


def as_they_are(labels):
    return [*labels, *["cooking"] * (3 * len(ODD_TEXTS))]


def two_classes(labels):
    return [label == "trains" for label in as_they_are(labels)]


def several_labels(labels):
    labels = np.array(as_they_are(labels))
    return np.column_stack([labels == "trains", labels != "cooking", labels == "cooking"])


MLP, CNN, RNN = DistilledMLPClassifier, DistilledCNNClassifier, DistilledRNNClassifier
WIDE = {"embedding_dim": 24}  # so that the embedding is large enough to be rounded
STUDENTS = {
    "default": (MLP, WIDE, as_they_are),
    "every pooling": (MLP, {"pooling": ("max", "attention", "mean"), **WIDE}, as_they_are),
    "cased, hidden layers": (
        MLP,
        {"pooling": "mean", "lowercase": False, "hidden_layer_sizes": (40, 30), **WIDE},
        as_they_are,
    ),
    "n-grams, two classes": (MLP, {"ngram_range": (1, 2), "pooling": "max", **WIDE}, two_classes),
    "hashed": (MLP, {"ngram_range": (1, 3), "hash_buckets": 97, **WIDE}, as_they_are),
    "characters": (MLP, {"analyzer": "char", "ngram_range": (1, 3), **WIDE}, as_they_are),
    "hashed characters": (
        MLP,
        {"analyzer": "char", "ngram_range": (1, 3), "hash_buckets": 101, **WIDE},
        as_they_are,
    ),
    "several labels": (MLP, WIDE, several_labels),
    "cnn": (CNN, {"kernel_sizes": (2, 3), "pooling": ("max", "mean"), **WIDE}, as_they_are),
    "gru": (RNN, {"hidden_dim": 8, **WIDE}, as_they_are),
    "lstm": (
        RNN,
        {"cell": "lstm", "bidirectional": False, "pooling": ("mean", "max"),
         "hidden_layer_sizes": (5,), **WIDE},
        several_labels,
    ),
}  # fmt: skip

PREDICT = """texts => texts.map(units => {
  const box = document.querySelector("textarea");
  box.value = units.map(unit => String.fromCharCode(unit)).join("");
  box.dispatchEvent(new Event("input"));
  const rows = [...document.querySelectorAll("#probabilities tr")];
  rows.sort((a, b) => a.dataset.number - b.dataset.number);
  return rows.map(row => Number(row.dataset.probability));
})"""


def as_units(text):
    return np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype="<u2").tolist()


def predict_in_page(page, texts):
    return np.array(page.evaluate(PREDICT, [*map(as_units, texts)]))


@pytest.fixture(scope="module")
def texts():
    texts = make_texts()
    assert len(texts) == 200
    return texts


@pytest.mark.parametrize("name", STUDENTS)
def test_the_page_gives_pythons_probabilities(name, cards, open_page, texts):
    card = cards(name)
    if name != "default":
        texts = [*ODD_TEXTS, *texts[len(ODD_TEXTS) :: 10]]
    found = predict_in_page(open_page(card.path), texts)
    expected = card.student.compile("int8").predict_proba(texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # They are not those of the weights before rounding.
    assert np.abs(found - card.student.predict_proba(texts)).max() > 1e-5


def test_every_character_is_read_as_python_reads_it(cards, open_page):
    vocabulary = cards("default").student._vocabulary
    numbers = [*range(1, 0x3100), *range(0x3100, 0xD800, 29), *range(0xE000, 0x30000, 29)]
    words = [f"a{chr(number)}B{chr(number)}Σ " for number in numbers]
    text = "".join(words)
    names = open_page(cards("default").path).evaluate(
        "text => classifier.vocabulary.encode(text).map(({name}) => name)", text
    )
    assert names == vocabulary._words_of_all([text])


@pytest.mark.parametrize("name", ["default", "every pooling", "hashed", "several labels"])
def test_words_contribute_what_python_says(name, cards, open_page, texts):
    texts = texts[::3]
    card = cards(name)
    page = open_page(card.path)
    explanations = card.student.compile("int8").explain(texts)
    found = page.evaluate(
        """texts => texts.map(units => {
          const text = units.map(unit => String.fromCharCode(unit)).join("");
          const {features, contributions} = classifier.predict(text);
          const spans = features.map(({start, end}) => [start, end]);
          return {contributions, spans};
        })""",
        [*map(as_units, texts)],
    )
    for text, shown, explanation in zip(texts, found, explanations, strict=True):
        # Places in Python's characters are others than in a browser's, of 16 bits.
        places = np.cumsum([0, *(1 + (character > "\uffff") for character in text)])
        np.testing.assert_array_equal(shown["spans"], places[explanation.spans].tolist())
        if not explanation.is_known.any():
            assert shown["contributions"] is None
        else:
            np.testing.assert_allclose(shown["contributions"], explanation.contributions, atol=1e-5)


def test_typing_shows_probabilities_and_words(cards, open_page):
    card = cards("default")
    page = open_page(card.path)
    assert page.input_value("#text") == "The oven, the wind"
    page.fill("#text", "zebra")
    assert page.is_visible("#blind")
    assert page.is_hidden("#empty")
    page.locator("#text").clear()
    page.locator("#text").press_sequentially("Rail and TICKET: zebra 🙂")
    served = card.student.compile("int8")
    text = "Rail and TICKET: zebra 🙂"
    (proba,) = served.predict_proba([text])
    assert page.is_hidden("#blind")
    shown = page.locator("#probabilities tr").all_inner_texts()
    expected = [f"{c} {100 * p:.1f} %" for c, p in zip(served.classes_, proba, strict=True)]
    assert [" ".join(row.split()) for row in shown] == expected
    assert page.locator("#probabilities .winner th").inner_text() == served.classes_[proba.argmax()]
    assert page.locator("#words").inner_text() == text
    (explanation,) = served.explain([text])
    parts = explanation.towards(served.classes_[proba.argmax()])
    rows = page.locator("#contributions tr").all_inner_texts()
    strongest = np.argsort(-np.abs(parts), kind="stable")
    assert [row.split()[0] for row in rows] == [explanation.units[unit] for unit in strongest[:6]]
    assert [row.split()[-1] for row in rows] == [
        f"{parts[unit]:+.2f}".replace("-", "−") for unit in strongest[:6]
    ]
    unknown = [row.split()[0] for row in rows if row.split()[1] == "unknown"]
    assert unknown == [explanation.units[u] for u in strongest[:6] if not explanation.is_known[u]]


@pytest.mark.parametrize("name", ["default", "several labels", "gru"])
def test_an_empty_box_shows_no_figures(name, cards, open_page):
    page = open_page(cards(name).path)
    names = page.locator("#probabilities th").all_inner_texts()
    for text in ("", " \n "):
        page.fill("#text", text)
        assert page.is_visible("#empty")
        assert page.is_hidden("#blind")
        assert page.locator("#probabilities th").all_inner_texts() == names
        assert set(page.locator("#probabilities .number").all_inner_texts()) == {""}
        assert not page.locator("#probabilities .fill").first.is_visible()
        assert page.locator("#probabilities .winner").count() == 0
        if name == "default":
            assert page.locator("#explained-class").inner_text() == "a class"
    page.fill("#text", "the oven")
    assert page.is_hidden("#empty")
    assert page.locator("#probabilities .fill").first.is_visible()
    assert "%" in page.locator("#probabilities .number").first.inner_text()


def test_one_chooses_the_class_that_is_explained(cards, open_page):
    card = cards("default")
    page = open_page(card.path)
    page.fill("#text", "rail wind bread")
    (explanation,) = card.student.compile("int8").explain(["rail wind bread"])
    for number, class_ in enumerate(explanation.classes):
        page.select_option("#explained", str(number))
        assert page.locator("#explained-class").inner_text() == class_
        marks = page.locator("#words mark")
        titles = marks.evaluate_all("nodes => nodes.map(node => node.title)")
        parts = explanation.towards(class_)
        assert titles == [f"{part:+.2f}".replace("-", "−") for part in parts]
        # The sign is in the line, too, and in words.
        lines = marks.evaluate_all("nodes => nodes.map(n => getComputedStyle(n).borderBottomStyle)")
        assert lines == ["solid" if part > 0 else "dotted" for part in parts]


def test_long_texts_are_marked_in_part(cards, open_page):
    page = open_page(cards("default").path)
    page.fill("#text", "a" + "🙂" * 2000)
    assert page.inner_text("#words") == "a" + "🙂" * 1499 + "…"


def test_ngrams_beyond_the_marked_part_leave_the_others_theirs(cards, open_page):
    page = open_page(cards("characters").path)
    page.fill("#text", "the oven " * 400)
    found, expected = page.evaluate("""() => {
      const {features, contributions} = classifier.predict("the oven ".repeat(400));
      const best = document.querySelector("#probabilities .winner").dataset.number;
      const sums = new Float64Array(3000);
      towards(contributions, Number(best), false).forEach((part, number) => {
        const {start, end} = features[number];
        if (end <= 3000) {
          sums.subarray(start, end).forEach((_, place) => {
            sums[start + place] += part / (end - start);
          });
        }
      });
      const top = Math.max(...sums.map(Math.abs));
      const shares = [...document.querySelectorAll("#words mark")].map(
        mark => Number(mark.style.getPropertyValue("--share")));
      const visible = [...sums].map(sum => Math.abs(sum) / top).filter(
        (share, place) => share >= 0.005 && "the oven "[place % 9] !== " ");
      return [shares, visible];
    }""")
    np.testing.assert_allclose(found, expected, atol=6e-4)


def test_students_that_do_not_add_up_show_no_words(cards, open_page):
    for name in ("cased, hidden layers", "cnn", "gru"):
        page = open_page(cards(name).path)
        assert page.locator(".words").count() == 0
        assert page.locator("#probabilities tr").count() == 3


def test_the_outcome_is_announced_once_typing_stops(cards, browser):
    context = browser.new_context(offline=True)
    context.clock.install()
    page = context.new_page()
    page.goto(cards("default").path.as_uri())
    # The clock moves by the test alone, so that a slow machine makes no pause in the typing.
    context.clock.pause_at(page.evaluate("Date.now()") / 1000 + 60)
    page.evaluate("""() => {
      window.news = [];
      new MutationObserver(() => window.news.push(document.getElementById("news").textContent))
        .observe(document.getElementById("news"), {childList: true});
    }""")
    for key in " rail ticket train":
        page.locator("#text").press_sequentially(key)
        context.clock.run_for(500)
    assert page.evaluate("window.news") == []
    context.clock.run_for(2_000)
    assert len(page.evaluate("window.news")) == 1
    assert page.get_attribute("#news", "aria-live") == "polite"
    assert page.inner_text("#news").endswith(" %")
    context.close()


HOSTILE = "</script><script>alert('a class')</script>"


def test_names_cannot_break_out_of_the_page(topics, tmp_path, open_page):
    texts, labels = topics
    labels = np.where(labels == "trains", HOSTILE, labels)
    extra = ["</script> <!-- <script> &lt; x"] * 30
    student = DistilledMLPClassifier(analyzer="char", ngram_range=(1, 9), max_epochs=2)
    student.fit([*texts[:100], *extra], [*labels[:100], *["cooking"] * 30])
    assert "</script>" in student.vocabulary_
    student.to_html(
        tmp_path / "card.html",
        texts[:50],
        labels[:50],
        title=HOSTILE,
        description=HOSTILE,
        limits=[HOSTILE],
        license=HOSTILE,
        controls={HOSTILE: student},
        example=f"</textarea>{HOSTILE}",
    )
    page = open_page(tmp_path / "card.html")
    assert page.locator("script").count() == 2
    assert page.title() == HOSTILE
    assert page.input_value("#text") == f"</textarea>{HOSTILE}"
    assert HOSTILE in page.locator("#probabilities").inner_text()
    assert page.evaluate("typeof classifier") == "object"


def test_no_request_can_leave_the_page(cards, browser):
    context = browser.new_context()
    page = context.new_page()
    sent = []
    context.route("http**", lambda route: (sent.append(route.request.url), route.abort()))
    page.goto(cards("default").path.as_uri())
    violations = page.evaluate("""async () => {
      const violations = [];
      document.addEventListener("securitypolicyviolation",
        event => violations.push(event.effectiveDirective));
      await fetch("http://example.org/").catch(() => null);
      await new Promise(resolve => {
        const image = new Image();
        image.onerror = image.onload = resolve;
        image.src = "http://example.org/a.png";
      });
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      await new Promise(resolve => setTimeout(resolve, 20));
      return {violations, ran: window.ran === true};
    }""")
    context.close()
    assert violations == {"violations": ["connect-src", "img-src", "script-src-elem"], "ran": False}
    assert sent == []


@pytest.fixture(scope="module")
def whole_card(cards, topics, tmp_path_factory):
    """A page with every section that there is."""
    texts, labels = topics
    path = tmp_path_factory.mktemp("whole") / "card.html"
    student = cards("default").student
    student.to_html(
        path,
        texts[:200],
        labels[:200],
        teacher=student.predict_proba(texts[:200]),
        controls={"the same again, under a name that is rather long": student},
        description="Tells of what a text speaks.",
        limits=["It has read made-up texts alone."],
        license="BSD-3-Clause",
        example="The oven, the wind",
    )
    return path


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows(width, whole_card, open_page):
    page = open_page(whole_card, width=width)
    page.fill("#text", "unbroken" * 30 + " the oven")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """width => [...document.querySelectorAll("body *")]
      .filter(node => !node.closest(".scroll, .skip, .visually-hidden, script"))
      .filter(node => node.getBoundingClientRect().right > width + 0.5)
      .map(node => node.outerHTML.slice(0, 80))""",
        width,
    )
    assert outside == []


def test_names_of_all_scripts_fit_into_the_plot(cards, topics, tmp_path, open_page):
    texts, labels = topics
    names = ["LOVE AND WARMTH", "非常非常非常长的类别名称", "الغضب الشديد جدا"]
    cards("default").student.to_html(
        tmp_path / "card.html", texts[:50], labels[:50], class_names=names
    )
    outside = open_page(tmp_path / "card.html").evaluate("""() =>
      [...document.querySelectorAll("svg text")].filter(text => {
        const frame = text.closest("svg").getBoundingClientRect();
        const box = text.getBoundingClientRect();
        return box.left < frame.left || box.top < frame.top ||
               box.right > frame.right || box.bottom > frame.bottom;
      }).map(text => text.textContent)""")
    assert outside == []


CONTRASTS = """() => {
  const parse = color => {
    const numbers = color.match(/[\\d.]+/g).map(Number);
    return {rgb: numbers.slice(0, 3), alpha: numbers[3] ?? 1};
  };
  const over = (top, below) => top.rgb.map((c, i) => c * top.alpha + below[i] * (1 - top.alpha));
  const background = node => {
    if (!node) return [255, 255, 255];
    return over(parse(getComputedStyle(node).backgroundColor), background(node.parentElement));
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(c => c / 255)
      .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const found = [];
  for (const node of document.querySelectorAll("body :not(script, svg, svg *)")) {
    const hasText = [...node.childNodes].some(
      child => child.nodeType === 3 && child.textContent.trim());
    if ((hasText || node.matches("textarea")) && node.getClientRects().length) {
      const paper = background(node);
      found.push([contrast(over(parse(getComputedStyle(node).color), paper), paper),
                  node.outerHTML.slice(0, 80)]);
    }
  }
  for (const cell of document.querySelectorAll("svg rect")) {
    const ink = parse(getComputedStyle(cell).color).rgb;
    const paper = background(cell.closest("figure"));
    const shade = over({rgb: ink, alpha: Number(cell.getAttribute("fill-opacity"))}, paper);
    found.push([contrast(ink, shade), "cell of a plot"]);
  }
  const field = document.querySelector("textarea");
  const border = parse(getComputedStyle(field).borderTopColor).rgb;
  return {text: found, field: contrast(border, background(field.parentElement))};
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_that_of_wcag_aa(scheme, whole_card, open_page):
    page = open_page(whole_card, color_scheme=scheme)
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts["text"]) > 100
    assert [entry for entry in contrasts["text"] if entry[0] < 4.5] == []
    assert contrasts["field"] >= 3
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(json.loads(f"[{paper[4:-1]}]")) < 150) == (scheme == "dark")


def test_the_keyboard_reaches_everything_and_shows_where_it_is(whole_card, open_page):
    page = open_page(whole_card)
    reached = [("", True)]
    while reached[-1][0] != "BODY":
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("""() => {
              const node = document.activeElement;
              const style = getComputedStyle(node);
              const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              return [node.id || node.className || node.tagName, outlined];
            }""")
        )
    assert [name for name, _ in reached[1:4]] == ["skip", "text", "explained"]
    assert [name for name, _ in reached].count("scroll") == page.locator(".scroll").count()
    assert all(outlined for _, outlined in reached[:-1])


def test_structure_is_there_for_those_who_do_not_see(whole_card, open_page):
    page = open_page(whole_card)
    assert [page.locator(name).count() for name in ("main", "header", "footer", "h1")] == [1] * 4
    assert page.get_attribute("html", "lang") == "en"
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map(node => Number(node.tagName[1]))"
    )
    assert all(after - before <= 1 for before, after in pairwise(levels))
    faults = page.evaluate("""() => [
      ...[...document.querySelectorAll("textarea, select, input, button")]
        .filter(node => !node.labels?.length),
      ...[...document.querySelectorAll("table")].filter(node => !node.caption?.textContent.trim()),
      ...[...document.querySelectorAll("th")].filter(node => !node.scope),
      ...[...document.querySelectorAll("svg")].filter(node => !node.getAttribute("aria-label")),
      ...[...document.querySelectorAll("[aria-labelledby]")]
        .filter(node => !document.getElementById(node.getAttribute("aria-labelledby"))),
      ...[...document.querySelectorAll("[role=region]")].filter(node => !node.ariaLabel),
    ].map(node => node.outerHTML.slice(0, 80))""")
    assert faults == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("motion", "duration"), [("reduce", "0s"), ("no-preference", "0.09s")])
def test_nothing_moves_for_those_who_asked_for_it(motion, duration, whole_card, open_page):
    page = open_page(whole_card, reduced_motion=motion)
    fill = page.locator(".fill").first
    assert fill.evaluate("node => getComputedStyle(node).transitionDuration") == duration


def test_many_classes_show_the_most_probable(topics, tmp_path, open_page):
    texts = topics[0][:60]
    labels = np.arange(60) % 30
    student = DistilledMLPClassifier(max_epochs=1, random_state=0).fit(texts, labels)
    student.to_html(tmp_path / "card.html", texts, labels)
    page = open_page(tmp_path / "card.html")
    page.fill("#text", texts[0])
    (proba,) = student.compile("int8").predict_proba(texts[:1])
    shown = page.locator("#probabilities th").all_inner_texts()
    assert shown == [str(number) for number in np.argsort(-proba, kind="stable")[:12]]
    assert page.inner_text("#listed") == "The 12 highest probabilities"


def test_the_first_text_is_what_was_given(topics, tmp_path, open_page):
    student = DistilledMLPClassifier(max_epochs=1, random_state=0).fit(
        topics[0][:60], topics[1][:60]
    )
    example = "\n\n the oven </textarea> &lt; $x \n"
    student.to_html(tmp_path / "card.html", example=example)
    assert open_page(tmp_path / "card.html").input_value("#text") == example


def test_a_served_students_page_works_too(cards, tmp_path, open_page):
    student = cards("default").student
    student.save(tmp_path / "model.skd")
    served = CompiledClassifier.load(tmp_path / "model.skd")
    served.to_html(tmp_path / "card.html", title="Served")
    page = open_page(tmp_path / "card.html")
    found = predict_in_page(page, ["rail", "the oven"])
    expected = student.compile("int8").predict_proba(["rail", "the oven"])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert "Epochs" in page.inner_text("main")
