"""How fast a teacher labels and learns on a GPU, beside stock transformers, and near its peak.

    SKDISTILL_DATA=folder python benchmarks/gpu.py --teacher folder/of/a/teacher

What is compared, and how, is said in `teacher_speed.py`. The share of the peak is that of the
device's dense bfloat16 products: a token takes two operations for each weight of the layers, and
six in training; attention and embeddings are not counted.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import transformers
from common.corpora import load_corpus
from common.setting import load_teacher
from teacher_speed import (
    measure_agreement,
    measure_labelling,
    measure_learning,
    print_tables,
)

from skdistill.teachers.huggingface._loading import quiet

HERE = Path(__file__).parent
# Dense bfloat16 products of 10^12 operations a second, from the makers' data sheets.
PEAKS = {"A100": 312, "H100": 989, "H200": 989}


def find_peak(name):
    """Return a known device's operations a second."""
    found = [peak for part, peak in PEAKS.items() if part in name]
    return found[0] * 1e12 if found else None


def share_of_peak(tokens_a_second, n_weights, operations, peak):
    """Return which share of the peak so many tokens a second are."""
    return None if peak is None else operations * n_weights * tokens_a_second / peak


def main():
    """Measure, print the tables, write the results down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="emotion")
    parser.add_argument("--teacher", help="folder of a fine-tuned teacher; made if left out")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--texts", type=int, default=16_000, help="to label in each repeat")
    parser.add_argument("--rows", type=int, default=16_000, help="to learn from in each repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--train-repeats", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("quality-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "gpu.json")
    options = parser.parse_args()
    data = load_corpus(options.data)
    ready = {options.data: options.teacher} if options.teacher else {}
    teacher = load_teacher(options.data, data, options.work / "teachers", ready, "fp32")
    teacher.set_params(device=options.device)
    precisions = ("fp32", "bf16")
    texts, rows = data.X_train[: options.texts], np.arange(min(options.rows, len(data.X_train)))
    labels = data.y_train[rows]
    with quiet():
        results = {
            "labelling": measure_labelling(teacher, texts, options.repeats, precisions),
            "agreement": measure_agreement(teacher, {"test": data.X_test}, precisions),
            "learning": measure_learning(
                [data.X_train[row] for row in rows], labels, options.train_repeats, options.device
            ),
        }
    print_tables(results)
    name = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    tokens = teacher.tokenizer_(texts, truncation=True, max_length=teacher.max_length_)
    tokens_a_text = np.mean([len(ids) for ids in tokens["input_ids"]])
    embeddings = sum(
        module.weight.numel()
        for module in teacher.model_.modules()
        if isinstance(module, torch.nn.Embedding)
    )
    n_weights, peak = teacher.n_parameters_ - embeddings, find_peak(name)
    shares = {}
    for kind, operations, scale in (("labelling", 2, tokens_a_text), ("learning", 6, 1)):
        for arm, row in results[kind].items():
            share = share_of_peak(scale * row["per_second"], n_weights, operations, peak)
            shares[f"{kind}, {arm}"] = share
            if share is not None:
                print(f"{kind}, {arm}: {100 * share:.2f} % of the bfloat16 peak")
    results["conditions"] = {
        "device": name,
        "texts": len(texts),
        "rows": len(rows),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    results["share_of_peak"] = shares
    options.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
