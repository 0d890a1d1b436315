"""Wilcoxon's signed-rank test, exact where values are few."""

import numpy as np
from scipy.stats import rankdata, wilcoxon

MOST_EXACT = 50  # values


def rank_sign(values: np.ndarray) -> int:
    """Whether positive (1) or negative (-1) values have the larger sum of ranks; 0 where the sums are equal.

    >>> rank_sign(np.array([0.1, 0.2, -0.3])), rank_sign(np.array([0.1, 0.2, -9.0]))
    (0, 0)
    """
    values = _without_zeros(values)
    return int(np.sign((rankdata(np.abs(values)) * np.sign(values)).sum())) if len(values) else 0


def signed_rank(values: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's test that values lie around 0 (Wilcoxon, 1945); zeros and NaN are left out.

    Exact up to 50 values, equal ones too: the sum of the ranks of positive values takes each of its sums in so many of
    the 2^n patterns of signs, counted by adding one rank after the other. `scipy.stats.wilcoxon` goes through all
    patterns where values are equal, a second a pair, and takes the normal distribution from 14 on; above 50 so do we.

    >>> signed_rank(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    0.03125
    """
    values = _without_zeros(values)
    if len(values) == 0:
        return 1.0
    if len(values) > MOST_EXACT:
        return float(wilcoxon(values).pvalue)
    ranks = (2 * rankdata(np.abs(values))).astype(int)  # twice, since equal values share halves
    shares = np.zeros(ranks.sum() + 1)  # of the patterns with each sum
    shares[0] = 1
    for rank in ranks:
        shares = (shares + np.concatenate([np.zeros(rank), shares[:-rank]])) / 2
    total = ranks[values > 0].sum()
    return float(min(1.0, 2 * min(shares[: total + 1].sum(), shares[total:].sum())))


def _without_zeros(values: np.ndarray) -> np.ndarray:
    values = np.round(values, 12)  # else equal differences rank by their last bit
    return values[(values != 0) & ~np.isnan(values)]
