import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps.untrained import UntrainedError, untrained


def parameters(f):
    return [p.detach().clone() for module in f.modules for p in module.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def layers():
    """Every kind of layer that owns parameters in a usual autoencoder."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.GroupNorm(2, 4),
        nn.PReLU(),
        nn.Conv2d(4, 1, 3, padding=1),
    ).eval()


class Attention(nn.Module):
    """Owns `in_proj_weight`, which only `_reset_parameters` draws."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, z):
        return self.attention(z, z, z, need_weights=False)[0]


class OwnsAParameter(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.gain = nn.Parameter(torch.ones(3))

    def forward(self, z):
        return self.gain * self.inner(z)


class ForgetsAParameter(OwnsAParameter):
    def reset_parameters(self):
        """Says that it draws its parameters, and does not."""


class WantsAnArgument(OwnsAParameter):
    def reset_parameters(self, value):
        nn.init.constant_(self.gain, value)


class DrawsAll(OwnsAParameter):
    def reset_parameters(self):
        nn.init.ones_(self.gain)


@pytest.mark.usefixtures("global_generator_untouched")
def test_a_network_of_a_spec_is_built_again_by_its_law():
    spec = mn.nets.FullyConnected(shape=(3,), width=8, depth=3, init="scaled(0.01)")
    net = spec.build(seed=0, dtype=torch.float64)
    fresh = untrained(mn.SelfMap(net), seed=7)
    assert same(parameters(fresh), list(spec.build(seed=7, dtype=torch.float64).parameters()))


@pytest.mark.usefixtures("global_generator_untouched")
@pytest.mark.parametrize(
    ("network", "shape"), [(layers, (1, 4, 4)), (Attention, (5, 4)), (DrawsAll, (3,))]
)
def test_other_modules_draw_their_layers_again(network, shape):
    torch_state = torch.random.get_rng_state()
    f = mn.SelfMap(network(), shape=shape)
    torch.random.set_rng_state(torch_state)
    with torch.no_grad():
        for module in f.modules:
            for p in module.parameters():
                p.fill_(3.0)
    before = parameters(f)
    fresh = untrained(f, seed=1)
    assert same(parameters(f), before)
    assert not any(bool((p == 3.0).any()) for p in parameters(fresh))
    assert same(parameters(fresh), parameters(untrained(f, seed=1)))
    assert not same(parameters(fresh), parameters(untrained(f, seed=2)))
    assert fresh.shape == f.shape


def test_the_law_is_that_of_the_layer():
    wide = mn.SelfMap(nn.Linear(1000, 1000), shape=(1000,))
    weight = parameters(untrained(wide))[0]
    # nn.Linear: uniform on +-1/sqrt(fan_in), of variance 1 / (3 fan_in); 10^6 draws tell it to 1%.
    assert float(weight.abs().max()) <= 1000**-0.5
    assert float(weight.var()) == pytest.approx(1 / 3000, rel=0.01)


def test_running_statistics_are_forgotten():
    norm = nn.BatchNorm1d(3)
    norm(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) + 9)
    f = mn.SelfMap(norm.eval(), shape=(3,))
    Z = torch.ones(2, 3)
    assert torch.allclose(untrained(f)(Z), Z, atol=1e-4)
    assert not torch.allclose(f(Z), Z, atol=0.1)


def test_a_network_inside_a_module_is_built_by_its_spec():
    spec = mn.nets.FullyConnected(shape=(3,), width=8, depth=2, init="zeros")
    f = mn.SelfMap(nn.Sequential(nn.Linear(3, 3), spec.build(seed=0)), shape=(3,))
    assert torch.equal(untrained(f)(torch.ones(2, 3)), torch.zeros(2, 3))


def test_a_composition_keeps_its_order_and_shares_what_it_shared():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    f = mn.SelfMap(second, (2,)) @ mn.SelfMap(first, (2,)) @ mn.SelfMap(second, (2,))
    fresh = untrained(f, seed=0)
    assert [id(stage) == id(fresh.stages[0]) for stage in fresh.stages] == [True, False, True]


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda z: z / 2, "which is no module"),
        (nn.Tanh(), "without parameters"),
        (OwnsAParameter(), "owns gain and cannot reset"),
        (ForgetsAParameter(), "parameters gain are not drawn again"),
        (WantsAnArgument(), "cannot be drawn again: TypeError"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), "original0"),
    ],
    ids=[
        "callable",
        "no parameters",
        "no method",
        "method forgets",
        "method fails",
        "parametrized",
    ],
)
def test_what_cannot_be_drawn_again_is_reported(f, message):
    with pytest.raises(UntrainedError, match=message):
        untrained(mn.SelfMap(f, shape=(3,)))


@pytest.mark.slow
@pytest.mark.usefixtures("global_generator_untouched")
def test_a_model_of_diffusers_is_made_again_from_its_configuration():
    diffusers = pytest.importorskip("diffusers")
    state = torch.random.get_rng_state()
    model = diffusers.UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8,), layers_per_block=1,
        down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), norm_num_groups=4,
    )  # fmt: skip
    torch.random.set_rng_state(state)

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, z):
            return self.model(z, 0).sample

    f = mn.SelfMap(Denoiser().eval(), shape=(1, 8, 8))
    assert not same(parameters(untrained(f, 1)), parameters(f))
    assert same(parameters(untrained(f, 1)), parameters(untrained(f, 1)))


@pytest.mark.slow
@pytest.mark.usefixtures("global_generator_untouched")
def test_a_model_of_transformers_is_made_again_from_its_configuration():
    transformers = pytest.importorskip("transformers")
    state = torch.random.get_rng_state()
    config = transformers.ViTMAEConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        image_size=8, patch_size=4, num_channels=1, initializer_range=0.5, mask_ratio=0.0,
        decoder_hidden_size=8, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=8,
    )  # fmt: skip
    model = transformers.ViTMAEForPreTraining(config)
    torch.random.set_rng_state(state)
    noise = torch.arange(4.0)[None]

    class Autoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, z):
            logits = self.model(z, noise=noise.expand(len(z), -1)).logits
            return self.model.unpatchify(logits)

    f = mn.SelfMap(Autoencoder().eval(), shape=(1, 8, 8))
    fresh = untrained(f, 1)
    assert not same(parameters(fresh), parameters(f))
    assert same(parameters(fresh), parameters(untrained(f, 1)))
    # By `initializer_range`; the default of nn.Linear would be 0.2.
    assert max(float(p.std()) for p in parameters(fresh) if p.ndim == 2) > 0.4
