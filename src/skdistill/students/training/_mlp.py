"""The torch network of an MLP student."""

from typing import Any

import torch
from torch import Tensor, nn

from skdistill.students.training._network import TextNetwork, part_by_zeros, pool, sum_within_rows


class MLPNetwork(TextNetwork):
    """An MLP over a bag or windows of features.

    Parameters
    ----------
    log_prior, n_features
        See `TextNetwork`.
    embedding_dim : int, default=16
        Width of the embedding.
    pooling : tuple of {"mean", "max", "attention"}, default=("mean",)
        How to reduce a text's embeddings to one vector. Several results are concatenated.
    context_window : int, default=13
        Number of features that each attention score depends on; odd.
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


def score_windows(vectors: Tensor, window: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Compute a convolution with one output, using less memory than `convolve_within_rows`.

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
    # Position k of the window reads column k, k rows further down: a diagonal.
    diagonals = padded.as_strided((len(padded) - size + 1, size), (size, size + 1))
    return diagonals.sum(dim=1).index_select(0, starts)


def softmax_within_rows(scores: Tensor, rows: Tensor) -> Tensor:
    """Normalise the scores of each row with a softmax.

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
    >>> from skdistill.students.training._mlp import softmax_within_rows
    >>> softmax_within_rows(torch.tensor([0.0, 0.0, 5.0]), torch.tensor([0, 0, 1])).tolist()
    [0.5, 0.5, 1.0]
    """
    n_rows = int(rows[-1]) + 1
    tops = scores.new_full((n_rows,), -torch.inf).scatter_reduce(0, rows, scores.detach(), "amax")
    exponentials = (scores - tops[rows]).exp()
    return exponentials / exponentials.new_zeros(n_rows).index_add(0, rows, exponentials)[rows]
