import math
import warnings

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics import STARTS
from mnemoscope.dynamics.starts import BLOCK, Range, from_attractors

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

CPU = torch.device("cpu")


def drawn(kind, count=500, shape=(3, 8, 8), span=Range(), seed=0):  # noqa: B008
    blocks = mn.Starts(kind, count, span, seed).blocks(shape, dtype=torch.float32, device=CPU)
    return torch.cat(list(blocks))


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("shape", [(7,), (1, 8, 8), (3, 5, 6), (4, 4)])
def test_every_kind_for_every_shape(kind, shape):
    Z = drawn(kind, 20, shape)
    assert Z.shape == (20, *shape)
    assert torch.isfinite(Z).all()
    assert torch.equal(Z, drawn(kind, 20, shape))
    assert not torch.equal(Z, drawn(kind, 20, shape, seed=1))


@pytest.mark.parametrize("kind", STARTS)
def test_they_scale_with_the_range_of_the_data(kind):
    one, other = drawn(kind), drawn(kind, span=Range(10.0, 30.0))
    assert torch.allclose(10 + 20 * one, other, rtol=1e-3, atol=1e-3)


def test_moments_of_each_kind():
    uniform, gaussian, sparse = (drawn(k, 2000) for k in ("uniform", "gaussian", "sparse"))
    assert uniform.min() >= 0
    assert uniform.max() <= 1
    # 384,000 entries: means within 5 standard errors.
    assert float(uniform.mean()) == pytest.approx(0.5, abs=0.003)
    assert float(gaussian.std()) == pytest.approx(1.0, abs=0.01)
    assert float(sparse.mean()) == pytest.approx(0.2, abs=0.004)
    widths = drawn("wide_gaussian", 2000).flatten(1).std(1)
    assert widths.min() > 0.7
    assert widths.max() < 40
    # Uniform between 0 and log 30: standard error 0.022.
    assert float(widths.log().mean()) == pytest.approx(math.log(30) / 2, abs=0.11)


def test_pink_noise_of_a_single_entry_is_its_level():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = drawn("pink", 50, (1,))
    assert bool(torch.isfinite(Z).all())
    assert float(Z.std()) > 0


def test_pink_noise_falls_off_as_one_over_the_frequency():
    Z = drawn("pink", 4000, (1, 64, 64))
    Z = (Z - Z.mean((2, 3), keepdim=True)) / Z.flatten(1).std(1)[:, None, None, None]
    amplitude = torch.fft.rfft2(Z).abs().square().mean((0, 1)).sqrt()
    # Along the first axis at frequencies 2 and 16 of 64: eight times less.
    assert float(amplitude[2, 0] / amplitude[16, 0]) == pytest.approx(8, rel=0.1)


def test_blocks_bound_the_memory():
    sizes = [
        len(b)
        for b in mn.Starts("uniform", BLOCK + 5).blocks((2,), dtype=torch.float32, device=CPU)
    ]
    assert sizes == [BLOCK, 5]


def test_bred_starts_come_from_their_parents():
    parents = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    Z = from_attractors(parents, 300)
    assert Z.shape == (300, 2)
    assert set(Z[:100].flatten().tolist()) <= {-1.0, 0.0, 1.0, 2.0}
    assert set(Z[200:].flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("kind", "count", "field"), [("unknown", 5, "kind"), ("uniform", 0, "count")]
)
def test_wrong_kinds_and_counts_are_refused(kind, count, field):
    with pytest.raises(mn.MnemoscopeError) as refusal:
        mn.Starts(kind, count)
    assert refusal.value.field == field
