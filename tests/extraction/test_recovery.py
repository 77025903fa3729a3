"""Recovery of degraded examples: against least squares, planted memories and controls."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.unit import unit_of
from mnemoscope.dynamics.states import rms
from mnemoscope.extraction import RecoveryOptions, recover

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def draw(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kept(share, *size, seed=1):
    return torch.rand(size, generator=torch.Generator().manual_seed(seed)) >= share


def float64(f, *shape):
    return mn.SelfMap(f, shape, dtype=torch.float64)


def remembering(memories, sharpness=20.0):
    """Sends a state to the memory nearest to it (a softmax over all of them)."""
    flat = memories.flatten(1)

    def f(Z):
        nearness = Z.flatten(1) @ flat.to(Z).T - flat.to(Z).square().sum(1) / 2
        return (torch.softmax(sharpness * nearness, 1) @ flat.to(Z)).reshape(Z.shape)

    return f


@pytest.fixture
def memories():
    """Six pictures whose entries are all far from 0, the value of missing entries."""
    return 0.5 + torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("rho", [0.5, 2.0])
def test_with_a_projection_it_is_least_squares_in_the_subspace(rho):
    # A projection is the proximal mapping of its subspace's indicator, so ADMM must come to
    # min |H (B c - y)| over c, here with noise, so that no state fits exactly.
    B = torch.linalg.qr(draw(30, 4)).Q
    x = draw(5, 4, seed=3) @ B.T
    mask = kept(0.4, 5, 30)
    Y = torch.where(mask, x + 0.1 * draw(5, 30, seed=4), 0)
    options = RecoveryOptions(rho=rho, tol=1e-10)
    found = recover(float64(lambda Z: Z @ B @ B.T, 30), Y, mask=mask, steps=5000, options=options)
    for row in range(5):
        seen = mask[row]
        c = torch.linalg.lstsq(B[seen], Y[row, seen, None]).solution[:, 0]
        # It ends at steps of 1e-10; rates here are below 0.99.
        assert torch.allclose(found.estimate[row], B @ c, atol=1e-7)
        misfit = (B @ c - Y[row])[seen].square().mean().sqrt() / unit_of(Y)
        assert torch.isclose(found.misfit[row], misfit, atol=1e-7)
    assert found.converged.all()
    assert (found.steps < 5000).all()


def test_the_mask_is_found_where_missing_entries_can_be_recognized(memories):
    mask = kept(0.5, *memories.shape)
    found = recover(remembering(memories), memories * mask)
    assert torch.equal(found.mask, mask)
    assert rms(found.estimate - memories).max() < 1e-3
    assert found.converged.all()


def test_what_is_missing_may_hold_another_value(memories):
    mask = kept(0.5, *memories.shape)
    found = recover(remembering(memories), torch.where(mask, memories, 3.0), fill=3.0)
    assert torch.equal(found.mask, mask)
    assert rms(found.estimate - memories).max() < 1e-3


def test_entries_at_the_fill_count_as_observed_if_the_estimate_has_them_there(memories):
    dark = kept(0.5, *memories.shape[1:], seed=5)
    memories = memories * dark
    mask = kept(0.3, *memories.shape)
    found = recover(remembering(memories), memories * mask)
    assert torch.equal(found.mask, mask | ~dark)


def test_a_known_mask_is_not_changed(memories):
    mask = kept(0.5, *memories.shape)
    dark = memories * 0
    assert torch.equal(recover(remembering(memories), dark, mask=mask).mask, mask)


def test_it_recovers_a_fixed_point_that_iteration_flees():
    # Along the first entry f expands (1.5); with that one observed, it contracts (0.3).
    A = torch.tensor([[1.5, 0.0], [0.5, 0.3]], dtype=torch.float64)
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    f = float64(lambda Z: (Z - x) @ A.T + x, 2)
    Y = torch.tensor([[1.01, 0.0]], dtype=torch.float64)
    assert mn.iterate(f, Y).names == ["diverged"]
    exact = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = recover(f, exact, mask=torch.tensor([[True, False]]))
    # tol, 1e-6, over 1 - the rate.
    assert torch.allclose(found.estimate, x, atol=1e-5)


def test_with_nothing_observed_it_is_plain_iteration():
    # Then v_k = f^k(y) and u_k = v_(k-1) - v_k, so x_k = v_(k-1) - u_(k-1) = 2 v_(k-1) - v_(k-2).
    f = float64(torch.cos, 3)
    Y = draw(4, 3)
    found = recover(f, Y, mask=torch.zeros(4, 3, dtype=torch.bool), steps=8)
    orbit = [Y]
    for _ in range(7):
        orbit.append(f(orbit[-1]))
    assert torch.allclose(found.estimate, 2 * orbit[7] - orbit[6], atol=1e-14)
    assert (found.steps == 8).all()


def test_the_identity_gives_nothing_back(memories):
    mask = kept(0.5, *memories.shape)
    Y = memories * mask
    for given in (None, mask):
        found = recover(lambda Z: Z, Y, mask=given)
        assert torch.allclose(found.estimate, Y, atol=1e-6)


def test_what_was_never_stored_is_not_recovered(memories):
    others = 0.5 + torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(9))
    found = recover(remembering(memories), others * kept(0.5, *others.shape))
    assert rms(found.estimate - others).min() > 0.1


def test_what_diverges_ends_finite_and_says_so():
    found = recover(lambda Z: Z * Z + 10, torch.ones(2, 3), mask=torch.zeros(2, 3).bool())
    assert torch.isfinite(found.estimate).all()
    assert not found.converged.any()


def test_each_example_by_itself(memories):
    Y = memories * kept(0.6, *memories.shape)
    f = float64(remembering(memories), 1, 6, 6)
    whole, again, by_two = (
        recover(f, Y, options=RecoveryOptions(batch_size=size)) for size in (None, None, 2)
    )
    assert torch.equal(whole.estimate, again.estimate)
    assert torch.allclose(whole.estimate, by_two.estimate, atol=1e-12)
    assert torch.equal(whole.mask, by_two.mask)
    assert torch.equal(whole.steps, by_two.steps)


def test_none_give_none():
    found = recover(lambda Z: Z / 2, torch.zeros(0, 3))
    assert found.estimate.shape == (0, 3)
    assert len(found) == 0


@pytest.mark.parametrize(
    ("Y", "given", "field"),
    [
        (torch.zeros(2, 3), {"mask": torch.ones(3, dtype=torch.bool)}, "mask"),
        (torch.zeros(2, 3), {"mask": torch.ones(2, 3)}, "mask"),
        (torch.full((2, 3), torch.nan), {}, "Y"),
        (torch.zeros(2, 3), {"steps": 0}, "steps"),
    ],
)
def test_wrong_input_is_refused(Y, given, field):
    with pytest.raises(MnemoscopeError) as refusal:
        recover(lambda Z: Z / 2, Y, **given)
    assert refusal.value.field == field


def test_examples_without_a_shape_are_refused():
    with pytest.raises(MnemoscopeError, match="shape"):
        recover(lambda Z: Z / 2, torch.zeros(3))


@pytest.mark.parametrize(
    "option", [{"rho": 0.0}, {"inner": 0}, {"agreement": -1.0}, {"tol": 0.0}, {"batch_size": 0}]
)
def test_options_out_of_range_are_refused(option):
    with pytest.raises(MnemoscopeError) as refusal:
        RecoveryOptions(**option)
    assert [refusal.value.field] == list(option)
