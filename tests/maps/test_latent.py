"""Latent maps: conjugate to the map of states, whatever the halves give."""

from collections import namedtuple
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Normal

import mnemoscope as mn
from mnemoscope.maps.halves import cut
from mnemoscope.maps.latent import LatentOptions, latent_map

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def autoencoder(dtype=torch.float64):
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=(32, 3, 32), depth=4, activation="tanh")
    net = spec.build(seed=0, dtype=dtype)
    halves = cut(net)
    return net, latent_map(halves.encoder, halves.decoder, (1, 8, 8))


def digits(n=5, dtype=torch.float64):
    return mn.load_data("digits", n=n).to(dtype)


def test_it_is_conjugate_to_the_map_of_states():
    net, f = autoencoder()
    X = digits()
    g = mn.SelfMap(net)
    H = f.encode(X)
    assert (f.shape, f.data_shape) == ((3,), (1, 8, 8))
    assert torch.allclose(f.decode(H), net(X), rtol=0, atol=1e-15)
    # D f = g D and E g = f E.
    assert torch.allclose(f.decode(f(H)), g(f.decode(H)), rtol=0, atol=1e-14)
    assert torch.allclose(f.encode(g(X)), f(H), rtol=0, atol=1e-14)


def test_fixed_points_and_their_eigenvalues_are_those_of_the_map_of_states():
    net, f = autoencoder()
    ended = mn.iterate(f, f.encode(digits()))
    assert bool((ended.status == mn.Status.CONVERGED).all())
    points = mn.refine(f, ended.end).points
    states = f.decode(points)
    assert float(mn.SelfMap(net).residual(states).max()) <= 1e-12
    # J_E J_D and J_D J_E have the same eigenvalues but for 0: those of three, padded to 64.
    values = mn.jacobian_eigenvalues(f, points, k=3).values.abs()
    padded = mn.jacobian_eigenvalues(mn.SelfMap(net), states).values.abs()
    assert torch.allclose(values, padded[:, :3], rtol=0, atol=1e-12)
    assert float(padded[:, 3:].max()) <= 1e-12


def test_a_linear_one_by_hand():
    # E x = x_1 / 2 and D h = (h, h): f(h) = h / 2.
    f = latent_map(lambda x: x[:, :1] / 2, lambda h: h.expand(-1, 2), shape=(2,))
    H = torch.tensor([[1.0], [-3.0]])
    assert torch.equal(f(H), H / 2)
    assert torch.allclose(mn.spectral_radius(f, H), torch.tensor(0.5))
    assert torch.equal(f.decode(H), torch.tensor([[1.0, 1.0], [-3.0, -3.0]]))
    assert torch.equal(f.encode(torch.tensor([[4.0, 9.0]])), torch.tensor([[2.0]]))


def test_the_scale_is_the_datas_outside_and_the_models_inside():
    # The model has pictures from -1 to 1; its latent map does not see the scale.
    encoder, decoder = (lambda x: x[:, :1]), (lambda h: h.expand(-1, 2) / 4)
    f = latent_map(encoder, decoder, (2,), LatentOptions(scale=(-1.0, 1.0)))
    plain = latent_map(encoder, decoder, (2,))
    H = torch.tensor([[0.8]])
    assert torch.equal(f(H), plain(H))
    assert torch.allclose(
        f.encode(torch.tensor([[0.0, 0.0], [1.0, 1.0]])), torch.tensor([[-1.0], [1.0]])
    )
    assert torch.allclose(f.decode(H), torch.full((1, 2), 0.6))


Named = namedtuple("Named", ["sample", "mu"])

CODES = {
    "tensor": lambda h: h,
    "pair": lambda h: (h, torch.ones_like(h)),
    "distribution": lambda h: Normal(h, torch.ones_like(h)),
    "mapping": lambda h: {"logvar": torch.ones_like(h), "mu": h},
    "named": lambda h: Named(h + 1, h),
}


@pytest.mark.parametrize("kind", CODES)
def test_the_code_is_the_mean_of_what_the_encoder_gives(kind):
    f = latent_map(lambda x: CODES[kind](x[:, :1] / 2), lambda h: h.expand(-1, 2), shape=(2,))
    assert torch.equal(f.encode(torch.full((1, 2), 3.0)), torch.tensor([[1.5]]))


def test_a_part_can_be_named():
    triple = lambda x: (x[:, :1] + 1, x[:, :1] / 2, x[:, 1:])  # noqa: E731
    f = latent_map(triple, lambda h: [None, h.expand(-1, 2)], (2,), LatentOptions(code=1, output=1))
    assert torch.equal(f(torch.ones(1, 1)), torch.full((1, 1), 0.5))


def test_the_shape_is_that_of_the_first_layer_where_none_is_given():
    with torch.random.fork_rng():
        encoder, decoder = nn.Sequential(nn.Linear(6, 2)), nn.Linear(2, 6)
    f = latent_map(encoder, decoder)
    assert (f.data_shape, f.shape) == ((6,), (2,))


def test_changed_copies_keep_the_halves():
    _, f = autoencoder(torch.float32)
    X = digits(dtype=torch.float32)
    double = f.to(torch.float64)
    assert double.encode(X).dtype == torch.float64
    for g in (double, f.with_unit(3.0), f**2):
        assert torch.allclose(g.decode(g.encode(X)).float(), f.decode(f.encode(X)), atol=1e-6)


def test_modules_are_left_in_their_mode():
    with torch.random.fork_rng():
        encoder, decoder = nn.Linear(4, 2).train(), nn.Linear(2, 4).train()
    f = latent_map(encoder, decoder)
    f.decode(f.encode(torch.ones(1, 4)))
    assert encoder.training
    assert decoder.training


class Methods(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 2), nn.Linear(2, 4)

    def encode(self, x):
        return self.inner(x)

    def decode(self, h):
        return self.outer(h)


def test_methods_bring_the_weights_of_their_module():
    with torch.random.fork_rng():
        model = Methods()
    f = latent_map(model.encode, model.decode, shape=(4,))
    assert len(list(f.bottleneck.parameters())) == 4
    double = f.to(torch.float64)
    X = torch.ones(1, 4)
    assert torch.allclose(double.encode(X).float(), f.encode(X), atol=1e-6)
    half = latent_map(model.half().encode, model.decode, shape=(4,))
    assert half.dtype == torch.float32


def test_options_of_a_method_are_kept():
    with torch.random.fork_rng():
        model = Methods()
    model.encode = partial(model.encode)
    f = latent_map(model.encode, model.decode, shape=(4,))
    assert len(list(f.bottleneck.parameters())) == 4


def test_a_composition_is_a_map_of_codes_alone():
    _, f = autoencoder()
    g = mn.SelfMap(lambda h: h / 2, f.shape, dtype=torch.float64)
    H = f.encode(digits())
    for composed, expected in ((f @ g, f(H / 2)), (g @ f, f(H) / 2), (f @ f, f(f(H)))):
        assert type(composed) is mn.SelfMap
        assert torch.equal(composed(H), expected)


def test_halves_may_change_their_input_in_place():
    state = torch.ones(4, 2)
    f = latent_map(lambda x: x.mul_(2)[:, :1], lambda h: state[: len(h)], shape=(2,))
    for _ in range(2):
        assert torch.equal(f(torch.zeros(3, 1)), torch.full((3, 1), 2.0))


def test_memory_is_that_of_the_data_where_codes_are_small():
    sizes = []

    def encoder(x):
        sizes.append(len(x))
        return x.flatten(1)[:, :1]

    def decoder(h):
        return h[:, :, None, None].repeat(1, 3, 64, 64)

    # 48 KiB of data for each code of four bytes.
    options = LatentOptions(black_box=True)
    f = latent_map(encoder, decoder, (3, 64, 64), options, budget=4 * 2**20)
    sizes.clear()
    f(torch.zeros(500, 1))
    f.encode(torch.zeros(500, 3, 64, 64))
    assert max(sizes) * 3 * 64 * 64 * 4 <= 4 * 2**20
    assert sum(sizes) == 1000


def test_codes_that_are_undefined_at_0_are_defined_elsewhere():
    f = latent_map(
        lambda x: x[:, :1] / x.norm(dim=1, keepdim=True), lambda h: h.expand(-1, 2), (2,)
    )
    assert f.shape == (1,)
    with pytest.raises(mn.MnemoscopeError, match="codes are all NaN"):
        latent_map(lambda x: x[:, :1] * torch.nan, lambda h: h.expand(-1, 2), (2,))


def drawn(x):
    generator = torch.Generator().manual_seed(int(x.numel()) + len(calls))
    calls.append(1)
    return torch.rand(len(x), 1, generator=generator)


calls = []

REFUSED = {
    "no shape": (lambda x: x, lambda h: h, None, "does not state the shape"),
    "no callable": (3, lambda h: h, (2,), "cannot be called"),
    "another decoder": (
        lambda x: x[:, :1],
        lambda h: h.expand(-1, 3),
        (2,),
        r"gives \(2, 3\) for the codes of data \(2, 2\)",
    ),
    "a decoder that fails": (
        lambda x: x[:, :1],
        lambda h: h @ torch.ones(2, 2),
        (2,),
        r"a decoder that fails on codes of shape \(2, 1\)",
    ),
    "integers": (lambda x: x.round().int(), lambda h: h.float(), (2,), "codes are of torch.int32"),
    "a sample": (drawn, lambda h: h.expand(-1, 2), (2,), "another code at each call"),
    "three parts": (
        lambda x: (x[:, :1], x[:, :1], x[:, 1:]),
        lambda h: h.expand(-1, 2),
        (2,),
        "a tensor, a distribution with a mean, or a pair",
    ),
    "another axis": (
        lambda x: x.mean(0, keepdim=True)[:, :1],
        lambda h: h.expand(-1, 2),
        (2,),
        r"codes of shape \(1, 1\) for 2 examples",
    ),
    "no such part": (
        lambda x: {"z": (x, x, x)},
        lambda h: h,
        (2,),
        "an encoder that gives a dict with z; expected a tensor, a distribution",
    ),
    "an encoder that fails": (
        lambda x: x.double() @ torch.ones(2, 1),
        lambda h: h.expand(-1, 2),
        (2,),
        r"an encoder that fails on data of shape \(2, 2\) and torch.float32",
    ),
    "a shape in words": (lambda x: x, lambda h: h, "2", "shape='2'"),
    "no batch": (lambda x: x.flatten(), lambda h: h[None], (2,), r"codes of shape \(4,\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_halves_that_are_no_autoencoder_are_refused(case):
    encoder, decoder, shape, message = REFUSED[case]
    with pytest.raises(mn.MnemoscopeError, match=message):
        latent_map(encoder, decoder, shape)


def test_data_that_are_none_of_the_encoders_are_refused():
    f = latent_map(lambda x: x[:, :1].log(), lambda h: h.expand(-1, 2), shape=(2,))
    for wrong, message in (
        (torch.ones(1, 3), r"data of shape \(1, 3\)"),
        (torch.ones(1, 2, dtype=torch.complex64), "complex64"),
        (None, "a NoneType"),
    ):
        with pytest.raises(mn.MnemoscopeError, match=message):
            f.encode(wrong)
    with pytest.raises(mn.MnemoscopeError, match="number 1, whose code has NaN or infinity"):
        f.encode(torch.tensor([[1.0, 1.0], [-1.0, 1.0]]))
    with pytest.raises(mn.MnemoscopeError, match=r"scale=\(1, 0\)"):
        LatentOptions(scale=(1, 0))
