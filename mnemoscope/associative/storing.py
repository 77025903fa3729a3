"""`store`: examples become attractors of a network, with basins as large as it can.

Plain training to interpolation stores what it happens to store. Here the network is trained for it:
its inputs carry noise while its targets are the examples (`mnemoscope.training.noise`), which
shapes the basins, and a least-squares solve of the last layer then makes every example a fixed
point. What is stored is verified by orbits and a census, and where an example is missing, the next
attempt trains longer with less noise. It is another objective than reproduction, so it is no
evidence about the inductive bias of plain training.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.associative.comparing import audited, comparison
from mnemoscope.associative.hopfield import Hopfield
from mnemoscope.associative.memory import Memory
from mnemoscope.base.check import real_number, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.unit import unit_of
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.maps import SelfMap
from mnemoscope.measure import AuditOptions
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.training import Fit, Progress, TrainingOptions, train

DEPTH = 8
"""Weight layers: at 4 half of the examples were stored where at 8 all were."""

SMALLEST_WIDTH, LARGEST_WIDTH = 256, 4096
"""Units of a hidden layer. Twice as many as examples, so that the last layer's update is small."""

FEWEST_STEPS, STEPS_PER_EXAMPLE = 1500, 30
"""Optimizer steps of the first attempt."""

LARGEST_NOISE = 0.3
"""The largest noise on the inputs, in units."""

PARTS = 10
"""Mini-batches of a pass: gradient noise stores more than full batches do."""


@dataclass(frozen=True)
class StoreOptions:
    """How examples are stored; what is None is chosen from their number, size and distances.

    Attributes:
        width: Units of each hidden layer.
        depth: Weight layers.
        noise: Largest standard deviation of the noise on the inputs, in units; default: half of
            the distance between near examples, at most 0.3.
        steps: Optimizer steps of the first attempt.
        attempts: Maximum number of attempts; each next one takes twice the steps with half the
            noise.
        compare: Whether to train a plain network and to build a modern Hopfield network for
            comparison.
        audit: The options of the audits that verify and compare.
    """

    width: int | None = None
    depth: int = DEPTH
    noise: float | None = None
    steps: int | None = None
    attempts: int = 3
    compare: bool = True
    audit: AuditOptions = field(default_factory=AuditOptions)

    def __post_init__(self) -> None:
        for name in ("width", "steps"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), least=1)
        whole_number("depth", self.depth, least=2)
        whole_number("attempts", self.attempts, least=1)
        if self.noise is not None:
            real_number("noise", self.noise, least=0)


def store(
    X: Float[Tensor, "n *shape"],
    options: StoreOptions | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_progress: Callable[[Progress], object] | None = None,
) -> Memory:
    """Trains a network that stores examples as attractors.

    Args:
        X: `(n, *shape)`, what to store.
        options: Default: chosen from the data.
        seed: Random seed.
        device: Where to compute.
        on_progress: Called after each look at the loss.

    Raises:
        MnemoscopeError: the data are not finite, or an option is out of range.

    Example:
        >>> import mnemoscope as mn
        >>> X = mn.load_data("digits", n=5)
        >>> quick = mn.AuditOptions(starts=50, trials=2, certificates=0)
        >>> memory = mn.store(X, mn.StoreOptions(steps=600, compare=False, audit=quick))
        >>> memory.audit.summary.stored.count
        5
        >>> memory.recall(X + 0.05 * (X - X.mean())).shape
        torch.Size([5, 1, 8, 8])
    """
    return _stored(X, None, options or StoreOptions(), seed, device, on_progress)


def store_sequence(
    X: Float[Tensor, "n *shape"],
    options: StoreOptions | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_progress: Callable[[Progress], object] | None = None,
) -> Memory:
    """Trains a network that stores examples as one limit cycle, in their order.

    Each example is mapped to the next one, the last to the first (Radhakrishnan, Belkin and Uhler,
    arXiv 1909.12362). An example counts as stored if its orbit converges to an attracting cycle
    through it. The modern Hopfield network for comparison has the next pattern as the value of
    each.

    Args:
        X: `(n, *shape)`, the sequence; no example occurs twice.
        options: Default: chosen from the data.
        seed: Random seed.
        device: Where to compute.
        on_progress: Called after each look at the loss.

    Raises:
        MnemoscopeError: the data are not finite, an example occurs twice, or an option is out of
            range.
    """
    given = given_examples(X)
    if len(torch.unique(given.flatten(1), dim=0)) < len(given):
        raise MnemoscopeError(
            "a sequence in which an example occurs twice",
            expected="each example once, since a map gives one image to each state",
            todo="leave out what repeats, or append the time to each state",
            field="X",
        )
    targets = given.roll(-1, 0)
    return _stored(given, targets, options or StoreOptions(), seed, device, on_progress)


def _stored(
    X: Float[Tensor, "n *shape"],
    targets: Float[Tensor, "n *shape"] | None,
    chosen: StoreOptions,
    seed: int,
    device: torch.device | str,
    on_progress: Callable[[Progress], object] | None,
) -> Memory:
    """Stores examples, each at a fixed point, or on the cycle that the targets give."""
    examples = given_examples(X).to(device)
    goal = None if targets is None else targets.to(device)
    spec = FullyConnected(
        shape=tuple(examples.shape[1:]),
        width=chosen.width or width_for(len(examples)),
        depth=chosen.depth,
    )
    training = training_for(examples, chosen, seed=seed)

    def fitted(options: TrainingOptions) -> tuple[Network, Fit]:
        net = spec.build(seed=seed, device=device)
        return net, train(net, examples, options, targets=goal, on_progress=on_progress)

    net, fit = _best(fitted, examples, training, chosen.attempts)
    memories: dict[str, torch.nn.Module] = {"network": net}
    if chosen.compare:
        plain, _ = fitted(replace(training, noise=0.0, finish="none"))
        memories |= {"plain": plain, "hopfield": Hopfield(examples, values=goal)}
    results = audited(memories, examples, chosen.audit, seed=seed)
    return Memory(net, fit, results["network"][1], comparison(results))


def width_for(n: int) -> int:
    """Returns the units of a hidden layer for this number of examples: a power of 2."""
    return min(LARGEST_WIDTH, max(SMALLEST_WIDTH, 1 << (2 * n - 1).bit_length()))


def training_for(
    X: Float[Tensor, "n *shape"], options: StoreOptions, *, seed: int
) -> TrainingOptions:
    """Returns the options of the first attempt."""
    noise = noise_for(X) if options.noise is None else options.noise
    return TrainingOptions(
        schedule="cosine",
        batch_size=max(1, round(len(X) / PARTS)),
        max_steps=options.steps or max(FEWEST_STEPS, STEPS_PER_EXAMPLE * len(X)),
        noise=noise,
        finish="least_squares",
        seed=seed,
    )


def noise_for(X: Float[Tensor, "n *shape"]) -> float:
    """Returns half of the distance (RMS, in units) that a tenth of the examples have to another."""
    distinct = torch.unique(X.flatten(1).double(), dim=0)
    if len(distinct) < 2:
        return LARGEST_NOISE
    apart = torch.cdist(distinct, distinct).fill_diagonal_(torch.inf).amin(1)
    near = float(apart.quantile(0.1)) / distinct.shape[1] ** 0.5
    return min(LARGEST_NOISE, near / 2 / unit_of(X))


def _best(
    fitted: Callable[[TrainingOptions], tuple[Network, Fit]],
    X: Float[Tensor, "n *shape"],
    training: TrainingOptions,
    attempts: int,
) -> tuple[Network, Fit]:
    """Trains until every example is stored; returns the attempt that stored most."""
    best: tuple[int, Network, Fit] | None = None
    wanted = len(torch.unique(X.flatten(1), dim=0))
    for attempt in range(attempts):
        net, fit = fitted(
            replace(
                training,
                noise=training.noise / 2**attempt,
                max_steps=training.max_steps * 2**attempt,
            )
        )
        stored = int(stored_examples(SelfMap(net, shape=net.shape), X).sum())
        if best is None or stored > best[0]:
            best = stored, net, fit
        if stored == wanted:
            break
    assert best is not None
    return best[1], best[2]
