"""Times and sizes in words."""


def duration(seconds: float) -> str:
    """A time as one reads it: `8.5 s`, `12 min`, `3.4 h`, `2.1 days`.

    Example:
        >>> duration(8.5), duration(720), duration(12_240), duration(200_000)
        ('8.5 s', '12 min', '3.4 h', '2.3 days')
    """
    for unit, length, until in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < until:
            value = seconds / length
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def size(count: float) -> str:
    """A number of bytes as one reads it.

    Example:
        >>> size(532), size(15_300), size(2_500_000)
        ('532 B', '15 kB', '2.5 MB')
    """
    for unit, length in (("B", 1), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < 1000 * length:
            value = count / length
            return f"{value:.0f} {unit}" if value >= 10 or length == 1 else f"{value:.1f} {unit}"
    return f"{count / 1e12:.1f} TB"
