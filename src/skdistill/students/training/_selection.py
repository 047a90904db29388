"""Choose between networks by their agreement with the teacher on texts that they have not seen."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil

import numpy as np
import torch

from skdistill.students.training._batches import TransferDataset
from skdistill.students.training._loop import Recipe, train

# Each network is trained on four fifths of the texts: several times with few texts, and on a sample
# of many. A few hundred texts say less about the networks than about chance.
_SHARE = 5
_LEAST, _ENOUGH, _MOST = 500, 3_000, 20_000


def choose_network(
    networks: Sequence[Callable[[], torch.nn.Module]], dataset: TransferDataset, recipe: Recipe
) -> int:
    """Return the position of the network that agrees best with the teacher on held-out texts.

    Parameters
    ----------
    networks : sequence of callable
        Each builds a network. Of equally good ones, and with fewer than 500 texts, the first is
        chosen.
    dataset : TransferDataset
    recipe : Recipe
        Its callbacks are not called.
    """
    rows = np.random.default_rng(recipe.seed).permutation(len(dataset))[:_MOST]
    parts = np.array_split(rows, _SHARE)
    if len(rows) < _LEAST:
        return 0
    quiet = replace(recipe, patience=recipe.max_epochs, callbacks=(), verbose=0)
    agreement = np.zeros(len(networks))
    for held_out in range(min(_SHARE, ceil(_ENOUGH / len(rows)))):
        others = np.concatenate([part for i, part in enumerate(parts) if i != held_out])
        training, unseen = dataset.take(others), dataset.take(parts[held_out])
        for i, make_network in enumerate(networks):
            _, history = train(make_network, training, quiet, held_out=unseen)
            agreement[i] += history[-1]["valid_fidelity"]
    return int(agreement.argmax())
