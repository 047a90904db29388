"""Values that deep copies of an object contain, but pickles do not."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LeftOut:
    """In a state that pickle and `copy.deepcopy` share: a value, and what a pickle stores instead.

    A method `__deepcopy__` of an estimator could make the same difference. But `FrozenEstimator`
    would pass it on, and return a copy of the estimator that is not frozen.

    Examples
    --------
    >>> import copy
    >>> import pickle
    >>> from skdistill.students._left_out import LeftOut
    >>> state = {"pool": LeftOut(["many", "texts"], None)}
    >>> copy.deepcopy(state), pickle.loads(pickle.dumps(state))
    ({'pool': ['many', 'texts']}, {'pool': None})
    """

    value: Any
    pickled: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return deepcopy(self.value, memo)

    def __reduce__(self) -> Any:
        return _same, (self.pickled,)


def _same(value: Any) -> Any:
    return value
