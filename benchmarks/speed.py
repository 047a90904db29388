"""Speed, size and memory of a student beside its peers: all ratios from one run.

    SKDISTILL_DATA=folder python benchmarks/speed.py --teacher folder/of/a/teacher

Every model is trained here on Emotion (and, for longer texts with punctuation, on AG News), and
all predict the same texts, one after the other in each round, on one thread unless their name says
more. A figure is the median over rounds. The students are trained on hard labels: what a student
learned from does not change its speed. `--quick` runs three rounds.

"MLP" predicts with the C extension, if it is installed. "split and look up" is the limit: a loop in
C that splits texts and looks up ids, and nothing else. On a machine with other work, measure
`--clock cpu`, the processor time of all threads: ratios hold, but threads do not show their gain.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from common.corpora import load_corpus
from common.peers import FastText, Model2Vec
from sklearn.base import clone
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skdistill import (
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    TransformerTeacherClassifier,
    make_tfidf_baseline,
    parity_report,
)
from skdistill.runtime._kernel import find_native, make_words
from skdistill.students.training._batches import Batches, TransferDataset
from skdistill.students.training._criterion import DistillationLoss
from skdistill.students.training._loop import Recipe, train
from skdistill.students.training._mlp import MLPNetwork
from skdistill.text._ragged import Ragged
from skdistill.text._vocabulary import Vocabulary, slices

HERE = Path(__file__).parent
STUDENTS = {
    "MLP": DistilledMLPClassifier(
        n_parameters=80_000, pooling=("mean", "attention"), random_state=0
    ),
    "CNN": DistilledCNNClassifier(n_parameters=80_000, random_state=0),
    "RNN": DistilledRNNClassifier(
        n_parameters=80_000, cell="lstm", hidden_dim=48, max_epochs=2, random_state=0
    ),
}
N_MILLION = 1_000_000
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PARTS = ("throughput", "tokenising", "latency", "files", "int8", "training")
# Texts for what is too slow for all of them.
N_FOR_THE_SLOW = {"teacher": 400, "Model2Vec": 4_000}
_MARK = re.compile(r"([^\w\s])")


def rounds(contenders, texts, n_rounds, clock="wall"):
    """Let contenders predict texts, in turn, and return the seconds a text of each round."""
    now = CLOCKS[clock]
    seconds = {name: [] for name in contenders}
    for number in range(n_rounds + 1):
        for name, predict in contenders.items():
            part = texts[: N_FOR_THE_SLOW.get(name, len(texts))]
            start = now()
            predict(part)
            spent = now() - start
            # The first round warms up.
            if number:
                seconds[name].append(spent / len(part))
    return seconds


def summarise(seconds, reference="fastText"):
    """Give texts per second, and how many times as fast as a reference that is."""
    rates = {name: 1 / float(np.median(values)) for name, values in seconds.items()}
    return {
        name: {"texts_per_second": rate, f"times_{reference}": rate / rates[reference]}
        for name, rate in rates.items()
    }


def split_all(texts):
    """Do what is the least that any classifier of words does."""
    return [text.lower().split() for text in texts]


def set_marks_apart(text):
    """Give fastText, which splits at blanks, the words and marks that a student sees."""
    return _MARK.sub(r" \1 ", text.lower())


def with_numpy(student):
    """Return a compiled student that does not use the C extension."""
    served = student.compile()
    served._network.kernel = None
    return served


def the_limit(vocabulary):
    """Return what only splits texts and looks their words up, if the C extension is installed."""
    words = make_words(vocabulary)
    if words is None:
        return {}

    def split_and_look_up(texts):
        lengths = np.empty(len(texts), dtype=np.int64)
        ids = np.empty(3 * sum(map(len, texts)), dtype=np.int32)
        words.encode(texts, lengths, ids)

    return {"split and look up": split_and_look_up}


def in_torch(student, texts):
    """Predict with the trained torch network, some thousand texts at a time."""
    network, vocabulary = student.network_, student._vocabulary
    with torch.inference_mode():
        for start in range(0, len(texts), 2048):
            ids = vocabulary.encode(texts[start : start + 2048])
            network(torch.from_numpy(ids.values), torch.from_numpy(ids.offsets)).argmax(dim=1)


def fit_models(data):
    """Fit the students and their peers."""
    X, y = data.X_train, data.y_train
    models = {name: clone(student).fit(X, y) for name, student in STUDENTS.items()}
    models["fastText"] = FastText(0).fit(X, y)
    models["TF-IDF + LR"] = make_tfidf_baseline().fit(X, y)
    hashing = make_pipeline(HashingVectorizer(), LogisticRegression(max_iter=1000))
    models["hashing + LR"] = hashing.fit(X, y)
    return models


def measure_throughput(models, data, million, teacher, n_rounds, clock):
    """Compare predictions of many texts."""
    student = models["MLP"]
    contenders = {
        "bare split": split_all,
        "fastText": models["fastText"].model_.predict,
        **the_limit(student._vocabulary),
        "MLP": student.predict,
        "MLP, NumPy": with_numpy(student).predict,
        "MLP, int8": student.compile("int8").predict,
        "MLP, 2 threads": partial(student.compile().predict, n_jobs=2),
        "MLP in torch": partial(in_torch, student),
        "CNN": models["CNN"].predict,
        "RNN": models["RNN"].predict,
        "TF-IDF + LR": models["TF-IDF + LR"].predict,
        "hashing + LR": models["hashing + LR"].predict,
    }
    if "Model2Vec" in models:
        contenders["Model2Vec"] = models["Model2Vec"].predict
    if teacher is not None:
        contenders["teacher"] = teacher.predict
    results = {"emotion": summarise(rounds(contenders, data.X_train, n_rounds, clock))}
    fast = ("fastText", "MLP", "MLP, NumPy", "MLP, 2 threads")
    seconds = rounds({name: contenders[name] for name in fast}, million, min(n_rounds, 3), clock)
    results["a million texts"] = summarise(seconds)
    return results


def measure_long_texts(data, n_rounds, clock):
    """Compare on texts with capitals and punctuation, from raw text to labels."""
    student = clone(STUDENTS["MLP"]).fit(data.X_train, data.y_train)
    plain = FastText(0).fit(data.X_train, data.y_train).model_
    marked = FastText(0).fit([*map(set_marks_apart, data.X_train)], data.y_train).model_
    contenders = {
        "bare split": split_all,
        "fastText": lambda texts: marked.predict([*map(set_marks_apart, texts)]),
        "fastText, words with their punctuation": lambda texts: plain.predict(
            [text.lower() for text in texts]
        ),
        **the_limit(student._vocabulary),
        "MLP": student.predict,
        "MLP, NumPy": with_numpy(student).predict,
        "TF-IDF + LR": make_tfidf_baseline().fit(data.X_train, data.y_train).predict,
    }
    return {"agnews": summarise(rounds(contenders, data.X_train, n_rounds, clock))}


def measure_tokenising(corpora, n_rounds, clock):
    """Compare ways to turn words into ids; pyarrow's kernels leave punctuation at its word."""
    rates = {}
    for name, texts in corpora.items():
        vocabulary = Vocabulary.build(texts, 8_000)
        features, ids = pa.array(vocabulary.features), vocabulary.ids

        def with_arrow(texts, features=features):
            for rows in slices(texts):
                words = pc.utf8_split_whitespace(pc.utf8_lower(pa.array(texts[rows])))
                pc.index_in(words.flatten(), value_set=features).fill_null(0).to_numpy()

        contenders = {
            **the_limit(vocabulary),
            "bytes": vocabulary.encode,
            "pyarrow": with_arrow,
            "split and dictionary": lambda texts, ids=ids: [
                [ids.get(word, 0) for word in text.lower().split()] for text in texts
            ],
        }
        seconds = rounds(contenders, texts, n_rounds, clock)
        rates[name] = summarise(seconds, reference="pyarrow")
    return rates


def measure_latency(models, texts, n_texts):
    """Measure single texts, in microseconds."""
    served, plain = models["MLP"].compile(), with_numpy(models["MLP"])
    contenders = {
        "MLP, compiled": lambda text: served.predict([text]),
        "MLP, NumPy": lambda text: plain.predict([text]),
        "MLP": lambda text: models["MLP"].predict([text]),
        "fastText": lambda text: models["fastText"].model_.predict([text]),
        "TF-IDF + LR": lambda text: models["TF-IDF + LR"].predict([text]),
    }
    spent = {name: [] for name in contenders}
    for name, predict in contenders.items():
        for text in texts[:n_texts]:
            start = time.perf_counter_ns()
            predict(text)
            spent[name].append((time.perf_counter_ns() - start) / 1000)
    return {
        name: dict(zip(("p50_us", "p99_us"), np.percentile(values, (50, 99)), strict=True))
        for name, values in spent.items()
    }


def measure_files(models, folder, teacher_folder):
    """Save all models, and return their sizes in bytes."""
    student = models["MLP"]
    for precision in ("float32", "float16", "int8"):
        student.save(folder / f"MLP, {precision}", precision=precision)
    models["RNN"].save(folder / "RNN, float32")
    models["fastText"].model_.save_model(str(folder / "fastText"))
    joblib.dump(models["TF-IDF + LR"], folder / "TF-IDF + LR")
    if "Model2Vec" in models:
        models["Model2Vec"].model_.to_pipeline().save_pretrained(str(folder / "Model2Vec"))
    paths = {path.name: path for path in sorted(folder.iterdir())}
    if teacher_folder is not None:
        paths["teacher"] = teacher_folder
    return paths, {name: size_of(path) for name, path in paths.items()}


def size_of(path):
    """Return the bytes of a file, or of a folder's files."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


LOADERS = {
    "MLP, float32": "from skdistill.serving import CompiledClassifier as C; m = C.load(path)",
    "MLP, int8": "from skdistill.serving import CompiledClassifier as C; m = C.load(path)",
    "RNN, float32": "from skdistill.serving import CompiledClassifier as C; m = C.load(path)",
    "fastText": "import fasttext; m = fasttext.load_model(path)",
    "TF-IDF + LR": "import joblib; m = joblib.load(path)",
    "Model2Vec": (
        "from model2vec.inference import StaticModelPipeline as P; m = P.from_pretrained(path)"
    ),
    "teacher": (
        "from skdistill import TransformerTeacherClassifier as T; m = T.from_finetuned(path)"
    ),
}
NEW_PROCESS = """
import json, sys, time
start = time.perf_counter()
path, texts_path = sys.argv[1:3]
{load}
m.predict(["i feel so happy today"])
cold = time.perf_counter() - start
def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
first = peak()
m.predict(open(texts_path, encoding="utf-8").read().splitlines())
print(json.dumps({{"cold_start_s": cold, "peak_mb": first, "peak_mb_of_many": peak()}}))
"""


def measure_processes(paths, texts, folder, n_rounds):
    """Measure new processes: import, load and predict one text; then many."""
    figures = {name: [] for name in LOADERS if name in paths}
    texts_path = folder.parent / "texts.txt"
    for _ in range(n_rounds):
        for name, runs in figures.items():
            part = texts[: N_FOR_THE_SLOW.get(name, len(texts))]
            texts_path.write_text("\n".join(part), encoding="utf-8")
            code = NEW_PROCESS.format(load=LOADERS[name])
            done = subprocess.run(
                [sys.executable, "-c", code, paths[name], texts_path],
                capture_output=True,
                text=True,
                check=True,
            )
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        for name, runs in figures.items()
    }


STREAM = """
import sys

import numpy as np
from skdistill.serving import CompiledClassifier
served = CompiledClassifier.load(sys.argv[1])
lines = open(sys.argv[2], encoding="utf-8").read().splitlines()
rng = np.random.default_rng(0)
n_chunks = int(sys.argv[3]) // 10_000
texts = (lines[i] for _ in range(n_chunks) for i in rng.integers(0, len(lines), 10_000))
n = sum(len(proba) for proba in served.predict_proba_iter(texts))
status = open("/proc/self/status").read()
print(n, int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def measure_stream(path, texts, folder, n_texts):
    """Predict a long stream in a new process, and return its peak memory."""
    texts_path = folder.parent / "texts.txt"
    texts_path.write_text("\n".join(texts), encoding="utf-8")
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", STREAM, path, texts_path, str(n_texts)],
        capture_output=True,
        text=True,
        check=True,
    )
    n_predicted, peak = done.stdout.split()
    return {
        "n_texts": int(n_predicted),
        "peak_mb": float(peak),
        "seconds": time.perf_counter() - start,
    }


def train_barely(make_network, dataset, max_epochs, batch_size, lr, seed):
    """Do the updates of `skdistill.students.training._loop.train`, and nothing else."""
    torch.manual_seed(seed)
    network, criterion = make_network(), DistillationLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, fused=True)
    batches = Batches(dataset, batch_size=batch_size, rng=np.random.default_rng(seed))
    n_steps, step = max_epochs * -(-len(dataset) // batch_size), 0
    for _ in range(max_epochs):
        for features, targets in batches:
            optimizer.param_groups[0]["lr"] = lr * (1 - step / n_steps)
            optimizer.zero_grad()
            loss = criterion(network(features.ids, features.offsets), targets)
            loss.backward()
            optimizer.step()
            step += 1
    return network


def measure_training(data, n_rounds):
    """Compare the student's training with a bare loop, and with fastText's."""
    X, y = data.X_train, data.y_train
    student = clone(STUDENTS["MLP"]).fit(X, y)
    ids: Ragged = student._vocabulary.encode(X)
    codes = np.searchsorted(student.classes_, y)
    targets = {
        "proba": np.eye(len(student.classes_), dtype=np.float32)[codes],
        "label": codes,
        "hard_weight": np.zeros(len(X), dtype=np.float32),
        "sample_weight": np.ones(len(X), dtype=np.float32),
    }
    dataset = TransferDataset(ids, targets)
    log_prior = torch.from_numpy(student._weights["log_prior"])
    make_network = partial(
        MLPNetwork, log_prior, len(student._vocabulary), **student._fitted_architecture
    )
    setting = {"max_epochs": 3, "batch_size": 128, "lr": 0.005, "seed": 0}
    contenders = {
        "bare torch loop": lambda: train_barely(make_network, dataset, **setting),
        "skorch": lambda: train(
            make_network, dataset, Recipe(device=torch.device("cpu"), **setting)
        ),
        "student, from texts": lambda: clone(STUDENTS["MLP"]).fit(X, y),
        "fastText, 25 passes": lambda: FastText(0).fit(X, y),
    }
    seconds = {name: [] for name in contenders}
    for number in range(n_rounds + 1):
        for name, fit in contenders.items():
            start = time.perf_counter()
            fit()
            if number:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return {
        "seconds": medians,
        "skorch_over_bare_loop": medians["skorch"] / medians["bare torch loop"],
    }


def print_table(results):
    """Print the results as Markdown tables."""
    for name, rates in results.get("throughput", {}).items():
        print(f"\n### Texts per second: {name}\n")
        print("| model | texts/s | x fastText |\n|---|---|---|")
        for model, row in sorted(rates.items(), key=lambda item: -item[1]["texts_per_second"]):
            print(f"| {model} | {row['texts_per_second']:,.0f} | {row['times_fastText']:.2f} |")
    for name, rates in results.get("tokenising", {}).items():
        print(f"\n### Tokenising, texts per second: {name}\n")
        print("| way | texts/s | x pyarrow |\n|---|---|---|")
        for way, row in rates.items():
            print(f"| {way} | {row['texts_per_second']:,.0f} | {row['times_pyarrow']:.2f} |")
    if "latency" in results:
        print("\n### One text, in microseconds\n\n| model | p50 | p99 |\n|---|---|---|")
        for model, row in results["latency"].items():
            print(f"| {model} | {row['p50_us']:.1f} | {row['p99_us']:.1f} |")
    if "bytes" in results:
        print("\n### Files and new processes\n")
        print("| model | file, kB | cold start, s | peak, MB | peak for many texts, MB |")
        print("|---|---|---|---|---|")
        for model, size in results["bytes"].items():
            row = results["processes"].get(model)
            figures = f"{row['cold_start_s']:.3f} | {row['peak_mb']:.0f} | " if row else " | | "
            many = f"{row['peak_mb_of_many']:.0f}" if row else ""
            print(f"| {model} | {size / 1000:,.1f} | {figures}{many} |")
        print(f"\nStream: {results['stream']}")
    for name in ("int8", "training"):
        if name in results:
            print(f"\n{name}: {results[name]}")


def measure(part, data, models, teacher, options):
    """Measure one of `PARTS`, and return results by their names."""
    n_rounds, clock = options.rounds, options.clock
    if part == "throughput":
        rows = np.random.default_rng(0).integers(0, len(data.X_train), N_MILLION)
        million = [data.X_train[row] for row in rows]
        rates = measure_throughput(models, data, million, teacher, n_rounds, clock)
        return {part: rates | measure_long_texts(load_corpus("agnews"), n_rounds, clock)}
    if part == "tokenising":
        corpora = {"emotion": data.X_train, "agnews": load_corpus("agnews").X_train}
        return {part: measure_tokenising(corpora, n_rounds, clock)}
    if part == "latency":
        return {part: measure_latency(models, data.X_train, 300 * n_rounds)}
    if part == "training":
        return {part: measure_training(data, min(n_rounds, 5))}
    if part == "int8":
        held_out = SimpleNamespace(X=data.X_test + data.X_val, y=[*data.y_test, *data.y_val])
        return {part: parity_report(models["MLP"], held_out.X, held_out.y)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "models")
        folder.mkdir()
        paths, sizes = measure_files(models, folder, options.teacher)
        processes = measure_processes(paths, data.X_train, folder, min(n_rounds, 5))
        n_streamed = N_MILLION if options.quick else 10 * N_MILLION
        stream = measure_stream(paths["MLP, float32"], data.X_train, folder, n_streamed)
    return {"bytes": sizes, "processes": processes, "stream": stream}


def main():
    """Measure everything, print the tables and write them down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--teacher", type=Path, help="folder of a teacher fine-tuned on Emotion")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-model2vec", action="store_true")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "speed.json")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 3
    torch.set_num_threads(1)
    data = load_corpus("emotion")
    models = fit_models(data)
    if not options.no_model2vec:
        models["Model2Vec"] = Model2Vec(0).fit(data.X_train, data.y_train)
    teacher = options.teacher and TransformerTeacherClassifier.from_finetuned(options.teacher)
    results = {
        "setting": {
            "rounds": options.rounds,
            "clock": options.clock,
            "processors": os.cpu_count(),
            "native": find_native() is not None,
            "versions": {name: version(name) for name in ("numpy", "scipy", "torch")},
            "n_parameters": {name: models[name].n_parameters_ for name in STUDENTS},
        }
    }
    with threadpool_limits(1):
        for part in options.only:
            results |= measure(part, data, models, teacher, options)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print_table(results)


if __name__ == "__main__":
    main()
