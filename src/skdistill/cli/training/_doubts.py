"""Warnings about labelled texts that can be trained on, but may not be what was meant."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from skdistill._core.exceptions import warn
from skdistill.datasets._values import folded

if TYPE_CHECKING:
    import numpy as np

    from skdistill.datasets._columns import Labelled

# From this share of test texts on that are also in another file, the output warns of them.
_MANY_KNOWN = 0.1
# How many classes a warning lists.
_SHOWN = 3
# What programs write for a missing value. "none" is not among them, because it may be a class.
_MISSING = {"na", "n/a", "#n/a", "<na>", "nan", "null", "nat"}


def warn_of_labels(labelled: "Labelled", names: "np.ndarray", column: str) -> None:
    """Warn of labels that look wrong, and of texts that have several; `names` are the labels."""
    for doubt in (
        *_other_cases(names.tolist(), column),
        *_missing_labels(labelled, names.tolist(), column),
        *_contradictions(labelled, column),
    ):
        warn(doubt)


def warn_of_known_texts(
    test: list[str], tested: str, texts: list[str], source: str, *, have_labels: bool
) -> None:
    """Warn if many test texts are also texts of another file.

    `tested` and `source` are the names of both; `have_labels` says whether the other one has any.
    """
    known = {*map(folded, texts)}
    n_known = sum(folded(text) in known for text in test)
    if n_known >= _MANY_KNOWN * len(test):
        effect = (
            "the scores say little about new texts"
            if have_labels
            else "fidelity and accuracy may be higher than for new texts"
        )
        warn(
            f"{n_known:,} of the {len(test):,} texts of {tested} are also in {source}, so "
            f"{effect}.",
        )


def warn_of_single_texts(labelled: "Labelled", names: list[str], column: str) -> None:
    """Warn of classes with a single text."""
    counts = _counts(labelled, names)
    single = [name for name in names if counts[name] == 1]
    if not single:
        return
    one, all_ = ("class", "classes") if labelled.names is None else ("label", "labels")
    have = "have" if len(single) > 1 else "has"
    listed = ", ".join(f"{name!r:.40}" for name in single[:_SHOWN])
    more = f" and {len(single) - _SHOWN:,} more" if len(single) > _SHOWN else ""
    warn(
        f"{column}: {len(single):,} of {len(names):,} {all_} {have} a single text: {listed}{more}. "
        f"A {one} of one text cannot be learned or evaluated reliably; add texts, or merge or drop "
        f"such {all_}.",
    )


def several_labels(names: "np.ndarray", given: str | None = None) -> tuple[str, str] | None:
    """Find a list of labels as ``skdistill predict`` writes it for several labels per text.

    Return it and the separator of its labels; None if there is none among the names. With a `given`
    separator, which they do not contain, find one for any other separator.
    """
    from skdistill.datasets._columns import LABEL_SEPARATORS

    known = {*names.tolist()}
    numbered = all(number.isdecimal() for name in known for number in name.split())
    for label in names.tolist():
        # Numbers are separated by spaces, names by |; each name is also the only one of some text.
        parts = [part.strip() for part in label.split("|")]
        if len(parts) > 1 and known.issuperset(parts):
            return label, "|"
        if numbered and len(label.split()) > 1:
            return label, " "
    others = "" if given is None else LABEL_SEPARATORS.replace(given.strip() or " ", "")
    for separator in others:
        for label in names.tolist():
            parts = [part.strip() for part in label.split(separator)]
            # No label of several may contain a |, because `predict` writes it between labels.
            if len({*parts}) > 1 and (separator == "|" or known.issuperset(parts)):
                return label, separator
    return None


def _other_cases(names: Iterable[str], column: str) -> Iterator[str]:
    """Find two labels that differ only in case."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(name.casefold(), name)
        if other != name:
            yield (
                f"{column} contains {other!r} and {name!r}, which count as two labels; rename one "
                "of them if they mean the same."
            )
            return


def _missing_labels(labelled: "Labelled", names: list[str], column: str) -> Iterator[str]:
    """Find labels that look like missing values."""
    suspects = [name for name in names if name.casefold() in _MISSING]
    if not suspects:
        return
    counts = _counts(labelled, names)
    listed = " and ".join(f"{name!r} {counts[name]:,} times" for name in suspects)
    yield (
        f"{column} contains {listed}, which counts as a label; if it means that the label is "
        "missing, drop these rows or move them to a file of unlabelled texts."
    )


def _counts(labelled: "Labelled", names: list[str]) -> dict[str, int]:
    """Return the number of texts of each label."""
    if labelled.names is None:
        return Counter(labelled.y.tolist())
    return dict(zip(names, labelled.y.sum(axis=0).tolist(), strict=True))


def _contradictions(labelled: "Labelled", column: str) -> Iterator[str]:
    """Find equal texts with different labels."""
    first: dict[str, object] = {}
    torn: dict[str, str] = {}
    for text, label in zip(labelled.texts, labelled.y.tolist(), strict=True):
        if first.setdefault(text, label) != label:
            torn.setdefault(text, text)
    if torn:
        n_texts = "1 text has" if len(torn) == 1 else f"{len(torn):,} texts have"
        yield (
            f"{column}: {n_texts} different labels in different rows, such as "
            f"{next(iter(torn))!r:.60}; correct them if they are mistakes."
        )
