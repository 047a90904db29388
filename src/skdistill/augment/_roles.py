"""Learn the roles of words, and replace words by others of the same role."""

from collections import Counter
from collections.abc import Callable, Hashable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from skdistill.text._ragged import Ragged
from skdistill.text._units import Units

# Words with fewer occurrences have no role; the most frequent words serve as contexts.
MIN_OCCURRENCES = 5
N_CONTEXTS = 500
N_DIMENSIONS = 50
# With more words, one start of k-means and few iterations are enough: 20,000 words are clustered
# in a quarter of the time, and the sum of squared distances is larger by 0.5 %.
MANY_WORDS = 5_000


def learn_roles(units: Units, n_roles: int | str, seed: int) -> dict[Hashable, dict[str, int]]:
    """Cluster the frequent words by their neighbours and return the words of each cluster."""
    counts = regardless_of_case(Counter(units.core[units.ids.values].tolist()))
    frequent = {word: n for word, n in counts.items() if n >= MIN_OCCURRENCES}
    if not frequent:
        return {}
    rank = {word.lower(): place for place, word in enumerate(counts)}
    ranks = np.array([rank.get(word.lower(), -1) for word in units.core])[units.ids.values]
    shares = neighbour_shares(Ragged(ranks, units.ids.offsets), len(counts))[: len(frequent)]
    n_clusters = round(len(frequent) ** 0.5) if isinstance(n_roles, str) else n_roles
    roles: dict[Hashable, dict[str, int]] = {}
    for label, word in zip(cluster(shares, n_clusters, seed), frequent, strict=True):
        roles.setdefault(label, {})[word] = frequent[word]
    return roles


def neighbour_shares(words: Ragged, n_words: int) -> csr_array:
    """Return the relative frequencies of each word's left and right neighbours."""
    others, beyond_text, n_contexts = N_CONTEXTS, N_CONTEXTS + 1, N_CONTEXTS + 2
    places = np.arange(len(words.values)) + 1 + np.repeat(np.arange(len(words)), words.lengths)
    padded = np.full(len(words.values) + len(words) + 1, beyond_text)
    padded[places] = np.minimum(words.values, others)
    neighbours = np.concatenate([padded[places - 1], padded[places + 1] + n_contexts])
    ones = np.ones(len(neighbours))
    shape = (n_words, 2 * n_contexts)
    counts = csr_array((ones, (np.tile(words.values, 2), neighbours)), shape=shape)
    return normalize(counts, norm="l1")


def cluster(shares: csr_array, n_clusters: int, seed: int) -> list[int]:
    """Cluster words by their neighbours and return the cluster number of each word."""
    # In one thread, because the last digits of sums would vary with several.
    with threadpool_limits(limits=1):
        points = np.sqrt(shares)
        if min(points.shape) > N_DIMENSIONS:
            points = TruncatedSVD(N_DIMENSIONS, random_state=seed).fit_transform(points)
        else:
            points = points.toarray()
        points = normalize(points)
        n_clusters = min(n_clusters, len(np.unique(points.round(6), axis=0)))
        effort = {"n_init": 1, "max_iter": 30} if len(points) > MANY_WORDS else {"n_init": 3}
        return KMeans(n_clusters, **effort, random_state=seed).fit_predict(points).tolist()


def roles_of_tags(units: Units, tagger: Callable[..., Any]) -> dict[Hashable, dict[str, int]]:
    """Return the words of each tag with their counts."""
    counts: dict[Hashable, Counter[str]] = {}
    for tag, word in zip(tag_units(tagger, units), units.core[units.ids.values], strict=True):
        counts.setdefault(tag, Counter())[word] += 1
    return {tag: regardless_of_case(words) for tag, words in counts.items()}


def tag_units(tagger: Callable[..., Any], units: Units) -> list[Hashable]:
    """Return the tag of every unit of every text."""
    tags: list[Hashable] = []
    for row, (start, end) in enumerate(pairwise(units.ids.offsets.tolist()), units.first_row):
        words = units.core[units.ids.values[start:end]].tolist()
        found = list(tagger(words)) if words else []
        if len(found) != len(words):
            raise ValueError(
                f"tagger returned {len(found)} tags for the {len(words)} units of X[{row}], "
                f"{words!r:.80}; it must return one tag for each."
            )
        tags += found
    return tags


def regardless_of_case(counts: Counter[str]) -> dict[str, int]:
    """Add up the counts of each word's spellings under the most frequent one, and sort by count."""
    totals: Counter[str] = Counter()
    spelling: dict[str, str] = {}
    for word, count in sorted(counts.items(), key=falling):
        totals[spelling.setdefault(word.lower(), word)] += count
    return dict(sorted(totals.items(), key=falling))


def falling(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


class RoleWords:
    """Draws other words of the same role, with probabilities proportional to their frequency."""

    def __init__(self, roles: dict[Hashable, dict[str, int]], tagger: Callable[..., Any] | None):
        entries = [(role, word, n) for role, words in roles.items() for word, n in words.items()]
        self._tagger = tagger
        self._words = np.array([word for _, word, _ in entries], dtype=object)
        self._place = {(role, word.lower()): place for place, (role, word, _) in enumerate(entries)}
        self._role_of = {word.lower(): role for role, word, _ in entries}
        self._number = {role: number for number, role in enumerate(roles)}
        # Cumulative counts of the words. The last role is an empty one, for units without a role.
        self._before = np.cumsum([0, *(n for _, _, n in entries)])
        self._bounds = self._before[np.cumsum([0, *map(len, roles.values()), 0])]

    def read(self, units: Units) -> np.ndarray:
        """Look up the roles of all units and return which units can be replaced."""
        ids = units.ids.values.tolist()
        lower = [word.lower() for word in units.core]
        if self._tagger is None:
            role_of_unit = [self._role_of.get(word) for word in lower]
            roles = [role_of_unit[i] for i in ids]
        else:
            roles = tag_units(self._tagger, units)
        keys = zip(roles, [lower[i] for i in ids], strict=True)
        own = np.array([self._place.get(key, -1) for key in keys], dtype=np.int64)
        role = np.array([self._number.get(r, len(self._number)) for r in roles], dtype=np.int64)
        self._own_end = self._before[own + 1]
        self._n_own = self._own_end - np.where(own < 0, 0, self._before[own])
        self._first = self._bounds[role]
        self._n_others = self._bounds[role + 1] - self._first - self._n_own
        return self._n_others > 0

    def draw(self, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a replacement for the unit at each position."""
        # Draw one of the occurrences in the role, leaving out those of the word itself.
        drawn = self._first[positions] + rng.integers(0, self._n_others[positions])
        own_start = self._own_end[positions] - self._n_own[positions]
        drawn += np.where(drawn >= own_start, self._n_own[positions], 0)
        return self._words[np.searchsorted(self._before, drawn, side="right") - 1]
