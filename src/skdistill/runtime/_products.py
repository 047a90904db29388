"""Multiply matrices so that each row's result is bitwise independent of the other rows."""

import numpy as np

# Number of rows to multiply at a time.
N_ROWS = 8


class RowProduct:
    """Multiply rows by a matrix, with the same bits for each row in any batch.

    BLAS chooses its kernel by the shape of a product, and kernels differ in the last bit, so the
    result for a text would depend on the size of its batch. All products therefore have eight rows,
    padded with zeros if necessary. This takes no longer than one large product, because small
    products stay in the cache. With some BLAS libraries, a row's place among the eight matters too.
    The constructor tests this for each matrix; if it does, rows are multiplied one by one.

    Parameters
    ----------
    matrix : ndarray of shape (n_inputs, n_outputs), dtype float32

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.runtime._products import RowProduct
    >>> double = RowProduct(2 * np.eye(2, dtype=np.float32))
    >>> double(np.ones((3, 2), dtype=np.float32)).tolist()
    [[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]
    """

    def __init__(self, matrix: np.ndarray):
        self.matrix = np.ascontiguousarray(matrix)
        row = np.sin(np.arange(1, len(matrix) + 1, dtype=np.float32))
        repeated = np.tile(row, (N_ROWS, 1)) @ self.matrix
        self._n_rows = N_ROWS if (repeated == repeated[0]).all() else 1

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Multiply rows by the matrix.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_inputs), dtype float32

        Returns
        -------
        ndarray of shape (n_rows, n_outputs), dtype float32
        """
        n_rows, n_inputs = rows.shape
        n_blocks = -(-n_rows // self._n_rows)
        if n_rows % self._n_rows:
            filled = np.zeros((n_blocks * self._n_rows, n_inputs), dtype=np.float32)
            filled[:n_rows] = rows
            rows = filled
        elif n_blocks == 1:
            return rows @ self.matrix
        products = rows.reshape(n_blocks, self._n_rows, n_inputs) @ self.matrix
        return products.reshape(len(rows), self.matrix.shape[1])[:n_rows]


def multiply_exactly(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply in float64, so that the float32 result is the same on nearly every machine."""
    return (left.astype(np.float64) @ right.astype(np.float64)).astype(np.float32)
