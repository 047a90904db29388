"""Label texts over two workers of a Dask cluster, of which one is killed half-way.

    python benchmarks/labelling.py

The teacher takes half a millisecond a text, and writes its process and texts into a file at each
call. Once half of the texts are in the store a worker gets SIGKILL. Checked are: that each text has
one label, and the right one; and that no text of a shard that was in the store by then is asked for
again. The same number of texts labelled in one process is the measure of the time.
"""

import argparse
import json
import os
import signal
import tempfile
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
from distributed import Client, LocalCluster
from sklearn.base import BaseEstimator, ClassifierMixin

from skdistill.labelling._labeler import SoftLabeler
from skdistill.storage._store import SoftLabelStore

HERE = Path(__file__).parent
X, Y = ["one", "two"], np.array(["a", "b"])
SECONDS_A_TEXT = 5e-4


class NotingTeacher(ClassifierMixin, BaseEstimator):
    """A slow teacher whose probabilities follow from each text, and that writes down each call."""

    def __init__(self, log):
        self.log = log

    def fit(self, X, y):
        """Learn the names of the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        """Note the texts; take time."""
        lines = "".join(f"{os.getpid()} {text}\n" for text in X)
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, lines.encode())
        os.close(file)
        time.sleep(SECONDS_A_TEXT * len(X))
        return probabilities(X)


def probabilities(texts):
    shares = np.array([zlib.crc32(text.encode()) / 2**32 for text in texts])
    return np.column_stack([shares, 1 - shares])


def read_log(log):
    """Return the texts that were asked for, and by how many processes."""
    lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
    return Counter(text for _, text in lines), len({pid for pid, _ in lines})


class Killer(threading.Thread):
    """Kills a process once a store holds so many texts; notes which it held then."""

    def __init__(self, pid, memory, texts):
        super().__init__(daemon=True)
        self.pid = pid
        self.memory = memory
        self.texts = texts
        self.kept: set[str] = set()

    def run(self):
        """Wait, look, and kill."""
        store = SoftLabelStore(self.memory)
        while sum(teacher.n_texts for teacher in store.teachers()) < len(self.texts) // 2:
            time.sleep(0.05)
        key = store.teachers()[0].key
        (fit,) = store.fits(key)
        self.kept = {*store.read(key, self.texts, fit)}
        os.kill(self.pid, signal.SIGKILL)


def label(texts, folder):
    """Return probabilities and seconds."""
    start = time.perf_counter()
    labeler = SoftLabeler(NotingTeacher(folder / "log"), X, Y, memory=folder / "memory")
    return labeler.label(texts), time.perf_counter() - start


def main():
    """Label with and without workers, check, and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "labelling.json")
    options = parser.parse_args()
    texts = [f"text {number}" for number in range(options.texts)]
    with tempfile.TemporaryDirectory() as folder:
        _, seconds_alone = label(texts, Path(folder))
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        pid = next(iter(client.run(os.getpid).values()))
        killer = Killer(pid, Path(folder, "memory"), texts)
        killer.start()
        with joblib.parallel_config("dask", n_jobs=2):
            proba, seconds = label(texts, Path(folder))
        killer.join()
        asked, n_processes = read_log(Path(folder, "log"))
        (stored,) = SoftLabelStore(Path(folder, "memory")).teachers()
    results = {
        "texts": len(texts),
        "texts_with_the_right_label": int(
            (proba == probabilities(texts).astype(np.float32)).all(axis=1).sum()
        ),
        "texts_in_the_store": stored.n_texts,
        "in_the_store_when_a_worker_was_killed": len(killer.kept),
        "of_these_asked_for_again": sum(asked[text] > 1 for text in killer.kept),
        "asked_for_twice": sum(count > 1 for count in asked.values()),
        "processes": n_processes,
        "seconds": seconds,
        "seconds_in_one_process": seconds_alone,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print("| what | figure |\n|---|---|")
    for name, figure in results.items():
        print(
            f"| {name.replace('_', ' ')} | {figure:,.4g} |"
            if isinstance(figure, float)
            else f"| {name.replace('_', ' ')} | {figure:,} |"
        )


if __name__ == "__main__":
    main()
