"""Maps whose spectra, fixed points and cycles are known: every algorithm runs over this list."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mnemoscope.maps import SelfMap


@dataclass(frozen=True)
class KnownMap:
    """A map and its known properties.

    Attributes:
        name: For test ids.
        f: The map, on batches of any dtype.
        shape: Of a state.
        at: `(n, *shape)` float64, states where the Jacobian is known.
        eigenvalues: `(n, k)` moduli of the leading eigenvalues at `at`.
        norm: `(n,)` largest singular values at `at`.
        condition: Amplifies rounding in the eigenvalues: `error <= condition * eps^(1/block)`.
        block: Size of the largest Jordan block of a leading eigenvalue.
        attractors: The states of each attractor: `(p, *shape)` each.
        starts: Standard deviation of Gaussian starts that reach all of them.
        fate: What becomes of nearly every orbit: converged, cycle, diverged.
    """

    name: str
    f: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]
    at: Tensor
    eigenvalues: Tensor
    norm: Tensor
    condition: float = 10.0
    block: int = 1
    attractors: list[Tensor] = field(default_factory=list)
    starts: float = 1.0
    fate: str = "converged"

    def __str__(self) -> str:
        return self.name

    def self_map(self, dtype: torch.dtype) -> SelfMap:
        return SelfMap(self.f, self.shape, dtype=dtype)


def linear(A: Tensor, b: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    def f(z: Tensor) -> Tensor:
        flat = z.flatten(1) @ A.to(z).T
        return (flat if b is None else flat + b.to(z)).reshape(z.shape)

    return f


def _linear_map(
    name: str,
    A: Tensor,
    moduli: list[float],
    *,
    b: Tensor | None = None,
    shape: tuple[int, ...] | None = None,
    condition: float = 10.0,
    block: int = 1,
    fate: str = "converged",
) -> KnownMap:
    d = len(A)
    shape = shape or (d,)
    attracts = moduli[0] < 1
    fixed = torch.zeros(d) if b is None else torch.linalg.solve(torch.eye(d) - A, b)
    return KnownMap(
        name=name,
        f=linear(A, b),
        shape=shape,
        at=_normal(3, *shape, seed=1),
        eigenvalues=torch.tensor(moduli).expand(3, -1),
        norm=torch.linalg.matrix_norm(A, 2).expand(3),
        condition=condition,
        block=block,
        attractors=[fixed.reshape(1, *shape)] if attracts else [],
        fate=fate,
    )


def _normal(*size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, generator=generator, dtype=torch.float64)


def _similar(B: Tensor, seed: int = 0) -> Tensor:
    """A matrix with the eigenvalues of `B`, not normal, of condition about 3."""
    d = len(B)
    S = torch.eye(d) + 0.5 * _normal(d, d, seed=seed) / d**0.5
    return S @ B @ torch.linalg.inv(S)


def _turn(radius: float, angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return radius * torch.tensor([[c, -s], [s, c]])


def _cycle(states: Tensor) -> Callable[[Tensor], Tensor]:
    """Maps states near state i to near state i + 1, by a sharp softmax over the states."""

    def f(z: Tensor) -> Tensor:
        P = states.to(z).flatten(1)
        nearness = z.flatten(1) @ P.T - P.square().sum(1) / 2
        return (torch.softmax(20 * nearness, dim=1) @ P.roll(-1, 0)).reshape(z.shape)

    return f


def _cycle_map(period: int, shape: tuple[int, ...], fate: str = "cycle") -> KnownMap:
    d = math.prod(shape)
    states = 3 * torch.linalg.qr(_normal(d, period, seed=3)).Q.T.reshape(period, *shape)
    # At a state the softmax is saturated: its Jacobian vanishes to rounding (e^-180).
    return KnownMap(
        name=f"planted {period}-cycle" if period > 1 else "constant",
        f=_cycle(states),
        shape=shape,
        at=states,
        eigenvalues=torch.zeros(period, 1),
        norm=torch.zeros(period),
        attractors=[states],
        fate=fate,
    )


def _tanh(gain: float, d: int) -> KnownMap:
    """tanh(gain z), entry by entry: 3^d fixed points; only the 2^d corners attract."""
    corner = torch.tensor(1.0)
    for _ in range(200):
        corner = torch.tanh(gain * corner)
    slope = float(gain * (1 - corner**2))
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * d).reshape(-1, d)
    return KnownMap(
        name=f"tanh {gain:g} z in {d} dimensions",
        f=lambda z: torch.tanh(gain * z),
        shape=(d,),
        at=torch.stack([torch.zeros(d), corner * torch.ones(d)]),
        eigenvalues=torch.tensor([[gain], [slope]]),
        norm=torch.tensor([gain, slope]),
        attractors=list((corner * signs)[:, None]),
    )


def _known_maps() -> list[KnownMap]:
    spread = torch.diag(torch.linspace(0.9, 0.0, 12))
    pairs = torch.block_diag(_turn(0.8, 1.0), _turn(0.6, 2.0), *[torch.diag(torch.full((6,), 0.1))])
    jordan = torch.block_diag(
        torch.tensor([[0.7, 1.0, 0.0], [0.0, 0.7, 1.0], [0.0, 0.0, 0.7]]), 0.2 * torch.eye(5)
    )
    low_rank = torch.zeros(200, 200)
    low_rank[:3, :3] = torch.diag(torch.tensor([0.9, -0.6, 0.3]))
    large = torch.diag(torch.linspace(0.95, 0.0, 300))
    large_pairs = torch.block_diag(_turn(0.95, 0.7), torch.diag(torch.linspace(0.85, 0.0, 298)))
    Q = torch.linalg.qr(_normal(150, 150, seed=5)).Q
    projection = Q[:, :10] @ Q[:, :10].T
    turns = torch.block_diag(*[_turn(1.0, 0.1 + 0.37 * i) for i in range(60)])
    return [
        _linear_map("real spectrum", _similar(spread), [0.9, 0.9 * 10 / 11, 0.9 * 9 / 11]),
        _linear_map("complex pairs", _similar(pairs), [0.8, 0.8, 0.6, 0.6]),
        _linear_map("defective", _similar(jordan), [0.7, 0.7, 0.7], block=3),
        _linear_map("rank 3 of 200", _similar(low_rank), [0.9, 0.6, 0.3, 0.0], shape=(2, 10, 10)),
        _linear_map("real spectrum, large", _similar(large), [0.95, 0.95 * 298 / 299]),
        _linear_map("complex pair, large", _similar(large_pairs), [0.95, 0.95, 0.85]),
        _linear_map(
            "affine contraction", _similar(spread, 2), [0.9], b=_normal(12, seed=4), shape=(3, 4)
        ),
        _linear_map("negative eigenvalue", torch.diag(torch.tensor([-0.95, 0.5])), [0.95, 0.5]),
        _linear_map("rotation by a fifth", _turn(1.0, 2 * math.pi / 5), [1.0, 1.0], fate="cycle"),
        _linear_map("rotation, large", turns, [1.0, 1.0], fate=""),
        _linear_map("projection", projection, [1.0] * 10 + [0.0]),
        _linear_map("identity", torch.eye(5), [1.0] * 5),
        _linear_map("identity, large", torch.eye(130), [1.0, 1.0]),
        _linear_map("doubling", 2 * torch.eye(3), [2.0, 2.0], fate="diverged"),
        _cycle_map(1, (1, 4, 4), fate="converged"),
        _cycle_map(2, (8,)),
        _cycle_map(5, (1, 12, 12)),
        _tanh(2.0, 3),
        _tanh(1.2, 1),
    ]


def _in_float64() -> list[KnownMap]:
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _known_maps()
    finally:
        torch.set_default_dtype(default)


KNOWN_MAPS = _in_float64()

DTYPES = [torch.float32, torch.float64]
