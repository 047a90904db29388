"""What teachers answer to a data set's texts, kept in files that machines can share."""

import gzip
import json
import os
import time
from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch

from common.corpora import load_corpus
from common.setting import TEACHERS, SoftLabels, base_model, load_teacher, make_augmenter
from skdistill import TransformerTeacherClassifier
from skdistill.augment._new_words import place_words
from skdistill.labelling._labeler import SoftLabeler

# Probabilities below this are noise of the teacher's arithmetic.
MIN_PROBA = 1e-7
# So many texts are made with each word of the vocabulary, beside the word alone.
N_PLACES = 3
PARTS = ("train", "val", "test", "unlabeled", "augmented", "words", "more")
# Seeds of augmenters, and how often a text goes on with the end of another, for four times as many
# copies. Only SST-2, whose students are furthest from their teacher, has them.
MORE = {"sst2": ((10, 0.5), (1, 0.0), (11, 0.5))}


def load_texts(name: str, work: Path) -> Bunch:
    """Load a data set and the texts made from it.

    What is made is written down, because the last bit of an embedding, which differs from machine
    to machine, can decide between two words.

    Parameters
    ----------
    name : {"agnews", "emotion", "sst2", "trec6"}
    work : Path
        The folder of the file.

    Returns
    -------
    Bunch
        See `load_corpus`; ``X_augmented`` are the texts made from labelled and unlabelled ones,
        ``X_words`` those with words of MiniLM's vocabulary, ``X_more`` further copies (SST-2).
    """
    data = load_corpus(name)
    path = work / "texts" / f"{name}.json.gz"
    if not path.exists():
        sources = data.X_train + data.X_unlabeled
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, gzip.compress(json.dumps(make_texts(name, sources)).encode(), mtime=0))
    return Bunch(**data | json.loads(gzip.decompress(path.read_bytes())))


def make_texts(name: str, sources: list[str]) -> dict[str, list[str]]:
    """Make the texts that a teacher is asked for beside a data set's own."""
    words = TransformerTeacherClassifier(base_model()).known_words()
    rng = np.random.default_rng(0)
    placed = [text for _ in range(N_PLACES) for text in place_words(words, sources, rng)]
    augmenter = make_augmenter(name)
    augmented = augmenter.fit(sources).augment(sources)
    more = []
    for seed, splice_p in MORE.get(name, ()):
        augmenter.set_params(random_state=seed, splice_p=splice_p)
        more += augmenter.fit(sources).augment(sources)
    known = {*sources, *augmented}
    return {
        "X_augmented": augmented,
        "X_words": [*dict.fromkeys(placed + words)],
        "X_more": [text for text in dict.fromkeys(more) if text not in known],
    }


def replace(path: Path, content: bytes) -> None:
    """Write a file that is whole at any time."""
    draft = path.with_suffix(".partial")
    draft.write_bytes(content)
    os.replace(draft, path)


def ask(
    name: str,
    data: Bunch,
    encoder: Path,
    seed: int,
    path: Path,
    *,
    precision: str = "auto",
    **settings,
) -> Bunch:
    """Fine-tune a teacher and ask it for all texts, unless its answers are there.

    Answers are kept as they come, so that an interrupted call asks for the others alone.

    Parameters
    ----------
    name : str
        The data set.
    data : Bunch
        See `load_texts`.
    encoder : Path
        The folder of a pretrained model.
    seed : int
    path : Path
        The file of the answers.
    precision : str, default="auto"
        That of the answers. Fine-tuning is in bfloat16 where it pays, answers are only on request.
    **settings
        Parameters of the teacher, instead of the data set's.

    Returns
    -------
    Bunch
        For each of `PARTS`, probabilities of shape (n_texts, n_classes); also ``seconds`` of
        training and ``n_parameters``.
    """
    if not path.exists():
        checkpoints = path.with_suffix("")
        teacher = TransformerTeacherClassifier(
            encoder, random_state=seed, checkpoint_dir=checkpoints, verbose=1
        ).set_params(**TEACHERS[name] | settings)
        start = time.perf_counter()
        teacher.fit(data.X_train, data.y_train)
        answers = {"seconds": time.perf_counter() - start, "n_parameters": teacher.n_parameters_}
        labeler = SoftLabeler(
            FrozenEstimator(teacher.set_params(precision=precision)),
            data.X_train,
            data.y_train,
            memory=path.parent.with_name("soft_labels"),
            verbose=1,
        )
        for part in PARTS:
            texts = data.get(f"X_{part}", [])
            proba = labeler.label(texts) if texts else np.empty((0, len(teacher.classes_)))
            answers[part] = np.log(np.maximum(proba, MIN_PROBA)).astype(np.float16)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".partial.npz")
        np.savez(draft, **answers)
        os.replace(draft, path)
    return read_answers(path)


def answers_of_minilm(name: str, data: Bunch, work: Path) -> Bunch:
    """Return MiniLM's probabilities for the parts "train", "val" and "test" of a data set.

    If the work folder does not contain the file of `ask`, MiniLM is fine-tuned and asked for these
    parts alone; it and its answers are kept.
    """
    path = work / "answers" / f"{name}_minilm_0.npz"
    if path.exists():
        return read_answers(path)
    teacher = load_teacher(name, data, work / "teachers", {}, "auto")
    soft = SoftLabels(name, data, teacher, work / "soft_labels")
    parts = {part: soft.labeler.label(data[f"X_{part}"]) for part in ("val", "test")}
    return Bunch(train=soft.train, **parts)


def read_answers(path: Path) -> Bunch:
    """Read the file of a teacher's answers; see `ask`."""
    with np.load(path) as stored:
        answers = Bunch(**{part: stored[part] for part in stored.files})
    for part, log_proba in answers.items():
        if log_proba.ndim:
            proba = np.exp(log_proba.astype(np.float64))
            answers[part] = proba / proba.sum(axis=1, keepdims=True)
    return answers
