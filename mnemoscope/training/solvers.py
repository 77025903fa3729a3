"""Solvers: an optimizer together with its way to the gradient, for one network at a time.

`make_solver` chooses the fastest one that gives the same numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from mnemoscope.nets import FullyConnected, Network
from mnemoscope.nets.stack import FullyConnectedStack
from mnemoscope.training.gauss_newton import GaussNewton
from mnemoscope.training.group import Descent
from mnemoscope.training.networks import is_plain, trainable
from mnemoscope.training.options import FIRST_ORDER, TrainingOptions
from mnemoscope.training.rescaled_lbfgs import RescaledLBFGS


class Solver(ABC):
    """An optimizer of one network, as `train` drives it.

    Attributes:
        net: The network; it always has the weights trained so far.
        by_chance: A step may draw random numbers (dropout).
        in_eval_mode: It uses the network in eval mode.
        stalled: It can go no further, whatever the number of steps.
    """

    by_chance = True
    in_eval_mode = False
    stalled = False

    def __init__(self, net: nn.Module, method: Optimizer | Descent | GaussNewton) -> None:
        self.net, self._method = net, method

    @abstractmethod
    def descend(self, X: Tensor, Y: Tensor, steps: int, lr: float) -> tuple[int, float]:
        """Takes up to `steps` full-batch steps: their number, at least 1, and the loss on the way.

        The loss is that before the last step, or a later one.
        """

    def state_dict(self) -> dict[str, Any]:
        """Returns all that the next step depends on besides the weights: values and tensors."""
        return self._method.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned; the network has its weights already."""
        self._method.load_state_dict(state)

    def close(self) -> None:
        """Leaves the network as a module like any other, without gradients."""
        for parameter in self.net.parameters():
            parameter.grad = None


class Stepwise(Solver):
    """A solver that takes single steps, each on any part of the examples."""

    @abstractmethod
    def step(self, X: Tensor, Y: Tensor, lr: float) -> None:
        """Takes one step on these examples."""

    @abstractmethod
    def loss(self) -> Tensor:
        """Returns the loss on the examples of the last step, before it."""

    def descend(self, X: Tensor, Y: Tensor, steps: int, lr: float) -> tuple[int, float]:
        """Takes `steps` full-batch steps: their number, and the loss before the last of them."""
        for _ in range(steps):
            self.step(X, Y, lr)
        return steps, float(self.loss())


class StackSolver(Stepwise):
    """First-order steps of a fully connected network by its gradient written out: a stack of one.

    Until it is closed the network's parameters are views of the stack's.
    """

    by_chance = False

    def __init__(self, net: Network, options: TrainingOptions) -> None:
        assert isinstance(net.spec, FullyConnected)
        self._parameters = list(net.parameters())
        self._stack = FullyConnectedStack(net.spec, [p.detach()[None] for p in self._parameters])
        self._descent = Descent(
            options.optimizer,
            self._stack,
            momentum=options.momentum,
            weight_decay=[options.weight_decay],
        )
        super().__init__(net, self._descent)
        for parameter, values in zip(self._parameters, self._stack.parameters, strict=True):
            parameter.data = values[0]
        self._rates: Sequence[float] = ()
        self._error: Tensor

    def step(self, X: Tensor, Y: Tensor, lr: float) -> None:
        """Takes one step on these examples."""
        if self._rates != (lr,):
            self._rates = (lr,)
        self._error = self._stack.pull(X[None], Y[None])
        self._descent.step(self._rates)

    def loss(self) -> Tensor:
        """Returns the loss on the examples of the last step, before it."""
        return self._error.square().mean()

    def close(self) -> None:
        """Gives the network's parameters memory of their own again."""
        with torch.no_grad():
            for parameter in self._parameters:
                parameter.data = parameter.data.clone()


class AutogradSolver(Stepwise):
    """First-order steps of any network by PyTorch's gradients and optimizers."""

    def __init__(self, net: nn.Module, options: TrainingOptions) -> None:
        self._optimizer = first_order_optimizer(trainable(net), options)
        super().__init__(net, self._optimizer)
        self._loss: Tensor

    def step(self, X: Tensor, Y: Tensor, lr: float) -> None:
        """Takes one step on these examples."""
        self._optimizer.param_groups[0]["lr"] = lr
        self._loss = _backward(self.net, self._optimizer, X, Y)
        self._optimizer.step()

    def loss(self) -> Tensor:
        """Returns the loss on the examples of the last step, before it."""
        return self._loss


class LBFGSSolver(Solver):
    """`RescaledLBFGS` for any network."""

    def __init__(self, net: nn.Module, options: TrainingOptions) -> None:
        self._optimizer = RescaledLBFGS(trainable(net), lr=options.first_rate)
        super().__init__(net, self._optimizer)

    def descend(self, X: Tensor, Y: Tensor, steps: int, lr: float) -> tuple[int, float]:
        """Takes up to `steps` iterations: their number, and the loss after them.

        Chance is drawn once for all of them: a line search compares values of one function.
        """
        self._optimizer.param_groups[0]["lr"] = lr
        rewind = rewinder(X.device)

        def closure() -> Tensor:
            rewind()
            return _backward(self.net, self._optimizer, X, Y)

        return self._optimizer.advance(closure, steps, buffers=list(self.net.buffers()))


class GaussNewtonSolver(Solver):
    """`GaussNewton` for any network, down to a loss."""

    by_chance = False
    in_eval_mode = True

    def __init__(self, net: nn.Module, tol: float) -> None:
        self._newton, self._tol = GaussNewton(net), tol
        super().__init__(net, self._newton)

    def descend(self, X: Tensor, Y: Tensor, steps: int, lr: float) -> tuple[int, float]:
        """Takes one step, for each may take long: 1, and the loss after it."""
        taken = self._newton.advance(X, Y, 1, tol=self._tol)
        self.stalled = self._newton.stalled or self._newton.loss <= self._tol
        return taken, self._newton.loss


def make_solver(net: nn.Module, options: TrainingOptions, *, tol: float) -> Solver:
    """Makes the solver of a network; `tol` is the mean squared error to reach."""
    if options.optimizer == "gauss_newton":
        return GaussNewtonSolver(net, tol)
    if options.optimizer == "lbfgs":
        return LBFGSSolver(net, options)
    if isinstance(net, Network) and is_plain(net):
        return StackSolver(net, options)
    return AutogradSolver(net, options)


def first_order_optimizer(parameters: Sequence[Tensor], options: TrainingOptions) -> Optimizer:
    """Makes PyTorch's optimizer for one of `FIRST_ORDER`."""
    assert options.optimizer in FIRST_ORDER
    tensors = list(parameters)
    lr, decay = options.first_rate, options.weight_decay
    # PyTorch's fused kernels handle real numbers only.
    fused = all(parameter.is_floating_point() for parameter in tensors)
    if options.optimizer == "adam":
        kind = AdamW if decay else Adam
        return kind(tensors, lr=lr, weight_decay=decay, fused=fused)
    if options.optimizer == "rmsprop":
        return RMSprop(tensors, lr=lr, weight_decay=decay, foreach=True)
    return SGD(tensors, lr=lr, momentum=options.momentum, weight_decay=decay, fused=fused)


@contextmanager
def seeded(seed: int, turn: int, device: torch.device) -> Iterator[None]:
    """Makes layers draw from the seed and the turn alone, and restores the generators afterwards.

    Layers draw from PyTorch's global generators. A training that is resumed at a turn draws the
    same numbers.
    """
    number = (seed * 2654435761 + turn) % 2**63
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        torch.default_generator.manual_seed(number)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(number)
        yield


def rewinder(device: torch.device) -> Callable[[], None]:
    """Returns a function that restores the present state of PyTorch's generators.

    Between two calls of it layers draw the same numbers, so that losses can be compared.
    """
    on_gpu = device.type == "cuda"
    here = torch.default_generator.get_state()
    there = torch.cuda.get_rng_state(device) if on_gpu else None

    def rewind() -> None:
        torch.default_generator.set_state(here)
        if there is not None:
            torch.cuda.set_rng_state(there, device)

    return rewind


def _backward(net: nn.Module, optimizer: Optimizer, X: Tensor, Y: Tensor) -> Tensor:
    """Leaves the gradient of the mean squared error in the parameters; returns the loss."""
    optimizer.zero_grad(set_to_none=True)
    loss = nn.functional.mse_loss(net(X), Y)
    loss.backward()
    return loss.detach()
