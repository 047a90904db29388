"""The data sets of the benchmarks, split the same way in each of them."""

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from skdistill import load_docstrings, load_text_dataset

# Rows of train that become the validation part, where a data set has none of its own.
N_VALIDATION = {
    "agnews": 1000,
    "cola": 1000,
    "docstrings": 1000,
    "emotion": None,
    "hwu64": None,
    "newsgroups": 1000,
    "sst2": 1000,
    "trec6": 500,
}
# Words from which on a text of SST-2's train part is taken for a sentence, as those of its
# development part are.
MIN_SENTENCE = 12


def split_sentences(texts, n_validation, random_state=0):
    """Hold out whole sentences of SST-2, whose train part holds their phrases as well.

    Parameters
    ----------
    texts : list of str, of length n_texts
    n_validation : int
    random_state : int, default=0

    Returns
    -------
    train, validation : ndarray of int
        Rows; no text of `train` is a part of one of `validation`. What is a part is in neither.
    """
    lengths = np.array([len(text.split()) for text in texts])
    long = np.flatnonzero(lengths >= MIN_SENTENCE)
    validation = np.random.default_rng(random_state).choice(long, n_validation, replace=False)
    together = "\n".join(texts[row] for row in validation)
    train = np.array([row for row, text in enumerate(texts) if text.strip() not in together])
    return train, np.sort(validation)


def load_corpus(name: str) -> Bunch:
    """Load a data set whose train, validation and test parts share no text.

    Parameters
    ----------
    name : {"agnews", "cola", "docstrings", "emotion", "hwu64", "newsgroups", "sst2", "trec6"}

    Returns
    -------
    Bunch
        See `skdistill.load_text_dataset`. Test texts that also occur in train are dropped from
        test where the part is small enough for them to matter (TREC-6).
    """
    data = load_docstrings() if name == "docstrings" else load_text_dataset(name)
    if name == "sst2":
        X, y = data.X_train, data.y_train
        train, validation = split_sentences(X, N_VALIDATION[name])
        data.X_train, data.y_train = [X[row] for row in train], y[train]
        data.X_val, data.y_val = [X[row] for row in validation], y[validation]
    elif N_VALIDATION[name] is not None:
        data.X_train, data.X_val, data.y_train, data.y_val = train_test_split(
            data.X_train,
            data.y_train,
            test_size=N_VALIDATION[name],
            stratify=data.y_train,
            random_state=0,
        )
    if name == "trec6":
        seen = {*data.X_train, *data.X_val}
        kept = np.array([text not in seen for text in data.X_test])
        data.X_test = [text for text, keep in zip(data.X_test, kept, strict=True) if keep]
        data.y_test = data.y_test[kept]
    return data
