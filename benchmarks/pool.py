"""Peak memory and time of labelling from a warm store, and of training, with a pool on disk.

    SKDISTILL_DATA=folder python benchmarks/pool.py

The pool's texts are about twenty words each, drawn anew from the words of Emotion and AG News; they
lie in a folder of parquet files. Each way of reading them has a process of its own, whose peak
memory (VmHWM, in steps of the kernel's pages) is read at the end. The teacher is TF-IDF and
logistic regression. One pass is trained.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from common.corpora import load_corpus
from sklearn.frozen import FrozenEstimator

from datasets import Dataset
from skdistill import DistilledMLPClassifier, TextPool, make_tfidf_baseline
from skdistill.labelling._fingerprint import teacher_fingerprint
from skdistill.labelling._labeler import SoftLabeler
from skdistill.storage._store import SoftLabelStore, digest_texts

HERE = Path(__file__).parent
WAYS = ("parquet", "datasets", "list")
FILE = 100_000


def peak_mb():
    """Return the most memory that this process has held, in megabytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def timed(work):
    """Return a function's result and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def write_pool(folder, n_texts):
    """Write so many distinct texts of real words."""
    words = [
        word
        for name in ("emotion", "agnews")
        for text in load_corpus(name).X_train
        for word in text.split()
    ]
    rng, words = np.random.default_rng(0), np.array(words, dtype=object)
    folder.mkdir()
    for number in range(0, n_texts, FILE):
        lengths = rng.integers(10, 31, min(FILE, n_texts - number))
        drawn = words[rng.integers(0, len(words), lengths.sum())]
        texts = [" ".join(part) for part in np.split(drawn, np.cumsum(lengths)[:-1])]
        pq.write_table(
            pa.table({"text": texts}), folder / f"{number:09d}.parquet", row_group_size=20_000
        )


def open_pool(way, folder):
    """Return the pool, read in one of the ways."""
    if way == "parquet":
        return TextPool.from_parquet(folder)
    if way == "list":
        return TextPool([*TextPool.from_parquet(folder)])
    files = sorted(map(str, folder.glob("*.parquet")))
    return TextPool(Dataset.from_parquet(files, cache_dir=str(folder / "cache"))["text"])


def make_teacher(data):
    return FrozenEstimator(make_tfidf_baseline().fit(data.X_train, data.y_train))


def run_one(way, folder):
    """Do one of the steps, and return seconds and peak memory."""
    torch.set_num_threads(1)
    data = load_corpus("emotion")
    teacher = make_teacher(data)
    memory = folder / "memory"
    figures = {"start_mb": peak_mb()}
    if way == "label":
        pool = TextPool.from_parquet(folder / "pool")
        labeler = SoftLabeler(teacher, data.X_train, data.y_train, memory=memory)
        _, figures["seconds"] = timed(lambda: labeler.label(pool.texts))
    elif way == "look up ten":
        store, key = SoftLabelStore(memory), teacher_fingerprint(teacher, [], np.empty(0))
        pool = iter(TextPool.from_parquet(folder / "pool"))
        digests = np.sort(digest_texts([next(pool) for _ in range(10)]))
        (fit,) = store.fits(key)
        (numbers, _), figures["seconds"] = timed(lambda: store.find(key, digests, fit))
        assert len(numbers) == 10
    else:
        pool, figures["open_seconds"] = timed(lambda: open_pool(way, folder / "pool"))
        student = DistilledMLPClassifier(
            teacher,
            memory=memory,
            n_parameters=80_000,
            pooling=("mean", "attention"),
            augmenter=None,
            max_epochs=1,
            batch_size=256,
            random_state=0,
        )
        _, figures["seconds"] = timed(
            lambda: student.fit(data.X_train, data.y_train, X_unlabeled=pool)
        )
        figures["transfer_size"] = student.transfer_size_
    return figures | {"peak_mb": peak_mb()}


def main():
    """Write the pool, label it, train from the warm store, and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "pool.json")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, folder = options.one
        print(json.dumps(run_one(way, Path(folder))))
        return
    results = {"texts": options.texts}
    with tempfile.TemporaryDirectory() as folder:
        write_pool(Path(folder, "pool"), options.texts)
        for way in ("label", "look up ten", *WAYS):
            command = [sys.executable, __file__, "--one", way, folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            results[way] = json.loads(done.stdout.splitlines()[-1])
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print("| step | seconds | peak, MB |\n|---|---|---|")
    for step in ("label", "look up ten", *WAYS):
        name = step if step not in WAYS else f"warm store, train; pool: {step}"
        print(f"| {name} | {results[step]['seconds']:,.2f} | {results[step]['peak_mb']:,.0f} |")


if __name__ == "__main__":
    main()
