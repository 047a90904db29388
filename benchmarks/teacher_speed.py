"""How fast a teacher labels and learns, beside stock transformers, on a CPU.

    SKDISTILL_DATA=folder python benchmarks/teacher_speed.py --teacher folder/of/a/teacher

Labelling: texts a second of ``predict_proba`` in each precision against those of
``pipeline("text-classification", batch_size=32)`` in float32, both with the same weights and from
raw texts; and the share of texts whose most probable class is the one in float32, on the test and
the validation part and on 4,000 training texts.

Learning: real (not padding) tokens a second in one epoch of ``fit`` against a ``Trainer`` with its
own settings and ``DataCollatorWithPadding``, at the same batch size, learning rate and precision,
both from the pretrained checkpoint on disk and raw texts to the trained model.

What is compared takes turns. Figures are medians over the turns, ratios the median of each turn's
own, so that a machine which is busy for a while blurs them least.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from common.corpora import load_corpus
from common.setting import base_model, load_teacher
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    pipeline,
)

from skdistill import TransformerTeacherClassifier
from skdistill.teachers.huggingface._arguments import training_precision
from skdistill.teachers.huggingface._loading import quiet

HERE = Path(__file__).parent
STOCK = "transformers"
PRECISIONS = ("fp32", "bf16", "int8")
BATCH_SIZE = 32
LR = 1e-4
N_TRAIN_CHECKED = 4000


def take_turns(arms, repeats):
    """Return the seconds of each function, run one after the other `repeats` times."""
    seconds = {name: [] for name in arms}
    for _ in range(repeats):
        for name, run in arms.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def speeds(seconds, amount):
    """Return amounts a second, and how often that is the first one's in the same turn."""
    first = np.array(next(iter(seconds.values())))
    return {
        name: {
            "per_second": amount / float(np.median(runs)),
            "ratio": float(np.median(first / np.array(runs))),
            "seconds": runs,
        }
        for name, runs in seconds.items()
    }


def measure_labelling(teacher, texts, repeats, precisions=PRECISIONS):
    """Time predictions in each precision, where the teacher's parameter `device` says."""
    classify = pipeline(
        "text-classification",
        model=teacher.model_,
        tokenizer=teacher.tokenizer_,
        batch_size=BATCH_SIZE,
        device=teacher.device,
    )

    def ours(precision, texts):
        return lambda: teacher.set_params(precision=precision).predict_proba(texts)

    for precision in precisions:
        ours(precision, texts[:BATCH_SIZE])()
    arms = {f"{STOCK}, fp32": lambda: classify(texts)}
    arms |= {f"skdistill, {precision}": ours(precision, texts) for precision in precisions}
    return speeds(take_turns(arms, repeats), len(texts))


def measure_agreement(teacher, parts, precisions=PRECISIONS):
    """Return the share of texts in each part that keep their label, by precision."""
    labels = {}
    for precision in precisions:
        teacher.set_params(precision=precision)
        labels[precision] = {part: teacher.predict(X) for part, X in parts.items()}
    return {
        precision: {
            part: float((labels[precision][part] == exact).mean())
            for part, exact in labels["fp32"].items()
        }
        for precision in precisions[1:]
    }


def train_stock(checkpoint, texts, codes, precision, device):
    """Fine-tune as the documentation of transformers does."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, num_labels=int(codes.max()) + 1, dtype=torch.float32
    )
    inputs = tokenizer(texts, truncation=True, max_length=128)["input_ids"]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                folder,
                num_train_epochs=1,
                per_device_train_batch_size=BATCH_SIZE,
                learning_rate=LR,
                bf16=precision == "bf16",
                use_cpu=device == "cpu",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=[
                {"input_ids": ids, "labels": code}
                for ids, code in zip(inputs, codes.tolist(), strict=True)
            ],
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def measure_learning(texts, labels, repeats, device="cpu"):
    """Time an epoch in float32 and, where the device has it, in bfloat16."""
    checkpoint = str(base_model())
    codes = np.unique(labels, return_inverse=True)[1]
    tokens = AutoTokenizer.from_pretrained(checkpoint)(texts, truncation=True, max_length=128)
    n_tokens = sum(map(len, tokens["input_ids"]))
    figures = {}
    for precision in dict.fromkeys(["fp32", training_precision("auto", torch.device(device))]):
        teacher = TransformerTeacherClassifier(
            checkpoint,
            max_epochs=1,
            batch_size=BATCH_SIZE,
            lr=LR,
            precision=precision,
            device=device,
            random_state=0,
        )
        arms = {
            f"{STOCK}, {precision}": lambda p=precision: train_stock(
                checkpoint, texts, codes, p, device
            ),
            f"skdistill, {precision}": lambda t=teacher: t.fit(texts, labels),
        }
        figures |= speeds(take_turns(arms, repeats), n_tokens)
    return figures


def print_tables(results):
    """Print a Markdown table of each kind."""
    print("\n| labelling | texts/s | of the pipeline's | labels as in fp32 |\n|---|---|---|---|")
    for name, row in results["labelling"].items():
        same = results["agreement"].get(name.split(", ")[1], {})
        shares = ", ".join(f"{part} {100 * share:.2f} %" for part, share in same.items())
        print(f"| {name} | {row['per_second']:,.0f} | {row['ratio']:.2f} | {shares} |")
    print("\n| learning | tokens/s | of the Trainer's |\n|---|---|---|")
    for name, row in results["learning"].items():
        print(f"| {name} | {row['per_second']:,.0f} | {row['ratio']:.2f} |")


def main():
    """Measure, print the tables, write the results down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="emotion")
    parser.add_argument("--teacher", help="folder of a fine-tuned teacher; made if left out")
    parser.add_argument("--texts", type=int, default=500, help="to label in each repeat")
    parser.add_argument("--rows", type=int, default=2048, help="to learn from in each repeat")
    parser.add_argument("--repeats", type=int, default=9, help="of the labelling")
    parser.add_argument("--train-repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few texts, to see that all runs")
    parser.add_argument("--work", type=Path, default=Path("quality-work"))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "teacher_speed.json")
    options = parser.parse_args()
    n_checked = N_TRAIN_CHECKED
    if options.quick:
        options.texts, options.rows, options.repeats, options.train_repeats = 128, 128, 2, 1
        n_checked = 128
    torch.set_num_threads(options.threads)
    data = load_corpus(options.data)
    ready = {options.data: options.teacher} if options.teacher else {}
    teacher = load_teacher(options.data, data, options.work / "teachers", ready, "fp32")
    teacher.set_params(device="cpu")
    chosen = np.random.default_rng(0).permutation(len(data.X_train))
    parts = {
        "test": data.X_test[:n_checked] if options.quick else data.X_test,
        "validation": data.X_val[:n_checked] if options.quick else data.X_val,
        "train": [data.X_train[row] for row in chosen[:n_checked]],
    }
    rows = chosen[: options.rows]
    with quiet():
        results = {
            "conditions": {
                "data": options.data,
                "texts": min(options.texts, len(data.X_test)),
                "rows": len(rows),
                "threads": options.threads,
                "repeats": [options.repeats, options.train_repeats],
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "checked": {part: len(texts) for part, texts in parts.items()},
                "processor": {
                    name: bool(torch.cpu.get_capabilities().get(name))
                    for name in ("avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
                },
            },
            "labelling": measure_labelling(
                teacher, list(data.X_test[: options.texts]), options.repeats
            ),
            "agreement": measure_agreement(teacher, parts),
            "learning": measure_learning(
                [data.X_train[row] for row in rows], data.y_train[rows], options.train_repeats
            ),
        }
    print_tables(results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
