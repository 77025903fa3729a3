"""What is no map is refused by every public function; what is one passes, however it is made."""

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.dynamics.contraction import contraction
from mnemoscope.maps import SelfMap, check_growth, check_map
from mnemoscope.maps.check import AT_ONCE
from mnemoscope.measure.membership_scores import membership
from mnemoscope.measure.negative_controls import controls
from mnemoscope.theory import certify

Z = torch.linspace(0, 1, 12).reshape(3, 4)


def drawn(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def sampling(z):
    return z + 0.1 * torch.randn_like(z)


def changing():
    calls = []
    return lambda z: (calls.append(1), z / 2 + 0.01 * (len(calls) % 3))[1]


class Recurrent(nn.Module):
    """A recurrent autoencoder whose batch, unless configured otherwise, is taken for time."""

    def __init__(self, kind=nn.GRU, **options):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.e, self.o = kind(4, 8, **options), nn.Linear(8, 4)

    def forward(self, x):
        return self.o(self.e(x)[0])


DEPENDENT = [
    (lambda z: z - z.mean(0), (4,)),
    (lambda z: 0.3 * z.cumsum(0), (4,)),
    (lambda z: 0.3 * z.flip(0).cumsum(0), (4,)),
    (lambda z: z.sort(0).values / 2, (4,)),
    (lambda z: z / 2 - 0.1 * z[-1:], (4,)),
    (lambda z: z / (1 + z.abs().amax()), (4,)),
    (Recurrent().eval(), (5, 4)),
    (Recurrent(nn.RNN).eval(), (5, 4)),
    (nn.TransformerEncoderLayer(8, 2, 16).eval(), (5, 8)),
]


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize(("f", "shape"), DEPENDENT)
def test_states_that_depend_on_their_batch(f, shape, n):
    with pytest.raises(mn.MnemoscopeError, match="others in its batch"):
        check_map(SelfMap(f, shape), drawn(n, *shape))


CHANCE = [sampling, lambda z: nn.functional.dropout(z, 0.5), changing()]


@pytest.mark.parametrize("f", CHANCE)
def test_maps_that_change_between_calls(f):
    with pytest.raises(mn.MnemoscopeError, match="each time"):
        check_map(SelfMap(f, (4,)), Z)


def test_images_that_are_not_finite():
    f = lambda z: z.log() * 0 if bool((z > 0).any()) else z  # noqa: E731
    with pytest.raises(mn.MnemoscopeError, match="NaN or infinity of state 0"):
        check_map(SelfMap(f, (4,)), Z)


def mixed(z):
    """A branch in one direction of 256 is cut off."""
    u = drawn(256, seed=9) - 0.5
    u = u / u.norm()
    return 0.4 * z.flip(1) + 0.9 * (z.detach() @ u)[:, None] * u


def normal(z, axis=1):
    return z - z.mean(axis, keepdim=True)


UNTRUE = {
    "a branch": (lambda z: 0.5 * z + z.detach(), 6),
    "a weak branch": (lambda z: 0.5 * z + 0.1 * z.detach(), 6),
    "everything": (lambda z: torch.tanh(z.detach()), 6),
    "no_grad": (torch.no_grad()(lambda z: z / 2), 6),
    "the norm": (lambda z: 0.4 * z / z.square().mean(1, keepdim=True).sqrt().detach(), 64),
    "the mean": (lambda z: 0.5 * (z - z.mean(1, keepdim=True).detach()), 64),
    "the deviation": (lambda z: 0.5 * normal(z) / z.std(1, keepdim=True).detach(), 64),
    "the largest": (lambda z: torch.tanh(z / z.amax(1, keepdim=True).detach()), 64),
    "a gate": (lambda z: z * torch.sigmoid(4 * z.detach()), 8),
    "a straight-through step": (lambda z: 2 * (z + (torch.round(z) - z).detach()), 4),
}


@pytest.mark.parametrize("name", UNTRUE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_that_are_not_those_of_the_values(name, dtype):
    f, d = UNTRUE[name]
    X = (0.8 * drawn(3, d) - 0.4).to(dtype)
    if name == "a straight-through step":
        X = X / 2  # No step is near.
    f = SelfMap(f, (d,), dtype=dtype)
    for measure in (mn.spectral_radius, mn.operator_norm, mn.jacobian_eigenvalues):
        with pytest.raises(mn.MnemoscopeError, match=r"not those of its values.*black box"):
            measure(f, X)
    assert f.by_values


@pytest.mark.parametrize("measure", [mn.spectral_radius, mn.operator_norm, mn.spectrum])
def test_a_direction_that_is_cut_off_is_found_by_its_growth(measure):
    f = SelfMap(mixed, (256,))
    with pytest.raises(mn.MnemoscopeError, match="not those of its values"):
        measure(f, drawn(3, 256))


def test_attractors_of_a_map_with_a_direction_that_is_cut_off_are_judged_by_values():
    u = drawn(256, seed=9) - 0.5
    u = u / u.norm()

    def cut(z):
        return 0.4 * z.flip(1) + 0.9 * torch.tanh(z.detach() @ u)[:, None] * u

    f = SelfMap(cut, (256,))
    found = mn.find_attractors(f, drawn(30, 256))
    assert f.by_values
    assert len(found.attractors)
    # Where tanh is not saturated the derivative that is cut off is .9 sech(s)^2 along u.
    J = torch.eye(256).double().flip(1) * 0.4
    for z, radius in zip(found.attractors.double(), found.spectral_radius, strict=True):
        slope = 0.9 * (1 - torch.tanh(z @ u.double()) ** 2)
        true = torch.linalg.eigvals(J + slope * torch.outer(u, u).double()).abs().max()
        assert float(radius) == pytest.approx(float(true), rel=0.03)


def layers(activation, width=64, depth=4):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inner = [m for _ in range(depth) for m in (activation(), nn.Linear(width, width))]
        return nn.Sequential(nn.Linear(16, width), *inner, activation(), nn.Linear(width, 16))


def grown(net, factor):
    for parameter in net.parameters():
        parameter.data.mul_(factor)
    return net


def convolutional():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(2, 8), nn.ReLU(), nn.MaxPool2d(2),
            nn.ConvTranspose2d(8, 3, 4, 4), nn.Sigmoid(),
        ).eval()  # fmt: skip


PATTERNS = drawn(8, 16, seed=5)


def recalled(beta):
    def f(z):
        return torch.softmax(-beta * (z[:, None] - PATTERNS).square().sum(-1), 1) @ PATTERNS

    return f


TRUE = {
    **{a.__name__: layers(a) for a in (nn.ReLU, nn.GELU, nn.Hardtanh, nn.Softplus, nn.Hardswish)},
    "ReLU, narrow and deep": layers(nn.ReLU, 8, 12),
    "ReLU, growing": grown(layers(nn.ReLU), 3),
    "tanh, saturated": grown(layers(nn.Tanh), 5),
    "tanh, amplifying its rounding": grown(layers(nn.Tanh, depth=6), 20),
    "softmax": recalled(20),
    "softmax, sharp": recalled(2000),
    "constant": lambda z: 0 * z + 1,
    "identity": lambda z: z,
    "a dead region": lambda z: torch.relu(z - 100),
    "clamped": lambda z: (3 * z - 1).clamp(0, 1),
    "sorted": lambda z: z.sort(1).values,
    "largest only": lambda z: torch.where(z >= z.topk(4, 1).values[:, -1:], z, 0),
    "two maps": lambda z: torch.where(z.mean(1, keepdim=True) > 0.5, 0.5 * z, 0.7 * z),
    "normalized": lambda z: z / z.norm(dim=1, keepdim=True),
    "a shift cut off that has no effect": lambda z: torch.softmax(
        z - z.amax(1, keepdim=True).detach(), 1
    ),
    "fast": lambda z: torch.sin(100 * z),
    "far from 0": lambda z: 1000 + 0.5 * (z - 1000),
    "layer norm": nn.LayerNorm(16),
}


@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("n", [1, 5])
def test_what_is_a_map_passes(name, n):
    for X in (drawn(n, 16), PATTERNS[:n], torch.full((n, 16), 1e-3)):
        if name == "largest only" and bool((X == 1e-3).all()):
            continue  # Among equal entries it jumps from one to another.
        f = SelfMap(TRUE[name], (16,))
        check_map(f, X)
        check_growth(f, X)
        assert not f.by_values
        assert f.resolution.smooth


@pytest.mark.parametrize("scale", [1e-6, 1.0, 255.0, 1e5])
def test_it_does_not_depend_on_the_unit(scale):
    for f in (lambda z: scale * torch.tanh(z / scale), lambda z: scale * torch.relu(z / scale)):
        check_map(SelfMap(f, (16,)), scale * drawn(3, 16))
    wrong = SelfMap(lambda z: scale * torch.tanh(z / scale) + 0.2 * z.detach(), (16,))
    with pytest.raises(mn.MnemoscopeError, match="not those of its values"):
        check_map(wrong, scale * drawn(3, 16))


def test_modules_of_other_kinds_pass():
    check_map(SelfMap(convolutional(), (3, 16, 16)), drawn(4, 3, 16, 16))
    check_map(SelfMap(convolutional(), (3, 128, 128)), drawn(1, 3, 128, 128))
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    check_map(SelfMap(encoder, (5, 8)), drawn(3, 5, 8))
    check_map(SelfMap(Recurrent(batch_first=True).eval(), (5, 4)), drawn(3, 5, 4))


def test_known_maps_pass_and_chance_is_left_alone(known, dtype, global_generator_untouched):
    f = known.self_map(dtype)
    check_map(f, known.at)
    check_growth(f, known.at)
    assert not f.by_values


X6 = drawn(3, 6)


HERE = []


def made():
    """A factory that gives the map under test."""
    return HERE[0]


def through_load_map(f):
    HERE[:] = [f]
    return mn.load_map("tests.maps.test_check:made", shape=(6,))


PUBLIC = {
    "spectral_radius": lambda f: mn.spectral_radius(f, X6),
    "operator_norm": lambda f: mn.operator_norm(f, X6),
    "jacobian_eigenvalues": lambda f: mn.jacobian_eigenvalues(f, X6, 2),
    "jacobian_singular_values": lambda f: mn.jacobian_singular_values(f, X6, 2),
    "iterate": lambda f: mn.iterate(f, X6),
    "find_attractors": lambda f: mn.find_attractors(f, X6),
    "find_attractors from Starts": lambda f: mn.find_attractors(
        SelfMap(f, (6,)), mn.Starts("uniform", 20)
    ),
    "find_fixed_points": lambda f: mn.find_fixed_points(f, X6),
    "refine": lambda f: mn.refine(f, X6),
    "extract": lambda f: mn.extract(f, shape=(6,), starts=5, max_starts=20),
    "recover": lambda f: mn.recover(f, X6),
    "contraction": lambda f: contraction(f, X6),
    "membership": lambda f: membership(f, X6, drawn(3, 6, seed=1)),
    "controls": lambda f: controls(f, X6),
    "audit": lambda f: mn.audit(f, X6, starts=5, trials=1),
    "load_map": through_load_map,
}


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("f", [sampling, lambda z: z - z.mean(0), lambda z: z.cumsum(0) / 3])
def test_every_public_function_refuses_what_is_no_map(name, f):
    with pytest.raises(mn.MnemoscopeError, match=r"each time|others in its batch"):
        PUBLIC[name](f)


NEED_DERIVATIVES = ("spectral_radius", "membership", "controls", "audit", "load_map")


@pytest.mark.parametrize("name", NEED_DERIVATIVES)
def test_what_needs_derivatives_refuses_those_that_are_cut_off(name):
    with pytest.raises(mn.MnemoscopeError, match="black box"):
        PUBLIC[name](lambda z: 0.5 * z + z.detach())


class Shaky(nn.Module):
    """Right until it is set otherwise."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((6,), 0.5))
        self.wrong = False

    def forward(self, z):
        return self.weight * z + (0.3 * z.detach() if self.wrong else 0)


def test_a_monitor_checks_at_each_look():
    net, monitor = Shaky(), mn.Monitor(X6)
    monitor.record(net)
    net.wrong = True
    with torch.no_grad():
        net.weight.mul_(1.01)
    with pytest.raises(mn.MnemoscopeError, match="not those of its values"):
        monitor.record(net)


def test_a_certificate_is_of_a_map():
    net = mn.nets.FullyConnected(shape=(6,), width=8, depth=2).build(seed=0)
    net.register_forward_hook(lambda module, given, made: made + 0.1 * torch.randn_like(made))
    with pytest.raises(mn.MnemoscopeError):
        certify(net, X6[0])


def test_values_suffice_where_no_derivative_is_needed(caplog):
    """Fixed points .5 of two maps: .5 z + .6 z - .05 repels, .5 z + .2 z + .15 attracts."""
    repelling = lambda z: 0.5 * z + 0.6 * z.detach() - 0.05  # noqa: E731
    found = mn.find_fixed_points(repelling, drawn(20, 6))
    assert len(found.points) == 1
    assert torch.allclose(found.points, torch.tensor(0.5), atol=1e-3)
    assert not found.attracting.any()
    assert torch.allclose(found.spectral_radius, torch.tensor(1.1), rtol=1e-2)
    assert "measured by" in caplog.text
    attracting = lambda z: 0.5 * z + 0.2 * z.detach() + 0.15  # noqa: E731
    census = mn.find_attractors(attracting, drawn(20, 6))
    assert len(census.attractors) == 1
    assert torch.allclose(census.spectral_radius, torch.tensor(0.7), rtol=1e-2)


def test_a_fixed_point_between_steps_is_an_attractor():
    f = lambda z: 2 * (z + (torch.round(z) - z).detach())  # noqa: E731
    for starts in (drawn(50, 4) * 0.8 - 0.4, drawn(50, 4) * 0.2 - 0.1):
        census = mn.find_attractors(f, starts)
        assert len(census.attractors) == 1
        assert census.basin_fraction.tolist() == [1.0]
        assert (census.attractors == 0).all()


def counted(f):
    sizes = []
    return (lambda z: (sizes.append(len(z)), f(z))[1]), sizes


def test_a_map_is_checked_once():
    f, sizes = counted(lambda z: z / 2)
    f = SelfMap(f, (6,))
    mn.iterate(f, X6)
    check_map(f, X6)
    before = len(sizes)
    check_map(f, X6)
    check_map(f**3, X6)
    check_map(f.with_unit(2.0), X6)
    assert len(sizes) == before


def test_a_module_is_checked_once_for_all_maps_made_of_it():
    class Counting(Shaky):
        calls = 0

        def forward(self, z):
            self.calls += 1
            return super().forward(z)

    net = Counting()
    check_map(SelfMap(net, (6,)), X6)
    before = net.calls
    check_map(SelfMap(net, (6,)), X6)
    assert net.calls == before + 1  # A map tries its output's shape when it is made.
    net.train()
    with torch.no_grad():
        net.weight.mul_(0.9)
    check_map(SelfMap(net, (6,)), X6)
    assert net.calls > before + 10
    net.wrong = True
    net.register_forward_hook(lambda module, given, made: made)
    with pytest.raises(mn.MnemoscopeError):
        check_map(SelfMap(net, (6,)), X6)


def test_it_takes_few_evaluations():
    """A thousandth of an audit's, which follows 5,000 starts for tens of steps."""
    f, sizes = counted(lambda z: torch.tanh(z) / 2)
    f = SelfMap(f, (6,))
    sizes.clear()
    check_map(f, X6)
    check_growth(f, X6)
    assert sum(sizes) < 250
    assert max(sizes) <= AT_ONCE


def test_memory_that_runs_out_is_not_taken_for_a_fault_of_the_map():
    def hungry(z):
        if len(z) > 1:
            raise MemoryError
        return z / 2

    with pytest.raises(MemoryError):
        mn.iterate(hungry, X6)


def test_the_audit_refuses_a_map_of_chance():
    with pytest.raises(mn.MnemoscopeError, match="mean"):
        mn.audit(sampling, Z, starts=5, trials=1)


def quantized_over_the_batch(z):
    """The scale is that of the largest entry in the batch, as in dynamic quantization to int8."""
    step = z.abs().max() / 127
    return torch.tanh(torch.round(z / step) * step)


QUANTIZED = {
    "a function": quantized_over_the_batch,
    "a black box": mn.BlackBox(lambda z: quantized_over_the_batch(torch.from_numpy(z)).numpy()),
}


@pytest.mark.parametrize("f", QUANTIZED.values(), ids=QUANTIZED)
def test_what_is_quantized_over_the_batch_is_to_be_evaluated_one_at_a_time(f):
    X = drawn(3, 16)
    # The steps of the largest state are no excuse for those of the others.
    X[2] *= 100
    with pytest.raises(mn.MnemoscopeError, match=r"fixed_batch=1\), --fixed-batch 1"):
        check_map(SelfMap(f, (16,)), X)
    alone = SelfMap(mn.Wrapped(f, fixed_batch=1), (16,))
    check_map(alone, X)
    expected = torch.cat([quantized_over_the_batch(x[None]) for x in X])
    assert torch.allclose(alone(X), expected, atol=1e-6)


@pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="no engine for int8"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_dynamically_quantized_layers():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 16)).eval()
    net = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
    X = drawn(3, 16)
    X[2] *= 100
    with pytest.raises(mn.MnemoscopeError, match=r"fixed_batch=1\), --fixed-batch 1"):
        check_map(SelfMap(net, (16,)), X)
    check_map(SelfMap(mn.Wrapped(net, fixed_batch=1), (16,)), X)


def test_other_maps_are_not_advised_to_be_evaluated_one_at_a_time():
    for f, shape in DEPENDENT:
        with pytest.raises(mn.MnemoscopeError) as message:
            check_map(SelfMap(f, shape), drawn(3, *shape))
        assert "fixed_batch" not in str(message.value)
        assert "batch_first" in str(message.value)
