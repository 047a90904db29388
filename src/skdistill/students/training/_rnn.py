"""The torch network of a recurrent student."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skdistill.students.training._network import TextNetwork, pool, sum_within_rows

# Number of features that are read one after the other in training.
_LONGEST_PIECE = 512


class RNNNetwork(TextNetwork):
    """A recurrent layer over the features in order, and the maximum or mean of its states.

    Parameters
    ----------
    log_prior, n_features
        See `TextNetwork`.
    embedding_dim : int, default=14
        Width of the embedding.
    cell : {"gru", "lstm"}, default="gru"
    hidden_dim : int, default=32
        Width of the hidden state in each direction.
    bidirectional : bool, default=True
        Whether to add a second layer that reads the text backwards.
    pooling : tuple of {"max", "mean"}, default=("max",)
        How to pool the hidden states over all positions. Several results are concatenated.
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
        # A search may set NumPy's integers, which these layers refuse.
        self.directions = nn.ModuleList(
            layer(int(embedding_dim), int(hidden_dim)) for _ in range(1 + bidirectional)
        )

    def represent(self, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        """Read each text and pool the states; in training, read long texts in pieces.

        A long text would take as many steps as features, one after the other. Its pieces are read
        in parallel. The states at their beginnings lack the features before.
        """
        lengths = offsets.diff()
        n_pieces = (lengths + _LONGEST_PIECE - 1) // _LONGEST_PIECE
        if not self.training or n_pieces.max() == 1:
            return self._read(vectors, rows, offsets)
        texts = torch.repeat_interleave(n_pieces)
        first = F.pad(n_pieces.cumsum(0), (1, 0))
        number = torch.arange(len(texts), device=rows.device) - first[texts]
        cuts = torch.cat([offsets[texts] + _LONGEST_PIECE * number, offsets[-1:]])
        sizes = cuts.diff()
        pooled = self._read(vectors, torch.repeat_interleave(sizes), cuts)
        shares = (sizes / lengths[texts])[:, None]
        return torch.cat(
            [
                pool(how, part, texts, first)
                if how == "max"
                else sum_within_rows(shares * part, texts, first)
                for how, part in zip(
                    self.pooling, pooled.chunk(len(self.pooling), dim=1), strict=True
                )
            ],
            dim=1,
        )

    def _read(self, vectors: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
        """Read texts of similar length in parallel, and pool the states."""
        lengths = offsets.diff()
        steps = torch.arange(len(rows), device=rows.device) - offsets[:-1][rows]
        unread, texts, pooled = lengths.clone(), [], []
        while longest := int(unread.max()):
            # Group texts of at least half the maximum length, so padding at most doubles the work.
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
        The step at which the layer reads each vector, and the number of the vector's text.
    n_steps : int
        Length of the longest text.

    Returns
    -------
    Tensor of shape (n_steps, n_texts, hidden_size)
        The states after each step. States after the end of a text are meaningless.
    """
    n_texts = int(columns[-1]) + 1
    padded = vectors.new_zeros(n_steps * n_texts, vectors.shape[1])
    padded = padded.index_copy(0, steps * n_texts + columns, vectors)
    return layer(padded.view(n_steps, n_texts, -1))[0]


def pool_steps(how: str, states: Tensor, lengths: Tensor) -> Tensor:
    """Reduce padded states to their mean or their maximum, ignoring those after a text's end.

    Parameters
    ----------
    how : {"mean", "max"}
    states : Tensor of shape (n_steps, n_texts, width)
    lengths : Tensor of shape (n_texts,), int64
        The length of each text, at least 1.

    Returns
    -------
    Tensor of shape (n_texts, width)

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._rnn import pool_steps
    >>> pool_steps("max", torch.tensor([[[1.0]], [[2.0]], [[9.0]]]), torch.tensor([2]))
    tensor([[2.]])
    """
    behind = torch.arange(len(states), device=lengths.device)[:, None] >= lengths
    if how == "mean":
        return states.masked_fill(behind[:, :, None], 0).sum(dim=0) / lengths[:, None]
    return states.masked_fill(behind[:, :, None], -torch.inf).amax(dim=0)
