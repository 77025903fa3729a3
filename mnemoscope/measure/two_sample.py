"""A classifier two-sample test: can a classifier decide which of two samples a state is from?

If the two are of one distribution no classifier beats guessing, but for chance (Lopez-Paz & Oquab,
*Revisiting classifier two-sample tests*, ICLR 2017). Two are tried on the same features, one for
shifts of the mean and one for everything else: a linear one (least squares with a ridge, five-fold
cross-validation) and nearest neighbours (each state by the others). The statistic is the larger of
their two accuracies.

Predictions for states of one sample share their training states, so they are not independent and a
binomial law is wrong for their count. The law is therefore that of the statistic itself over random
permutations of the labels, the true one included: `p = (1 + #{permuted >= observed}) /
(1 + permutations)`, which is at most `alpha` with probability at most `alpha` for samples of any
size (Phipson & Smyth 2010). Features, folds and neighbours do not depend on labels, so all
permutations are a few matrix products.
"""

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.base.check import LARGEST_SEED, whole_number
from mnemoscope.base.stats import wilson
from mnemoscope.results.summary import TwoSample

LEAST = 10
"""Fewer states than this in a sample: no test. Even a perfect separation of them says little."""

MOST = 1000
"""States of each sample that are used, a random choice of more: time and memory stay bounded."""

PERMUTATIONS = 999
"""Permutations of the labels: the smallest p-value is 0.001."""

LEVEL = 0.05
"""The samples are said to differ where the p-value is at most this."""

FOLDS = 5
"""Of the cross-validation."""

STATES_PER_FEATURE = 4
"""Minimum number of states for each feature; with fewer a linear classifier fits noise."""

MOST_FEATURES = 64
"""Leading principal components that are used, at most."""

MEMORY = 2**22
"""Entries (states times permutations) that are worked on at once: 32 MiB an array."""


def two_sample(
    X: Float[Tensor, "n *shape"],
    Y: Float[Tensor, "m *shape"],
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> TwoSample | None:
    """Tests whether two samples of states are of one distribution.

    Features are the leading principal components of both samples together, entries standardized
    before: `MOST_FEATURES` at most, one for `STATES_PER_FEATURE` states at most.

    Example:
        >>> import torch
        >>> Z = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
        >>> two_sample(Z[:50], Z[50:]).differs, two_sample(Z[:50], Z[50:] + 1).differs
        (False, True)
    """
    whole_number("permutations", permutations, least=1)
    if min(len(X), len(Y)) < LEAST:
        return None
    rng = np.random.default_rng(whole_number("seed", seed, least=0, most=LARGEST_SEED))
    samples = [_chosen(Z, rng) for Z in (X, Y)]
    features = _features(np.concatenate(samples), seed)
    own = np.repeat([True, False], [len(sample) for sample in samples])
    shuffled = np.stack([rng.permutation(own) for _ in range(permutations)], axis=1)
    labels = np.concatenate([own[:, None], shuffled], axis=1)
    fold = rng.permutation(len(own)) % FOLDS
    parts = np.array_split(labels, -(-labels.size // MEMORY), axis=1)
    right = {
        "linear": [_linear(features, part, fold) == part for part in parts],
        "neighbours": [_neighbours(features, part) == part for part in parts],
    }
    accuracy = {
        name: np.concatenate([_balanced(r, part) for r, part in zip(found, parts, strict=True)])
        for name, found in right.items()
    }
    best = max(accuracy, key=lambda name: accuracy[name][0])
    statistic = np.maximum(*accuracy.values())
    low, high = _interval(right[best][0][:, 0], own)
    # Accuracies are ratios of whole numbers: equal ones may differ by rounding.
    p_value = float((1 + (statistic[1:] >= statistic[0] - 1e-12).sum()) / (1 + permutations))
    return TwoSample(
        accuracy=float(statistic[0]),
        low=low,
        high=high,
        chance=float(statistic[1:].mean()),
        p_value=p_value,
        differs=p_value <= LEVEL,
        sizes=(len(samples[0]), len(samples[1])),
        classifier=best,
    )


def _chosen(Z: Tensor, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
    rows = rng.permutation(len(Z))[:MOST]
    return Z.detach()[rows].flatten(1).double().cpu().numpy()


def _features(Z: Float[np.ndarray, "n d"], seed: int) -> Float[np.ndarray, "n k"]:
    # Imported here because it takes a second.
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    count = min(MOST_FEATURES, max(1, len(Z) // STATES_PER_FEATURE), Z.shape[1])
    # Of states that are all equal no share of the variance is explained: 0 / 0, which is not used.
    with np.errstate(invalid="ignore"):
        return PCA(count, random_state=seed).fit_transform(StandardScaler().fit_transform(Z))


def _linear(
    features: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n p"], fold: np.ndarray
) -> Bool[np.ndarray, "n p"]:
    """Predicts by least squares with a ridge, each state from the folds that it is not in.

    Cut half-way between the mean scores of the two samples, so that the larger one is not favoured:
    with this cut, least squares is Fisher's discriminant. All labellings are targets of one fit.
    """
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    white = StandardScaler().fit_transform(features)
    predicted = np.empty(labels.shape, dtype=bool)
    for k in range(FOLDS):
        out, train = fold == k, fold != k
        target = labels[train].astype(float)
        model = Ridge(alpha=1.0).fit(white[train], target)
        score = model.predict(white[train])
        one, other = (
            (score * side).sum(0) / np.maximum(side.sum(0), 1) for side in (target, 1 - target)
        )
        predicted[out] = model.predict(white[out]) > (one + other) / 2
    return predicted


def _neighbours(
    features: Float[np.ndarray, "n k"], labels: Bool[np.ndarray, "n p"]
) -> Bool[np.ndarray, "n p"]:
    """Predicts by a vote of the `sqrt(n)` nearest others, each sample weighed by its size."""
    from sklearn.neighbors import NearestNeighbors

    k = max(1, round(len(features) ** 0.5))
    graph = NearestNeighbors(n_neighbors=k).fit(features).kneighbors_graph()
    votes = graph @ labels.astype(float)
    return votes / labels.sum(0) > (k - votes) / (~labels).sum(0)


def _balanced(
    right: Bool[np.ndarray, "n p"], labels: Bool[np.ndarray, "n p"]
) -> Float[np.ndarray, " p"]:
    one, other = ((right & side).sum(0) / side.sum(0) for side in (labels, ~labels))
    return (one + other) / 2


def _interval(right: Bool[np.ndarray, " n"], own: Bool[np.ndarray, " n"]) -> tuple[float, float]:
    """Computes the interval of the mean of two shares from the Wilson interval of each."""
    middle, below, above = 0.0, 0.0, 0.0
    for side in (own, ~own):
        count, total = int((right & side).sum()), int(side.sum())
        low, high = (float(end) for end in wilson(count, total))
        middle += count / total / 2
        below += (count / total - low) ** 2
        above += (high - count / total) ** 2
    return max(0.0, middle - below**0.5 / 2), min(1.0, middle + above**0.5 / 2)
