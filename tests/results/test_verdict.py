import pytest

from mnemoscope.results.summary import NearestSpurious, Planned
from mnemoscope.results.verdict import verdict
from tests.summaries import made_summary


def summary(n=5, stored=0, *, reached=0, disclosed=None, **more):
    return made_summary(
        stored=(stored, n),
        disclosed=(stored if disclosed is None else disclosed, n),
        reached=(reached, n),
        **more,
    )


def planned(seconds, *left_out):
    return Planned(
        minutes=2, predicted_seconds=60, seconds=seconds, asked={}, done={}, left_out=left_out
    )


def near(distance):
    return NearestSpurious(attractor=7, example=3, distance=distance)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (summary(), ["None of the 5 training examples is stored"]),
        (summary(1), ["The training example is not stored"]),
        (summary(2, left_domain=(7, 100)), ["7 of 100 starts left the map's domain"]),
        (summary(unsettled=(100, 100)), ["100 of 100 starts never settled"]),
        (summary(1, 1), ["training example is stored", "it was not reached from pure noise"]),
        (summary(1, 1, reached=1), ["training example is stored", "it comes out"]),
        (summary(10, 1, reached=1), ["1 of 10 training examples is stored", "it comes out"]),
        (summary(stored=5, reached=5), ["All 5 training examples are", "all 5 come out"]),
        (summary(stored=3, reached=1), ["3 of 5 training examples are", "1 of them comes out"]),
        (summary(stored=3, reached=2), ["2 of them come out"]),
        (summary(stored=3), ["none of them was reached from pure noise"]),
        (summary(10, 1, disclosed=7), ["7 are disclosed", "within 0.01 units of each"]),
        (summary(3, disclosed=1), ["1 is disclosed", "within 0.01 units of it"]),
        (summary(3, indistinguishable=1), ["1 is too close to another example"]),
        (summary(3, indistinguishable=2), ["2 are too close to another example"]),
        (summary(stored=5, recalled=(50, 50)), ["all of the copies", "deviation 0.1 lead back"]),
        (summary(stored=1, recalled=(0, 50)), ["none of the copies"]),
        (summary(stored=3, recalled=(20, 50)), ["40.0% of the copies"]),
        # Not all, and not none.
        (summary(stored=3, recalled=(9999, 10000)), ["9999 of 10000 of the copies"]),
        (summary(stored=3, recalled=(1, 10000)), ["1 of 10000 of the copies"]),
        (summary(spurious=1), ["1 spurious attractor was found."]),
        (summary(spurious=3), ["3 spurious attractors were found."]),
        (summary(cycles=1), ["1 limit cycle was found."]),
        (
            summary(1, 1, reached=1, spurious=2, cycles=2, unsettled=(7, 100)),
            ["2 spurious attractors and 2 limit cycles were found", "7 of 100 starts never"],
        ),
        (
            summary(1, spurious=1, nearest_spurious=near(0.0115)),
            ["0.0115 units from training example 3", "just above match_tol 0.01"],
        ),
        (
            summary(4, spurious=2, cycles=1, nearest_spurious=near(0.43)),
            ["were found, the nearest at 0.43 units from training example 3."],
        ),
        (
            summary(planned=planned(90, "5 of 9 examples", "1 of 3 x")),
            ["2 minutes: 5 of 9 examples and 1 of 3 x."],
        ),
        (summary(planned=planned(300)), ["5 minutes, more than planned."]),
        (summary(among=50_000), ["5 of 50,000 training examples"]),
        (summary(partial=("recall", "basins")), ["interrupted before: recall, basins. None of"]),
        (
            summary(interpolated=False, training_loss=0.0123),
            ["Not trained to interpolation (loss 1.2e-02)", "none of the 5 training examples"],
        ),
    ],
)
def test_what_is_reported(given, message):
    sentence = verdict(given)
    places = [sentence.find(part) for part in message]
    assert -1 not in places, sentence
    assert places == sorted(places), sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        (summary(recalled=(0, 50)), "copies"),
        # Nothing is said of noise that was not tried.
        (summary(stored=5, starts=0), "noise"),
        (summary(stored=5), "disclosed"),
        (summary(spurious=1, nearest_spurious=near(0.43)), "match_tol"),
        (summary(planned=planned(90)), "planned"),
        # Where all of them are stored there is nothing more that it could have memorized.
        (summary(stored=5, interpolated=False, training_loss=1e-6), "Not trained"),
    ],
)
def test_what_is_not_reported(given, left_out):
    assert left_out not in verdict(given)
