"""The student that pools a bag or windows of features."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from joblib import Memory
from sklearn.utils._param_validation import Interval

from skdistill.labelling._pool import TextPool
from skdistill.students._base import DistilledClassifier, Plan
from skdistill.students._docs import document
from skdistill.text._vocabulary import Analyzer

if TYPE_CHECKING:
    from skdistill.students.training._batches import TransferDataset
    from skdistill.students.training._loop import Recipe
    from skdistill.students.training._network import TextNetwork
    from skdistill.students.training._selection import Choice

_ALL = ("mean", "max", "attention")


@document(
    """
    pooling : "auto", {"mean", "max", "attention"} or tuple of these, default="auto"
        How to reduce a text's embeddings to one vector. ``"mean"`` is the method of [1]_; ``"max"``
        takes the maximum in each dimension; ``"attention"`` weights each position by a score of the
        window around it. Several results are concatenated. ``"auto"`` takes all three, the first
        two or the mean, whichever does best on texts held out from a first training, and on copies
        of them if there are any. With fewer than 50 texts (100, if the teacher labels texts made of
        them), it takes all three. With few texts, the choice takes most of the time: with 200 gold
        labels of TREC-6, 3 s instead of 0.3 on two cores.
    context_window : int, default=13
        Number of features that each attention score depends on. It must be odd.
    """,
    embedding_dim=16,
)
class DistilledMLPClassifier(DistilledClassifier):
    """A tiny MLP text classifier, trained on the class probabilities of a large one.

    The network embeds words or n-grams, pools them into one vector per text, and applies a
    multi-layer perceptron. With default sizes it has about 80,000 parameters. It is trained on the
    teacher's probabilities for labelled and unlabelled texts [1]_, [2]_. Without a teacher, it is
    trained on the gold labels; compare the two to measure what distillation gains.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    DistilledRNNClassifier : Reads words in order; more accurate but slower.
    TransformerTeacherClassifier : A fine-tuned transformer as the teacher.
    make_tfidf_baseline : The baseline that a student should beat.

    Notes
    -----
    The pickle of a fitted student contains its teacher unfitted.

    You can pass scikit-learn's callbacks to :meth:`set_callbacks`, or to a search or pipeline.
    They are called at each epoch, with a student that has the weights of that epoch and with the
    labelled texts. They do not follow the teacher, which has its own :meth:`set_callbacks`.

    References
    ----------
    .. [1] Wasserblat (2021), "Best Practices for Text Classification with Distillation", parts 1
       to 4, Intel Labs.
    .. [2] Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network",
       arXiv:1503.02531.

    Examples
    --------
    >>> from skdistill import DistilledMLPClassifier, make_tfidf_baseline
    >>> X = ["a warm soup", "fresh bread", "warm bread", "a fast train", "late train", "fast bus"]
    >>> y = ["food", "food", "food", "travel", "travel", "travel"]
    >>> student = DistilledMLPClassifier(make_tfidf_baseline(C=10), max_epochs=50, random_state=0)
    >>> student.fit(X, y, X_unlabeled=["the soup", "a bus", "slow train", "good bread"])
    DistilledMLPClassifier(...)
    >>> student.predict(["hot soup", "my bus"])
    array(['food', 'travel'], dtype='<U6')
    """

    _kind = "mlp"
    _narrow_embedding = 16

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DistilledClassifier._parameter_constraints,
        "context_window": [Interval(Integral, 1, None, closed="left")],
    }

    context_window: int

    def __init__(
        self,
        teacher: Any = None,
        *,
        vocabulary_size: int | Literal["auto"] = "auto",
        n_parameters: int | None = None,
        analyzer: Analyzer = "word",
        ngram_range: Sequence[int] = (1, 1),
        hash_buckets: int = 0,
        lowercase: bool = True,
        embedding_dim: int | Literal["auto"] = "auto",
        embedding_init: Literal["random", "teacher"] = "random",
        pooling: str | Sequence[str] = "auto",
        context_window: int = 13,
        hidden_layer_sizes: Sequence[int] = (),
        dropout: float | Literal["auto"] = "auto",
        word_dropout: float | Literal["auto"] = "auto",
        loss: str = "kl",
        temperature: float | Literal["auto"] = "auto",
        hard_label_weight: float = 0.0,
        unlabeled: TextPool | None = None,
        augmenter: Any = "auto",
        teacher_cv: Any = None,
        memory: str | PathLike[str] | Memory | None = None,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        max_epochs: int | Literal["auto"] = "auto",
        gold_epochs: int = 0,
        batch_size: int | Literal["auto"] = "auto",
        lr: float | Literal["auto"] = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        n_jobs: int | None = None,
        callbacks: Sequence[Any] | None = None,
        verbose: int = 0,
    ) -> None:
        self._store_parameters(locals())

    @staticmethod
    def _network_class() -> "type[TextNetwork]":
        from skdistill.students.training._mlp import MLPNetwork

        return MLPNetwork

    def _architecture(self) -> dict[str, Any]:
        return {
            "pooling": _ALL if self.pooling == "auto" else self._poolings(_ALL),
            "context_window": self._odd_window(),
            "hidden_layer_sizes": self._positive_integers("hidden_layer_sizes", at_least=0),
        }

    def _choose_plan(
        self,
        plan: Plan,
        dataset: "TransferDataset",
        recipe: "Recipe",
        parts: np.ndarray | None,
    ) -> tuple[Plan, "Choice | None"]:
        if self.pooling != "auto":
            return plan, None
        from skdistill.students.training._selection import choose_network

        plans = [
            replace(plan, architecture=plan.architecture | {"pooling": pooling})
            for pooling in (("mean",), ("mean", "max"), _ALL)
        ]
        networks = [*map(self._network_of, plans)]
        choice = choose_network(networks, dataset, recipe, parts)
        return plans[choice.position], choice

    def _odd_window(self) -> int:
        if self.context_window % 2 == 0:
            raise ValueError(
                f"context_window={self.context_window} must be odd, so that the window extends "
                "equally far to the left and to the right."
            )
        return self.context_window
