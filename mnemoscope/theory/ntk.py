"""The infinite-width limit: a wide network trained to interpolation is kernel regression.

In the NTK parameterization the change of a fully connected network under gradient descent is, in
the limit of infinite width, linear in its parameters (Jacot, Gabriel & Hongler 2018). Trained on
the examples to themselves and centred (the function at the start taken away) it is

    f(z) = Theta(z, X) Theta(X, X)^-1 X

(Jiang & Pehlevan 2020, arXiv 2006.16540). With the gain `g` of each layer, biases that are zero at
the start and have factor 1, and `E` the expectations over Gaussians with the covariances of `S_l`:

    S_1 = g^2 <z, x> / d,             T_1 = S_1 + 1,
    S_(l+1) = g^2 E[phi phi],         T_(l+1) = S_(l+1) + 1 + g^2 E[phi' phi'] T_l,

`Theta = T_L`; without biases the ones are omitted.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jacrev

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps import SelfMap
from mnemoscope.nets import FullyConnected, Spec
from mnemoscope.nets.initialization import gain
from mnemoscope.theory.dual_activations import dual_activation, second_moment

SINGULAR = 1e-12
"""Smallest ratio of the eigenvalues of `Theta(X, X)` with which its inverse is meaningful."""


class NTK:
    """The tangent kernel of the infinitely wide networks of a spec; float64.

    Attributes:
        spec: The networks, but for their width.

    Example:
        >>> import mnemoscope as mn
        >>> X = mn.load_data("digits", n=3)
        >>> spec = mn.nets.FullyConnected(
        ...     shape=(1, 8, 8), depth=2, activation="erf", init="ntk", width=64
        ... )
        >>> limit = NTK(spec)
        >>> f = limit.predict(X)
        >>> bool((f(X.double()) - X).abs().max() < 1e-9), limit.spectral_radius(X).shape
        (True, torch.Size([3]))
    """

    def __init__(self, spec: Spec) -> None:
        """Takes the spec of fully connected networks in the NTK parameterization.

        Raises:
            MnemoscopeError: the spec is another one, or has an activation after the last layer.
        """
        if not isinstance(spec, FullyConnected) or spec.init != "ntk":
            raise MnemoscopeError(
                f"{spec!r}",
                expected="fully connected networks with init='ntk'",
                todo="the limit depends on the parameterization: set init='ntk'",
                field="spec",
            )
        if spec.last_activation != "identity":
            raise MnemoscopeError(
                f"{spec!r}, with {spec.last_activation} after the last layer",
                expected="a linear last layer",
                todo="omit output_activation, with a depth of 2 or more",
                field="spec",
            )
        self.spec = spec
        self._expectations = dual_activation(spec.activation)

    def __repr__(self) -> str:
        """Formats it like `NTK(FullyConnected(...))`."""
        return f"NTK({self.spec!r})"

    def kernel(self, Z: Float[Tensor, "m *shape"], X: Float[Tensor, "n *shape"]) -> Tensor:
        """Computes `Theta(z, x)` for each pair, `(m, n)`; PyTorch differentiates it in both.

        Raises:
            MnemoscopeError: the states have not the spec's shape.

        Example:
            >>> from mnemoscope.nets import FullyConnected
            >>> spec = FullyConnected(shape=(2,), depth=3, init="ntk", activation="relu")
            >>> x = torch.tensor([[2.0, 0.0]])  # |x|^2 / d = 2: 3 layers of 2 * 2 + 1
            >>> round(float(NTK(spec).kernel(x, x)), 6)
            15.0
        """
        z, x = self._flat(Z), self._flat(X)
        squared, bias = gain(self.spec.activation) ** 2, 1.0 if self.spec.bias else 0.0
        d = z.shape[1]
        p = squared * z.square().sum(1)[:, None] / d
        q = squared * x.square().sum(1)[None] / d
        S = squared * z @ x.T / d
        T = S + bias
        for _ in range(self.spec.depth - 1):
            value, slope = self._expectations(p, q, S)
            p, q = (squared * second_moment(self.spec.activation, v) for v in (p, q))
            S = squared * value
            T = S + bias + squared * slope * T
        return T

    def predict(
        self, X: Float[Tensor, "n *shape"], targets: Float[Tensor, "n *shape"] | None = None
    ) -> SelfMap:
        """Returns the limit's map after training on `X`.

        Args:
            X: `(n, *shape)`, the examples.
            targets: `(n, *shape)`, the target of each (default: the example itself).

        Raises:
            MnemoscopeError: examples have not the spec's shape, or so much alike that the kernel's
                matrix is singular.
        """
        x = self._flat(X).detach()
        y = x if targets is None else self._flat(targets).detach()
        weights = torch.linalg.solve(self._gram(x), y)
        return SelfMap(
            lambda Z: (self.kernel(Z, x.reshape(-1, *self.spec.shape)) @ weights).reshape(Z.shape),
            self.spec.shape,
            dtype=torch.float64,
        )

    def spectral_radius(self, X: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
        """Computes the spectral radius of the limit's Jacobian at each example, without training.

        The Jacobian at `z` is `X^T Theta(X, X)^-1 G`, with the rows `G_j = d Theta(z, x_j)/dz`. Its
        eigenvalues that are not zero are those of the `n × n` matrix `Theta(X, X)^-1 G X^T`.

        Raises:
            MnemoscopeError: as `predict`.
        """
        x = self._flat(X).detach()

        def slopes(z: Tensor) -> Tensor:
            return self.kernel(z.reshape(1, *self.spec.shape), x.reshape(-1, *self.spec.shape))[0]

        G = torch.stack([jacrev(slopes)(z) for z in x])
        core = torch.linalg.solve(self._gram(x), G @ x.T)
        return torch.linalg.eigvals(core).abs().amax(1)

    def _gram(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
        examples = x.reshape(-1, *self.spec.shape)
        gram = self.kernel(examples, examples)
        values = torch.linalg.eigvalsh((gram + gram.T) / 2)
        if not bool(values[0] > SINGULAR * values[-1]):
            raise MnemoscopeError(
                f"{len(x)} examples whose kernel matrix is singular",
                expected="examples that the kernel distinguishes",
                todo="remove duplicates, or add depth or biases",
                field="X",
            )
        return gram

    def _flat(self, Z: Tensor) -> Float[Tensor, "n d"]:
        if not isinstance(Z, Tensor) or tuple(Z.shape[1:]) != self.spec.shape or len(Z) == 0:
            shape = tuple(Z.shape) if isinstance(Z, Tensor) else type(Z).__name__
            raise MnemoscopeError(
                f"states of shape {shape}",
                expected=f"(n, {', '.join(map(str, self.spec.shape))}), one or more",
                todo="reshape them",
            )
        return Z.flatten(1).to(torch.float64)
