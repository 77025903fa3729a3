"""Derivatives where function transforms cannot take them, and words where nobody can."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import SelfMap
from mnemoscope.results.report_format import report_json

X6 = torch.rand(3, 6, generator=torch.Generator().manual_seed(1))


class Halve(torch.autograd.Function):
    """Of the old style: no `setup_context`, so `torch.func` refuses it."""

    @staticmethod
    def forward(ctx, x):
        return x / 2

    @staticmethod
    def backward(ctx, g):
        return g / 2


class Cube(torch.autograd.Function):
    """With a backward pass that cannot be differentiated."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3 / 3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x**2


PATTERNS = torch.rand(6, 6, generator=torch.Generator().manual_seed(0))


def nearest_pattern(z):
    return torch.softmax(-torch.cdist(z, PATTERNS), -1) @ PATTERNS


def by_hand(z):
    """The same, from differences."""
    distance = (z[:, None] - PATTERNS).square().sum(-1).sqrt()
    return torch.softmax(-distance, -1) @ PATTERNS


def layer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(6, 6)


LAYER = layer()


def checkpointed(z):
    return torch.utils.checkpoint.checkpoint(lambda v: LAYER(v).tanh(), z, use_reentrant=False)


WAYS = {
    "a function without setup_context": (Halve.apply, lambda z: z / 2),
    "cdist": (nearest_pattern, by_hand),
    "a checkpoint": (checkpointed, lambda z: LAYER(z).tanh()),
    "a backward pass without a derivative": (Cube.apply, lambda z: z**3 / 3),
}


@pytest.mark.parametrize("name", WAYS)
def test_values_are_those_of_the_same_map_written_plainly(name):
    given, plain = (SelfMap(f, (6,)) for f in WAYS[name])
    torch.testing.assert_close(mn.spectral_radius(given, X6), mn.spectral_radius(plain, X6))
    torch.testing.assert_close(mn.operator_norm(given, X6), mn.operator_norm(plain, X6))
    V = torch.randn(3, 6, generator=torch.Generator().manual_seed(2))
    # Both are products of the same numbers, summed in another order.
    close = {"rtol": 1e-4, "atol": 1e-6}
    torch.testing.assert_close(given.jvp(X6, V), plain.jvp(X6, V), **close)
    torch.testing.assert_close(given.vjp(X6, V), plain.vjp(X6, V), **close)
    assert given.footprint.choice.way.name != "reverse mode"
    assert plain.footprint.choice.way.name == "reverse mode"


def test_the_norm_of_a_wide_checkpointed_layer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wide = nn.Linear(64, 64)
    Z = torch.rand(2, 64, generator=torch.Generator().manual_seed(0))
    found = mn.operator_norm(
        lambda z: torch.utils.checkpoint.checkpoint(
            lambda v: wide(v).tanh(), z, use_reentrant=False
        ),
        Z,
    )
    torch.testing.assert_close(found, mn.operator_norm(lambda z: wide(z).tanh(), Z))


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.r, self.o = kind(3, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.o(self.r(x)[0])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_networks_in_single_precision(kind):
    x = torch.rand(3, 10, 3, generator=torch.Generator().manual_seed(0))
    net = Recurrent(kind)
    exact = mn.spectral_radius(copy.deepcopy(net).double(), x.double())
    if kind is nn.LSTM:
        right = torch.tensor([0.0916, 0.0928, 0.0921], dtype=torch.float64)
        torch.testing.assert_close(exact, right, rtol=0, atol=1e-4)
    # The Jacobian is block triangular with ten similar blocks: float32 errs by a few percent.
    torch.testing.assert_close(mn.spectral_radius(net, x).double(), exact, rtol=0.05, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_modules_of_half_precision_are_computed_in_single(dtype):
    net = nn.Sequential(layer(), nn.Tanh()).to(dtype)
    same = copy.deepcopy(net).float()
    before = [p.clone() for p in net.parameters()]
    torch.testing.assert_close(mn.spectral_radius(net, X6), mn.spectral_radius(same, X6))
    audit = mn.audit(net, X6, starts=10, trials=1)
    assert audit.examples["spectral_radius"].null_count() == 0
    monitor = mn.Monitor(X6, every=1)
    monitor(net)
    assert all(p.dtype == dtype for p in net.parameters())
    assert all(map(torch.equal, before, net.parameters()))


def test_old_style_weight_norm_leaves_the_network_as_it_was():
    with pytest.warns(FutureWarning):
        net = nn.Sequential(torch.nn.utils.weight_norm(layer()), nn.Tanh()).eval()
    kept = net[0].weight.detach().clone()
    f = SelfMap(net, (6,))
    f.linearize(X6)
    assert torch.equal(net[0].weight, kept)
    copied = copy.deepcopy(net)
    torch.testing.assert_close(copied(X6), net(X6))
    assert f.to(torch.float64).dtype == torch.float64
    net(X6).sum().backward()
    assert net[0].weight_g.grad is not None


WIDE = torch.rand(6, 6, generator=torch.Generator().manual_seed(0)).double() / 10


def float64_inside(z):
    return z @ WIDE


HALF = layer().half()


def half_inside(z):
    return HALF(z)


ADVICE = {
    "float64": (float64_inside, "dtype=torch.float64"),
    "float16": (half_inside, "pass the module itself"),
    "numpy in and out": (lambda z: z.numpy() / 2, "mn.BlackBox"),
    "numpy inside": (lambda z: np.linalg.norm(z.sum(1)[:, None] + "a"), "check `shape`"),
    "another shape": (nn.Linear(5, 6), "check `shape`"),
    "an attribute of arrays": (lambda z: z.astype("float32"), "mn.BlackBox"),
    "a tuple": (lambda z: (z / 2, z[:, :2]), "output=0, --output 0"),
    "a tuple, the other way round": (lambda z: (z[:, :2], z / 2), "output=1, --output 1"),
    "a dictionary": (lambda z: {"code": z[:, :2], "recon": z / 2}, 'output="recon"'),
}


@pytest.mark.parametrize("name", ADVICE)
def test_the_advice_fits_what_went_wrong(name):
    f, advice = ADVICE[name]
    with pytest.raises(mn.MnemoscopeError) as raised:
        mn.spectral_radius(f, X6)
    assert advice in str(raised.value)


def test_a_map_that_nobody_can_differentiate_is_named_with_its_operation():
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x / 2

    with pytest.raises(mn.MnemoscopeError, match=r"cannot differentiate .*black box"):
        mn.spectral_radius(Broken.apply, X6)


OPTIONS = mn.AuditOptions.of(starts=5, trials=1, certificates=0, max_steps=50)

RECORDED = [
    (layer(), "reverse mode", ""),
    (Halve.apply, "recorded graph", "setup_context"),
    (nearest_pattern, "row by row", "_cdist_backward"),
    (mn.BlackBox(lambda z: z / 2), "differences", "only be evaluated"),
    (lambda z: torch.round(6 * z) / 3, "differences", "values come in steps"),
    (mn.nets.FullyConnected(shape=(6,), width=4, depth=2).build(seed=0), "written out", ""),
]


@pytest.mark.parametrize(("f", "way", "why"), RECORDED)
def test_an_audit_records_how_derivatives_were_taken(f, way, why, tmp_path):
    audit = mn.audit(SelfMap(f, (6,)), X6, OPTIONS)
    message = audit.summary.derivatives
    assert message.way == way
    assert (why in message.why) if why else message.why == ""
    assert report_json(audit)["summary"]["derivatives"] == message.model_dump()
    page = mn.write_report(audit, tmp_path / "report.html").read_text()
    assert f"<dt>way</dt><dd><code>{way}</code>" in page


def test_forward_mode_says_that_the_budget_is_the_reason():
    deep = nn.Sequential(*[nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(40)])
    f = SelfMap(deep, (64,), budget=20_000)
    assert f.derivatives.way == "forward mode"
    assert "memory budget" in f.derivatives.why
    # The ways before it that failed with the same are named once.
    assert f.derivatives.why.count("memory budget") == 1
