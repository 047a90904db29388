"""Confidence bounds for the agreement of a cascade with its teacher."""

from math import ceil, log

import numpy as np
from scipy.special import betaincinv

from skdistill._core.exceptions import warn


def agreement_bounds(agreement: np.ndarray, n_texts: int, confidence: float) -> np.ndarray:
    """Return lower confidence bounds of shares that were measured on a sample of texts.

    They are the exact bounds of Clopper and Pearson: where the share of all texts is below a
    bound, so high an agreement is measured with a probability of at most ``1 - confidence``.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.metrics._risk_control import agreement_bounds
    >>> agreement_bounds(np.array([0.0, 0.98, 1.0]), 100, 0.95).round(4).tolist()
    [0.0, 0.9384, 0.9705]
    """
    n_equal = np.rint(np.asarray(agreement) * n_texts)
    bounds = betaincinv(np.maximum(n_equal, 1), n_texts - n_equal + 1, 1 - confidence)
    return np.where(n_equal > 0, bounds, 0.0)


def choose_by_agreement(
    agreement: np.ndarray, n_texts: int, target: float, confidence: float
) -> int:
    """Return the lowest threshold of a cascade that guarantees an agreement.

    `agreement` is measured on `n_texts` texts at ascending thresholds; at the last one, the teacher
    classifies all texts. From there downwards, each threshold is tested until one fails. This fixed
    sequence needs no correction for the number of tests. The thresholds may even depend on the
    texts, because a lower one can only reduce the agreement.

    Warns
    -----
    UserWarning
        If only the last threshold is safe.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.metrics._risk_control import choose_by_agreement
    >>> choose_by_agreement(np.array([0.9, 0.97, 0.98, 0.99, 1.0]), 1000, 0.97, 0.95)
    2
    """
    bounds = agreement_bounds(agreement, n_texts, confidence)
    failed = np.flatnonzero(bounds[:-1] < target)
    row = int(failed[-1]) + 1 if len(failed) else 0
    if row == len(bounds) - 1:
        reason = "the student differs from the teacher even where it is most confident"
        if n_texts < (needed := fewest_texts(target, confidence)):
            reason = f"this needs at least {needed:,} validation texts, but there are {n_texts:,}"
        warn(
            f"No threshold guarantees an agreement of {target:.4g} with a confidence of "
            f"{confidence:.4g}: {reason}. The student therefore classifies no text. Pass more "
            "texts, raise validation_fraction, or lower target_agreement or confidence.",
        )
    return row


def fewest_texts(target: float, confidence: float) -> int:
    """Return the number of texts from which on a bound can reach the target.

    Examples
    --------
    >>> from skdistill.metrics._risk_control import fewest_texts
    >>> fewest_texts(0.97, 0.95)
    99
    """
    return ceil(log(1 - confidence) / log(target))
