"""`Monitor`: what a network memorizes, recorded while it is being trained."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.check import real_number, whole_number
from mnemoscope.base.check import seed as check_seed
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import wilson
from mnemoscope.base.unit import unit_of
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.stored import MATCH_TOL, checked_match_tol, match_radii
from mnemoscope.maps import SelfMap, check_derivatives
from mnemoscope.monitoring.pace import Pace
from mnemoscope.monitoring.snapshot import Snapshot, snapshot
from mnemoscope.nets.modules import eval_mode

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from transformers import TrainerCallback

MAX_STEPS = 256
"""Steps that orbits are followed: enough to settle to 1e-6 from a residual of 1e-2 where the
spectral radius is at most 0.96. What settles more slowly counts as unsettled, not as stored."""

MONITOR: dict[str, pl.DataType] = {
    "step": pl.Int64(),
    "seconds": pl.Float64(),
    "loss": pl.Float64(),
    "spectral_radius_median": pl.Float64(),
    "spectral_radius_max": pl.Float64(),
    "contractive": pl.Int64(),
    "contractive_low": pl.Float64(),
    "contractive_high": pl.Float64(),
    "stored": pl.Int64(),
    "stored_low": pl.Float64(),
    "stored_high": pl.Float64(),
    "states": pl.Int64(),
    "unsettled": pl.Int64(),
    "unconverged": pl.Int64(),
    "left_out": pl.Int64(),
    "cost": pl.Float64(),
    "share": pl.Float64(),
}
"""A row for each record. Counts are of `states`, with the 95% interval of their share. `unsettled`
orbits are not counted as stored; `unconverged` spectral radii are rough. `left_out` counts records
that were due before this one and would have cost too much; `cost` is this one's in seconds, `share`
that of all so far, of the training's own time."""


class Monitor:
    """Records the spectral radius and the stored share while a network is being trained.

    In a plain loop it counts its own calls:

        for batch in batches:
            ...
            optimizer.step()
            monitor(net)

    Every `every` steps it measures some of the examples: the same ones each time, chosen by the
    seed, as many as its share of the time allows. Where even few cost too much, records are left
    out; the history shows both. The network's mode, gradients and weights and the global generator
    stay as they were, so training goes on to the same numbers as without it.

    Args:
        X: `(n, *shape)`, the training examples.
        every: Steps between records.
        states: Maximum number of examples to measure.
        seed: Random seed of their choice.
        share: Share of the training's time that records may take.
        match_tol: The largest distance (RMS, in units of `X`) at which an attractor stores an
            example.
        max_steps: Applications of the network after which an orbit counts as unsettled, at least 2.
        network: Picks the self-map out of the module that is handed over, where that is not one
            itself: `network=lambda module: module.autoencoder`.

    Attributes:
        clock: Returns the time in seconds.

    Raises:
        MnemoscopeError: an option is out of range.

    Example:
        >>> from mnemoscope.nets import FullyConnected
        >>> X = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
        >>> net = FullyConnected(shape=(3,), width=8, depth=2).build(seed=0)
        >>> monitor = Monitor(X, every=2)
        >>> for _ in range(3):
        ...     monitor(net)
        >>> monitor.history.select("step", "states")["step"].to_list()
        [2]
    """

    def __init__(
        self,
        X: Float[Tensor, "n *shape"],
        every: int = 500,
        *,
        states: int = 32,
        seed: int = 0,
        share: float = 0.05,
        match_tol: float = MATCH_TOL,
        max_steps: int = MAX_STEPS,
        network: Callable[[Any], nn.Module] | None = None,
    ) -> None:
        X = given_examples(X)
        if not isinstance(X, Tensor) or X.ndim < 2 or X.numel() == 0:
            raise MnemoscopeError(
                f"examples of shape {tuple(X.shape)}"
                if isinstance(X, Tensor)
                else f"examples that are a {type(X).__name__}",
                expected="a tensor (n, *shape) of at least one example",
                todo="load them with mn.load_data, or pass one example as x[None]",
                field="X",
            )
        whole_number("states", states, least=1)
        self._max_steps = whole_number("max_steps", max_steps, least=2)
        share = real_number("share", share, above=0, below=1)
        generator = torch.Generator().manual_seed(check_seed(seed))
        chosen = torch.randperm(len(X), generator=generator)[:states]
        X = X.detach()
        self._X = X[chosen.to(X.device)].clone()
        self._unit = unit_of(X)
        self._radii = match_radii(
            self._X, unit=self._unit, match_tol=checked_match_tol(match_tol), among=X
        )
        self._every = whole_number("every", every, least=1)
        self._network, self.clock = network, time.perf_counter
        self._pace = Pace(share, len(chosen))
        self._begun: float | None = None
        self._step = self._left_out = self._dues = 0
        self._rows: list[dict[str, Any]] = []

    @property
    def history(self) -> pl.DataFrame:
        """A row for each record: `MONITOR`."""
        return pl.DataFrame(self._rows, schema=MONITOR)

    @property
    def left_out(self) -> int:
        """The number of records that were due since the last one and would have cost too much."""
        return self._left_out

    def __call__(self, net: nn.Module, *, step: int | None = None) -> None:
        """Counts a step that is done, and records if it is time to.

        Args:
            net: The network.
            step: Steps done so far (default: the number of calls). A number that does not rise, as
                where gradients of several batches are added up, is no new step.

        Raises:
            MnemoscopeError: the network is no self-map of the examples.
        """
        now = self.clock()
        before, self._step = self._step, self._step + 1 if step is None else step
        if self._begun is None:
            # A training that is resumed does not begin with a record; but a network that cannot be
            # measured is refused now, not hours later.
            self._map(net)
            self._begun, before = now, max(0, self._step - 1)
        if self._step // self._every <= before // self._every:
            return
        self._dues += 1
        if self._pace.affords(now - self._begun - self._pace.spent):
            self.record(net)
        else:
            self._left_out += 1

    def record(self, net: nn.Module) -> None:
        """Records now, whatever it costs: for example, after the last step.

        Raises:
            MnemoscopeError: the network is no self-map of the examples.
        """
        _wait_for_device(self._X, net)
        begun = self.clock()
        if self._begun is None:
            self._begun = begun
        trained = begun - self._begun - self._pace.spent
        states = self._pace.states
        f = self._map(net)
        # Dropout and batch norm are in training mode here, autocast may be on.
        with _measuring(f):
            Z = f.batch(self._X[:states])
            check_derivatives(f, Z)
            seen = snapshot(f, Z, self._radii.head(len(Z)), max_steps=self._max_steps)
        cost = self.clock() - begun
        self._pace.paid(cost, trained, self._dues)
        self._rows.append(
            {
                "step": self._step,
                "seconds": begun - self._begun,
                **_row(seen),
                "states": states,
                "left_out": self._left_out,
                "cost": cost,
                "share": self._pace.spent / trained if trained > 0 else None,
            }
        )
        self._left_out = 0

    def _map(self, net: nn.Module) -> SelfMap:
        """Returns the self-map that is measured; an error where the network is none."""
        net = net if self._network is None else self._network(net)
        with eval_mode(net), torch.autocast(self._X.device.type, enabled=False):
            try:
                return SelfMap(net, self._X.shape[1:], unit=self._unit)
            except MnemoscopeError as error:
                raise MnemoscopeError(
                    error.given,
                    expected=error.expected,
                    todo="pick the self-map out of it: "
                    'Monitor(X, network=lambda net: mn.Wrapped(net, output="sample"))',
                    field="network",
                ) from error

    def lightning(self) -> "Callback":
        """Returns this monitor as a callback for Lightning's `Trainer`.

        Raises:
            MnemoscopeError: Lightning is not installed.
        """
        from mnemoscope.monitoring.callbacks import lightning_callback

        return lightning_callback(self)

    def trainer_callback(self) -> "TrainerCallback":
        """Returns this monitor as a `TrainerCallback` for Hugging Face's `Trainer`.

        Raises:
            MnemoscopeError: transformers is not installed.
        """
        from mnemoscope.monitoring.callbacks import trainer_callback

        return trainer_callback(self)


@contextmanager
def _measuring(f: SelfMap) -> Iterator[None]:
    with ExitStack() as stack:
        for module in f.modules:
            stack.enter_context(eval_mode(module))
        stack.enter_context(torch.autocast(f.device.type, enabled=False))
        yield


def _row(seen: Snapshot) -> dict[str, Any]:
    m = len(seen.stored)
    known = seen.spectral_radius[torch.isfinite(seen.spectral_radius)].double()
    row: dict[str, Any] = {
        "loss": seen.loss,
        "spectral_radius_median": float(known.quantile(0.5)) if len(known) else None,
        "spectral_radius_max": float(known.max()) if len(known) else None,
        "unsettled": seen.unsettled,
        "unconverged": int((~seen.converged).sum()),
    }
    counts = {"contractive": seen.spectral_radius < 1, "stored": seen.stored}
    for name, states in counts.items():
        count = int(states.sum())
        low, high = wilson(count, m)
        row |= {name: count, f"{name}_low": float(low), f"{name}_high": float(high)}
    return row


def _wait_for_device(X: Tensor, net: nn.Module) -> None:
    """Waits for the training's steps on an accelerator, which are not the monitor's time."""
    device = next((p.device for p in net.parameters()), X.device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
