import importlib

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.base.stats import Rate
from mnemoscope.measure.negative_controls import _positive, controls, judged, not_specific_to
from mnemoscope.results.summary import Controls, Measured
from tests.summaries import made_measured

controls_module = importlib.import_module("mnemoscope.measure.negative_controls")


@pytest.fixture(scope="module")
def found(trained, digits):
    return controls(
        trained,
        digits,
        mn.load_data("digits", n=25)[5:],
        options=mn.AuditOptions.of(starts=10, trials=2),
    )


def test_that_a_map_contracts_or_settles_is_not_specific_and_that_it_stores_is(found):
    assert found.trained.stored.count >= 3
    assert found.untrained.stored.count == 0
    assert found.held_out.stored.count == 0
    assert "contractive" in found.not_specific
    assert "settled" in found.not_specific
    assert not {"stored", "recalled", "reached"} & set(found.not_specific)


def test_an_untrained_network_has_one_attractor(found):
    assert (found.untrained.attractors, found.untrained.fixed_points) == (1, 1)
    assert found.trained.attractors >= 3


def test_the_trained_network_is_measured_as_in_an_audit(found, audited):
    summary = audited.summary
    for name in ("stored", "contractive", "contractive_in_norm"):
        assert getattr(found.trained, name) == getattr(summary, name)


def test_the_controls_are_measured_alike(found):
    assert Controls.model_validate_json(found.model_dump_json()) == found
    assert "contractive" in found.untrained.not_specific
    every = {name for name, field in Measured.model_fields.items() if field.default is None}
    assert set(found.untrained.rates()) == every
    # Noise knows nothing of the states that are looked at.
    assert found.held_out.settled is None


def test_without_held_out_data_that_part_is_null(trained, digits):
    found = controls(trained, digits, options=mn.AuditOptions.of(starts=2, trials=2))
    assert found.held_out is None


def test_a_map_that_stores_everything_has_no_specific_measurement():
    # Every state is at most 0.005 from a whole number, which attracts: the map has learned nothing.
    X = torch.randint(0, 3, (20, 4), generator=torch.Generator().manual_seed(0)).float()
    f = mn.SelfMap(lambda z: z - torch.sin(2 * torch.pi * z) / 10, shape=(4,))
    found = controls(
        f,
        X[:10],
        X[10:] + 0.005,
        options=mn.AuditOptions.of(starts=5, trials=2, start_kinds=["uniform"]),
    )
    for measured in (found.trained, found.held_out):
        rate = measured.stored
        # Exact duplicates are one example.
        assert rate.count == rate.total >= 7
    assert {"stored", "contractive", "recalled"} <= set(found.not_specific)


def test_what_has_no_untrained_counterpart_says_why():
    found = controls(
        lambda z: z / 2, torch.zeros(3, 2), options=mn.AuditOptions.of(starts=2, trials=2)
    )
    assert "no module" in found.untrained_missing
    assert found.not_specific == ()


class Gain(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, z):
        return self.gain * z


def test_parameters_that_cannot_be_drawn_again_are_named():
    found = controls(Gain(), torch.zeros(3, 2), options=mn.AuditOptions.of(starts=2, trials=2))
    assert "owns gain" in found.untrained_missing


@pytest.mark.parametrize(
    ("here", "there", "positive"),
    [
        ((20, 20), (0, 20), False),
        ((20, 20), (20, 20), True),
        ((0, 20), (0, 20), False),
        # Never said no on a control, but is it ever clear that it says so less often?
        ((3, 3), (0, 3), False),
        ((1, 20), (1, 20), True),
        # Clearly lower, yet a yes is no evidence at odds of 2 to 1.
        ((200, 200), (100, 200), True),
        ((200, 200), (10, 200), False),
        ((0, 20), (20, 20), True),
    ],
)
def test_what_is_positive_on_a_control(here, there, positive):
    assert _positive(Rate.of(*here), Rate.of(*there)) is positive


def test_not_specific_is_in_the_order_of_the_measurements():
    here = made_measured(stored=(9, 9), contractive=(9, 9), recalled=(9, 9))
    untrained = made_measured(stored=(0, 9), contractive=(9, 9), recalled=(0, 9))
    unseen = made_measured(stored=(9, 9), contractive=(0, 9), recalled=(0, 9))
    assert judged(here, untrained, unseen).not_specific == ("stored", "contractive")


@pytest.mark.usefixtures("global_generator_untouched")
def test_the_same_seed_gives_the_same_numbers(trained, digits):
    runs = [
        controls(trained, digits, options=mn.AuditOptions.of(starts=3, trials=2), seed=2)
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_a_map_without_derivatives_is_not_judged_by_them():
    rates = made_measured(stored=(3, 3))
    assert not_specific_to(rates, rates) == ("stored",)


@pytest.mark.parametrize("wrong", [-1, 0.5])
def test_a_seed_out_of_range_is_refused(wrong):
    with pytest.raises(mn.MnemoscopeError, match="whole number"):
        controls(lambda z: z / 2, torch.zeros(3, 2), seed=wrong)


class Wide(nn.Module):
    """A layer of 1,100 entries whose fresh weights expand, by the size of `gain`, or do not."""

    def __init__(self, gain):
        super().__init__()
        self.layer, self.gain = nn.Linear(1100, 1100), gain

    def forward(self, z):
        return torch.tanh(self.gain * self.layer(z))


@pytest.mark.parametrize(("gain", "contracts"), [(4.0, 0), (0.5, 1)])
def test_a_large_untrained_map_is_judged_as_it_is_in_full(gain, contracts, monkeypatch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        f = Wide(gain)
    X = torch.rand(1, 1100, generator=torch.Generator().manual_seed(0)) - 0.5
    # Its orbits never settle with the larger gain.
    some = {"starts": 2, "trials": 1, "max_steps": 100}
    quick = controls(f, X, options=mn.AuditOptions.of(**some)).untrained
    assert quick.contractive.count == contracts
    monkeypatch.setattr(controls_module, "_plainly_expanding", lambda *_: None)
    assert controls(f, X, options=mn.AuditOptions.of(**some)).untrained.rates() == quick.rates()
