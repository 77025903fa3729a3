import pytest

from mnemoscope.results.verdict import verdict


def summary(
    n=5,
    stored=0,
    *,
    recalled=None,
    reached=0,
    starts=100,
    spurious=0,
    cycles=0,
    unsettled=0,
    disclosed=None,
    **more,
):
    return {
        "examples": n,
        "stored": {"count": stored, "total": n},
        "disclosed": {"count": stored if disclosed is None else disclosed, "total": n},
        "indistinguishable": 0,
        "match_tol": 0.01,
        "recalled": recalled and {"count": recalled[0], "total": recalled[1], "strength": 0.1},
        "reached_from_noise": {"count": reached, "total": n, "starts": starts},
        "spurious": spurious,
        "cycles": cycles,
        "unsettled": {"count": unsettled, "total": starts},
        "interpolated": True,
        "training_loss": 1e-9,
        **more,
    }  # fmt: skip


NOISE = "of the copies with noise of standard deviation 0.1 lead back to their example"
OUT = "out of the weights from pure noise, with no data"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (summary(), "None of the 5 training examples is stored as an attractor."),
        (summary(1), "The training example is not stored as an attractor."),
        (
            summary(1, spurious=1, nearest_spurious={"example": 0, "distance": 0.0115}),
            "The training example is not stored as an attractor; 1 spurious attractor was found, "
            "0.0115 units from training example 0, just above match_tol 0.01.",
        ),
        (
            summary(
                4, spurious=2, cycles=1, nearest_spurious={"example": 3, "distance": 0.43},
                unsettled=3,
            ),
            "None of the 4 training examples is stored as an attractor; 2 spurious attractors and "
            "1 limit cycle were found, the nearest at 0.43 units from training example 3, and 3 of "
            "100 starts never settled.",
        ),
        (
            summary(2, left_domain={"count": 7, "total": 100}),
            "None of the 2 training examples is stored as an attractor; 7 of 100 starts left the "
            "map's domain.",
        ),
        (
            summary(
                planned={"minutes": 2, "seconds": 90.0, "left_out": ["5 of 9 examples", "1 of 3 x"]}
            ),
            "None of the 5 training examples is stored as an attractor. Left out, to keep to 2 "
            "minutes: 5 of 9 examples and 1 of 3 x.",
        ),
        (
            summary(planned={"minutes": 2, "seconds": 300.0, "left_out": []}),
            "None of the 5 training examples is stored as an attractor. It took 5 minutes, more "
            "than planned.",
        ),
        (
            summary(among=50_000),
            "None of the 5 training examples is stored as an attractor. These are 5 of 50,000 "
            "training examples; the others were not audited.",
        ),
        (
            summary(10, 1, disclosed=7, reached=1),
            "1 of 10 training examples is stored as an attractor; 7 are disclosed (an attractor "
            f"lies within 0.01 units of each); it comes {OUT}.",
        ),
        (
            summary(3, disclosed=1, indistinguishable=2),
            "None of the 3 training examples is stored as an attractor; 1 is disclosed (an "
            "attractor lies within 0.01 units of it); 2 are too close to another example to be "
            "distinguished.",
        ),
        (
            summary(1, 1, reached=1),
            f"The training example is stored as an attractor; it comes {OUT}.",
        ),
        (
            summary(1, 1),
            "The training example is stored as an attractor; it was not reached from pure noise.",
        ),
        (
            summary(stored=5, recalled=(50, 50), reached=5),
            f"All 5 training examples are stored as attractors; all {NOISE}; all 5 come {OUT}.",
        ),
        (
            summary(stored=1, recalled=(0, 50), reached=1),
            f"1 of 5 training examples is stored as an attractor; none {NOISE}; it comes {OUT}.",
        ),
        (
            summary(stored=3, recalled=(20, 50), reached=1),
            f"3 of 5 training examples are stored as attractors; 40.0% {NOISE}; 1 of them comes "
            f"{OUT}.",
        ),
        (
            summary(stored=3, recalled=(9999, 10000), reached=2),
            "3 of 5 training examples are stored as attractors; 9999 of 10000 "
            f"{NOISE}; 2 of them come {OUT}.",
        ),
        (
            summary(stored=3, recalled=(1, 10000)),
            f"3 of 5 training examples are stored as attractors; 1 of 10000 {NOISE}; none of them "
            "was reached from pure noise.",
        ),
        # Nothing is said of noise that was not tried.
        (summary(stored=5, starts=0), "All 5 training examples are stored as attractors."),
        (
            summary(spurious=1),
            "None of the 5 training examples is stored as an attractor; 1 spurious attractor was "
            "found.",
        ),
        (
            summary(spurious=3),
            "None of the 5 training examples is stored as an attractor; 3 spurious attractors were "
            "found.",
        ),
        (
            summary(cycles=1),
            "None of the 5 training examples is stored as an attractor; 1 limit cycle was found.",
        ),
        (
            summary(stored=5, reached=5, spurious=1),
            f"All 5 training examples are stored as attractors; all 5 come {OUT}; 1 spurious "
            "attractor was found beside them.",
        ),
        (
            summary(1, 1, reached=1, spurious=2, cycles=2, unsettled=7),
            f"The training example is stored as an attractor; it comes {OUT}; 2 spurious "
            "attractors and 2 limit cycles were found beside it, and 7 of 100 starts never "
            "settled.",
        ),
        (
            summary(unsettled=100),
            "None of the 5 training examples is stored as an attractor; 100 of 100 starts never "
            "settled.",
        ),
        (
            summary(interpolated=False, training_loss=0.0123),
            "Not trained to interpolation (loss 1.2e-02), so this says nothing about what it could "
            "memorize: none of the 5 training examples is stored as an attractor.",
        ),
        # Where all of them are stored there is nothing more that it could have memorized.
        (
            summary(stored=5, starts=0, interpolated=False, training_loss=1e-6),
            "All 5 training examples are stored as attractors.",
        ),
    ],
)  # fmt: skip
def test_the_sentence(given, told):
    assert verdict(given) == told
