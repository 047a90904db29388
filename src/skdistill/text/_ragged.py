"""Store sequences of different lengths as one flat array with offsets."""

from dataclasses import dataclass

import numpy as np

_PIECE = 2**22


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of different lengths, stored without padding.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        The rows' values, one row after the other.
    offsets : ndarray of shape (n_rows + 1,), dtype int64
        Row ``i`` is ``values[offsets[i]:offsets[i + 1]]``.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.text._ragged import Ragged
    >>> rows = Ragged(np.array([1, 2, 3, 4, 5]), np.array([0, 2, 2, 5]))
    >>> len(rows), rows.lengths.tolist()
    (3, [2, 0, 3])
    >>> rows.take(np.array([2, 0])).values.tolist()
    [3, 4, 5, 1, 2]
    """

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_lengths(cls, values: np.ndarray, lengths: np.ndarray) -> "Ragged":
        """Build a ragged array from the rows' lengths instead of their offsets."""
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(values, offsets)

    @classmethod
    def concatenate(cls, parts: list["Ragged"]) -> "Ragged":
        """Concatenate the rows of several parts."""
        if not parts:
            return cls(np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64))
        values = np.concatenate([part.values for part in parts])
        return cls.from_lengths(values, np.concatenate([part.lengths for part in parts]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of values in each row."""
        return np.diff(self.offsets)

    def count_values(self, n_values: int) -> np.ndarray:
        """Count how often each of the values from 0 to `n_values` - 1 occurs."""
        # In pieces, because `bincount` copies its input to 64 bits.
        counts = np.zeros(n_values, dtype=np.int64)
        for start in range(0, len(self.values), _PIECE):
            counts += np.bincount(self.values[start : start + _PIECE], minlength=n_values)
        return counts

    def rows_with(self, mask: np.ndarray) -> np.ndarray:
        """Return the indices of rows that contain a value for which the mask is true."""
        rows = np.flatnonzero(self.lengths)
        return rows[np.logical_or.reduceat(mask, self.offsets[rows])] if len(rows) else rows

    def take(self, rows: np.ndarray) -> "Ragged":
        """Return the given rows, in the given order."""
        starts = self.offsets[rows]
        # Not `self.lengths`: a batch must not cost time in proportion to all rows.
        lengths = self.offsets[rows + 1] - starts
        taken = Ragged.from_lengths(self.values, lengths)
        shift = np.repeat(starts - taken.offsets[:-1], lengths)
        return Ragged(self.values[shift + np.arange(len(shift))], taken.offsets)
