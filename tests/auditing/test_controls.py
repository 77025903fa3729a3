import importlib
import json

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.measure.controls import MEASUREMENTS, Controls, Measured, _lights_up, controls
from mnemoscope.measure.summary import rate

controls_module = importlib.import_module("mnemoscope.measure.controls")


def measured(**counts):
    return Measured({k: rate(*v) for k, v in counts.items()}, 1, 1, 10)


@pytest.fixture(scope="module")
def found(trained, digits):
    return controls(trained, digits, mn.load_data("digits", n=25)[5:], starts=10)


def test_that_a_map_contracts_or_settles_is_not_specific_and_that_it_stores_is(found):
    assert found.trained.rates["stored"]["count"] >= 3
    assert found.untrained.rates["stored"]["count"] == 0
    assert found.held_out.rates["stored"]["count"] == 0
    assert "contractive" in found.not_specific
    assert "settled" in found.not_specific
    assert not {"stored", "recalled", "reached_from_noise"} & set(found.not_specific)


def test_an_untrained_network_has_one_attractor(found):
    assert (found.untrained.attractors, found.untrained.fixed_points) == (1, 1)
    assert found.trained.attractors >= 3


def test_the_trained_network_is_measured_as_in_an_audit(found, audited):
    summary = audited.summary
    for name in ("stored", "contractive", "contractive_in_norm"):
        assert found.trained.rates[name] == summary[name]


def test_the_summary_is_json(found):
    summary = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert list(summary) == ["trained", "untrained", "held_out", "not_specific"]
    assert summary["untrained"]["contractive"] == found.untrained.rates["contractive"]
    assert "contractive" in summary["untrained"]["not_specific"]
    assert tuple(found.untrained.rates) == MEASUREMENTS
    # Noise knows nothing of the states that are looked at.
    assert "settled" not in summary["held_out"]


def test_without_held_out_data_that_part_is_null(trained, digits):
    found = controls(trained, digits, starts=2)
    assert found.held_out is None
    assert found.summary()["held_out"] is None


def test_a_map_that_stores_everything_has_no_specific_measurement():
    # Every state is at most 0.005 from a whole number, which attracts: the map has learned nothing.
    X = torch.randint(0, 3, (20, 4), generator=torch.Generator().manual_seed(0)).float()
    f = mn.SelfMap(lambda z: z - torch.sin(2 * torch.pi * z) / 10, shape=(4,))
    found = controls(f, X[:10], X[10:] + 0.005, starts=5, start_kinds=["uniform"])
    for measured in (found.trained, found.held_out):
        rate = measured.rates["stored"]
        # Exact duplicates are one example.
        assert rate["count"] == rate["total"] >= 7
    assert {"stored", "contractive", "recalled"} <= set(found.not_specific)


def test_what_has_no_untrained_counterpart_says_why():
    found = controls(lambda z: z / 2, torch.zeros(3, 2), starts=2)
    assert "no module" in found.summary()["untrained"]["why_not"]
    assert found.not_specific == []


class Gain(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, z):
        return self.gain * z


def test_parameters_that_cannot_be_drawn_again_are_named():
    found = controls(Gain(), torch.zeros(3, 2), starts=2)
    assert "owns gain" in found.summary()["untrained"]["why_not"]


@pytest.mark.parametrize(
    ("here", "there", "lit"),
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
def test_a_measurement_lights_up(here, there, lit):
    assert _lights_up(rate(*here), rate(*there)) is lit


def test_not_specific_is_in_the_order_of_the_measurements():
    here = measured(stored=(9, 9), contractive=(9, 9), recalled=(9, 9))
    untrained = measured(stored=(0, 9), contractive=(9, 9), recalled=(0, 9))
    unseen = measured(stored=(9, 9), contractive=(0, 9), recalled=(0, 9))
    assert Controls(here, untrained, unseen).not_specific == ["stored", "contractive"]


@pytest.mark.usefixtures("global_generator_untouched")
def test_the_same_seed_gives_the_same_numbers(trained, digits):
    runs = [controls(trained, digits, starts=3, seed=2).summary() for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_map_without_derivatives_is_not_judged_by_them():
    rates = measured(stored=(3, 3))
    assert Controls(rates, "no", None).not_specific_to(rates) == ["stored"]


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"trials": 0}, {"seed": -1}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(mn.MnemoscopeError, match="whole number"):
        controls(lambda z: z / 2, torch.zeros(3, 2), **wrong)


class Wide(nn.Module):
    """A layer of 1,100 entries whose fresh weights expand, by the size of `gain`, or do not."""

    def __init__(self, gain):
        super().__init__()
        self.layer, self.gain = nn.Linear(1100, 1100), gain

    def forward(self, z):
        return torch.tanh(self.gain * self.layer(z))


@pytest.mark.parametrize(("gain", "contracts"), [(4.0, 0), (0.5, 2)])
def test_a_large_untrained_map_is_judged_as_it_is_in_full(gain, contracts, monkeypatch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        f = Wide(gain)
    X = torch.rand(2, 1100, generator=torch.Generator().manual_seed(0)) - 0.5
    # Its orbits never settle with the larger gain.
    some = {"starts": 2, "trials": 1, "max_steps": 100}
    quick = controls(f, X, **some).untrained
    assert quick.rates["contractive"]["count"] == contracts
    monkeypatch.setattr(controls_module, "_plainly_expanding", lambda *_: None)
    assert controls(f, X, **some).untrained.rates == quick.rates
