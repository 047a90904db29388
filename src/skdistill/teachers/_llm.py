"""A teacher that asks a language model."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skdistill._core.estimators import TextClassifier, all_or_nothing, fit_context
from skdistill._core.label_columns import as_labels
from skdistill._core.texts import check_texts
from skdistill.metrics._calibration import apply_temperature
from skdistill.storage._store import check_memory_location
from skdistill.teachers._given_classes import check_given_classes, read_labels
from skdistill.teachers.llm._batches import read_answers, write_requests
from skdistill.teachers.llm._budget import check_prices
from skdistill.teachers.llm._memory import AnswerMemory, make_folder
from skdistill.teachers.llm._prompt import Prompt, draw_examples
from skdistill.teachers.llm._questions import METHODS
from skdistill.teachers.llm._readings import find_temperature
from skdistill.teachers.llm._session import Settings, Work, ask_all, estimate


class LLMTeacherClassifier(TextClassifier):
    """A teacher that asks a language model behind OpenAI's interface for the labels of texts.

    It works with the service of OpenAI and with servers of your own, such as vLLM, Ollama,
    llama.cpp and ``transformers serve``. Each answer is on disk as soon as it comes, if there is a
    `memory`: after an error, Ctrl-C or a crash, repeat the call, and only requests that were under
    way are sent again.

    Parameters
    ----------
    model : str
        The model's name on the server.
    classes : array-like of shape (n_classes,), default=None
        The labels, in the order of the prompt. With them, `fit` needs no `y`. If they are sorted
        strings, numbers in `y` are their places, as scikit-learn's ensembles number them. None
        takes the sorted labels in `y`.
    instructions : str, default=None
        What the texts are and what the labels mean. It is the beginning of the prompt; see Notes.
    examples_per_class : int, default=0
        Number of labelled texts of each class in the prompt. `fit` draws them from `X`, with
        `random_state`. Each request becomes longer, and each fold of a cross-validation has a
        prompt of its own, whose answers are paid for separately.
    n_calibration : int, default=0
        Number of labelled texts that `fit` draws and asks for, to calibrate the probabilities with
        a temperature. 0 leaves them as they are; so does a model that is right about all these
        texts, with a warning.
    base_url : str, default=None
        The server's address, such as ``"http://127.0.0.1:8000/v1"``. None is the environment
        variable ``OPENAI_BASE_URL``, or the service of OpenAI. The server gets the key in the
        environment variable ``OPENAI_API_KEY``; one that wants no key needs none.
    method : {"auto", "logprobs", "samples", "candidates"}, default="auto"
        How answers become probabilities:

        - ``"logprobs"``: from the probabilities of the answer's first token. One request per text.
        - ``"samples"``: the shares of labels among `n_samples` answers, in one request if the
          server can give several answers at once.
        - ``"candidates"``: the model lists all plausible labels, which get equal
          probabilities [1]_. One request per text.
        - ``"auto"``: logprobs, or samples if the first answer has no logprobs.
    n_samples : int, default=5
        Number of answers per text with ``"samples"``.
    max_concurrency : int, default=8
        Maximum number of requests at the same time.
    max_texts : int, default=None
        Maximum number of distinct texts to ask for. If there are more, nothing is asked. Like
        `max_cost`, it counts all texts that `memory` has answers to this prompt for.
    max_cost : float, default=None
        The most that answers may cost. The last request that is sent cannot exceed it. Requires
        `prices`.
    prices : tuple of (float, float), default=None
        Your prices of a million tokens, of input and of output, in any currency.
    timeout : float, default=60
        Seconds to wait for an answer.
    max_retries : int, default=8
        How often a request is repeated if the server is busy, has failed, or has cut the
        connection. Waiting times are those that the server asks for, or 0.5, 1, 2, ... and at most
        60 seconds. Failures (500) before the first answer are repeated three times at most.
    memory : str, path-like or joblib.Memory, default=None
        Folder that keeps the answers, by prompt, model, labels and method, and by text. Several
        processes can share it. It contains no text, only hashes. None keeps answers as long as the
        fitted teacher exists.
    random_state : int, RandomState instance or None, default=None
        Seed for drawing examples and texts for the calibration.
    verbose : int, default=0
        1 shows a progress bar, with the method and, if there are `prices`, what was spent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels.
    method_ : str
        The method. If `method` is ``"auto"``, this is ``"auto"`` until the first answer decides.
    temperature_ : float
        The temperature that the probabilities are calibrated with; 1 without a calibration.
    examples_ : list of (str, label)
        The examples in the prompt.

    See Also
    --------
    FunctionTeacherClassifier : A teacher that calls a function of yours.
    ZeroShotTeacherClassifier : A smaller model that runs in this process.

    Notes
    -----
    The prompt is, for the labels ``"ham"`` and ``"spam"``::

        {instructions}

        Labels:
        A: ham
        B: spam

        Answer with the letter of the label that fits the text best, and nothing else.

    It is followed by the text, as ``"Text: {text}"`` and ``"Label:"``. Letters are tokens of their
    own, so no two labels begin with the same token. Labels that are single characters stand for
    themselves. From 27 labels on, lower-case letters and digits follow; from 63 on, numbers, which
    rules out logprobs.

    Servers give the probabilities of the 20 most probable tokens at most. A label that is not among
    them gets the least of these probabilities, or what is left of 1 if that is less, because it
    cannot be more probable. A warning says how often these bounds matter.

    With samples and candidates, answers are constrained to the labels by a JSON schema if the
    server supports this. An answer that is none of the labels is counted and asked for once more.
    If that fails, an error names the text after all others have been asked.

    To use the batch interface of a service, which costs half, call :meth:`write_requests`, upload
    the file, and pass the result to :meth:`read_answers`.

    The key of the service is never stored: it is in no parameter, pickle, message or file.

    References
    ----------
    .. [1] M. Xia et al., "Prompt Candidates, then Distill: A Teacher-Student Framework for
       LLM-driven Data Annotation", ACL 2025. https://arxiv.org/abs/2506.03857

    Examples
    --------
    What would it cost to label two texts?

    >>> from skdistill import DistilledMLPClassifier, LLMTeacherClassifier
    >>> teacher = LLMTeacherClassifier(
    ...     "a-model",
    ...     classes=["ham", "spam"],
    ...     instructions="Is an e-mail wanted (ham) or not (spam)?",
    ...     base_url="http://127.0.0.1:8000/v1",
    ...     prices=(0.15, 0.60),
    ... )
    >>> texts = ["Win a prize now!", "See you at lunch."]
    >>> estimate = teacher.fit(texts).estimate(texts)
    >>> estimate.n_requests, round(estimate.cost, 6)
    (2, 1.7e-05)

    With a server at this address, a student learns from its answers, which `memory` keeps:

    >>> student = DistilledMLPClassifier(teacher, memory="answers")
    >>> student.fit(texts)  # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": [str],
        "classes": ["array-like", None],
        "instructions": [str, None],
        "examples_per_class": [Interval(Integral, 0, None, closed="left")],
        "n_calibration": [Interval(Integral, 0, None, closed="left")],
        "base_url": [str, None],
        "method": [StrOptions({"auto", *METHODS})],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "max_concurrency": [Interval(Integral, 1, None, closed="left")],
        "max_texts": [Interval(Integral, 0, None, closed="left"), None],
        "max_cost": [Interval(Real, 0, None, closed="left"), None],
        "prices": [tuple, list, None],
        "timeout": [Interval(Real, 0, None, closed="neither")],
        "max_retries": [Interval(Integral, 0, None, closed="left")],
        "memory": [str, os.PathLike, joblib.Memory, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str,
        *,
        classes: ArrayLike | None = None,
        instructions: str | None = None,
        examples_per_class: int = 0,
        n_calibration: int = 0,
        base_url: str | None = None,
        method: Literal["auto", "logprobs", "samples", "candidates"] = "auto",
        n_samples: int = 5,
        max_concurrency: int = 8,
        max_texts: int | None = None,
        max_cost: float | None = None,
        prices: tuple[float, float] | None = None,
        timeout: float = 60,
        max_retries: int = 8,
        memory: str | os.PathLike[str] | joblib.Memory | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.classes = classes
        self.instructions = instructions
        self.examples_per_class = examples_per_class
        self.n_calibration = n_calibration
        self.base_url = base_url
        self.method = method
        self.n_samples = n_samples
        self.max_concurrency = max_concurrency
        self.max_texts = max_texts
        self.max_cost = max_cost
        self.prices = prices
        self.timeout = timeout
        self.max_retries = max_retries
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose

    @property
    def _learns_nothing(self) -> bool:
        return not (self.examples_per_class or self.n_calibration)

    @property
    def method_(self) -> str:
        """The method, as documented in the class."""
        check_is_fitted(self)
        if self._method != "auto":
            return self._method
        return next(iter(self._open_memory().methods()), "auto")

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Iterable[str], y: ArrayLike | None = None) -> Self:
        """Store the labels, draw examples for the prompt, and calibrate, if wanted.

        Only the calibration sends requests.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.
        y : array-like of shape (n_texts,), default=None
            Their labels. Not needed with `classes`, unless there are examples or a calibration.

        Returns
        -------
        self : object
            The fitted teacher.

        Raises
        ------
        ValueError
            If `y` is missing, contradicts `classes`, or parameters are invalid.
        """
        texts = check_texts(X)
        # Answers are kept by their prompt: also those of an earlier fit, or of one that fails.
        folder = getattr(self, "_folder", None)
        self._folder = make_folder(self) if folder is None and self.memory is None else folder
        return self._fit(texts, y)

    @all_or_nothing
    def _fit(self, texts: list[str], y: Any) -> Self:
        check_prices(self.prices, self.max_cost)
        columns, codes = self._read_labels(texts, y)
        order = np.argsort(columns)
        rng = check_random_state(self.random_state)
        chosen = draw_examples(codes, len(columns), self.examples_per_class, rng)
        names = columns if self.classes is None else check_given_classes(self.classes)
        labels = tuple(str(label) for label in names.tolist())
        self._order = order
        self._prompt = Prompt(
            labels, self.instructions, tuple((texts[row], int(codes[row])) for row in chosen)
        )
        self.classes_ = columns[order]
        self.multilabel_ = False
        self._method: str = self._prompt.choose_method(self.method)
        self.examples_ = [(texts[row], columns[codes[row]].item()) for row in chosen]
        self.temperature_ = 1.0
        if self.n_calibration:
            rows = rng.permutation(np.setdiff1d(np.arange(len(texts)), chosen))
            self._calibrate(texts, codes, rows[: self.n_calibration])
        return self

    def _calibrate(self, texts: list[str], codes: np.ndarray, rows: np.ndarray) -> None:
        if not len(rows):
            raise ValueError("All labelled texts are examples; none is left to calibrate with.")
        proba = self.predict_proba([texts[row] for row in rows])
        self.temperature_ = find_temperature(proba, np.argsort(self._order)[codes[rows]])

    def _read_labels(self, texts: list[str], y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels in the order of the prompt, and the number of each text's label."""
        if y is None and self.classes is not None and not self._learns_nothing:
            raise ValueError(
                "examples_per_class and n_calibration need labelled texts, but y is None; pass y, "
                "or set both to 0."
            )
        columns, codes = read_labels(y, self.classes, len(texts))
        if columns.dtype.kind != "U" and self.classes is None and self.instructions is None:
            raise ValueError(
                f"The labels {columns.tolist()!s:.60} mean nothing to a model; say in instructions "
                "what they mean, or pass their names as classes, in sorted order."
            )
        return columns, codes

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Ask for all texts that have no answers in `memory`, and return all probabilities.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_classes), dtype float32
            Class probabilities; columns follow `classes_`.

        Raises
        ------
        ValueError
            If some answers are none of the labels, even when asked again, or `max_texts` or
            `max_cost` is reached. All other answers are kept. Also if the server has no such model
            or cannot do what `method` needs.
        PermissionError, ConnectionError
            If the server refuses the key, or does not answer.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        proba = np.empty((len(texts), len(self.classes_)), dtype=np.float32)
        for rows, answers in self._predict_in_parts(texts):
            proba[rows] = answers
        return proba

    def _predict_in_parts(self, texts: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield row numbers and their probabilities, as answers come."""
        settings = self._settings()
        for rows, proba in ask_all(settings, self._prompt, self._open_memory(), texts):
            yield rows, apply_temperature(proba[:, self._order].astype("f4"), self.temperature_)

    def _settings(self) -> Settings:
        return Settings(
            model=self.model,
            base_url=self.base_url,
            method=self._method,
            n_samples=int(self.n_samples),
            max_concurrency=self.max_concurrency,
            max_texts=self.max_texts,
            max_cost=self.max_cost,
            prices=self.prices,
            timeout=float(self.timeout),
            max_retries=self.max_retries,
            verbose=int(self.verbose),
        )

    def _open_memory(self) -> AnswerMemory:
        location = check_memory_location(self.memory)
        if location is None:
            if self._folder is None:
                self._folder = make_folder(self)
            location = Path(self._folder)
        return AnswerMemory(location, self.model, self._prompt)

    def estimate(self, X: Iterable[str]) -> Bunch:
        """Estimate what it takes to label texts, without asking.

        Texts with answers in `memory` take nothing. A token has about four bytes of UTF-8.

        Parameters
        ----------
        X : iterable of str, of length n_texts
            Texts.

        Returns
        -------
        estimate : Bunch
            The numbers ``n_requests``, ``n_input_tokens`` and ``n_output_tokens``, and ``cost``,
            which is None without `prices`. With ``"auto"``, they are those of ``"logprobs"``. With
            ``"samples"``, a server that gives one answer at a time takes `n_samples` requests per
            text.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        settings = self._settings()
        work = Work(texts, self._open_memory(), settings)
        return Bunch(**estimate(settings, self._prompt, work, texts))

    def write_requests(self, path: str | os.PathLike[str], X: Iterable[str]) -> int:
        """Write requests for a batch interface: JSON Lines, as OpenAI and vLLM read them.

        Parameters
        ----------
        path : str or path-like
            The file to write.
        X : iterable of str, of length n_texts
            Texts. Those with answers in `memory` are left out.

        Returns
        -------
        n_requests : int
            Number of lines.

        Raises
        ------
        ValueError
            If `method` is ``"auto"``, which has to ask the server, or if `max_texts` or, by the
            estimate, `max_cost` would be exceeded.
        """
        check_is_fitted(self)
        texts = check_texts(X)
        memory = self._open_memory()
        return write_requests(path, self._batch_settings(), self._prompt, memory, texts)

    def read_answers(self, path: str | os.PathLike[str]) -> int:
        """Read the answers to :meth:`write_requests`, and keep them in `memory`.

        Parameters
        ----------
        path : str or path-like
            The file that the batch interface has returned, of JSON Lines. Reading it twice changes
            nothing.

        Returns
        -------
        n_answers : int
            Number of texts whose answers are new.

        Raises
        ------
        ValueError
            If lines contain no usable answer, or the answer to another prompt. The other answers
            are kept.
        """
        check_is_fitted(self)
        return read_answers(path, self._batch_settings(), self._prompt, self._open_memory())

    def _batch_settings(self) -> Settings:
        settings = replace(self._settings(), method=self.method_)
        if settings.method == "auto":
            raise ValueError(
                'method="auto" asks the server what it can; for batches, set method to "logprobs", '
                '"samples" or "candidates".'
            )
        return settings

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_folder" in state:
            state["_folder"] = None  # its files are removed with this object
        return state

    def __skdistill_fingerprint__(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return what the answers depend on: model, prompt, labels and method.

        Parameters
        ----------
        X, y, sample_weight : object
            What an unfitted teacher will be fitted on, or None.

        Returns
        -------
        object
            The value whose hash is the key of a student's `memory`.
        """
        asked = "llm", self.model, self.instructions, self.method, int(self.n_samples)
        learned: Any = None
        if hasattr(self, "classes_"):
            if not self._learns_nothing:
                learned = self._prompt.examples, self.temperature_
            return *asked, self._prompt.labels, self._order.tolist(), learned
        if self.classes is not None:
            columns = check_given_classes(self.classes)
        elif y is not None:
            columns = np.unique(as_labels(y))
        else:
            return asked
        if not self._learns_nothing:
            learned = X, y, self.examples_per_class, self.n_calibration, self.random_state
        names = tuple(map(str, columns.tolist()))
        return *asked, names, np.argsort(columns).tolist(), learned

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.classes is None or not self._learns_nothing
        tags.classifier_tags.poor_score = True  # nothing is trained
        return tags
