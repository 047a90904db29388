"""The article's experiment on real text: baseline, small MLP, teacher, distilled MLP."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch
from threadpoolctl import threadpool_limits

from skdistill import __version__
from skdistill._core.files import replacing
from skdistill._core.format import format_bytes
from skdistill.cli._narrator import Narrator
from skdistill.cli._teacher_choice import (
    default_teacher,
    is_fine_tuned,
    load_fine_tuned,
    short_name,
    teacher_settings,
)
from skdistill.cli._training import Epochs
from skdistill.cli.training import _demo_folder
from skdistill.cli.training._doubts import several_labels
from skdistill.datasets._docstrings import load_docstrings
from skdistill.datasets._load import load_emotion, load_text_dataset, read_texts
from skdistill.displays._retention import RetentionDisplay
from skdistill.displays._style import require_matplotlib
from skdistill.evaluation._model_table import (
    Predictions,
    format_table,
    make_table,
    measure_model,
    write_json,
)
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._pool import TextPool
from skdistill.students._mlp import DistilledMLPClassifier
from skdistill.teachers._baseline import make_tfidf_baseline

TUNED_C = (1.0, 3.0, 10.0, 30.0, 100.0)

# Largest numbers of training, validation, test and unlabelled texts without --full.
N_TRAIN, N_VAL, N_TEST, N_UNLABELED = 1000, 500, 2000, 6000


@dataclass(frozen=True)
class Demo:
    """The options of the command.

    The data are ``"docstrings"``, ``"emotion"``, or any input of
    :func:`skdistill.load_text_dataset`.
    """

    data: str = "docstrings"
    teacher: str | None = None
    unlabeled: str | None = None
    text_column: str = "text"
    label_column: str = "label"
    sep: str | None = None
    encoding: str | None = None
    output: Path = Path("demo-output")
    full: bool = False
    plot: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """A trained model, not yet measured; `fit_seconds` is None if it was loaded."""

    name: str
    kind: str
    model: Any
    fit_seconds: float | None


def run_demo(demo: Demo) -> pd.DataFrame:
    """Train and compare baseline, small model, teacher and student; return one row per model.

    With ``demo.full``, all texts are used, and the table has both students of the article. Progress
    goes to standard error. The table and the next steps go to standard output. The output folder
    receives ``student.skd`` (the distilled student with default pooling), ``table.json`` and
    ``accuracy-against-size.png``.

    Raises
    ------
    ImportError
        If matplotlib or the default teacher's weights are not installed.
    OSError, ValueError, TypeError
        If the data or the teacher cannot be used; the message says how to fix it.

    References
    ----------
    .. [1] M. Wasserblat. "Best practice for text classification with distillation". Intel Labs,
       2021.
    """
    # Check everything before the first slow step.
    if demo.plot:
        require_matplotlib("The figure", ", or skip the figure with --no-plot")
    weights = demo.teacher if demo.teacher is not None else default_teacher()
    tell = Narrator(n_steps=7)
    tell.note(_announcement(demo))
    texts = _load(demo, tell)
    demo.output.mkdir(parents=True, exist_ok=True)
    is_ready = is_fine_tuned(weights, texts.classes)
    small = _train_small_models(demo, texts, tell)
    memory = str(_demo_folder.answers(demo.output))
    with tell.listening():
        big, expected = _train_teacher(demo, weights, is_ready, texts, tell)
        labelling_seconds = _label(big.model, texts, memory, tell)
        distilled = _distil(demo, big.model, texts, memory, tell)
    tell.step("Measuring size and speed")
    table = make_table(
        [
            measure_model(
                item.name,
                item.model,
                texts.X_test,
                texts.y_test,
                kind=item.kind,
                fit_seconds=item.fit_seconds,
                predictions=expected if item is big else None,
                reference=expected,
            )
            for item in [*small, big, *distilled]
        ]
    )
    student_file = demo.output / _demo_folder.STUDENT
    distilled[-1].model.save(student_file)
    if demo.plot:
        _draw(table, demo.output / _demo_folder.FIGURE, title=_title(demo, texts))
    _write_table(demo, table, texts, teacher=weights, labelling_seconds=labelling_seconds)
    shutil.rmtree(_demo_folder.unfinished(demo.output), ignore_errors=True)
    tell.note("done")
    _print_results(demo, table, texts, student_file)
    return table


def _announcement(demo: Demo) -> str:
    """Say what the demo does, and how long it takes on the docstrings."""
    plan = "Compares TF-IDF, a small MLP, a transformer and an MLP distilled from it"
    if demo.full:
        return f"{plan}, on all texts. This can take half an hour or more on a CPU."
    is_known = demo.data == "docstrings" and demo.teacher is None
    time = "about five minutes" if is_known else "some minutes, more for long texts,"
    return (
        f"{plan}, on at most {N_TRAIN:,} labelled and {N_UNLABELED:,} unlabelled texts. This takes "
        f"{time} on two CPU cores; --full uses all texts."
    )


def _load(demo: Demo, tell: Narrator) -> Bunch:
    tell.step(f"Reading texts: {demo.data}")
    if demo.data == "docstrings":
        sizes = {} if demo.full else {"n_labeled": N_TRAIN, "n_test": N_TEST}
        texts = load_docstrings(**sizes, random_state=demo.seed)
    elif demo.data == "emotion":
        texts = load_emotion()
    else:
        _refuse_several_labels(demo)
        texts = load_text_dataset(
            demo.data,
            text_column=demo.text_column,
            label_column=demo.label_column,
            sep=demo.sep,
            encoding=demo.encoding,
            random_state=demo.seed,
        )
    if demo.unlabeled is not None:
        pool, _ = read_texts(
            demo.unlabeled,
            text_column=demo.text_column,
            label_column=None,
            sep=demo.sep,
            encoding=demo.encoding,
        )
        texts.X_unlabeled = [*texts.X_unlabeled, *pool]
    if not demo.full:
        texts = _shrink(texts, demo.seed)
    tell.note(
        f"{len(texts.X_train):,} labelled, {len(texts.X_unlabeled):,} unlabelled and "
        f"{len(texts.X_test):,} test texts; {len(texts.classes)} classes"
    )
    return texts


def _refuse_several_labels(demo: Demo) -> None:
    """Refuse a file with several labels per text, before the labels are counted as classes."""
    if not Path(demo.data).is_file():
        return
    columns = {"text_column": demo.text_column, "label_column": demo.label_column}
    _, y = read_texts(demo.data, **columns, sep=demo.sep, encoding=demo.encoding)
    if found := several_labels(np.unique(y)):
        raise ValueError(
            f"{demo.data}: {demo.label_column} contains {found[0]!r}, several labels of one text, "
            f"but the demo learns one; use `skdistill fit --label-separator {found[1]!r}`."
        )


def _shrink(texts: Bunch, random_state: int) -> Bunch:
    """Return a random subset of the texts; labelled ones that are left over become unlabelled."""
    rng = np.random.default_rng(random_state)

    def part(X: list[str], y: np.ndarray | None, size: int) -> tuple[Any, Any, list[str]]:
        if y is None:
            return None, None, []
        rows = rng.permutation(len(X))
        left_over = [X[row] for row in rows[size:]]
        return [X[row] for row in rows[:size]], y[rows[:size]], left_over

    few = Bunch(**texts)
    few.X_train, few.y_train, left_over = part(texts.X_train, texts.y_train, N_TRAIN)
    few.X_val, few.y_val, _ = part(texts.X_val, texts.y_val, N_VAL)
    few.X_test, few.y_test, _ = part(texts.X_test, texts.y_test, N_TEST)
    unlabeled = [*texts.X_unlabeled, *left_over]
    few.X_unlabeled = [unlabeled[row] for row in rng.permutation(len(unlabeled))[:N_UNLABELED]]
    few.classes = np.unique(few.y_train)
    return few


def _bars() -> int:
    """Return 1 if bars of progress are shown: only in a terminal."""
    return int(sys.stderr is not None and sys.stderr.isatty())


class _Stopwatch:
    seconds = 0.0


@contextmanager
def _timed() -> Iterator[_Stopwatch]:
    watch, start = _Stopwatch(), time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - start


def _train_small_models(demo: Demo, texts: Bunch, tell: Narrator) -> list[Trained]:
    """Train the models that have no teacher."""
    tell.step("Logistic regression on TF-IDF: the baseline")
    trained = [_fit_default_baseline(texts), _fit_tuned_baseline(texts, demo.seed)]
    _tell_accuracies(tell, trained, texts)
    tell.step("MLP on hard labels: the small model without a teacher")
    for pooling in _poolings(demo):
        student = DistilledMLPClassifier(pooling=pooling, random_state=demo.seed, verbose=_bars())
        with _timed() as watch:
            student.fit(texts.X_train, texts.y_train)
        name = f"MLP, hard labels, {_pooling_of(student)} pooling"
        trained.append(Trained(name, "hard labels", student.set_params(verbose=0), watch.seconds))
        _tell_accuracies(tell, trained[-1:], texts)
    return trained


def _poolings(demo: Demo) -> list[str]:
    """Return the default pooling; before it, with --full, the article's."""
    return ["mean", "auto"] if demo.full else ["auto"]


def _pooling_of(student: DistilledMLPClassifier) -> str:
    return " + ".join(student._fitted_architecture["pooling"])


# The solver's vectors are so short that a second BLAS thread makes the baseline 3 times slower.
_one_blas_thread = partial(threadpool_limits, limits=1, user_api="blas")


def _fit_default_baseline(texts: Bunch) -> Trained:
    with _one_blas_thread(), _timed() as watch:
        baseline = make_tfidf_baseline().fit(texts.X_train, texts.y_train)
    return Trained("TF-IDF + LR, defaults", "baseline", baseline, watch.seconds)


def _fit_tuned_baseline(texts: Bunch, random_state: int) -> Trained:
    """Choose C on the validation texts, then train on all training texts."""
    with _one_blas_thread(), _timed() as watch:
        C = max(TUNED_C, key=_validation_accuracy(texts, random_state))
        baseline = make_tfidf_baseline(C).fit(texts.X_train, texts.y_train)
    return Trained(f"TF-IDF + LR, C={C:g}", "baseline", baseline, watch.seconds)


def _validation_accuracy(texts: Bunch, random_state: int) -> Callable[[float], float]:
    """Return a function of C that returns validation accuracy, on 20 % of train if need be."""
    if texts.X_val is not None:
        X, y, X_val, y_val = texts.X_train, texts.y_train, texts.X_val, texts.y_val
    else:
        X, X_val, y, y_val = train_test_split(
            texts.X_train, texts.y_train, test_size=0.2, random_state=random_state
        )

    def accuracy(C: float) -> float:
        baseline: Pipeline = make_tfidf_baseline(C).fit(X, y)
        return float(baseline.score(X_val, y_val))

    return accuracy


def _train_teacher(
    demo: Demo, weights: str, is_ready: bool, texts: Bunch, tell: Narrator
) -> tuple[Trained, Predictions]:
    """Load or fine-tune the teacher; return it with its predictions for the test texts."""
    from skdistill.teachers._transformer import TransformerTeacherClassifier

    name = short_name(demo.teacher)
    tell.step(f"Teacher {name}: " + ("already fine-tuned" if is_ready else "fine-tuning"))
    seconds = None
    if is_ready:
        teacher = load_fine_tuned(weights, verbose=_bars())
    else:
        settings = teacher_settings(len(texts.X_train), is_default=demo.teacher is None)
        if not demo.full:  # as few passes as teach it something
            settings["max_epochs"] = "auto"
        teacher = TransformerTeacherClassifier(
            weights,
            **settings,
            checkpoint_dir=_demo_folder.checkpoints(demo.output),
            random_state=demo.seed,
            verbose=_bars(),
        )
        is_new = not _demo_folder.checkpoints(demo.output).exists()
        teacher.set_callbacks(Epochs(tell, has_bars=bool(_bars())))
        with _timed() as watch:
            teacher.fit(texts.X_train, texts.y_train)
        # What follows measures and saves the model alone.
        teacher.set_callbacks().set_params(checkpoint_dir=None)
        seconds = watch.seconds if is_new else None
    big = Trained(f"teacher: {name}", "teacher", teacher, seconds)
    # The teacher is slow, so it predicts the test texts only once.
    expected = Predictions.from_proba(teacher.predict_proba(texts.X_test), teacher.classes_)
    _tell_accuracies(tell, [big], texts, expected)
    return big, expected


def _label(teacher: Any, texts: Bunch, memory: str, tell: Narrator) -> float:
    """Label all texts with the teacher, for all students; return the seconds this took."""
    tell.step("Labelling all training texts with the teacher")
    frozen = FrozenEstimator(teacher)
    labeler = SoftLabeler(frozen, texts.X_train, texts.y_train, memory=memory, verbose=_bars())
    with _timed() as watch:
        labeler.label([*texts.X_train, *texts.X_unlabeled])
    # Progress bars would slow down the speed measurement.
    teacher.set_params(verbose=0)
    return watch.seconds


def _distil(demo: Demo, teacher: Any, texts: Bunch, memory: str, tell: Narrator) -> list[Trained]:
    """Train students on the teacher's probabilities; the last one has the default pooling."""
    tell.step("Distilled MLP: the same small model, trained on the teacher's probabilities")
    trained = []
    for pooling in _poolings(demo):
        student = DistilledMLPClassifier(
            FrozenEstimator(teacher),
            pooling=pooling,
            memory=memory,
            random_state=demo.seed,
            verbose=_bars(),
        ).set_callbacks(Epochs(tell, has_bars=bool(_bars())))
        with _timed() as watch:
            student.fit(texts.X_train, texts.y_train, X_unlabeled=TextPool(texts.X_unlabeled))
        # The saved student needs neither teacher nor cache.
        student.set_callbacks().set_params(teacher=None, memory=None, verbose=0)
        name = f"distilled MLP, {_pooling_of(student)} pooling"
        item = Trained(name, "distilled", student, watch.seconds)
        _tell_accuracies(tell, [item], texts)
        trained.append(item)
    return trained


def _tell_accuracies(
    tell: Narrator, trained: list[Trained], texts: Bunch, known: Predictions | None = None
) -> None:
    for item in trained:
        labels = item.model.predict(texts.X_test) if known is None else known.labels
        accuracy = np.mean(labels == texts.y_test)
        tell.note(f"{item.name}: test accuracy {100 * accuracy:.2f} %")


def _write_table(demo: Demo, table: pd.DataFrame, texts: Bunch, **figures: Any) -> None:
    written = [_demo_folder.STUDENT, *[_demo_folder.FIGURE] * demo.plot]
    write_json(
        demo.output / _demo_folder.TABLE,
        table,
        data=demo.data,
        full=demo.full,
        random_state=demo.seed,
        n_train=len(texts.X_train),
        n_unlabeled=len(texts.X_unlabeled),
        n_test=len(texts.X_test),
        classes=[str(label) for label in texts.classes],
        **figures,
        files={name: _demo_folder.record(demo.output, name) for name in written},
        skdistill=__version__,
    )


def _title(demo: Demo, texts: Bunch) -> str:
    source = demo.data if demo.data in ("docstrings", "emotion") else Path(demo.data).name
    return f"{source}: {len(texts.classes)} classes, {len(texts.X_test):,} test texts"


def _draw(table: pd.DataFrame, path: Path, title: str) -> None:
    """Draw the article's figure, without pyplot's global state and windows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    RetentionDisplay.from_comparison(table, ax=axes)
    axes.set_title(title, loc="left")
    with replacing(path) as file:
        figure.savefig(file, format="png")


def _print_results(demo: Demo, table: pd.DataFrame, texts: Bunch, student_file: Path) -> None:
    print(format_table(table))
    print(
        f"\nAccuracy and F1 are in %, on {len(texts.X_test):,} test texts. Sizes on disk are those "
        "of joblib files; .skd files are smaller. The training time of distilled MLPs does not "
        "include the teacher."
    )
    print(_conclusion(table))
    print()
    if demo.plot:
        print(f"Figure:  {demo.output / _demo_folder.FIGURE}")
    print(f"Table:   {demo.output / _demo_folder.TABLE}")
    print(f"Student: {student_file} ({format_bytes(student_file.stat().st_size)})")
    example = min(texts.X_test[:100], key=lambda text: abs(len(text) - 50))
    print("\nUse this student in Python:\n")
    print("    from skdistill import DistilledMLPClassifier")
    print(f"    student = DistilledMLPClassifier.load({str(student_file)!r})")
    print(f"    student.predict([{example!r}])")
    print("\nMake one of your own texts, in a file with the columns text and label:\n")
    print("    skdistill fit reviews.csv --unlabeled more.txt --test-fraction 0.2 -o student.skd")
    print("    skdistill predict student.skd new.csv labelled.csv")


def _conclusion(table: pd.DataFrame) -> str:
    student = table.iloc[-1]
    teacher = table.loc[table["kind"] == "teacher"].iloc[0]
    return (
        f"The distilled student keeps {100 * student['retention']:.1f} % of the teacher's accuracy "
        f"with {teacher['n_parameters'] / student['n_parameters']:,.0f} times fewer parameters, at "
        f"{student['texts_per_second'] / teacher['texts_per_second']:,.0f} times its speed."
    )
