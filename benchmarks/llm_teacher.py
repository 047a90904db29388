"""Students of a language model behind a server, its speed, and what a kill costs.

    SKDISTILL_DATA=folder python benchmarks/llm_teacher.py --teacher folder/of/a/teacher

A local server with OpenAI's interface answers from the stored probabilities of a transformer that
was fine-tuned on Emotion, with logprobs of four decimals. Students learn from the training texts
without labels, directly from these probabilities and through the server.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from common.corpora import load_corpus

from skdistill import (
    DistilledMLPClassifier,
    LLMTeacherClassifier,
    TransformerTeacherClassifier,
)

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))

from chat_server import ChatServer  # noqa: E402

PARTS = ["throughput", "kills", "students"]
CONCURRENCY, N_THROUGHPUT, N_KILLS = 32, 10_000, 3
STUDENT = DistilledMLPClassifier(n_parameters=80_000, augmenter=None)


def stored_probabilities(folder, work, texts):
    """Return the teacher's probabilities, computed once."""
    path = work / "emotion.npy"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        np.save(path, TransformerTeacherClassifier.from_finetuned(folder).predict_proba(texts))
    return np.load(path)


def make_server(texts, proba):
    """Return a server that answers with four decimals of each logarithm."""
    keys = "ABCDEFGH"[: proba.shape[1]]
    rounded = np.exp(np.round(np.log(np.maximum(proba, 1e-9)), 4))
    known = dict(zip(texts, rounded.tolist(), strict=True))
    return ChatServer(lambda text: dict(zip(keys, known[text], strict=True)))


def make_teacher(url, classes, memory, method):
    """Return a teacher for the server."""
    return LLMTeacherClassifier(
        "local", classes=classes, base_url=url, memory=memory, method=method,
        max_concurrency=CONCURRENCY,
    )  # fmt: skip


def peak_memory():
    """Return the most memory that this process has had, in MB."""
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def work_alone(job):
    """Ask for texts in this process, and print time and memory: for a process of its own."""
    texts = json.loads(Path(job["texts"]).read_text())
    teacher = make_teacher(job["url"], job["classes"], job["memory"], "logprobs").fit(texts[:1])
    few = texts[: len(texts) // 10]
    teacher.predict_proba(few)
    before, start = peak_memory(), time.perf_counter()
    teacher.predict_proba(texts)
    seconds = time.perf_counter() - start
    print(json.dumps({
        "texts_a_second": (len(texts) - len(few)) / seconds,
        "peak_memory_after_tenth_MB": before,
        "peak_memory_MB": peak_memory(),
    }))  # fmt: skip


def start_alone(job):
    """Start a process that does the job."""
    command = [sys.executable, __file__, "--job", json.dumps(job)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def measure_throughput(texts, proba, classes, folder):
    """Ask for texts from another process: how fast, how much memory."""
    path = folder / "texts.json"
    path.write_text(json.dumps(texts))
    with make_server(texts, proba) as server:
        job = {"url": server.url, "texts": str(path), "classes": classes}
        result = start_alone(job | {"memory": str(folder / "whole")}).communicate()[0]
        n_requests = server.n_requests
    return json.loads(result) | {"n_texts": len(texts), "n_requests": n_requests}


def measure_kills(texts, proba, classes, folder):
    """Kill a process three times on its way; return how many requests were sent twice."""
    path, repeated = folder / "texts.json", []
    path.write_text(json.dumps(texts))
    with make_server(texts, proba) as server:
        job = {"url": server.url, "texts": str(path), "classes": classes}
        job["memory"] = str(folder / "killed")
        for number in range(N_KILLS):
            process = start_alone(job)
            goal = round(len(texts) / 2 + number * len(texts) / 10)
            while server.n_requests < goal:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(0.5)
            teacher = make_teacher(server.url, classes, job["memory"], "logprobs").fit(texts[:1])
            n_kept = len(texts) - teacher.estimate(texts).n_requests
            repeated.append(server.n_requests - n_kept - sum(repeated))
        killed = teacher.predict_proba(texts)
        most, n_sent = max(server.texts.values()), server.n_requests
        teacher = make_teacher(server.url, classes, str(folder / "whole"), "logprobs")
        whole = teacher.fit(texts[:1]).predict_proba(texts)
    students = [
        STUDENT.set_params(random_state=0, max_epochs=2)
        .fit(texts, np.array(classes)[whole.argmax(axis=1)], teacher_proba=found)
        .predict_proba(texts[:1000])
        for found in (killed, whole)
    ]
    return {
        "n_texts": len(texts),
        "n_requests": n_sent,
        "repeated_after_each_kill": repeated,
        "most_requests_of_a_text": most,
        "answers_are_equal": bool((killed == whole).all()),
        "students_are_equal": bool((students[0] == students[1]).all()),
    }


def measure_students(data, proba, classes, folder, seeds):
    """Return accuracies of students that learn directly and through the server."""
    n_train = len(data.X_train)
    targets = {"direct": proba[:n_train]}
    requests = {}
    with make_server(data.X_train, proba[:n_train]) as server:
        for method in ("logprobs", "samples", "candidates"):
            n_before = server.n_requests
            teacher = make_teacher(server.url, classes, folder / "students", method)
            targets[method] = teacher.fit(data.X_train[:1]).predict_proba(data.X_train)
            requests[method] = server.n_requests - n_before
    labels = np.array(classes)
    targets["single label"] = np.eye(len(classes), dtype="f4")[targets["direct"].argmax(axis=1)]
    results = {}
    for name, target in targets.items():
        scores = []
        for seed in range(seeds):
            student = STUDENT.set_params(random_state=seed, max_epochs="auto")
            student.fit(data.X_train, labels[target.argmax(axis=1)], teacher_proba=target)
            scores.append(100 * student.score(data.X_test, data.y_test))
        results[name] = {
            "accuracy": float(np.mean(scores)),
            "runs": scores,
            "n_requests": requests.get(name, 0),
            "mean_distance": float(np.abs(target - targets["direct"]).sum(axis=1).mean() / 2),
        }
        print(name, {k: v for k, v in results[name].items() if k != "runs"}, flush=True)
    return results


def main():
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--teacher", help="folder of a teacher that was fine-tuned on Emotion")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("llm-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "llm_teacher.json")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        work_alone(options.job)
        return
    data = load_corpus("emotion")
    texts = [*data.X_train, *data.X_test]
    proba = stored_probabilities(options.teacher, options.work, texts)
    classes = np.unique(data.y_train).tolist()
    some = [*dict.fromkeys(data.X_train)][:N_THROUGHPUT]
    places = {text: place for place, text in enumerate(texts)}
    of_some = proba[[places[text] for text in some]]
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    of_test = np.array(classes)[proba[len(data.X_train) :].argmax(axis=1)]
    results["teacher"] = 100 * float((of_test == data.y_test).mean())
    measure = {
        "throughput": partial(measure_throughput, some, of_some),
        "kills": partial(measure_kills, some, of_some),
        "students": partial(measure_students, data, proba, seeds=options.seeds),
    }
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts:
            results[part] = measure[part](classes=classes, folder=Path(folder))
            print(part, json.dumps(results[part], indent=1), flush=True)
            options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
