"""Hours that a number of texts takes, computed from the rates that were measured.

    python benchmarks/sizing.py

Prints Markdown out of `results/teacher_speed.json` (labelling), `results/scaling.json` (training:
one pass of the MLP at the largest number of texts) and `results/speed.json` (prediction by the
MLP). Each is of one thread of the processor that was measured, on texts of Emotion, 19 words each;
time in proportion to the number of texts is taken for granted, as `scaling.py` has found it up to
ten million. So is the memory of training, which grows by what it grew by between the two largest
numbers of texts: a student's `fit` holds the ids and labels of all texts.
"""

import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
SIZES = [10**power for power in range(6, 11)]


def read(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def rates():
    """Return texts a second: labelling, by the teacher's precision; training; and prediction."""
    labelling = {
        name.removeprefix("skdistill, "): figures["per_second"]
        for name, figures in read("teacher_speed")["labelling"].items()
        if name.startswith("skdistill, ")
    }
    scaling = read("scaling")
    largest = max(scaling, key=int)
    training = int(largest) / scaling[largest]["train"]["seconds"]
    prediction = read("speed")["throughput"]["a million texts"]["MLP"]["texts_per_second"]
    return labelling, training, prediction


def training_gb(n_texts):
    """Return the memory that a process takes which trains on so many texts."""
    peaks = {int(size): steps["train"]["peak_mb"] for size, steps in read("scaling").items()}
    smaller, larger = sorted(peaks)[-2:]
    mb_a_text = (peaks[larger] - peaks[smaller]) / (larger - smaller)
    return (peaks[larger] + mb_a_text * (n_texts - larger)) / 1024


def hours(n_texts, rate):
    """Write a time in hours, in two significant digits."""
    value = n_texts / rate / 3600
    return f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):,.0f}"


def processor():
    """Name what the measured processor knows of matrices."""
    known = read("teacher_speed")["conditions"]["processor"]
    return "AMX" if known["amx_bf16"] else "AVX-512" if known["avx512_f"] else "no AVX-512"


def main():
    """Print the table."""
    labelling, training, prediction = rates()
    print(
        f"Hours on one core (with {processor()}); the teacher is MiniLM-L6, the student an MLP of "
        "80,000 parameters, trained in one pass. Labelling is divided among workers, prediction "
        "among processes.\n"
    )
    names = [f"labelling, {precision}" for precision in labelling]
    print("| texts | " + " | ".join([*names, "training", "prediction"]) + " | training, GB |")
    print("|---|" + "---|" * (len(names) + 3))
    for n_texts in SIZES:
        cells = [hours(n_texts, rate) for rate in (*labelling.values(), training, prediction)]
        print(f"| {n_texts:,} | {' | '.join(cells)} | {training_gb(n_texts):,.1f} |")
    cells = [f"{rate:,.0f}" for rate in (*labelling.values(), training, prediction)]
    print(f"| texts a second | {' | '.join(cells)} | |")


if __name__ == "__main__":
    main()
