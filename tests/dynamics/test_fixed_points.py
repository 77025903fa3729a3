import pytest
import torch

import mnemoscope as mn

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def test_refined_points_are_the_known_attractors(known, dtype):
    if not known.attractors:
        pytest.skip("this map has no attractor")
    f = known.self_map(dtype)
    period = len(known.attractors[0])
    points = torch.cat(known.attractors).to(dtype)
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(0))
    refined = mn.refine(f**period, points + 1e-2 * noise.to(dtype))
    assert refined.settled.all()
    # An error e leaves a residual of at least (1 - rate) e; rates here are at most 0.95.
    floor = 16 * torch.finfo(dtype).eps * max(1, float(points.abs().max()))
    assert (refined.points - points).flatten(1).square().mean(1).sqrt().max() <= 100 * floor


def test_newton_is_quick_where_iteration_is_slow():
    # Rate 0.9999: iteration needs 10^5 steps for what Newton does in one.
    f = mn.SelfMap(lambda z: 0.9999 * z + 1e-4, shape=(20,), dtype=torch.float64)
    refined = mn.refine(f, torch.full((3, 20), 0.95, dtype=torch.float64), max_steps=3)
    assert torch.allclose(refined.points, torch.ones(3, 20, dtype=torch.float64), atol=1e-9)


def test_a_point_never_strays_further_than_the_radius():
    # Newton on a nearly flat residual would leap far away.
    f = mn.SelfMap(lambda z: z + 1e-3 * torch.cos(z), shape=(1,), dtype=torch.float64)
    Z = torch.linspace(-3, 3, 41, dtype=torch.float64)[:, None]
    refined = mn.refine(f, Z, radius=0.05)
    assert (refined.points - Z).abs().max() <= 0.05 + 12e-3


def test_what_does_not_settle_says_so():
    f = mn.SelfMap(lambda z: z + 1, shape=(2,))
    refined = mn.refine(f, torch.zeros(2, 2))
    assert not refined.settled.any()
    assert torch.allclose(refined.residual, torch.ones(2))


def test_none_give_none():
    assert mn.refine(lambda z: z / 2, torch.zeros(0, 3)).points.shape == (0, 3)
