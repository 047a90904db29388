"""The torch network of a convolutional student."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skdistill.students.training._network import TextNetwork, part_by_zeros, pool


class CNNNetwork(TextNetwork):
    """Convolutions over the features' embeddings, ReLU, and a maximum or mean over positions.

    Parameters
    ----------
    log_prior, n_features
        See `TextNetwork`.
    embedding_dim : int, default=15
        Width of the embedding.
    kernel_sizes : tuple of int, default=(3,)
        Number of features that each convolution spans.
    n_filters : int, default=64
        Number of outputs of each convolution.
    pooling : tuple of {"max", "mean"}, default=("max",)
        How to pool the outputs over all positions. Several results are concatenated.
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


def convolve_within_rows(vectors: Tensor, kernel: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Apply a convolution at every position, as if each row were padded with zeros.

    Parameters
    ----------
    vectors : Tensor of shape (n_vectors, width)
    kernel : Tensor of shape (n_outputs, size, width)
        An even size extends one position further to the left than to the right.
    rows, offsets
        See `pool`.

    Returns
    -------
    Tensor of shape (n_vectors, n_outputs)

    Examples
    --------
    >>> import torch
    >>> from skdistill.students.training._cnn import convolve_within_rows
    >>> vectors, rows = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 0, 1])
    >>> kernel = torch.ones(1, 3, 1)
    >>> convolve_within_rows(vectors, kernel, rows, torch.tensor([0, 2, 3])).flatten().tolist()
    [3.0, 3.0, 4.0]
    """
    size = kernel.shape[1]
    padded, starts = part_by_zeros(vectors, rows, len(offsets) - 1, size)
    # On a CPU, conv1d would compile a new kernel for each new length.
    places = starts[:, None] + torch.arange(size, device=rows.device)
    windows = padded.index_select(0, places.flatten()).view(len(rows), -1)
    return windows @ kernel.flatten(1).T
