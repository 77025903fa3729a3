"""What people read for the names that the tables carry."""

CORRUPTIONS: dict[str, tuple[str, str]] = {
    "gaussian": ("Gaussian noise", "standard deviation"),
    "salt_and_pepper": ("salt and pepper", "share of pixels"),
    "mask_pixels": ("masked pixels", "share of pixels"),
    "mask_block": ("masked block", "share of the picture"),
    "mask_lower_half": ("masked lower half", "share of rows"),
    "blur": ("blur", "deviation in pixels"),
    "mix": ("mixed examples", "the other's share"),
}
"""A corruption's name, and what its strength measures."""

OUTCOMES: dict[str, str] = {
    "at_examples": "at an example",
    "at_spurious": "spurious",
    "at_cycles": "limit cycle",
    "unsettled": "unsettled",
    "diverged": "diverged",
    "left_domain": "left the domain",
    "not_attracting": "not attracting",
}
"""Where an orbit ended: the columns of `starts`, in the order in which they are drawn."""


def corruption_name(corruption: str) -> str:
    """A corruption as people read it; an unknown one by its own name."""
    return CORRUPTIONS.get(corruption, (corruption.replace("_", " "), "strength"))[0]


def strength_name(corruption: str) -> str:
    """What the corruption's strength measures."""
    return CORRUPTIONS.get(corruption, (corruption, "strength"))[1]
