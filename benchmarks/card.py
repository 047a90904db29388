"""How fast the page of a model card opens and answers, in headless Chromium.

    SKDISTILL_DATA=folder python benchmarks/card.py

Students of 80,000 parameters on Emotion, trained on gold labels: what a student learned from does
not change its page. A page is opened anew, from its file, in each repeat; the time is that from the
start of navigation to the end of the load event, by when the box has its first answer. A keystroke
is an input event with everything that the page does for it, the layout included, for texts of 30
words of the test part; of each text the fastest of several rounds, for other processes slow the
others down. Parity is the largest difference of probabilities from Python's, over test
texts set in the box. Needs playwright and Chromium.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common.corpora import load_corpus
from playwright.sync_api import sync_playwright

from skdistill import DistilledCNNClassifier, DistilledMLPClassifier, DistilledRNNClassifier

HERE = Path(__file__).parent
N_WORDS = 30
STUDENTS = {
    "MLP": DistilledMLPClassifier(
        n_parameters=80_000, pooling=("mean", "attention"), random_state=0
    ),
    "MLP, hashed bigrams": DistilledMLPClassifier(
        n_parameters=80_000,
        pooling=("mean", "attention"),
        ngram_range=(1, 2),
        hash_buckets=2000,
        random_state=0,
    ),
    "MLP, hidden layer": DistilledMLPClassifier(
        n_parameters=80_000, pooling=("mean", "attention"), hidden_layer_sizes=(32,), random_state=0
    ),
    "CNN": DistilledCNNClassifier(n_parameters=80_000, random_state=0),
    "RNN": DistilledRNNClassifier(n_parameters=80_000, random_state=0),
}
OPENED = """() => {
  const [entry] = performance.getEntriesByType("navigation");
  return entry.loadEventEnd - entry.startTime;
}"""
# The last character is typed: the box holds the others already.
TYPED = """texts => texts.map(text => {
  const box = document.querySelector("textarea");
  const put = value => {
    box.value = value;
    box.dispatchEvent(new Event("input"));
    document.body.getBoundingClientRect();
  };
  put(text.slice(0, -1));
  const start = performance.now();
  put(text);
  return performance.now() - start;
})"""
PREDICTED = """texts => texts.map(text => {
  const box = document.querySelector("textarea");
  box.value = text;
  box.dispatchEvent(new Event("input"));
  const rows = [...document.querySelectorAll("#probabilities tr")];
  return rows.map(row => Number(row.dataset.probability));
})"""


def cut_to_words(texts, n_words=N_WORDS):
    """Return texts of so many words: the first ones of those that have as many."""
    rows = [text.split()[:n_words] for text in texts]
    return [" ".join(words) for words in rows if len(words) == n_words]


def measure(browser, student, data, options):
    """Return the figures of a student's page."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "card.html")
        student.to_html(path, data.X_test, data.y_test, example=data.X_test[0])
        opened = []
        for _ in range(options.repeats):
            page = browser.new_page()
            page.goto(path.as_uri())
            page.wait_for_load_state("load")
            opened.append(page.evaluate(OPENED))
            page.close()
        page = browser.new_page()
        page.goto(path.as_uri())
        texts = cut_to_words(data.X_test)[: options.keystrokes]
        page.evaluate(TYPED, texts[:20])
        rounds = [page.evaluate(TYPED, texts) for _ in range(options.rounds)]
        typed, every = np.min(rounds, axis=0), np.ravel(rounds)
        found = np.array(page.evaluate(PREDICTED, data.X_test[: options.texts]))
        page.close()
        size = path.stat().st_size
    expected = student.compile("int8").predict_proba(data.X_test[: options.texts])
    return {
        "n_parameters": student.n_parameters_,
        "page_kb": size / 1000,
        "opens_ms": {"median": float(np.median(opened)), "largest": float(np.max(opened))},
        "keystroke_ms": {
            "median": float(np.median(typed)),
            "largest": float(np.max(typed)),
            "median_of_all_rounds": float(np.median(every)),
            "n_texts": len(typed),
        },
        "parity": {
            "largest_difference": float(np.abs(found - expected).max()),
            "n_texts": len(found),
        },
    }


def print_table(results):
    """Print the figures as a Markdown table."""
    print("| student | page, kB | opens, ms (median / largest) | keystroke, ms (median / largest) "
          "| largest difference from Python |")  # fmt: skip
    print("|---|---|---|---|---|")
    for name, row in results["students"].items():
        opens, key = row["opens_ms"], row["keystroke_ms"]
        print(
            f"| {name} | {row['page_kb']:.0f} | {opens['median']:.0f} / {opens['largest']:.0f} "
            f"| {key['median']:.2f} / {key['largest']:.2f} "
            f"| {row['parity']['largest_difference']:.1e} |"
        )


def main():
    """Measure, print the table, write the results down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="emotion")
    parser.add_argument("--repeats", type=int, default=20, help="times that a page is opened")
    parser.add_argument("--keystrokes", type=int, default=200, help="texts to type")
    parser.add_argument("--rounds", type=int, default=10, help="times that each is typed")
    parser.add_argument("--texts", type=int, default=2000, help="to compare with Python")
    parser.add_argument("--browser", default=shutil.which("chromium"), help="its program")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "card.json")
    options = parser.parse_args()
    data = load_corpus(options.data)
    results = {"students": {}}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=options.browser, args=["--no-sandbox", "--disable-gpu"]
        )
        for name, student in STUDENTS.items():
            student.fit(data.X_train, data.y_train)
            results["students"][name] = measure(browser, student, data, options)
        results["conditions"] = {
            "data": options.data,
            "words": N_WORDS,
            "repeats": options.repeats,
            "rounds": options.rounds,
            "load": os.getloadavg()[1],
            "processors": os.cpu_count(),
            "chromium": browser.version,
            "python": sys.version.split()[0],
        }
        browser.close()
    print_table(results)
    options.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
