"""Data brought to a model's layout, where that is certain, and refused where it is a guess."""

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps.layout import candidates, laid_out, layout_taken, restored


def numbered(*shape, n=2):
    """States whose entries tell where they came from."""
    return torch.arange(float(n * torch.Size(shape).numel())).reshape(n, *shape)


CERTAIN = [
    ((3, 4, 5), (3, 4, 5), "as it is"),
    ((28, 20), (1, 28, 20), "a channel axis was inserted"),
    ((64,), (1, 64), "a channel axis was inserted"),
    ((1, 28, 20), (28, 20), "the channel axis was removed"),
    ((28, 20, 1), (1, 28, 20), "the channels were moved first"),
    ((5, 1), (5,), "axes of length 1 were removed"),
    ((5,), (5, 1, 1), "axes of length 1 were inserted"),
    ((3, 8, 6), (144,), "flattened row by row"),
    ((144,), (3, 8, 6), "shaped to (3, 8, 6) row by row"),
    ((8, 6, 3), (3, 8, 6), "the channels were moved first"),
    ((8, 8, 3), (3, 8, 8), "the channels were moved first"),
    ((4, 8, 6, 2), (2, 4, 8, 6), "the channels were moved first"),
]


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize(("given", "shape", "how"), CERTAIN)
def test_what_is_certain(given, shape, how, n):
    X = numbered(*given, n=n)
    states, message = laid_out(X, shape)
    assert message == how
    assert tuple(states.shape) == (n, *shape)
    # Rows stay rows but for channels, which are each a whole plane.
    moved = how == "the channels were moved first"
    expected = X.permute(0, X.ndim - 1, *range(1, X.ndim - 1)) if moved else X
    assert torch.equal(states.flatten(), expected.flatten())
    assert states.is_contiguous()


UNCERTAIN = [
    ((28, 20), (20, 28), "another layout"),
    ((16, 4), (8, 8), "another layout"),
    # Which axis has the channels is not certain.
    ((3, 4, 3), (3, 3, 4), "another layout"),
    ((4, 3, 3), (3, 4, 3), "another layout"),
    ((10, 3), (3, 10), "another layout"),
    ((3, 8, 6), (8, 6, 3), "--channels-last"),
    ((1, 8, 8), (3, 8, 8), "64 entries"),
    ((63,), (1, 8, 8), "63 entries"),
]


@pytest.mark.parametrize(("given", "shape", "says"), UNCERTAIN)
def test_what_is_a_guess(given, shape, says):
    states, why = laid_out(numbered(*given), shape)
    assert states is None
    assert says in why
    assert str(given) in why
    assert str(shape) in why
    assert "\n" not in why


def test_candidates_are_other_shapes_each_once():
    assert list(candidates((8, 6))) == [(1, 8, 6), (48,)]
    assert list(candidates((1, 8, 6))) == [(8, 6), (6, 1, 8), (48,)]
    assert list(candidates((8, 6, 3))) == [(1, 8, 6, 3), (3, 8, 6), (144,)]
    assert list(candidates((5,))) == [(1, 5)]
    assert list(candidates((1,))) == []


def encoder(d, **options):
    return nn.TransformerEncoder(
        nn.TransformerEncoderLayer(d, 2, 8, batch_first=True, **options),
        1,
        enable_nested_tensor=False,
    )


def network(shape):
    return mn.nets.Convolutional(shape=shape, channels=2, depth=2).build(seed=0)


class Recurrent(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.r, self.o = nn.LSTM(d, 4, batch_first=True), nn.Linear(4, d)

    def forward(self, z):
        return self.o(self.r(z)[0])


TAKEN = [
    (lambda: nn.Conv2d(1, 1, 3, padding=1), (8, 8), (1, 8, 8)),
    (lambda: nn.Conv2d(1, 1, 3, padding=1), (1, 8, 8), (1, 8, 8)),
    (lambda: nn.Conv2d(3, 3, 3, padding=1), (8, 6, 3), (3, 8, 6)),
    (lambda: nn.Conv1d(1, 1, 3, padding=1), (64,), (1, 64)),
    (lambda: nn.Conv1d(2, 2, 3, padding=1), (2, 64), (2, 64)),
    (lambda: nn.Linear(64, 64), (1, 8, 8), (64,)),
    (lambda: nn.Linear(8, 8), (1, 8, 8), (1, 8, 8)),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 64)), (1, 8, 8), (1, 8, 8)),
    (lambda: encoder(6), (10, 6), (10, 6)),
    (lambda: encoder(6), (1, 10, 6), (10, 6)),
    (lambda: Recurrent(8), (1, 8, 8), (8, 8)),
    (lambda: network((1, 8, 8)), (1, 8, 8), (1, 8, 8)),
]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("make", "given", "taken"), TAKEN)
def test_what_a_model_takes_is_found_out(make, given, taken, training):
    model = make().train(training)
    X = torch.rand(4, *given)
    states, how = layout_taken(model, X)
    assert tuple(states.shape[1:]) == taken
    assert (how == "as it is") == (given == taken)
    assert torch.equal(states, laid_out(X, taken).states)
    assert model.training == training


NOT_TAKEN = [
    # A batch is no sequence: its states would be mixed up.
    (lambda: nn.LSTM(64, 64), (1, 8, 8)),
    (lambda: encoder(64), (1, 8, 8)),
    (lambda: nn.Linear(5, 5), (1, 8, 8)),
    (lambda: nn.Conv2d(3, 3, 3, padding=1), (8, 8)),
]


@pytest.mark.parametrize(("make", "given"), NOT_TAKEN)
def test_a_model_that_takes_no_layout(make, given):
    states, why = layout_taken(make().eval(), torch.rand(4, *given))
    assert states is None
    assert str(given) in why


def test_what_gives_parts_takes_the_data_as_they_are():
    # Which part is meant is for the map to say, not for another layout.
    for f in (lambda z: (z, z), mn.Wrapped(lambda z: {"a": z}, output="b")):
        assert layout_taken(f, torch.rand(4, 8, 8)).how == "as it is"


RESTORED = [
    ((2, 1, 64), (2, 64), False, True),
    ((2, 64), (2, 1, 64, 1), False, True),
    ((2, 1, 8, 8), (2, 64), False, False),
    ((2, 1, 8, 8), (2, 64), True, True),
    ((2, 64), (2, 1, 8, 8), True, True),
    # A transposed picture is not the same.
    ((2, 3, 4, 4), (2, 4, 4, 3), True, False),
    ((2, 3, 4, 4), (2, 4, 12), True, False),
    ((1, 1, 64), (64,), False, True),
    ((2, 1, 32), (64,), True, False),
    ((1, 5, 1), (5, 1, 1), True, False),
]


@pytest.mark.parametrize(("like", "made", "flat", "same"), RESTORED)
def test_an_output_in_the_shape_of_the_input(like, made, flat, same):
    image = torch.rand(made)
    found = restored(image, torch.rand(like), flat=flat)
    assert tuple(found.shape) == (like if same else made)
    assert torch.equal(found.flatten(), image.flatten())
