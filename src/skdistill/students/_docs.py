"""The parts of the docstrings that all students share."""

from collections.abc import Callable
from inspect import cleandoc
from textwrap import fill, indent

from skdistill.metrics._losses import LOSSES

_SHARED_PARAMETERS = """\
teacher : classifier with `predict_proba` over texts, or None, default=None
    The model to imitate. `fit` clones and fits it. A :class:`~sklearn.frozen.FrozenEstimator` is
    used as it is; it must not have been trained on rows that cross-validation holds out. A
    :class:`~sklearn.ensemble.VotingClassifier` averages several teachers,
    :class:`~skdistill.FunctionTeacherClassifier` wraps a function, and
    :class:`~skdistill.ZeroShotTeacherClassifier` needs no labels. If None, the student is trained
    on the gold labels.
vocabulary_size : int or "auto", default="auto"
    Number of rows of the embedding: one for each of the most frequent features of the transfer
    set, and one for all unknown features. ``"auto"`` is 5,000, or 20,000 if the texts have 100
    words or more on average.
n_parameters : int or None, default=None
    Maximum number of trained parameters. If set, it determines `embedding_dim` and then
    `vocabulary_size`; the values you pass for these two are ignored.
analyzer : {{"word", "char"}} or callable, default="word"
    How texts are split into features. ``"word"`` splits into Unicode words and single punctuation
    marks. ``"char"`` splits into characters, for scripts that do not separate words by spaces; use
    it with an `ngram_range` such as ``(1, 3)``, and compare ``(1, 1)`` if texts are few. A callable
    takes a text and returns a list of ``str``.
ngram_range : tuple (min_n, max_n), default=(1, 1)
    Minimum and maximum length of the n-grams of words or characters.
hash_buckets : int, default=0
    Number of additional rows of the embedding for hashed n-grams. If positive, n-grams of two or
    more features are hashed instead of being listed in the vocabulary, and `ngram_range` must be
    ``(1, n)``.
lowercase : bool, default=True
    Whether to convert texts to lower case first.
embedding_dim : int or "auto", default="auto"
    Width of the embedding. ``"auto"`` is {embedding_dim}. For more classes than that, it is their
    number, but at most 64; for texts of 100 words or more on average, it is 64.
embedding_init : {{"random", "teacher"}}, default="random"
    Initial values of the embedding. ``"teacher"`` starts from the principal components of the
    token embeddings of a :class:`~skdistill.TransformerTeacherClassifier`.
{own_parameters}
hidden_layer_sizes : tuple of int, default=()
    Widths of the hidden layers before the output. They use ReLU.
dropout : float or "auto", default="auto"
    Share of the text's vector and of the hidden units set to zero in training. ``"auto"``, here
    and below, depends on the size of the transfer set: see `skdistill.students.make_schedule`.
word_dropout : float or "auto", default="auto"
    Share of the features treated as unknown in training.
loss : {{{loss_names}}}, default="kl"
{losses}
temperature : float or "auto", default="auto"
    Softens both sides of the divergence, so that what the teacher thinks of less likely classes
    weighs more. The loss is multiplied by its square. ``"auto"`` is 2 if texts were made, by
    `augmenter`, and 1 otherwise.
hard_label_weight : float, default=0.0
    Share of the cross-entropy against gold labels in the loss of labelled texts; 0 is pure
    distillation.
unlabeled : TextPool or None, default=None
    Unlabelled texts for every `fit` without `X_unlabeled`. Use it where `fit` cannot be given
    arguments, as inside a :class:`~sklearn.ensemble.StackingClassifier`. The pickle of a fitted
    student does not contain them, unless they are on disk.
augmenter : estimator with `fit` and `augment`, "auto" or None, default="auto"
    Makes more texts for the teacher to label, such as :class:`~skdistill.TextAugmenter`. If the
    teacher is a :class:`~skdistill.TransformerTeacherClassifier`, or a vote of one with students or
    scikit-learn's classifiers, and most texts are labelled, ``"auto"`` fills them up to about
    1,200,000 words: with pieces of texts if these are long, with up to 100 copies of each text or
    piece, in which words are replaced by similar ones, and with words of the teacher's vocabulary,
    alone and in the place of words of your texts. In all other cases, ``"auto"`` makes none. None
    makes none; the teacher then labels your texts only.
teacher_cv : int, cross-validation generator or None, default=None
    If given, out-of-fold soft labels are used for the labelled texts: teachers that were fitted on
    the other folds label each fold. If None, a teacher that was fitted on all of these texts labels
    them.
memory : str, path-like, joblib.Memory or None, default=None
    Folder that caches the teacher's probabilities. A search over student sizes then fits the
    teacher once per fold, and a second search does not fit it at all. Probabilities are kept as
    they come, so an interrupted fit can be continued: it loses at most 256 answers of a slow
    teacher, or eight seconds' work of a fast one. Cached probabilities are used only if the
    teacher's code, parameters, training rows and package versions are the same. ``skdistill cache
    info FOLDER`` lists the contents.
class_weight : dict, "balanced" or None, default=None
    Weights of the classes in the student's loss. They weight texts but do not change the teacher's
    probabilities; to weight the teacher, set its own `class_weight`. ``"balanced"`` gives all
    classes the same total weight among the labelled texts, which count by their `sample_weight`.
max_epochs : int or "auto", default="auto"
    Number of passes over the transfer set.
gold_epochs : int, default=0
    Number of final passes over the labelled texts, with their gold labels and a tenth of `lr`.
batch_size : int or "auto", default="auto"
    Number of texts per training step.
lr : float or "auto", default="auto"
    Adam's learning rate at the first step. It decreases linearly to 0.
early_stopping : bool, default=False
    Whether to hold out texts and stop training when neither the student's agreement with the
    teacher on them nor their loss improves any more, but not before 150 steps. The student keeps
    the weights with the lowest loss among those that agreed best, within one standard error.
validation_fraction : float, default=0.1
    Share of the transfer set held out for early stopping.
n_iter_no_change : int, default=3
    Number of epochs without better agreement or a lower loss after which training stops.
random_state : int, RandomState instance or None, default=None
    Seed for initial weights, batches and dropout. Teacher and augmenter have their own.
device : str, default="auto"
    Device on which to train the student: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
n_jobs : int or None, default=None
    Number of joblib threads that predict large numbers of texts; -1 uses all processors.
callbacks : list of skorch callbacks or None, default=None
    Additional skorch callbacks, which see the torch network. Pass scikit-learn's callbacks
    (:mod:`sklearn.callback`) to :meth:`set_callbacks` instead. You can use both together.
verbose : int, default=0
    0 is silent. 1 shows progress bars for labelling and training, and counts the texts that were
    found in `memory` (hits) and those that were not (misses)."""

_SHARED_ATTRIBUTES = """\
classes_ : ndarray of shape (n_classes,)
    The sorted labels; in the multilabel case, the column numbers.
multilabel_ : bool
    Whether a text may have several labels.
vocabulary_ : dict of str to int
    The known features and their rows in the embedding.
network_ : torch.nn.Module
    The trained network.
n_parameters_ : int
    Number of trained parameters.
history_ : list of dict
    Losses and duration in seconds of each epoch.
n_iter_ : int
    Number of epochs, including those on gold labels.
transfer_size_ : int
    Number of texts in the transfer set.
calibration_ : dict or None
    None, or the result of :meth:`calibrate`: the ``"temperature"``, the number of texts it was
    fitted on (``"n_texts"``), and their calibration error between 0 and 1 without and with it
    (``"error_before"``, ``"error_after"``)."""


def document(own_parameters: str, embedding_dim: int) -> Callable[[type], type]:
    """Complete a student's docstring with the parameters and attributes that all students share.

    Parameters
    ----------
    own_parameters : str
        Descriptions of the parameters that only this student has.
    embedding_dim : int
        The student's default.

    Returns
    -------
    callable
        A class decorator that fills in ``{parameters}`` and ``{attributes}``.
    """
    losses = " or ".join(f'{loss.words} (``"{loss.name}"``)' for loss in LOSSES.values())
    parameters = _SHARED_PARAMETERS.format(
        own_parameters=cleandoc(own_parameters),
        embedding_dim=embedding_dim,
        loss_names=", ".join(f'"{name}"' for name in LOSSES),
        losses=indent(fill(f"Loss that training minimises: {losses}.", 92), "    "),
    )

    def complete(cls: type) -> type:
        if cls.__doc__:
            cls.__doc__ = (
                cleandoc(cls.__doc__)
                .replace("{parameters}", parameters)
                .replace("{attributes}", _SHARED_ATTRIBUTES)
            )
        return cls

    return complete
