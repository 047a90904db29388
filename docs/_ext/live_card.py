"""Build ``card.html``: a model card with a student that is trained during the build."""

from pathlib import Path

from skdistill import DistilledMLPClassifier, TextPool, load_docstrings, make_tfidf_baseline


def write_card(app):
    """Train a student on docstrings and write its card to the output folder."""
    if app.builder.format != "html":
        return
    data = load_docstrings(n_labeled=1500, n_test=1000)
    teacher = make_tfidf_baseline(C=10).fit(data.X_train, data.y_train)
    student = DistilledMLPClassifier(teacher, random_state=0)
    student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled[:5000]))
    student.to_html(
        Path(app.outdir, "card.html"),
        data.X_test,
        data.y_test,
        teacher=teacher,
        title="Which library is this docstring from?",
        description="The documentation's example student, distilled from TF-IDF and logistic "
        "regression on docstrings of nine installed libraries.",
        limits=["It only knows docstrings; its answer to any other text is meaningless."],
        example="Return the shortest path between two nodes of a graph.",
    )


def setup(app):
    """Write the card when the build begins."""
    app.connect("builder-inited", write_card)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
