"""`store`: examples become attractors of a network, with basins as large as it can.

Plain training to interpolation stores what it happens to store. Here the network is trained for it:
its inputs carry noise while its targets are the examples (`mnemoscope.training.noise`), which
shapes the basins, and a least-squares solve of the last layer then makes every example a fixed
point. What is stored is verified by orbits and a census, and where an example is missing, the next
attempt trains longer with less noise. It is another objective than reproduction, so it is no
evidence about the inductive bias of plain training.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.associative.comparing import audited, comparison
from mnemoscope.associative.hopfield import Hopfield
from mnemoscope.associative.memory import Memory
from mnemoscope.base.check import real_number, whole_number
from mnemoscope.base.errors import DivergenceError, MnemoscopeError
from mnemoscope.base.unit import unit_of
from mnemoscope.data import duplicates
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.maps import SelfMap
from mnemoscope.measure import AuditOptions, AuditRun, Tolerances
from mnemoscope.nets import FullyConnected, Network
from mnemoscope.training import Fit, Progress, TrainingOptions, train

DEPTH = 8
"""Weight layers: at 4 half of the examples were stored where at 8 all were."""

SMALLEST_WIDTH, LARGEST_WIDTH = 256, 4096
"""Units of a hidden layer. Twice as many as examples, so that the last layer's update is small."""

WIDEST_AT_FULL_RATE = 256
"""Units of a hidden layer up to which Adam's default rate is taken; above, the rate falls as the
square root of the width. At 1,024 units and a rate of 1e-3 training on 500 photographs of 32 x 32
diverged after 1,050 steps."""

FEWEST_STEPS, STEPS_PER_EXAMPLE = 3000, 30
"""Optimizer steps of the first attempt. After 1,500 with noise of .1, 31 of 50 photographs of
16 x 16 and 87 of 100 digits were stored, after 3,000 all."""

LARGEST_NOISE = 0.2
"""The largest noise on the inputs, in units. With .05, .1 and .2, copies of 100 digits with noise
of .1 were recalled at rates of .93, .99 and .97, with a quarter of the pixels masked of .41, .57
and .67."""

PARTS = 5
"""Mini-batches of a pass. With ten the loss was 1e-3 after 3,000 steps and none of 50 photographs
was stored; with two fewer masked copies of them were recalled (.72, not .98)."""


AUDIT = AuditOptions(starts=200, trials=3, certificates=20, tolerances=Tolerances(max_steps=1000))
"""A memory that has not come to rest after a thousand steps has not recalled."""


@dataclass(frozen=True)
class StoreOptions:
    """How examples are stored; what is None is chosen from their number, size and distances.

    Attributes:
        width: Units of each hidden layer.
        depth: Weight layers.
        noise: Largest standard deviation of the noise on the inputs, in units; default: the
            distance between near examples, at most 0.2.
        steps: Optimizer steps of the first attempt.
        attempts: Maximum number of attempts; each next one takes twice the steps with half the
            noise, or a third of the rate where the one before diverged.
        compare: Whether to train a plain network and to build a modern Hopfield network for
            comparison.
        audit: The options of the audits that verify and compare; by default they try less than
            `AuditOptions()`, see `AUDIT`.
    """

    width: int | None = None
    depth: int = DEPTH
    noise: float | None = None
    steps: int | None = None
    attempts: int = 3
    compare: bool = True
    audit: AuditOptions = AUDIT

    def __post_init__(self) -> None:
        for name in ("width", "steps"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), least=1)
        whole_number("depth", self.depth, least=2)
        whole_number("attempts", self.attempts, least=1)
        if self.noise is not None:
            real_number("noise", self.noise, least=0)


@dataclass(frozen=True)
class Plan:
    """What is trained for a memory: chosen from the data where the options leave it open.

    Attributes:
        spec: The network.
        training: The options of the first attempt; later ones differ in noise, steps and rate.
    """

    spec: FullyConnected
    training: TrainingOptions


def plan(X: Float[Tensor, "n *shape"], options: StoreOptions | None = None, *, seed: int) -> Plan:
    """Chooses the network and its training for these examples."""
    chosen = options or StoreOptions()
    width = chosen.width or width_for(len(X))
    spec = FullyConnected(shape=tuple(X.shape[1:]), width=width, depth=chosen.depth)
    return Plan(spec, training_for(X, chosen, width, seed=seed))


def store(
    X: Float[Tensor, "n *shape"],
    options: StoreOptions | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    run: AuditRun | None = None,
) -> Memory:
    """Trains a network that stores examples as attractors.

    Args:
        X: `(n, *shape)`, what to store.
        options: Default: chosen from the data.
        seed: Random seed.
        device: Where to compute.
        checkpoint: A folder for the checkpoints of the trainings, see `train`; from those that it
            holds the same call goes on.
        on_progress: Called after each look at the loss.
        run: What the network's audit records, and whom it tells how far it is.

    Raises:
        MnemoscopeError: the data are not finite, or an option is out of range.
        DivergenceError: every attempt diverged.
        KeyboardInterrupt: Ctrl-C.

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
    work = _Work(options or StoreOptions(), seed, device, checkpoint, on_progress, run)
    return work.stored(given_examples(X), None)


def store_sequence(
    X: Float[Tensor, "n *shape"],
    options: StoreOptions | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    run: AuditRun | None = None,
) -> Memory:
    """Trains a network that stores examples as one limit cycle, in their order.

    Each example is mapped to the next one, the last to the first (Radhakrishnan, Belkin and Uhler,
    arXiv 1909.12362). An example counts as stored if its orbit converges to an attracting cycle
    through it. The modern Hopfield network for comparison has the next pattern as the value of
    each. Arguments as of `store`.

    Raises:
        MnemoscopeError: the data are not finite, an example occurs twice, or an option is out of
            range.
        DivergenceError: every attempt diverged.
        KeyboardInterrupt: Ctrl-C.
    """
    given = given_examples(X)
    if duplicates(given):
        raise MnemoscopeError(
            "a sequence in which an example occurs twice",
            expected="each example once, since a map gives one image to each state",
            todo="leave out what repeats, or append the time to each state",
            field="X",
        )
    work = _Work(options or StoreOptions(), seed, device, checkpoint, on_progress, run)
    return work.stored(given, given.roll(-1, 0))


@dataclass(frozen=True)
class _Work:
    """How examples are stored: the arguments of `store` besides them."""

    options: StoreOptions
    seed: int
    device: torch.device | str
    checkpoint: str | os.PathLike[str] | None
    on_progress: Callable[[Progress], object] | None
    run: AuditRun | None

    def stored(
        self, X: Float[Tensor, "n *shape"], targets: Float[Tensor, "n *shape"] | None
    ) -> Memory:
        """Stores examples, each at a fixed point, or on the cycle that the targets give."""
        options, device = self.options, self.device
        X = X.to(device)
        targets = None if targets is None else targets.to(device)
        chosen = plan(X, options, seed=self.seed)

        def fitted(training: TrainingOptions, name: str) -> tuple[Network, Fit]:
            net = chosen.spec.build(seed=self.seed, device=device)
            path = None
            if self.checkpoint is not None:
                path = Path(self.checkpoint) / f"{name}.safetensors"
            fit = train(
                net,
                X,
                training,
                targets=targets,
                checkpoint=path,
                on_progress=self.on_progress,
            )
            return net, fit

        net, fit = _best(fitted, X, chosen.training, options.attempts)
        memories: dict[str, torch.nn.Module] = {"network": net}
        if options.compare:
            plain = replace(chosen.training, noise=0.0, finish="none", lr=fit.record.options["lr"])
            memories |= {"hopfield": Hopfield(X, values=targets)}
            with suppress(DivergenceError):
                memories |= {"plain": fitted(plain, "plain")[0]}
        results = audited(memories, X, options.audit, seed=self.seed, run=self.run)
        return Memory(net, fit, results["network"][1], comparison(results))


def width_for(n: int) -> int:
    """Returns the units of a hidden layer for this number of examples: a power of 2."""
    return min(LARGEST_WIDTH, max(SMALLEST_WIDTH, 1 << (2 * n - 1).bit_length()))


def rate_for(width: int) -> float:
    """Returns the learning rate of the first attempt: lower for wide networks."""
    return TrainingOptions().first_rate * min(1.0, WIDEST_AT_FULL_RATE / width) ** 0.5


def training_for(
    X: Float[Tensor, "n *shape"], options: StoreOptions, width: int, *, seed: int
) -> TrainingOptions:
    """Returns the options of the first attempt with a network of this width."""
    noise = noise_for(X) if options.noise is None else options.noise
    return TrainingOptions(
        lr=rate_for(width),
        schedule="cosine",
        batch_size=max(1, round(len(X) / PARTS)),
        max_steps=options.steps or max(FEWEST_STEPS, STEPS_PER_EXAMPLE * len(X)),
        noise=noise,
        finish="least_squares",
        seed=seed,
    )


def noise_for(X: Float[Tensor, "n *shape"]) -> float:
    """Returns the distance (RMS, in units) that a tenth of the examples have to another one."""
    distinct = torch.unique(X.flatten(1).double(), dim=0)
    if len(distinct) < 2:
        return LARGEST_NOISE
    apart = torch.cdist(distinct, distinct).fill_diagonal_(torch.inf).amin(1)
    near = float(apart.quantile(0.1)) / distinct.shape[1] ** 0.5
    return min(LARGEST_NOISE, near / unit_of(X))


def _best(
    fitted: Callable[[TrainingOptions, str], tuple[Network, Fit]],
    X: Float[Tensor, "n *shape"],
    training: TrainingOptions,
    attempts: int,
) -> tuple[Network, Fit]:
    """Trains until every example is stored; returns the attempt that stored most."""
    best: tuple[int, Network, Fit] | None = None
    diverged: DivergenceError | None = None
    wanted = len(X) - len(duplicates(X))
    for attempt in range(attempts):
        try:
            net, fit = fitted(training, f"attempt-{attempt + 1}")
        except DivergenceError as error:
            diverged = error
            training = replace(training, lr=training.first_rate / 3)
            continue
        stored = int(stored_examples(SelfMap(net, shape=net.shape), X).sum())
        if best is None or stored > best[0]:
            best = stored, net, fit
        if stored == wanted:
            break
        training = replace(training, noise=training.noise / 2, max_steps=2 * training.max_steps)
    if best is None:
        assert diverged is not None
        raise diverged
    return best[1], best[2]
