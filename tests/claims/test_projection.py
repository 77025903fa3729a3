"""One linear layer ends at the projection: the claim as it is run."""

from mnemoscope.claims import projection


def test_it_holds(quick):
    assert [check.verdict for check in quick("projection").checks] == ["holds"] * 3


def test_every_run_is_measured_at_ten_times_and_at_the_end(quick):
    result = quick("projection")
    runs = result.runs
    # Two seeds from random weights and one from zero.
    assert runs.filter(runs["step"] == runs["last_step"]).height == 3
    assert runs.filter(runs["init"] == "default").height == 2 * (projection.TIMES + 1)
    assert result.interpolated == runs.height


def test_what_does_not_reach_the_end_does_not_interpolate(monkeypatch):
    monkeypatch.setattr(projection, "MOST_STEPS", 20)
    runs = projection.path("digits", 5, "zeros", [0], "cpu")
    assert not runs["interpolated"].any()
