"""Wilson's interval: what a count out of a total says about a rate."""

import torch
from jaxtyping import Float, Num
from torch import Tensor

Z95 = 1.959963984540054
"""The normal quantile of a two-sided 95% interval."""


def wilson(
    count: Num[Tensor, "..."] | float, total: Num[Tensor, "..."] | int
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """The 95% score interval of a rate, `count` of `total` (E. B. Wilson, JASA 22, 1927).

    `(p + z²/2N ± z √(p(1 − p)/N + z²/4N²)) / (1 + z²/N)` with `p = count/total`, `N = total`.
    With no trials at all it is (0, 1). float64. Trials may be numbers in [0, 1] instead of yes or
    no, and the count their sum: their variance is at most `p(1 − p)`, so it is conservative.

    Example:
        >>> low, high = wilson(10, 10)
        >>> round(float(low), 4), float(high)
        (0.7225, 1.0)
    """
    k = torch.as_tensor(count, dtype=torch.float64)
    N = torch.as_tensor(total, dtype=torch.float64)
    trials = N.clamp_min(1)
    z2 = Z95**2
    p = k / trials
    center = p + z2 / (2 * trials)
    spread = Z95 * (p * (1 - p) / trials + z2 / (4 * trials**2)).sqrt()
    # The ends are 0 at count 0 and 1 at count N exactly; rounding would leave 1e-19.
    low = torch.where(k == 0, 0.0, (center - spread) / (1 + z2 / trials))
    high = torch.where(k == N, 1.0, (center + spread) / (1 + z2 / trials))
    return low, high
