"""The students' torch modules, over flat ids and offsets."""

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skdistill.text._vocabulary import UNKNOWN


class TextNetwork(nn.Module):
    """Base class: an embedding, a vector for each text, and a perceptron behind it.

    A subclass turns the embeddings of a text's features into one vector of a given width.

    Parameters
    ----------
    log_prior : Tensor of shape (n_classes,)
        Logits of a text without any known feature.
    n_features : int
        Rows of the embedding, with the one for unknown features.
    embedding_dim : int
        Width of the embedding.
    text_dim : int
        Width of a text's vector.
    hidden_layer_sizes : tuple of int, default=()
        Widths of hidden layers (with ReLU) between a text's vector and the output.
    dropout : float, default=0.0
        Share of a text's vector and of hidden units set to zero in training.
    word_dropout : float, default=0.0
        Share of the features replaced by the unknown one in training.
    """

    log_prior: Tensor

    def __init__(
        self,
        log_prior: Tensor,
        n_features: int,
        *,
        embedding_dim: int,
        text_dim: int,
        hidden_layer_sizes: tuple[int, ...] = (),
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ):
        super().__init__()
        self.word_dropout = word_dropout
        self.embedding = nn.Embedding(n_features, embedding_dim)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        widths = [text_dim, *hidden_layer_sizes, len(log_prior)]
        self.layers = nn.ModuleList(map(nn.Linear, widths[:-1], widths[1:]))
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("log_prior", log_prior)

    def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
        """Compute the logits of a batch of texts.

        Parameters
        ----------
        ids : Tensor of shape (n_ids,), int
            The features of all texts, one text after the other.
        offsets : Tensor of shape (n_texts + 1,), int64
            Where each text starts, and the end of the last.

        Returns
        -------
        Tensor of shape (n_texts, n_classes)
        """
        lengths = offsets.diff()
        rows = torch.repeat_interleave(torch.arange(len(lengths), device=ids.device), lengths)
        known = torch.zeros(len(lengths), dtype=torch.bool, device=ids.device)
        known[rows[ids != UNKNOWN]] = True
        if not known.any():
            return self.log_prior.expand(len(lengths), -1)
        if self.training and self.word_dropout:
            kept = torch.rand(len(ids), device=ids.device) >= self.word_dropout
            ids = ids * kept
        hidden = self.dropout(self.represent(self.embedding(ids), rows, offsets))
        for layer in self.layers[:-1]:
            hidden = self.dropout(F.relu(layer(hidden)))
        return torch.where(known[:, None], self.layers[-1](hidden), self.log_prior)

    @abstractmethod
    def represent(self, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        """Turn the features' vectors into one vector a text.

        Parameters
        ----------
        vectors : Tensor of shape (n_ids, embedding_dim)
        rows : Tensor of shape (n_ids,), int64
            The text of each feature, ascending.
        offsets : Tensor of shape (n_texts + 1,), int64

        Returns
        -------
        Tensor of shape (n_texts, text_dim)
        """


class BagNetwork(TextNetwork):
    """An MLP over a bag, or windows, of features.

    Parameters
    ----------
    log_prior, n_features
        See `TextNetwork`.
    embedding_dim : int, default=16
        Width of the embedding.
    pooling : tuple of {"mean", "max", "attention"}, default=("mean",)
        How a text's embeddings become one vector; several stand side by side.
    context_window : int, default=13
        Odd number of features around a position that its attention score sees.
    **options
        See `TextNetwork`.
    """

    def __init__(
        self,
        log_prior: Tensor,
        n_features: int,
        *,
        embedding_dim: int = 16,
        pooling: tuple[str, ...] = ("mean",),
        context_window: int = 13,
        **options: Any,
    ):
        text_dim = len(pooling) * embedding_dim
        super().__init__(
            log_prior, n_features, embedding_dim=embedding_dim, text_dim=text_dim, **options
        )
        self.pooling = pooling
        if "attention" in pooling:
            self.window = nn.Parameter(torch.zeros(context_window, embedding_dim))
            nn.init.normal_(self.window, std=0.1)

    def represent(self, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        """Pool the features' vectors."""
        return torch.cat([self._pool(how, vectors, rows, offsets) for how in self.pooling], dim=1)

    def _pool(self, how: str, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        if how != "attention":
            return pool(how, vectors, rows, offsets)
        scores = score_windows(vectors, self.window, rows, offsets)
        weights = softmax_within_rows(scores, rows)
        return sum_within_rows(weights[:, None] * vectors, rows, offsets)


class ConvolutionalNetwork(TextNetwork):
    """Convolutions over the features' embeddings, ReLU, and their maximum or mean.

    Parameters
    ----------
    log_prior, n_features
        See `TextNetwork`.
    embedding_dim : int, default=15
        Width of the embedding.
    kernel_sizes : tuple of int, default=(3,)
        Features that a convolution spans.
    n_filters : int, default=64
        Outputs of each convolution.
    pooling : tuple of {"max", "mean"}, default=("max",)
        How the outputs at all positions become one vector; several stand side by side.
    **options
        See `TextNetwork`.
    """

    def __init__(
        self,
        log_prior: Tensor,
        n_features: int,
        *,
        embedding_dim: int = 15,
        kernel_sizes: tuple[int, ...] = (3,),
        n_filters: int = 64,
        pooling: tuple[str, ...] = ("max",),
        **options: Any,
    ):
        text_dim = len(pooling) * len(kernel_sizes) * n_filters
        super().__init__(
            log_prior, n_features, embedding_dim=embedding_dim, text_dim=text_dim, **options
        )
        self.pooling = pooling
        self.kernels = nn.ParameterList(
            torch.empty(n_filters, size, embedding_dim) for size in kernel_sizes
        )
        self.biases = nn.ParameterList(torch.zeros(n_filters) for _ in kernel_sizes)
        for kernel in self.kernels:
            nn.init.kaiming_uniform_(kernel.flatten(1), nonlinearity="relu")

    def represent(self, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        """Convolve and pool."""
        outputs = [
            F.relu(convolve_within_rows(vectors, kernel, rows, offsets) + bias)
            for kernel, bias in zip(self.kernels, self.biases, strict=True)
        ]
        together = torch.cat(outputs, dim=1)
        return torch.cat([pool(how, together, rows, offsets) for how in self.pooling], dim=1)


class RecurrentNetwork(TextNetwork):
    """A recurrent layer over the features in their order, and the maximum or mean of its states.

    Parameters
    ----------
    log_prior, n_features
        See `TextNetwork`.
    embedding_dim : int, default=14
        Width of the embedding.
    cell : {"gru", "lstm"}, default="gru"
    hidden_dim : int, default=32
        Width of the state of each direction.
    bidirectional : bool, default=True
        Whether a second layer reads the text from its end.
    pooling : tuple of {"max", "mean"}, default=("max",)
        How the states at all positions become one vector; several stand side by side.
    **options
        See `TextNetwork`.
    """

    def __init__(
        self,
        log_prior: Tensor,
        n_features: int,
        *,
        embedding_dim: int = 14,
        cell: str = "gru",
        hidden_dim: int = 32,
        bidirectional: bool = True,
        pooling: tuple[str, ...] = ("max",),
        **options: Any,
    ):
        text_dim = len(pooling) * (1 + bidirectional) * hidden_dim
        super().__init__(
            log_prior, n_features, embedding_dim=embedding_dim, text_dim=text_dim, **options
        )
        self.pooling = pooling
        layer = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.directions = nn.ModuleList(
            layer(embedding_dim, hidden_dim) for _ in range(1 + bidirectional)
        )

    def represent(self, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        """Read texts of like length side by side, and pool the states."""
        lengths = offsets.diff()
        steps = torch.arange(len(rows), device=rows.device) - offsets[:-1][rows]
        unread, texts, pooled = lengths.clone(), [], []
        while longest := int(unread.max()):
            # Texts of at least half the length: padding at most doubles the work.
            group = 2 * unread >= longest
            unread[group] = 0
            here = group[rows].nonzero()[:, 0]
            columns = (group.cumsum(0) - 1)[rows[here]]
            forwards, backwards = steps[here], (lengths[rows] - 1 - steps)[here]
            read = [
                read_side_by_side(layer, vectors.index_select(0, here), at, columns, longest)
                for layer, at in zip(self.directions, (forwards, backwards), strict=False)
            ]
            texts.append(group.nonzero()[:, 0])
            states = torch.cat(read, dim=2)
            pooled.append(
                torch.cat([pool_steps(how, states, lengths[group]) for how in self.pooling], dim=1)
            )
        empty = vectors.new_zeros(len(lengths), pooled[0].shape[1])
        return empty.index_copy(0, torch.cat(texts), torch.cat(pooled))


def read_side_by_side(
    layer: nn.Module, vectors: Tensor, steps: Tensor, columns: Tensor, n_steps: int
) -> Tensor:
    """Run a recurrent layer over several texts at once, padded at their ends.

    Parameters
    ----------
    layer : torch.nn.RNNBase
    vectors : Tensor of shape (n_vectors, width)
    steps, columns : Tensor of shape (n_vectors,), int64
        The step at which the layer reads each vector, and the vector's text.
    n_steps : int
        Vectors of the longest text.

    Returns
    -------
    Tensor of shape (n_steps, n_texts, hidden_size)
        The states after each step; those behind a text's end mean nothing.
    """
    n_texts = int(columns[-1]) + 1
    padded = vectors.new_zeros(n_steps * n_texts, vectors.shape[1])
    padded = padded.index_copy(0, steps * n_texts + columns, vectors)
    return layer(padded.view(n_steps, n_texts, -1))[0]


def pool_steps(how: str, states: Tensor, lengths: Tensor) -> Tensor:
    """Reduce padded states to their mean or their maximum, without those behind a text's end.

    Parameters
    ----------
    how : {"mean", "max"}
    states : Tensor of shape (n_steps, n_texts, width)
    lengths : Tensor of shape (n_texts,), int64
        The steps of each text, at least 1.

    Returns
    -------
    Tensor of shape (n_texts, width)

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._networks import pool_steps
    >>> pool_steps("max", torch.tensor([[[1.0]], [[2.0]], [[9.0]]]), torch.tensor([2]))
    tensor([[2.]])
    """
    behind = torch.arange(len(states), device=lengths.device)[:, None] >= lengths
    if how == "mean":
        return states.masked_fill(behind[:, :, None], 0).sum(dim=0) / lengths[:, None]
    return states.masked_fill(behind[:, :, None], -torch.inf).amax(dim=0)


def pool(how: str, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Reduce each row's vectors to their mean or their maximum.

    Parameters
    ----------
    how : {"mean", "max"}
    vectors : Tensor of shape (n_vectors, width)
    rows : Tensor of shape (n_vectors,), int64
        The row of each vector, ascending.
    offsets : Tensor of shape (n_rows + 1,), int64
        Where each row starts, and the end of the last.

    Returns
    -------
    Tensor of shape (n_rows, width)
        Zeros where a row has no vector.

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._networks import pool
    >>> vectors, rows = torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1])
    >>> pool("mean", vectors, rows, torch.tensor([0, 2, 3])).tolist()
    [[2.0], [5.0]]
    """
    if how == "mean":
        return sum_within_rows(vectors / offsets.diff()[rows, None], rows, offsets)
    empty = vectors.new_zeros(len(offsets) - 1, vectors.shape[1])
    index = rows[:, None].expand_as(vectors)
    return empty.scatter_reduce(0, index, vectors, "amax", include_self=False)


def sum_within_rows(vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Add up each row's vectors; arguments and result are those of `pool`."""
    return vectors.new_zeros(len(offsets) - 1, vectors.shape[1]).index_add(0, rows, vectors)


def convolve_within_rows(vectors: Tensor, kernel: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Apply a convolution at every position, as if each row stood between zeros.

    Parameters
    ----------
    vectors : Tensor of shape (n_vectors, width)
    kernel : Tensor of shape (n_outputs, size, width)
        An even size reaches one place further to the left than to the right.
    rows, offsets
        See `pool`.

    Returns
    -------
    Tensor of shape (n_vectors, n_outputs)

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._networks import convolve_within_rows
    >>> vectors, rows = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 0, 1])
    >>> kernel = torch.ones(1, 3, 1)
    >>> convolve_within_rows(vectors, kernel, rows, torch.tensor([0, 2, 3])).flatten().tolist()
    [3.0, 3.0, 4.0]
    """
    size = kernel.shape[1]
    padded, starts = part_by_zeros(vectors, rows, len(offsets) - 1, size)
    # Not by conv1d, which on a CPU compiles itself anew for each new length.
    places = starts[:, None] + torch.arange(size, device=rows.device)
    windows = padded.index_select(0, places.flatten()).view(len(rows), -1)
    return windows @ kernel.flatten(1).T


def score_windows(vectors: Tensor, window: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Compute one output of `convolve_within_rows`, with less memory.

    Parameters
    ----------
    vectors : Tensor of shape (n_vectors, width)
    window : Tensor of shape (size, width)
        The kernel.
    rows, offsets
        See `pool`.

    Returns
    -------
    Tensor of shape (n_vectors,)
    """
    size = len(window)
    padded, starts = part_by_zeros(vectors @ window.T, rows, len(offsets) - 1, size)
    # Each place of the window reads the column of its own, one row further down: a diagonal.
    diagonals = padded.as_strided((len(padded) - size + 1, size), (size, size + 1))
    return diagonals.sum(dim=1).index_select(0, starts)


def part_by_zeros(vectors: Tensor, rows: Tensor, n_rows: int, size: int) -> tuple[Tensor, Tensor]:
    """Make one sequence of all rows, with as many zeros between them as keep windows apart.

    Parameters
    ----------
    vectors : Tensor of shape (n_vectors, width)
    rows : Tensor of shape (n_vectors,), int64
        The row of each vector, ascending.
    n_rows, size : int
        The number of rows, and of places in a window.

    Returns
    -------
    padded : Tensor of shape (n_vectors + (n_rows + 1) * (size - 1), width)
    starts : Tensor of shape (n_vectors,), int64
        Where in `padded` the window around each vector starts.
    """
    starts = torch.arange(len(rows), device=rows.device) + (size - 1) * rows
    padded = vectors.new_zeros(len(rows) + (n_rows + 1) * (size - 1), vectors.shape[1])
    return padded.index_copy(0, starts + size // 2, vectors), starts


def softmax_within_rows(scores: Tensor, rows: Tensor) -> Tensor:
    """Normalise scores to sum to one over the positions of each row.

    Parameters
    ----------
    scores : Tensor of shape (n_values,)
    rows : Tensor of shape (n_values,), int64
        The row of each value, ascending.

    Returns
    -------
    Tensor of shape (n_values,)

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._networks import softmax_within_rows
    >>> softmax_within_rows(torch.tensor([0.0, 0.0, 5.0]), torch.tensor([0, 0, 1])).tolist()
    [0.5, 0.5, 1.0]
    """
    n_rows = int(rows[-1]) + 1
    tops = scores.new_full((n_rows,), -torch.inf).scatter_reduce(0, rows, scores.detach(), "amax")
    exponentials = (scores - tops[rows]).exp()
    return exponentials / exponentials.new_zeros(n_rows).index_add(0, rows, exponentials)[rows]
