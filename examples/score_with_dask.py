"""
Score many parquet files with Dask
==================================

Each worker loads only the student's file, but neither torch nor the teacher. This example needs
``pip install "skdistill[dask]"``. It starts several processes, so the gallery does not run it.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from dask.distributed import Client, LocalCluster

from skdistill import (
    CompiledClassifier,
    DistilledMLPClassifier,
    TextPool,
    load_docstrings,
    make_tfidf_baseline,
)


def score(model, source, target):
    """Add the predicted label and its probability to a partition."""
    student = CompiledClassifier.load(model)
    table = pd.read_parquet(source)
    proba = student.predict_proba(table["text"])
    table["label"] = student.classes_[proba.argmax(axis=1)]
    table["proba"] = proba.max(axis=1)
    table.to_parquet(target)
    return len(table)


if __name__ == "__main__":
    data = load_docstrings(n_labeled=1000, n_test=500)
    student = DistilledMLPClassifier(make_tfidf_baseline(C=10), random_state=0)
    student.fit(data.X_train, data.y_train, X_unlabeled=TextPool(data.X_unlabeled[:5000]))
    with TemporaryDirectory() as name:
        folder = Path(name)
        student.save(folder / "student.skd")
        texts = pd.DataFrame({"text": data.X_unlabeled})
        sources = [folder / f"texts-{number:02d}.parquet" for number in range(8)]
        targets = [folder / f"scored-{number:02d}.parquet" for number in range(8)]
        for number, source in enumerate(sources):
            texts[number::8].to_parquet(source)
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):
            models = [folder / "student.skd"] * len(sources)
            counts = client.gather(client.map(score, models, sources, targets, pure=False))
        scored = pd.concat(map(pd.read_parquet, targets))
        print(f"{sum(counts):,} texts in {len(targets)} partitions")
        print(scored.groupby("label")["proba"].agg(["size", "mean"]).round(2))
