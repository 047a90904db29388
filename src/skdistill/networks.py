"""The students' torch modules, over flat ids and offsets."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skdistill.vocabulary import UNKNOWN


class BagNetwork(nn.Module):
    """Embedding, pooling and a perceptron: an MLP over a bag, or windows, of features.

    Parameters
    ----------
    log_prior : Tensor of shape (n_classes,)
        Logits of a text without any known feature.
    n_features : int
        Rows of the embedding, with the one for unknown features.
    embedding_dim : int, default=16
        Width of the embedding.
    pooling : tuple of {"mean", "max", "attention"}, default=("mean",)
        How a text's embeddings become one vector; several stand side by side.
    context_window : int, default=13
        Odd number of features around a position that its attention score sees.
    hidden_layer_sizes : tuple of int, default=()
        Widths of hidden layers (with ReLU) between pooling and output.
    dropout : float, default=0.0
        Share of the pooled vector and of hidden units set to zero in training.
    word_dropout : float, default=0.0
        Share of the features replaced by the unknown one in training.
    """

    log_prior: Tensor

    def __init__(
        self,
        log_prior: Tensor,
        n_features: int,
        *,
        embedding_dim: int = 16,
        pooling: tuple[str, ...] = ("mean",),
        context_window: int = 13,
        hidden_layer_sizes: tuple[int, ...] = (),
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ):
        super().__init__()
        self.pooling = pooling
        self.word_dropout = word_dropout
        self.embedding = nn.Embedding(n_features, embedding_dim)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        if "attention" in pooling:
            self.window = nn.Parameter(torch.zeros(context_window, embedding_dim))
            nn.init.normal_(self.window, std=0.1)
        widths = [len(pooling) * embedding_dim, *hidden_layer_sizes, len(log_prior)]
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
        vectors = self.embedding(ids)
        pooled = [self._pool(how, vectors, rows, offsets) for how in self.pooling]
        hidden = self.dropout(torch.cat(pooled, dim=1))
        for layer in self.layers[:-1]:
            hidden = self.dropout(F.relu(layer(hidden)))
        return torch.where(known[:, None], self.layers[-1](hidden), self.log_prior)

    def _pool(self, how: str, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        shape = (len(offsets) - 1, vectors.shape[1])
        if how == "max":
            index = rows[:, None].expand_as(vectors)
            return vectors.new_zeros(shape).scatter_reduce(
                0, index, vectors, "amax", include_self=False
            )
        if how == "mean":
            weights = 1 / offsets.diff()[rows]
        else:
            weights = softmax_within_rows(self._window_scores(vectors, rows, offsets), rows)
        return vectors.new_zeros(shape).index_add(0, rows, weights[:, None] * vectors)

    def _window_scores(self, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        """Score each position by the features around it: a convolution cut at the texts' ends."""
        width = len(self.window)
        per_place = vectors @ self.window.T
        places = torch.arange(width, device=vectors.device)
        neighbours = torch.arange(len(rows), device=vectors.device)[:, None] + places - width // 2
        inside = (neighbours >= offsets[:-1][rows, None]) & (neighbours < offsets[1:][rows, None])
        flat = neighbours.clamp(0, len(rows) - 1) * width + places
        return (per_place.flatten()[flat] * inside).sum(dim=1)


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
    >>> from skdistill.networks import softmax_within_rows
    >>> softmax_within_rows(torch.tensor([0.0, 0.0, 5.0]), torch.tensor([0, 0, 1])).tolist()
    [0.5, 0.5, 1.0]
    """
    n_rows = int(rows[-1]) + 1
    tops = scores.new_full((n_rows,), -torch.inf).scatter_reduce(0, rows, scores.detach(), "amax")
    exponentials = (scores - tops[rows]).exp()
    return exponentials / exponentials.new_zeros(n_rows).index_add(0, rows, exponentials)[rows]
