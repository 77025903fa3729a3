"""What a random sample says about all examples."""

from mnemoscope.base.stats import Rate
from mnemoscope.results.screen import SampleRate


def whole_set_rate(count: int, sample: int, total: int) -> SampleRate:
    """The rate in a sample, and the 95% interval of the rate in the whole set.

    Wilson's interval, which is that of draws with replacement; draws without replacement from a
    finite set vary less, by `(total - sample) / (total - 1)`, so it is conservative. It is cut to
    what is certain: of the whole set at least `count` have the property, and at least
    `sample - count` have not. Of a sample that is the whole set the interval is the rate itself.

    Args:
        count: Examples of the sample that have the property.
        sample: The size of the sample.
        total: The size of the whole set.
    """
    found = Rate.of(count, sample)
    return SampleRate(
        count,
        sample,
        low=max(found.low, count / total),
        high=min(found.high, (total - (sample - count)) / total),
        whole=total,
    )
