"""A denoiser's self-map is its estimate of the state, whatever it predicts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import SelfMap, Wrapped, check_map
from mnemoscope.maps.prediction_check import check_prediction

SCHEDULE = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
KINDS = pytest.mark.parametrize("kind", ["state", "noise", "v"])


@pytest.fixture(scope="module")
def X():
    return mn.load_data("digits", n=10) * 2 - 1


class Optimal(nn.Module):
    """The best denoiser of a few states: each weighs by its likelihood."""

    def __init__(self, X, kind):
        super().__init__()
        self.X, self.kind = nn.Parameter(X.flatten(1)), kind

    def state(self, y, abar):
        distance = (y[:, None] - abar**0.5 * self.X).square().sum(-1)
        return torch.softmax(-distance / (2 * (1 - abar)), -1) @ self.X

    def forward(self, z, t):
        abar, y = SCHEDULE[t.long()[0]], z.flatten(1)
        x = self.state(y, abar)
        e = (y - abar**0.5 * x) / (1 - abar) ** 0.5
        made = {"state": x, "noise": e, "v": abar**0.5 * e - (1 - abar) ** 0.5 * x}
        return made[self.kind].reshape(z.shape)


@KINDS
@pytest.mark.parametrize("given", ["schedule", "number"])
def test_the_state_is_estimated_from_what_is_predicted(X, kind, given):
    alpha_bar = SCHEDULE if given == "schedule" else float(SCHEDULE[100])
    model = Optimal(X, kind)
    f = Wrapped(model, mn.MapOptions(noise_level=100, predicts=kind, alpha_bar=alpha_bar))
    z = X + 0.3 * torch.randn(X.shape, generator=torch.Generator().manual_seed(0))
    by_hand = model.state(SCHEDULE[100] ** 0.5 * z.flatten(1), SCHEDULE[100]).reshape(z.shape)
    torch.testing.assert_close(f(z), by_hand, rtol=1e-4, atol=1e-4)


@KINDS
def test_an_audit_of_each_kind_finds_the_same(X, kind):
    f = Wrapped(Optimal(X, kind), mn.MapOptions(noise_level=100, predicts=kind, alpha_bar=SCHEDULE))
    audit = mn.audit(f, X, mn.AuditOptions.of(certificates=0), starts=20, trials=1)
    stored = [row["stored"] for row in audit.examples.to_dicts()]
    assert stored == [True] * 10


@pytest.mark.parametrize("kind", ["noise", "v"])
@pytest.mark.parametrize("level", [1, 100, 300, 500, 800, 999])
def test_what_is_no_state_is_asked_for(X, kind, level):
    f = Wrapped(Optimal(X, kind), mn.MapOptions(noise_level=level))
    with pytest.raises(mn.MnemoscopeError, match="--predicts noise"):
        mn.audit(f, X, mn.AuditOptions.of(certificates=0), starts=4, trials=1)


@pytest.mark.parametrize("level", [1, 10, 100, 300, 500, 999])
def test_an_estimate_of_the_state_needs_no_word(X, level):
    f = SelfMap(Wrapped(Optimal(X, "state"), mn.MapOptions(noise_level=level)), X.shape[1:])
    check_map(f, X)
    check_prediction(f, X, clean=True)


def test_starts_far_from_the_data_do_not_matter(X):
    Z = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    check_map(SelfMap(Wrapped(Optimal(X, "state"), mn.MapOptions(noise_level=100)), X.shape[1:]), Z)
    with pytest.raises(mn.MnemoscopeError, match="what it predicts"):
        check_map(
            SelfMap(Wrapped(Optimal(X, "noise"), mn.MapOptions(noise_level=100)), X.shape[1:]), Z
        )


@KINDS
def test_data_in_the_unit_interval_and_a_model_from_minus_1_to_1(X, kind):
    f = Wrapped(Optimal(X, kind), mn.MapOptions(noise_level=50), scale=(-1, 1), channels_last=True)
    g = SelfMap(f, X.shape[1:])
    Z = (X + 1) / 2
    if kind == "state":
        check_prediction(g, Z, clean=True)
        torch.testing.assert_close(g(Z), Z, rtol=0, atol=1e-3)
    else:
        with pytest.raises(mn.MnemoscopeError, match="what it predicts"):
            check_prediction(g, Z, clean=True)


def test_a_denoiser_inside_another_module_and_in_a_power_is_found(X):
    inner = nn.Sequential(Wrapped(Optimal(X, "noise"), mn.MapOptions(noise_level=100)))
    for f in (SelfMap(inner, X.shape[1:]), SelfMap(inner, X.shape[1:]) ** 2):
        with pytest.raises(mn.MnemoscopeError, match="what it predicts"):
            check_prediction(f, X, clean=True)
    rescaled = Wrapped(Wrapped(Optimal(X, "v"), mn.MapOptions(noise_level=100)), scale=(-1, 1))
    with pytest.raises(mn.MnemoscopeError, match="what it predicts"):
        check_prediction(SelfMap(rescaled, X.shape[1:]), (X + 1) / 2, clean=True)


def test_a_denoiser_of_added_noise(X):
    sigma, points = 0.2, X.flatten(1)

    def state(y):
        weights = -(y[:, None] - points).square().sum(-1) / (2 * sigma**2)
        return torch.softmax(weights, -1) @ points

    def noise(z, level):
        return ((z.flatten(1) - state(z.flatten(1))) / level[:, None]).reshape(z.shape)

    z = X + 0.1 * torch.randn(X.shape, generator=torch.Generator().manual_seed(0))
    f = Wrapped(noise, mn.MapOptions(noise_level=sigma, predicts="noise", sigma=sigma))
    torch.testing.assert_close(f(z), state(z.flatten(1)).reshape(z.shape), rtol=1e-4, atol=1e-4)
    with pytest.raises(mn.MnemoscopeError, match="what it predicts"):
        check_prediction(
            SelfMap(Wrapped(noise, mn.MapOptions(noise_level=sigma)), X.shape[1:]), X, clean=True
        )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"predicts": "noise"}, "without the share of the noise"),
        ({"predicts": "v"}, "without the share of the noise"),
        ({"predicts": "score", "alpha_bar": 0.5}, "state, noise, v"),
        ({"alpha_bar": 0.5}, "not said to predict"),
        ({"predicts": "noise", "alpha_bar": 0.5, "sigma": 1.0}, "leave one out"),
        ({"predicts": "v", "sigma": 1.0}, "pass alpha_bar"),
        ({"predicts": "noise", "sigma": float("nan")}, "sigma"),
        ({"predicts": "noise", "alpha_bar": 0.0}, "above 0, at most 1"),
        ({"predicts": "noise", "alpha_bar": 1.5}, "above 0, at most 1"),
        ({"predicts": "noise", "alpha_bar": torch.ones(2, 2)}, r"\(2, 2\)"),
        ({"predicts": "noise", "alpha_bar": SCHEDULE}, "0 to 999"),
        ({"predicts": "noise", "alpha_bar": SCHEDULE, "noise_level": 1000}, "0 to 999"),
        ({"predicts": "noise", "alpha_bar": SCHEDULE, "noise_level": 0.5}, "0 to 999"),
    ],
)
def test_what_cannot_be_used_is_refused(options, says):
    with pytest.raises(mn.MnemoscopeError, match=says):
        Wrapped(nn.Identity(), mn.MapOptions(**options))


@pytest.fixture
def factory(tmp_path, monkeypatch, X):
    """A module in the current folder that gives the optimal denoiser, and its data."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", ((X + 1) / 2).numpy())
    np.save("schedule.npy", SCHEDULE.numpy())
    (tmp_path / "optimal_denoiser.py").write_text(
        "import numpy as np, torch\n"
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, kind):\n"
        "        super().__init__(); self.kind = kind\n"
        "        X = torch.from_numpy(np.load('x.npy')).flatten(1) * 2 - 1\n"
        "        self.X = nn.Parameter(X)\n"
        "        self.s = torch.from_numpy(np.load('schedule.npy'))\n"
        "    def forward(self, z, t):\n"
        "        a, y = self.s[t.long()[0]], z.flatten(1)\n"
        "        d = (y[:, None] - a ** .5 * self.X).square().sum(-1)\n"
        "        x = torch.softmax(-d / (2 * (1 - a)), -1) @ self.X\n"
        "        e = (y - a ** .5 * x) / (1 - a) ** .5\n"
        "        v = a ** .5 * e - (1 - a) ** .5 * x\n"
        "        return {'state': x, 'noise': e, 'v': v}[self.kind].reshape(z.shape)\n"
    )
    return "optimal_denoiser:Net"


@KINDS
def test_a_model_that_is_loaded(factory, X, kind):
    options = mn.LoadOptions(factory_args={"kind": kind}, noise_level=100, scale=(-1, 1))
    known = replace(options, predicts=kind, alpha_bar=SCHEDULE)
    f = mn.load_map(factory, known, shape=X.shape[1:])
    Z = (X + 1) / 2
    check_map(f, Z)
    torch.testing.assert_close(f(Z), Z, rtol=0, atol=1e-3)
    unspecified = mn.load_map(factory, options, shape=X.shape[1:])
    if kind == "state":
        check_map(unspecified, Z)
    else:
        with pytest.raises(mn.MnemoscopeError, match="what it predicts"):
            check_map(unspecified, Z)
