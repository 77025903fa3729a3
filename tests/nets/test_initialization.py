"""The distributions of initial weights."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import (
    INITIALIZATIONS,
    Convolutional,
    FullyConnected,
    Network,
    Spec,
    gain,
    initialize,
)

ALL = [*INITIALIZATIONS[:-1], "scaled(0.01)"]


def with_init(spec: Spec, init: str) -> Spec:
    return type(spec)(**{**spec.model_dump(), "init": init})


def weight_layers(net: Network) -> list[nn.Linear | nn.Conv2d]:
    return [layer for layer in net.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


def test_default_is_what_pytorch_draws_in_the_layers_order_to_the_bit(spec: Spec):
    net = with_init(spec, "default").build(seed=5)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for layer in weight_layers(net):
            bias = layer.bias is not None
            if isinstance(layer, nn.Linear):
                drawn = nn.Linear(layer.in_features, layer.out_features, bias=bias)
            else:
                size = (layer.kernel_size[0], layer.kernel_size[1])
                drawn = nn.Conv2d(layer.in_channels, layer.out_channels, size, bias=bias)
            assert torch.equal(layer.weight, drawn.weight)
            if layer.bias is not None and drawn.bias is not None:
                assert torch.equal(layer.bias, drawn.bias)


def reference(init: str, weight: Tensor, generator: torch.Generator) -> Tensor:
    """The weights of leaky_relu's networks as PyTorch's own functions draw them."""
    draw = {
        "xavier_uniform": lambda w: nn.init.xavier_uniform_(w, generator=generator),
        "kaiming_normal": lambda w: nn.init.kaiming_normal_(w, a=0.2, generator=generator),
        "ntk": lambda w: nn.init.normal_(w, generator=generator),
        "scaled(0.01)": lambda w: nn.init.normal_(w, std=0.01, generator=generator),
        "zeros": lambda w: nn.init.zeros_(w),
    }[init]
    return draw(torch.empty_like(weight))


@pytest.mark.parametrize("init", ALL[1:])
@pytest.mark.parametrize("kind", [FullyConnected, Convolutional])
def test_the_others_draw_their_law_and_leave_the_biases_zero(init: str, kind: type[Spec]):
    net = kind(shape=(2, 4, 4), init=init).build(seed=3)
    generator = torch.Generator().manual_seed(3)
    for layer in weight_layers(net):
        torch.testing.assert_close(
            layer.weight, reference(init, layer.weight, generator), rtol=1e-6, atol=0
        )
        assert layer.bias is not None
        assert not layer.bias.any()


@pytest.mark.parametrize(
    ("init", "std"),
    [
        ("default", 1 / math.sqrt(3 * 400)),
        ("xavier_uniform", math.sqrt(2 / 800)),
        ("kaiming_normal", math.sqrt(2 / 1.04 / 400)),
        ("ntk", 1.0),
        ("scaled(0.03)", 0.03),
    ],
)
def test_the_standard_deviation_is_the_one_the_table_says(init: str, std: float):
    net = FullyConnected(shape=(400,), width=400, depth=2, init=init).build()
    assert net.body.linear_1.weight.std().item() == pytest.approx(std, rel=0.01)  # pyright: ignore


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", math.sqrt(2)),
        ("leaky_relu", math.sqrt(2 / 1.04)),
        ("leaky_relu(0.5)", math.sqrt(2 / 1.25)),
        ("leaky_relu(1)", 1.0),
        ("selu", 0.75),
        ("identity", 1.0),
        ("tanh", 1.0),
        ("cosid", 1.0),
    ],
)
def test_the_gain_makes_up_for_the_activation(activation: str, expected: float):
    assert gain(activation) == pytest.approx(expected, rel=1e-15)


class Fills(TorchDispatchMode):
    """Counts the entries written by the operations that fill a tensor with numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        aten = torch.ops.aten
        fills = (aten.uniform_, aten.normal_, aten.zero_, aten.fill_, aten.copy_, aten.zeros_like)
        if func.overloadpacket in fills and args[0].device.type != "meta":
            self.entries += args[0].numel()
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("init", ALL)
def test_each_entry_is_filled_just_once(spec: Spec, init: str):
    spec = with_init(spec, init)
    with Fills() as fills:
        spec.build()
    assert fills.entries == spec.parameters_count()


@pytest.mark.parametrize("init", ALL)
def test_the_global_generator_is_not_touched(spec: Spec, init: str):
    before = torch.get_rng_state()
    with_init(spec, init).build(seed=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("init", ALL)
def test_the_seed_decides_the_weights(spec: Spec, init: str):
    spec = with_init(spec, init)
    same = [
        all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        for first, second in [
            (spec.build(seed=1).parameters(), spec.build(seed=1).parameters()),
            (spec.build(seed=1).parameters(), spec.build(seed=2).parameters()),
        ]
    ]
    assert same == [True, init == "zeros"]


def test_an_ntk_network_is_at_the_start_the_kaiming_network_of_the_same_seed(spec: Spec):
    z = torch.randn(3, *spec.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        with_init(spec, "ntk").build(seed=2)(z),
        with_init(spec, "kaiming_normal").build(seed=2)(z),
    )


def test_a_module_can_be_drawn_again():
    net = FullyConnected(shape=(3,), width=4, depth=2, init="zeros").build()
    initialize(net, init="scaled(2)", activation="relu", seed=0)
    assert net.body.linear_1.weight.abs().min() > 0  # pyright: ignore


@pytest.mark.parametrize(
    ("init", "fragment"),
    [
        ("xavier", "`xavier_uniform`"),
        ("scaled", "in parentheses"),
        ("scaled(0)", "above 0"),
        ("scaled(-1)", "above 0"),
        ("ntk(2)", "takes no number"),
    ],
)
def test_an_init_that_is_none_is_refused(init: str, fragment: str):
    with pytest.raises(MnemoscopeError) as error:
        initialize(nn.Linear(1, 1, device="meta"), init=init, activation="relu", seed=0)
    assert fragment in str(error.value)
