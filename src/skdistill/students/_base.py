"""How students are fitted: labels, transfer set, vocabulary, network, training.

Only `fit` imports torch; a fitted student predicts without it.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import _check_sample_weight

from skdistill._core.epoch_tasks import EpochTasks
from skdistill._core.estimators import all_or_nothing, fit_context
from skdistill._core.texts import check_texts
from skdistill.augment._automatic import choose_augmenter
from skdistill.card._facts import name_teacher, training_parameters
from skdistill.labelling._labeler import SoftLabeler
from skdistill.labelling._pool import TextPool, check_unlabeled
from skdistill.labelling._teacher import check_frozen_parts, needs_no_labels
from skdistill.labelling._transfer_set import TransferSet, make_transfer_set
from skdistill.metrics._losses import LOSSES, choose_temperature
from skdistill.runtime._kernel import encode
from skdistill.runtime._model_file import StoredModel
from skdistill.storage._store import check_memory_location
from skdistill.students._doubts import warn_of_distance, warn_of_single_words
from skdistill.students._fitted import FittedStudent
from skdistill.students._gold_labels import Labels
from skdistill.students._parameters import StudentParameters
from skdistill.students.training._embedding_init import find_embedding_source, initial_embedding
from skdistill.students.training._schedule import (
    TrainingSchedule,
    choose_sizes,
    count_held_out,
    fit_budget,
    make_schedule,
)
from skdistill.text._ragged import Ragged
from skdistill.text._streams import Texts
from skdistill.text._vocabulary import Vocabulary

if TYPE_CHECKING:
    from skdistill.students.training._batches import TransferDataset
    from skdistill.students.training._loop import Recipe
    from skdistill.students.training._network import TextNetwork
    from skdistill.students.training._selection import Choice

# Number of texts whose length sizes depend on.
_SAMPLE = 1_000


class DistilledClassifier(
    CallbackSupportMixin, StudentParameters, FittedStudent, metaclass=ABCMeta
):
    """Base class of the students.

    A subclass lists its parameters in its own `__init__`, as scikit-learn requires, and defines
    the network that they describe.
    """

    # Meta-estimators route these to `fit` without an explicit request.
    __metadata_request__fit = {
        "X_unlabeled": True,
        "teacher_proba": True,
        "unlabeled_proba": True,
        "sample_weight": True,
    }

    # Width of the embedding for few classes and short texts; the network then has about 80,000
    # parameters.
    _narrow_embedding: ClassVar[int]

    # Whether to batch texts of similar length, for networks that are as slow as the longest text.
    _batches_by_length = False

    @abstractmethod
    def _architecture(self) -> dict[str, Any]:
        """Check the network's keyword arguments and return them."""

    @staticmethod
    @abstractmethod
    def _network_class() -> "type[TextNetwork]":
        """Import and return the torch module of this kind of student."""

    @classmethod
    def _make_network(
        cls, log_prior: np.ndarray, n_features: int, **architecture: Any
    ) -> "TextNetwork":
        import torch

        return cls._network_class()(torch.from_numpy(log_prior), n_features, **architecture)

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Iterable[str],
        y: ArrayLike | None = None,
        *,
        X_unlabeled: Iterable[str] | TextPool | None = None,
        teacher_proba: ArrayLike | None = None,
        unlabeled_proba: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Label all texts with the teacher and train the student on the probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_labeled
            Texts, with gold labels unless `y` is None.
        y : array-like of shape (n_labeled,) or (n_labeled, n_labels), default=None
            Gold labels, which the teacher is fitted on. For multilabel classification, pass an
            indicator matrix of ones and zeros; each label then has its own probability. Pass None
            if the teacher needs no labels: it is fitted already, in a
            :class:`~sklearn.frozen.FrozenEstimator`, or it is a
            :class:`~skdistill.ZeroShotTeacherClassifier`. The student then takes the teacher's
            classes.
        X_unlabeled : iterable of str, of length n_unlabeled, or TextPool, default=None
            Texts without gold labels. Inside cross-validation, pass a
            :class:`~skdistill.TextPool`, which is never split into folds. It may be on disk. If
            None, the parameter `unlabeled` is used.
        teacher_proba : array-like of shape (n_labeled, n_classes), default=None
            Class probabilities of `X`, to use instead of the teacher. The columns follow the
            sorted classes.
        unlabeled_proba : array-like of shape (n_unlabeled, n_classes), default=None
            The same for `X_unlabeled`.
        sample_weight : array-like of shape (n_labeled,), default=None
            Weights of the rows of `X`, for teacher and student. Rows of `X_unlabeled` have
            weight 1.

        Returns
        -------
        self : object
            The fitted student.

        Raises
        ------
        ValueError
            If a text is missing, `y` differs from `X` in length or has a single class, parameters
            contradict each other, probabilities have the wrong shape or do not sum to 1, the
            teacher's classes differ from those of `y`, `X_unlabeled` has neither teacher nor
            probabilities, `y` is None but the teacher or a parameter needs it, or training
            diverges.
        TypeError
            If a row of `X` or `X_unlabeled` is not a string, or `unlabeled` is not a TextPool.
        RuntimeError
            If workers die repeatedly while labelling.

        Warns
        -----
        UserWarning
            With 50 texts or more, if most words occur only once, or if the teacher agrees with `y`
            little better than by chance; with fewer, if it answers all alike, or most of ten or
            more against `y`. If there are no unlabelled texts and, after a first training, the
            student agrees with its teacher on few of the texts held out.

        Notes
        -----
        If joblib's active backend has several worker processes, they label texts in parallel::

            with joblib.parallel_config("dask"):  # or ("loky", n_jobs=4)
                student.fit(X, y, X_unlabeled=pool)

        Each worker loads the fitted teacher once. With `memory`, all finished texts are
        saved; if a worker dies, only unfinished ones are labelled again. Workers on several
        machines need a `memory` folder that all of them can access. Inside a parallel search, each
        worker labels the texts of its own candidates. We test Loky, Dask and Ray.
        """
        from skdistill._core.torch import resolve_device
        from skdistill.students.training._batches import make_datasets

        texts, device = check_texts(X), resolve_device(self.device)
        check_memory_location(self.memory)
        row_weights = None
        if sample_weight is not None:
            row_weights = _check_sample_weight(
                sample_weight, texts, dtype=np.float64, ensure_non_negative=True
            )
        labels, labeler = self._read_labels(texts, y, row_weights)
        architecture, vocabulary_options = self._check_parameters(labels)
        pool_name = "unlabeled" if X_unlabeled is None else "X_unlabeled"
        pool = check_unlabeled(
            self._unlabeled_or(X_unlabeled), n_labeled=len(texts), name=pool_name
        )
        if self.analyzer != "char":
            warn_of_single_words(texts, pool, self.analyzer)
        augmenter = self._choose_augmenter(teacher_proba, texts, pool)
        if self.early_stopping and augmenter is None:
            count_held_out(len(texts) + len(pool), self.validation_fraction)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        transfer = make_transfer_set(
            texts,
            labels.classes,
            labels.codes,
            labeler=labeler,
            X_unlabeled=pool,
            augmenter=augmenter,
            teacher_proba=teacher_proba,
            unlabeled_proba=unlabeled_proba,
            teacher_cv=self.teacher_cv,
            hard_label_weight=self.hard_label_weight,
            class_weight=self.class_weight,
            sample_weight=row_weights,
            pool_name=pool_name,
        )
        if transfer.sources != ["gold"]:
            labels.warn_of_chance(transfer.proba[: len(texts)], row_weights)
        schedule = self._schedule(len(transfer.texts))
        size, width = self._choose_sizes(texts, labels)
        architecture |= {
            "embedding_dim": width,
            "dropout": schedule.dropout,
            "word_dropout": schedule.word_dropout,
        }
        vocabulary = self._build_vocabulary(size, transfer, row_weights, vocabulary_options)
        log_prior = labels.log_prior(transfer.proba[: len(texts)], row_weights)
        plan = self._plan_network(vocabulary, architecture, log_prior)
        ids = encode(plan.vocabulary, transfer.texts)
        dataset, gold = make_datasets(ids, transfer.targets, len(texts))
        parts = getattr(X_unlabeled, "parts", transfer.parts)
        temperature = choose_temperature(self.temperature, made_texts=parts is not None)
        recipe = self._recipe(schedule, seed, device, labels.multilabel, temperature)
        plan, choice = self._choose_plan(plan, dataset, recipe, parts)
        if labeler is not None and teacher_proba is None and choice is not None and not len(pool):
            warn_of_distance(choice)
        learned = partial(self._learned, labels, plan, ids, self._make_record(transfer, labels))
        n_epochs = schedule.max_epochs + self.gold_epochs
        tasks = EpochTasks(self, n_epochs, learned, X=texts, y=labels.y, sample_weight=row_weights)
        weights, history = self._train(plan, dataset, gold, recipe, tasks)
        # Set attributes last, so that an interrupted fit leaves the estimator unchanged.
        self.__dict__.update(learned(weights, history))
        tasks.close()
        return self

    def _read_labels(
        self, texts: list[str], y: Any, sample_weight: np.ndarray | None
    ) -> tuple[Labels, SoftLabeler | None]:
        """Return the gold labels, or the teacher's classes if `y` is None, and the labeler."""
        labeler_for = partial(
            SoftLabeler,
            self.teacher,
            texts,
            sample_weight=sample_weight,
            memory=self.memory,
            verbose=self.verbose,
        )
        if y is None and needs_no_labels(self.teacher):
            self._refuse_gold_parameters()
            labeler = labeler_for(None)
            return Labels.unknown(labeler.classes, labeler.multilabel, n_rows=len(texts)), labeler
        if y is None and self.teacher is not None:
            check_frozen_parts(self.teacher)
        labels = Labels.gold(y, n_rows=len(texts))
        if self.teacher is None:
            return labels, None
        return labels, labeler_for(labels.y, classes=labels.classes)

    def _choose_augmenter(self, teacher_proba: Any, texts: list[str], pool: Texts) -> Any:
        """Return the augmenter; ``"auto"`` is None if the labels are given."""
        if teacher_proba is not None and isinstance(self.augmenter, str):
            return None
        return choose_augmenter(self.augmenter, self.teacher, texts, pool, analyzer=self.analyzer)

    def _check_parameters(self, labels: Labels) -> tuple[dict[str, Any], dict[str, Any]]:
        """Check the parameters; return the options of the network and of the vocabulary.

        Whatever can be refused is refused here, before the teacher is paid for its answers.
        """
        labels.check_enough_for(LOSSES[self.loss])
        if self.embedding_init == "teacher":
            find_embedding_source(self.teacher)
        self._check_callbacks()
        architecture = self._architecture()
        if self.n_parameters is not None:
            log_prior = np.zeros(len(labels.classes))
            self._split_budget(self.n_parameters, log_prior, architecture, n_available=2)
        return architecture, self._vocabulary_options()

    def _choose_sizes(self, texts: list[str], labels: Labels) -> tuple[int, int]:
        """Return the vocabulary size and the width of the embedding, without `n_parameters`."""
        rows = np.random.default_rng(0).permutation(len(texts))[:_SAMPLE]
        sample = [texts[row] for row in rows]  # the first may be all of one source
        size, width = choose_sizes(
            sample, n_classes=len(labels.classes), narrow=self._narrow_embedding
        )
        return (
            size if self.vocabulary_size == "auto" else self.vocabulary_size,
            width if self.embedding_dim == "auto" else self.embedding_dim,
        )

    def _build_vocabulary(
        self,
        size: int,
        transfer: TransferSet,
        sample_weight: np.ndarray | None,
        options: dict[str, Any],
    ) -> Vocabulary:
        size = size if self.n_parameters is None else max(2, self.n_parameters)
        counts = None
        if sample_weight is not None:
            n_others = len(transfer.texts) - len(sample_weight)
            counts = np.concatenate([sample_weight, np.ones(n_others)])
        vocabulary = Vocabulary.build(transfer.texts, size, weights=counts, **options)
        if not vocabulary.features:
            raise ValueError(
                "There are no features to learn, because all texts are empty or have fewer words "
                f"than the shortest n-grams of ngram_range={self.ngram_range!r}; pass others."
            )
        return vocabulary

    def _plan_network(
        self, vocabulary: Vocabulary, architecture: dict[str, Any], log_prior: np.ndarray
    ) -> "Plan":
        """Determine the network's size from the parameters or from the budget `n_parameters`."""
        if self.n_parameters is None:
            return Plan(vocabulary, architecture, log_prior)
        n_listed, embedding_dim = self._split_budget(
            self.n_parameters, log_prior, architecture, len(vocabulary) - self.hash_buckets
        )
        vocabulary = vocabulary.select(np.arange(1, n_listed))
        return Plan(vocabulary, {**architecture, "embedding_dim": embedding_dim}, log_prior)

    def _split_budget(
        self,
        n_parameters: int,
        log_prior: np.ndarray,
        architecture: dict[str, Any],
        n_available: int,
    ) -> tuple[int, int]:
        """Return the rows and the width of the embedding; at most `n_available` rows are used."""
        return fit_budget(
            n_parameters,
            lambda size, dim: self._count_parameters(
                log_prior, size, **{**architecture, "embedding_dim": dim}
            ),
            n_available=n_available,
            n_classes=len(log_prior),
            hash_buckets=self.hash_buckets,
        )

    @classmethod
    def _count_parameters(cls, log_prior: np.ndarray, n_features: int, **architecture: Any) -> int:
        import torch

        with torch.device("meta"):
            network = cls._make_network(log_prior, n_features, **architecture)
        return sum(parameter.numel() for parameter in network.parameters())

    def _schedule(self, n_texts: int) -> TrainingSchedule:
        """Choose the settings for the texts that are trained on, without those held out."""
        if self.early_stopping:
            n_texts = max(1, n_texts - ceil(self.validation_fraction * n_texts))
        return make_schedule(
            n_texts=n_texts,
            dropout=self.dropout,
            word_dropout=self.word_dropout,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
        )

    def _choose_plan(
        self,
        plan: "Plan",
        dataset: "TransferDataset",
        recipe: "Recipe",
        parts: np.ndarray | None,
    ) -> tuple["Plan", "Choice | None"]:
        """Return the plan, or one that is better on held-out texts: see `TransferSet.parts`."""
        return plan, None

    def _network_of(self, plan: "Plan") -> Callable[[], "TextNetwork"]:
        """Return a function that builds a network of the plan."""
        return partial(
            self._make_network, plan.log_prior, len(plan.vocabulary), **plan.architecture
        )

    def _train(
        self,
        plan: "Plan",
        dataset: "TransferDataset",
        gold: "TransferDataset",
        recipe: "Recipe",
        tasks: EpochTasks,
    ) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        """Train on the teacher's probabilities and then, with `gold_epochs`, on gold labels."""
        from skdistill.students.training._loop import train

        held_out, weights = None, {}
        if self.early_stopping:
            dataset, held_out = dataset.hold_out(self.validation_fraction, recipe.seed)
        if self.embedding_init == "teacher":
            weights["embedding.weight"] = initial_embedding(
                self.teacher, plan.vocabulary, plan.architecture["embedding_dim"], recipe.seed
            )
        run = partial(train, self._network_of(plan), tasks=tasks)
        weights, history = run(dataset, recipe, held_out=held_out, initial_weights=weights)
        if tasks.stopped or not self.gold_epochs or not len(gold):
            return weights, history
        return run(
            gold.with_gold_labels(),
            recipe.for_gold_labels(self.gold_epochs),
            initial_weights=weights,
            earlier_history=history,
        )

    def _recipe(
        self, schedule: TrainingSchedule, seed: int, device: Any, multi: bool, temperature: float
    ) -> "Recipe":
        from skdistill.students.training._loop import Recipe

        return Recipe(
            max_epochs=schedule.max_epochs,
            batch_size=schedule.batch_size,
            lr=schedule.lr,
            seed=seed,
            device=device,
            loss=self.loss,
            temperature=temperature,
            multilabel=multi,
            patience=self.n_iter_no_change,
            callbacks=deepcopy(self.callbacks) if self.callbacks else (),
            verbose=self.verbose,
            by_length=self._batches_by_length,
        )

    def _make_record(self, transfer: TransferSet, labels: Labels) -> dict[str, Any]:
        """Describe what the student learns from, for model files and cards."""
        n_by_origin = dict(transfer.n_by_origin)
        if not labels.known:
            n_by_origin["unlabelled"] += n_by_origin.pop("labelled")
        return {
            "teacher": name_teacher(self.teacher),
            "sources": transfer.sources,
            "n_by_origin": n_by_origin,
            "date": datetime.now(UTC).date().isoformat(),
        }

    def _learned(
        self,
        labels: Labels,
        plan: "Plan",
        ids: Ragged,
        record: dict[str, Any],
        weights: dict[str, np.ndarray],
        history: list[dict[str, float]],
    ) -> dict[str, Any]:
        """Return the attributes of a student with these weights."""
        model = StoredModel(
            self._kind,
            labels.classes,
            plan.vocabulary,
            weights,
            plan.architecture,
            multilabel=labels.multilabel,
        )
        return {
            "classes_": labels.classes,
            "multilabel_": labels.multilabel,
            "history_": history,
            "n_iter_": len(history),
            "transfer_size_": len(ids),
            "n_parameters_": model.n_parameters,
            "calibration_": None,
            "_record": record,
            "_trained_with": training_parameters(self),
            "_vocabulary": plan.vocabulary,
            "_counts": ids.count_values(len(plan.vocabulary)).astype(np.float32),
            "_weights": weights,
            "_fitted_architecture": plan.architecture,
            "_runtime": model.compile(),
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        teacher = self.teacher
        tags.target_tags.required = not needs_no_labels(teacher)
        tags.classifier_tags.multi_label = (
            teacher is None or get_tags(teacher).classifier_tags.multi_label
        )
        return tags


@dataclass(frozen=True)
class Plan:
    """A network's vocabulary and architecture; it predicts `log_prior` for unknown texts."""

    vocabulary: Vocabulary
    architecture: dict[str, Any]
    log_prior: np.ndarray
