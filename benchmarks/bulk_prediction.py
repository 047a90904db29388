"""Lines and files through ``skdistill predict``, beside `predict_proba_iter` in Python.

    SKDISTILL_DATA=folder python benchmarks/bulk_prediction.py

Emotion's texts, drawn anew with replacement, go through the command in a process of its own, start
and end included; the loop in Python reads the same file of lines, in another process. The peak is
that of the process (the maximum resident set that the kernel reports for it). Medians of rounds in
which all take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common.corpora import load_corpus

from skdistill import DistilledMLPClassifier

HERE = Path(__file__).parent
COMMAND = """
import sys
from skdistill.cli._main import main
assert main(sys.argv[1:]) == 0
"""
PEAK = """
status = open("/proc/self/status").read()
sys.stderr.write(status.split("VmHWM:")[1].split()[0])
"""
LOOP = """
import sys
from skdistill import CompiledClassifier
served = CompiledClassifier.load(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as file:
    lines = (line.rstrip("\\n") for line in file)
    assert sum(map(len, served.predict_proba_iter(lines))) == int(sys.argv[3])
"""


def write_input(folder, n_texts):
    """Write the same texts as lines and as parquet, and a student."""
    data = load_corpus("emotion")
    student = DistilledMLPClassifier(n_parameters=80_000, max_epochs=1, random_state=0)
    student.fit(data.X_train, data.y_train).save(folder / "model.skd")
    rows = np.random.default_rng(0).integers(0, len(data.X_train), n_texts)
    texts = [data.X_train[row] for row in rows]
    (folder / "in.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    pq.write_table(pa.table({"text": texts}), folder / "in.parquet", row_group_size=100_000)


def run(folder, code, *arguments, stdin=os.devnull):
    """Run a process; return seconds and its peak memory in MB."""
    start = time.perf_counter()
    with open(stdin, "rb") as source, open(folder / "out.txt", "wb") as target:
        done = subprocess.run(
            [sys.executable, "-c", code + PEAK, *arguments],
            stdin=source,
            stdout=target,
            stderr=subprocess.PIPE,
            check=True,
        )
    return {"seconds": time.perf_counter() - start, "peak_mb": int(done.stderr.split()[-1]) / 1024}


def main():
    """Take turns, print the table and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "bulk_prediction.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_input(folder, options.texts)
        model, lines, rows = (str(folder / part) for part in ("model.skd", "in.txt", "in.parquet"))
        ways = {
            "predict_proba_iter": lambda: run(folder, LOOP, model, lines, str(options.texts)),
            "lines": lambda: run(folder, COMMAND, "predict", model, "-", "-", stdin=lines),
            "lines, probabilities": lambda: run(
                folder, COMMAND, "predict", model, "-", "-", "--proba", stdin=lines
            ),
            "parquet, probabilities": lambda: run(
                folder,
                COMMAND,
                "predict",
                model,
                rows,
                str(folder / "out.parquet"),
                "--proba",
                "--force",
            ),
        }
        rounds = [{way: work() for way, work in ways.items()} for _ in range(options.rounds)]
    results = {"texts": options.texts, "rounds": options.rounds}
    for way in ways:
        results[way] = {
            "seconds": statistics.median(one[way]["seconds"] for one in rounds),
            "peak_mb": max(one[way]["peak_mb"] for one in rounds),
        }
        results[way]["times_iter"] = (
            results[way]["seconds"] / results["predict_proba_iter"]["seconds"]
        )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print("| way | texts/s | time, x predict_proba_iter | peak, MB |\n|---|---|---|---|")
    for way in ways:
        one = results[way]
        rate = options.texts / one["seconds"]
        print(f"| {way} | {rate:,.0f} | {one['times_iter']:.2f} | {one['peak_mb']:,.0f} |")


if __name__ == "__main__":
    main()
