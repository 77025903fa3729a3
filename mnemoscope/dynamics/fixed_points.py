"""`refine`: from nearly a fixed point (or cycle) to one, as exactly as the dtype allows.

By Newton's method where there are derivatives, by Anderson's mixing where there are not.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.anderson import Mixing
from mnemoscope.dynamics.orbits import orbit_batch_size
from mnemoscope.dynamics.states import expand, rms
from mnemoscope.linalg.gmres import gmres
from mnemoscope.maps import SelfMap, check_values
from mnemoscope.maps.self_map import Stage, as_self_map

PRODUCTS = 40
"""Jacobian-vector products for one Newton step."""

VALUES = 10
"""Values of a map without derivatives for one Newton step of others."""


@dataclass(frozen=True)
class Refined:
    """Fixed points, each as good as the dtype allows.

    Attributes:
        points: `(n, *shape)`.
        residual: `(n,)`, root mean square of `f(z) - z` there, in units.
        settled: `(n,)`, whether the residual reached the floor of rounding, `16 eps max(RMS, 1)`
            with the state's root mean square in units.
    """

    points: Float[Tensor, "n *shape"]
    residual: Float[Tensor, " n"]
    settled: Bool[Tensor, " n"]


def refine(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    radius: float = 0.1,
    max_steps: int = 12,
    batch_size: int | None = None,
) -> Refined:
    """Refines states that are nearly fixed points of `f` (for cycles: `f ** p`), by Newton-Krylov.

    Each step solves `(J - I) delta = z - f(z)` by GMRES on Jacobian-vector products, for all
    states at once (Kelley, *Iterative Methods for Linear and Nonlinear Equations*, 1995, ch. 5-6).
    A step that does not bring the residual down, or would carry the state further than `radius`
    (RMS, in units) from where it began, is replaced by one of plain iteration, which cannot leave
    the basin.
    A map without derivatives is mixed instead (`mnemoscope.dynamics.anderson`), with `VALUES` of
    its values for each step that Newton's method would be allowed.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, states near fixed points.
        radius: How far (RMS, in units) a refined point may lie from its start.
        max_steps: Newton steps.
        batch_size: States worked on at once (default: what fits into a quarter of free memory).
    """
    Z = given_examples(Z)
    f = as_self_map(f, Z.shape[1:])
    Z = f.batch(Z)
    check_values(f, Z)
    # GMRES holds two bases of `PRODUCTS` vectors, the map its own working memory.
    bytes_per_state = (2 * PRODUCTS + 16) * f.size * Z.element_size() + f.footprint.linearize
    size = batch_size or f.batch_size(bytes_per_state, largest=orbit_batch_size(f))
    with f.evaluating():
        method = _mixed if f.by_values else _newton
        reach = radius * f.unit
        parts = [method(f, part, reach, max_steps) for part in Z.split(size)] if len(Z) else []
    points = torch.cat([Z[:0], *(part for part, _ in parts)])
    residual = torch.cat([rms(Z[:0]), *(left for _, left in parts)])
    return Refined(points=points, residual=residual, settled=residual <= _floor(f, points))


def _newton(f: SelfMap, origin: Tensor, radius: float, max_steps: int) -> tuple[Tensor, Tensor]:
    points = origin.clone()
    residual = f.residual(points)
    open_ = torch.arange(len(points), device=f.device)
    for _ in range(max_steps):
        open_ = open_[residual[open_] > _floor(f, points[open_]) / 16]
        if len(open_) == 0:
            break
        z, before = points[open_], residual[open_]
        linear = f.linearize(z)
        delta = gmres(
            lambda V, at=linear, shape=z.shape: at.jvp(V.reshape(shape)).flatten(1) - V,
            (z - linear.values).flatten(1),
            max_products=PRODUCTS,
        )
        newton = z + delta.reshape(z.shape)
        after_newton, after_plain = f.residual(newton), f.residual(linear.values)
        good = (after_newton < 0.5 * before) & (rms(newton - origin[open_]) <= radius)
        plain = ~good & (after_plain < before)
        points[open_] = torch.where(
            expand(good, z), newton, torch.where(expand(plain, z), linear.values, z)
        )
        residual[open_] = torch.where(good, after_newton, torch.where(plain, after_plain, before))
        open_ = open_[good | plain]
    return points, residual


def _mixed(f: SelfMap, origin: Tensor, radius: float, max_steps: int) -> tuple[Tensor, Tensor]:
    before = f.residual(origin)
    search = Mixing(f, tol=0.0, max_steps=VALUES * max_steps, tags=1)
    search.admit(torch.arange(len(origin), device=f.device)[:, None], origin)
    ends = search.run(0)
    found = torch.empty_like(origin)
    found[ends.tags[:, 0]] = ends.states
    after = f.residual(found)
    good = (after < before) & (rms(found - origin) <= radius)
    return torch.where(expand(good, origin), found, origin), torch.where(good, after, before)


def _floor(f: SelfMap, points: Tensor) -> Tensor:
    rounding = 16 * torch.finfo(points.dtype).eps * (rms(points) / f.unit).clamp_min(1)
    return rounding.clamp_min(f.resolution.spacing / f.unit)
