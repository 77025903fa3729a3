"""The solver of an optimizer's name and a network: the fastest that gives the same numbers."""

from torch import nn

from mnemoscope.nets import Network
from mnemoscope.training.autograd_solver import AutogradSolver
from mnemoscope.training.checks import trainable
from mnemoscope.training.descent import FIRST_ORDER
from mnemoscope.training.gauss_newton_solver import GaussNewtonSolver
from mnemoscope.training.lbfgs_solver import LBFGSSolver
from mnemoscope.training.solver import Solver
from mnemoscope.training.stack_solver import StackSolver, is_plain


def make_solver(
    net: nn.Module, name: str, *, lr: float, momentum: float, weight_decay: float, tol: float
) -> Solver:
    """The solver that trains the network.

    Args:
        net: The network.
        name: A name in `OPTIMIZERS`.
        lr: The learning rate to begin with.
        momentum: Of gradient descent.
        weight_decay: Of the first-order optimizers.
        tol: The loss to come to.
    """
    if name == "gauss_newton":
        return GaussNewtonSolver(net, tol=tol)
    if name == "lbfgs":
        return LBFGSSolver(net, trainable(net), lr=lr)
    if name in FIRST_ORDER and isinstance(net, Network) and is_plain(net):
        return StackSolver(net, name, momentum=momentum, weight_decay=weight_decay)
    return AutogradSolver(
        net, trainable(net), name, lr=lr, momentum=momentum, weight_decay=weight_decay
    )
