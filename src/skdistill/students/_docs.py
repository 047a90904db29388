"""What the docstrings of all students have in common."""

from collections.abc import Callable
from inspect import cleandoc
from textwrap import fill, indent

from skdistill.metrics._losses import LOSSES

_SHARED_PARAMETERS = """\
teacher : classifier with `predict_proba` over texts, or None, default=None
    Cloned and fitted in `fit`. A :class:`~sklearn.frozen.FrozenEstimator` is used as it is; it
    must not have seen the rows that a cross-validation holds out. A
    :class:`~sklearn.ensemble.VotingClassifier` averages several,
    :class:`~skdistill.FunctionTeacherClassifier` wraps any function, and
    :class:`~skdistill.ZeroShotTeacherClassifier` needs no labels. None trains on gold labels.
vocabulary_size : int, default=5000
    Rows of the embedding: the most frequent features of the transfer set, and one row for all
    others.
n_parameters : int or None, default=None
    Trained parameters at most. `vocabulary_size` and `embedding_dim` then follow from it, the
    width first; what they are set to has no effect.
analyzer : {{"word", "char"}} or callable, default="word"
    What a feature is: Unicode words and single punctuation marks; characters, for scripts that
    write no spaces (with an `ngram_range` such as ``(1, 3)``); or what a callable returns for a
    text, a list of ``str``.
ngram_range : tuple (min_n, max_n), default=(1, 1)
    Lengths of the n-grams of words or characters.
hash_buckets : int, default=0
    Further rows of the embedding, into which n-grams of two and more features are hashed instead
    of being listed in the vocabulary; `ngram_range` is then ``(1, n)``.
lowercase : bool, default=True
    Whether texts are lower-cased first.
embedding_dim : int, default={embedding_dim}
    Width of the embedding.
embedding_init : {{"random", "teacher"}}, default="random"
    Where the embedding starts: ``"teacher"`` reduces the token embeddings of a
    :class:`~skdistill.TransformerTeacherClassifier` to their principal components.
{own_parameters}
hidden_layer_sizes : tuple of int, default=()
    Widths of hidden layers, with ReLU, in front of the output.
dropout : float or "auto", default="auto"
    Share of the text's vector, and of hidden units, set to zero in training. ``"auto"``, here and
    below, depends on the size of the transfer set: see `skdistill.students.make_schedule`.
word_dropout : float or "auto", default="auto"
    Share of the features taken for unknown in training.
loss : {{{loss_names}}}, default="kl"
{losses}
temperature : float, default=1.0
    Softens both sides of the divergence; the loss is multiplied by its square.
hard_label_weight : float, default=0.0
    Share of cross-entropy against gold labels in the loss of labelled texts; 0 is pure
    distillation.
augmenter : estimator with `fit` and `augment`, or None, default=None
    Makes more texts for the teacher to label, such as :class:`~skdistill.TextAugmenter`.
teacher_cv : int, cross-validation generator or None, default=None
    Folds in which the labelled texts get their probabilities from teachers that were fitted on
    the other folds. None asks the teacher that was fitted on all of them.
memory : str, path-like, joblib.Memory or None, default=None
    Folder in which the teacher's probabilities are kept: a search over student sizes fits the
    teacher once a fold, a second search not at all. ``skdistill cache info FOLDER`` lists them.
class_weight : dict, "balanced" or None, default=None
    Weights of the classes in the student's loss. They weigh texts, and leave a teacher's
    probabilities as they are: a teacher has to be weighted itself.
max_epochs : int or "auto", default="auto"
    Passes over the transfer set.
gold_epochs : int, default=0
    Passes over the labelled texts at the end, on their gold labels and at a tenth of `lr`.
batch_size : int or "auto", default="auto"
    Texts in a training step.
lr : float or "auto", default="auto"
    Adam's learning rate at the first step; it falls linearly to 0.
early_stopping : bool, default=False
    Whether to hold texts out, stop when the student's agreement with the teacher on them no
    longer grows, and keep the weights that agreed most.
validation_fraction : float, default=0.1
    Share of the transfer set held out for early stopping.
n_iter_no_change : int, default=3
    Epochs without a better agreement after which training stops.
random_state : int, RandomState instance or None, default=None
    Seed of initial weights, batches and dropout. Teacher and augmenter have their own.
device : str, default="auto"
    Where the student is trained: ``"auto"``, ``"cpu"``, ``"cuda"``, ...
n_jobs : int or None, default=None
    Threads among which `predict` divides many texts, through joblib; -1 takes all processors.
callbacks : list of skorch callbacks or None, default=None
    Added to the training's own: they see the torch network. Callbacks of scikit-learn
    (:mod:`sklearn.callback`) go to :meth:`set_callbacks` instead; both work side by side.
verbose : int, default=0
    0 is silent; 1 shows progress bars for labelling, with what `memory` held (hits) and what not
    (misses), and for training."""

_SHARED_ATTRIBUTES = """\
classes_ : ndarray of shape (n_classes,)
    The sorted labels; for several labels a text, the columns' numbers.
multilabel_ : bool
    Whether a text may have several labels.
vocabulary_ : dict of str to int
    The listed features and their rows of the embedding.
network_ : torch.nn.Module
    The trained network.
n_parameters_ : int
    Trained parameters.
history_ : list of dict
    Losses of each epoch, and its duration in seconds.
n_iter_ : int
    Epochs trained, those on gold labels included.
transfer_size_ : int
    Texts in the transfer set."""


def document(own_parameters: str, embedding_dim: int) -> Callable[[type], type]:
    """Complete a student's docstring by the parameters and attributes that all students share.

    Parameters
    ----------
    own_parameters : str
        The descriptions of the student's own parameters.
    embedding_dim : int
        Its default.

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
        losses=indent(fill(f"What training minimises: {losses}.", 92), "    "),
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
