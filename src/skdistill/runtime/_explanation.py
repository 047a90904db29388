"""Explain predictions word by word, with NumPy and the standard library only."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from skdistill._core.format import one_line
from skdistill.runtime._markup import Markup, element, join
from skdistill.runtime._network import CompiledNetwork, expit, softmax
from skdistill.text._spans import locate_features
from skdistill.text._vocabulary import UNKNOWN

# Okabe and Ito's blue and vermilion, which colour-blind readers can tell apart. The opacity limit
# keeps text of any colour readable.
_FOR, _AGAINST = "0, 114, 178", "213, 94, 0"
_MAX_OPACITY = 0.45
_N_LISTED = 5


@dataclass(frozen=True, repr=False, eq=False)
class Explanation:
    """The contribution of each word to a text's logits.

    The contributions are exact: together with `bias` they sum to the logits. They apply to the
    text's current attention weights; if you remove a word, the weights of the others change.

    A notebook shows an explanation as highlighted text.

    Parameters
    ----------
    text : str
        The original text.
    units : list of str, of length n_units
        The words, n-grams or characters that the student reads, lower-cased if the student
        lower-cases texts.
    spans : ndarray of shape (n_units, 2), dtype int64
        Start and end of each unit in `text`, in characters; -1 if the analyzer is a function.
    is_known : ndarray of shape (n_units,), dtype bool
        Whether the unit is in the vocabulary or has a hash bucket. The student treats all other
        units as the same unknown word.
    contributions : ndarray of shape (n_units, n_classes), dtype float64
        What each unit adds to the logits. Columns follow `classes`.
    bias : ndarray of shape (n_classes,), dtype float64
        The part of the logits that depends on no unit.
    classes : ndarray of shape (n_classes,)
        The labels, in the order of the columns.
    multilabel : bool
        Whether a text may have several labels.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier
    >>> X = ["a warm soup", "fresh bread", "warm bread", "a fast train", "late train", "fast bus"]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"]
    >>> student = DistilledMLPClassifier(max_epochs=50, random_state=0).fit(X, y)
    >>> explanation = student.explain(["Warm train?"])[0]
    >>> explanation.units, explanation.spans.tolist(), explanation.is_known.tolist()
    (['warm', 'train', '?'], [[0, 4], [5, 10], [10, 11]], [True, True, False])
    >>> food, travel = explanation.classes
    >>> bool(explanation.towards(food)[0] > 0 > explanation.towards(food)[1])
    True
    """

    text: str
    units: list[str]
    spans: np.ndarray
    is_known: np.ndarray
    contributions: np.ndarray
    bias: np.ndarray
    classes: np.ndarray
    multilabel: bool = False

    @property
    def logits(self) -> np.ndarray:
        """Logits of shape (n_classes,): the sum of the bias and all contributions."""
        return self.bias + self.contributions.sum(axis=0)

    @property
    def proba(self) -> np.ndarray:
        """Probabilities of shape (n_classes,)."""
        logits = self.logits[None]
        return (expit(logits) if self.multilabel else softmax(logits))[0]

    @property
    def predicted(self) -> np.ndarray:
        """Predicted class, or all labels with a probability above 0.5, the most probable first."""
        proba = self.proba
        order = np.argsort(-proba, kind="stable")
        return self.classes[order[proba[order] > 0.5] if self.multilabel else order[:1]]

    def towards(self, class_: Any) -> np.ndarray:
        """Compute how strongly each unit supports a class.

        Adding the same number to all logits leaves softmax probabilities unchanged. If a text has
        one class, a unit's support is therefore its contribution minus its mean contribution over
        all classes.

        Parameters
        ----------
        class_ : object
            One of `classes`.

        Returns
        -------
        ndarray of shape (n_units,), dtype float64
            Positive for units that support the class, negative for units that oppose it.

        Raises
        ------
        ValueError
            If `class_` is not one of `classes`.
        """
        (found,) = np.nonzero(self.classes == class_)
        if not len(found):
            raise ValueError(f"{class_!r} is not one of the classes {self.classes.tolist()}.")
        own = self.contributions[:, found[0]]
        return own if self.multilabel else own - self.contributions.mean(axis=1)

    def __repr__(self) -> str:
        short = self.text if len(self.text) <= 60 else self.text[:59] + "…"
        lines = [f"Explanation of {short!r}"]
        predicted = self.predicted
        if not len(predicted):
            lines.append("no label; the most probable one is")
            predicted = self.classes[[self.logits.argmax()]]
        return "\n".join([*lines, *map(self._block, predicted)])

    def _block(self, class_: Any) -> str:
        """Return the probability of a class and the words that matter most to it."""
        parts = self.towards(class_)
        lines = [f"{one_line(str(class_))}: {self.proba[self.classes == class_][0]:.3f}"]
        strongest = _strongest(parts)
        width = max((len(self.units[unit]) for unit in strongest), default=0)
        lines += [f"  {self.units[unit]:<{width}}  {parts[unit]:+.3f}" for unit in strongest]
        left = len(parts) - len(strongest)
        return "\n".join([*lines, f"  and {left} more"] if left else lines)

    def _repr_html_(self) -> str:
        class_, proba, parts = self._winner()
        listed = [f"{self.units[unit]} {_signed(parts[unit])}" for unit in _strongest(parts)]
        return element(
            "div",
            element("p", element("strong", class_), f" {100 * proba:.1f} %", style="margin:0"),
            element("p", *self._marked(parts), style="margin:.3em 0;line-height:1.9"),
            element(
                "p",
                "Solid underlines support the class, dotted ones oppose it. ",
                "Strongest: " + ", ".join(listed) if listed else "",
                style="margin:0;font-size:.85em",
            ),
            class_="skdistill-explanation",
            style="margin:.5em 0 1.2em",
        )

    def _winner(self) -> tuple[str, float, np.ndarray]:
        winner = int(self.logits.argmax())
        class_ = self.classes[winner]
        return str(class_), float(self.proba[winner]), self.towards(class_)

    def _marked(self, parts: np.ndarray) -> list[str]:
        """Cut the text wherever a unit starts or ends, and colour the pieces."""
        if (self.spans < 0).any():
            top = np.abs(parts).max()
            pairs = zip(self.units, parts, strict=True)
            return [join(_mark(unit, part, top), " ") for unit, part in pairs]
        pieces = [0, *np.unique(self.spans).tolist(), len(self.text)]
        by_character = spread_over_characters(self.spans, parts, len(self.text))
        sums = [by_character[start:stop].sum() for start, stop in pairwise(pieces)]
        top = max(map(abs, sums))
        texts = [self.text[start:stop] for start, stop in pairwise(pieces)]
        return [_mark(text, part, top) for text, part in zip(texts, sums, strict=True) if text]


class Explanations(list[Explanation]):
    """Explanations of several texts, which a notebook shows below each other."""

    def _repr_html_(self) -> str:
        return join(*(Markup(explanation._repr_html_()) for explanation in self))


def explain(network: CompiledNetwork, classes: np.ndarray, texts: Iterable[str]) -> Explanations:
    """Decompose the logits of texts into contributions.

    Parameters
    ----------
    network : CompiledNetwork
    classes : ndarray of shape (n_classes,)
    texts : iterable of str

    Returns
    -------
    Explanations

    Raises
    ------
    ValueError
        If the network's logits are not sums over words.
    """
    if not network.is_additive:
        raise ValueError(
            f"The logits of {_reason(network)} are not sums over words, so there are no "
            "contributions to explain. Fit a DistilledMLPClassifier with hidden_layer_sizes=(), or "
            "remove words from the text and compare the results of predict_proba."
        )
    return Explanations(_explain_one(network, classes, text) for text in texts)


def _reason(network: CompiledNetwork) -> str:
    if network.adds_up:
        return "a student with hidden layers"
    return "a student other than an MLP"


def _explain_one(network: CompiledNetwork, classes: np.ndarray, text: str) -> Explanation:
    features = locate_features(network.vocabulary, text)
    contributions, bias = network.contributions(features.ids)
    return Explanation(
        text,
        features.names,
        features.spans,
        features.ids != UNKNOWN,
        contributions,
        bias,
        classes,
        network.multilabel,
    )


def spread_over_characters(spans: np.ndarray, parts: np.ndarray, n_characters: int) -> np.ndarray:
    """Spread the contributions of units evenly over the characters they cover.

    Parameters
    ----------
    spans : ndarray of shape (n_units, 2)
    parts : ndarray of shape (n_units,)
    n_characters : int

    Returns
    -------
    ndarray of shape (n_characters,)
        Its sum equals the sum of `parts`.
    """
    shares = parts / (spans[:, 1] - spans[:, 0])
    steps = np.zeros(n_characters + 1)
    np.add.at(steps, spans[:, 0], shares)
    np.add.at(steps, spans[:, 1], -shares)
    return np.cumsum(steps)[:-1]


def _strongest(parts: np.ndarray) -> list[int]:
    return np.argsort(-np.abs(parts), kind="stable")[:_N_LISTED].tolist()


def _signed(part: float) -> str:
    return f"{part:+.2f}".replace("-", "−")


def _mark(text: str, part: float, top: float) -> str:
    if not text.strip() or not top or abs(part) < 0.005 * top:
        return text
    color, line = (_FOR, "solid") if part > 0 else (_AGAINST, "dotted")
    opacity = _MAX_OPACITY * abs(part) / top
    style = (
        f"color:inherit;background:rgba({color}, {opacity:.2f});"
        f"border-bottom:2px {line} rgb({color});padding:.1em 0"
    )
    return element("mark", text, style=style, title=_signed(part))
