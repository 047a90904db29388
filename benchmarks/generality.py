"""Accuracy where nobody tuned: data sets times numbers of labels, with every model's defaults.

    SKDISTILL_DATA=folder python benchmarks/generality.py

A regime is a data set and a number of labels; a seed draws its rows and starts its models. In each
regime, the peers, the teacher, its students and their twins on hard labels are fitted with their
defaults and scored on the test rows, or with `--split validation` on the validation rows, which
choices are made on. A run is written down when it ends and is not repeated, and a teacher's epochs
are kept, so an interrupted benchmark resumes. It prints a table of accuracies and a summary for
each model: mean rank, mean gap to the best, and the worst regime.

SetFit needs an environment of its own: name its Python with `--setfit`.
"""

import argparse
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from common.corpora import load_corpus
from common.peers import fasttext, model2vec
from common.setting import Results, base_model, load_rows, save_rows
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.utils import Bunch

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TextPool,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
)

HERE = Path(__file__).parent
CORPORA = ("emotion", "trec6", "agnews", "sst2", "cola", "hwu64", "newsgroups", "docstrings")
STUDENTS = {
    "MLP": DistilledMLPClassifier,
    "CNN": DistilledCNNClassifier,
    "RNN": DistilledRNNClassifier,
}
# Beyond this number of rows, a teacher takes half an hour on most CPUs, and one seed has to do.
MAX_ROWS_OF_MANY_SEEDS = 3_000
# Contrastive fine-tuning is meant for few rows, and its time grows with their number.
MAX_ROWS_OF_SETFIT = 1_000


@dataclass(frozen=True)
class Regime:
    """A data set, a number of labels, and whether its unlabelled texts are used."""

    corpus: str
    n_labels: int | None
    per_class: bool = False
    pool: bool = False

    def __str__(self) -> str:
        labels = "all" if self.n_labels is None else str(self.n_labels)
        return (
            f"{self.corpus}{' + pool' if self.pool else ''}, {labels}"
            f"{' a class' if self.per_class else ''}"
        )

    def load(self, split: str, seed: int) -> Bunch:
        """Draw the labelled rows; the rows to score are the same for every seed."""
        corpus = load_corpus(self.corpus)
        X, y = corpus.X_train, corpus.y_train
        rows = draw(y, self.n_labels, per_class=self.per_class, seed=seed)
        part = "val" if split == "validation" else "test"
        return Bunch(
            X_train=[X[row] for row in rows],
            y_train=y[rows],
            X_unlabeled=corpus.X_unlabeled if self.pool else [],
            X_test=corpus[f"X_{part}"],
            y_test=corpus[f"y_{part}"],
        )


def draw(y: np.ndarray, n_labels: int | None, *, per_class: bool, seed: int) -> np.ndarray:
    """Draw rows: the same number of each class, or in the classes' proportions."""
    if n_labels is None:
        return np.arange(len(y))
    rng = np.random.default_rng(seed)
    if per_class:
        rows = [rng.permutation(np.flatnonzero(y == label))[:n_labels] for label in np.unique(y)]
        return rng.permutation(np.concatenate(rows))
    rows = np.arange(len(y))
    return train_test_split(rows, train_size=n_labels, stratify=y, random_state=seed)[0]


def regimes(corpora: Sequence[str]) -> list[Regime]:
    """List the regimes of each data set whose numbers of labels it has."""
    found = []
    for corpus in corpora:
        n_rows = len(load_corpus(corpus).y_train)
        for pool in (False, True) if corpus == "agnews" else (False,):
            found += [Regime(corpus, n, per_class=True, pool=pool) for n in (8, 32)]
            found += [Regime(corpus, n, pool=pool) for n in (200, 1000, 3000) if n < n_rows]
            found.append(Regime(corpus, None, pool=pool))
    return found


class Tfidf:
    """TF-IDF and logistic regression, with the C that cross-validation finds on the given rows."""

    def fit(self, X, y):
        """Search for C."""
        rarest = np.unique(y, return_counts=True)[1].min()
        search = GridSearchCV(
            make_tfidf_baseline(),
            {"logisticregression__C": [1, 3, 10, 30, 100]},
            cv=int(min(5, max(2, rarest))),
        )
        with warnings.catch_warnings():
            # Of a class of one row: no split has it on both sides.
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            self.search_ = search.fit(X, y)
        return self

    def predict(self, X):
        """Predict with the best C."""
        return self.search_.predict(X)


class SetFit:
    """SetFit with its defaults on the teacher's encoder, run by a Python that has it installed."""

    def __init__(self, python: str, seed: int):
        self.python, self.seed = python, seed

    def predict_after_fit(self, data: Bunch) -> np.ndarray:
        """Fit on the training part, and return the predictions for the test part."""
        with tempfile.TemporaryDirectory() as folder:
            save_rows(Path(folder, "data.json"), X=data.X_train, y=data.y_train, X_test=data.X_test)
            subprocess.run(
                [
                    self.python,
                    HERE / "common" / "setfit_worker.py",
                    folder,
                    base_model(),
                    str(self.seed),
                    str(torch.get_num_threads()),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            return np.asarray(load_rows(Path(folder, "predicted.json"))["predicted"])


def accuracy(predicted, data: Bunch) -> float:
    """Return the accuracy in per cent."""
    return 100 * float(np.mean(np.asarray(predicted) == data.y_test))


class Cell:
    """One regime and seed: its rows, its teacher and the runs of all models."""

    def __init__(self, regime: Regime, seed: int, split: str, work: Path, precision: str = "auto"):
        self.seed = seed
        self.precision = precision
        self.data = regime.load(split, seed)
        name = f"{regime}, {seed}".replace(" + ", "+").replace(", ", "_").replace(" ", "_")
        self.folder = work / "teachers" / name
        self.checkpoints = work / "checkpoints" / name
        self.memory = work / "answers"
        self._teacher = None

    def teacher(self) -> TransformerTeacherClassifier:
        """Return the fine-tuned teacher, from the folder if it has been fitted before."""
        if self._teacher is None:
            if not (self.folder / "config.json").exists():
                teacher = TransformerTeacherClassifier(
                    base_model(),
                    checkpoint_dir=self.checkpoints,
                    precision=self.precision,
                    random_state=self.seed,
                    verbose=1,
                )
                teacher.fit(self.data.X_train, self.data.y_train).save_pretrained(self.folder)
            self._teacher = TransformerTeacherClassifier.from_finetuned(
                self.folder, precision=self.precision
            )
        return self._teacher

    def run_teacher(self) -> dict:
        """Fine-tune the teacher, or load it."""
        start = time.perf_counter()
        teacher = self.teacher()
        seconds = time.perf_counter() - start
        return {"accuracy": accuracy(teacher.predict(self.data.X_test), self.data), "fit": seconds}

    def run_student(self, name: str, *, soft: bool) -> dict:
        """Fit a student on the teacher's soft labels, or on hard labels alone."""
        data = self.data
        # So small a model trains as fast without a GPU, even if the teacher has one.
        student = STUDENTS[name](random_state=self.seed, device="cpu")
        pool = {}
        if soft:
            student.set_params(teacher=FrozenEstimator(self.teacher()), memory=self.memory)
            if data.X_unlabeled:
                pool = {"X_unlabeled": TextPool(data.X_unlabeled)}
        start = time.perf_counter()
        student.fit(data.X_train, data.y_train, **pool)
        return {
            "accuracy": accuracy(student.predict(data.X_test), data),
            "fit": time.perf_counter() - start,
            "n_parameters": student.n_parameters_,
        }

    def run_peer(self, fit: Callable) -> dict:
        """Fit a model of another tool."""
        start = time.perf_counter()
        model = fit(self.data, self.seed)
        seconds = time.perf_counter() - start
        return {"accuracy": accuracy(model.predict(self.data.X_test), self.data), "fit": seconds}

    def run_setfit(self, python: str) -> dict:
        """Run SetFit in its environment."""
        start = time.perf_counter()
        predicted = SetFit(python, self.seed).predict_after_fit(self.data)
        return {
            "accuracy": accuracy(predicted, self.data),
            "fit_and_predict": time.perf_counter() - start,
        }

    def runs(self, setfit: str | None) -> dict[str, Callable[[], dict]]:
        """Return the function that runs each model, in the order of the table."""
        found = {
            "TF-IDF + LR": lambda: self.run_peer(
                lambda data, seed: Tfidf().fit(data.X_train, data.y_train)
            )
        }
        if find_spec("fasttext"):
            found["fastText"] = lambda: self.run_peer(lambda d, s: fasttext(d, s)[0])
        if find_spec("model2vec"):
            found["Model2Vec"] = lambda: self.run_peer(lambda d, s: model2vec(d, s)[0])
        if setfit and len(self.data.X_train) <= MAX_ROWS_OF_SETFIT:
            found["SetFit"] = lambda: self.run_setfit(setfit)
        for name in STUDENTS:
            found[f"{name}, hard"] = lambda name=name: self.run_student(name, soft=False)
        found["teacher"] = self.run_teacher
        for name in STUDENTS:
            found[name] = lambda name=name: self.run_student(name, soft=True)
        return found


def collect(results: Results) -> dict[str, dict[str, float]]:
    """Return each regime's mean accuracy over the seeds, model by model."""
    values: dict[str, dict[str, list[float]]] = {}
    for key, run in results.runs.items():
        regime, model, _ = key.split(" | ")
        values.setdefault(regime, {}).setdefault(model, []).append(run["accuracy"])
    return {
        regime: {model: float(np.mean(found)) for model, found in models.items()}
        for regime, models in values.items()
    }


def print_tables(results: Results) -> None:
    """Print accuracies by regime, and each model's ranks and gaps."""
    means = collect(results)
    models = list(dict.fromkeys(model for row in means.values() for model in row))
    print("| regime | " + " | ".join(models) + " |\n|---" + "|---" * len(models) + "|")
    for regime, row in means.items():
        best = max(row.values())
        cells = [f"{row[model]:.1f}" if model in row else "" for model in models]
        cells = [
            f"**{cell}**" if row.get(model) == best else cell
            for model, cell in zip(models, cells, strict=True)
        ]
        print(f"| {regime} | " + " | ".join(cells) + " |")
    print("\n| model | regimes | mean rank | mean gap to the best | worst regime |")
    print("|---|---|---|---|---|")
    for model in models:
        rows = {regime: row for regime, row in means.items() if model in row}
        ranks = [1 + sum(other > row[model] for other in row.values()) for row in rows.values()]
        gaps = {regime: max(row.values()) - row[model] for regime, row in rows.items()}
        worst = max(gaps, key=gaps.__getitem__)
        print(
            f"| {model} | {len(rows)} | {np.mean(ranks):.1f} | {np.mean([*gaps.values()]):.1f} "
            f"| {worst}: {gaps[worst]:.1f} |"
        )


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=CORPORA, default=CORPORA)
    parser.add_argument("--labels", nargs="+", help="only these, such as 200 or '8 a class'")
    parser.add_argument("--models", nargs="+", help="only these, by their names in the table")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--max-rows",
        type=int,
        default=MAX_ROWS_OF_MANY_SEEDS,
        help="labelled rows beyond which one seed is run (default: %(default)s)",
    )
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--setfit", metavar="PYTHON", help="a Python that has SetFit installed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto", help="of teachers, such as bf16")
    parser.add_argument("--work", type=Path, default=Path("generality-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "generality.json")
    parser.add_argument("--table", action="store_true", help="only print what was run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = Results(options.output)
    wanted = [] if options.table else regimes(options.data)
    for seed in range(options.seeds):
        for regime in wanted:
            if options.labels and str(regime).split(", ")[1] not in options.labels:
                continue
            cell = Cell(regime, seed, options.split, options.work, options.precision)
            if seed and len(cell.data.X_train) > options.max_rows:
                continue
            for model, run in cell.runs(options.setfit).items():
                if not options.models or model in options.models:
                    results.record((str(regime), model, seed), run)
    print_tables(results)


if __name__ == "__main__":
    main()
