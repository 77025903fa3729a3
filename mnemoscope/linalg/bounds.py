"""What is known of the leading eigenvalues of many Jacobians, and how surely."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Spectrum:
    """Leading eigenvalues of the Jacobian at each of `n` states, largest modulus first.

    Attributes:
        values: `(n, k)` complex.
        residual: `(n, k)`, `||J x - theta x||` for the unit eigenvector `x`.
        condition: `(n, k)`, `||y|| ||x|| / |y^H x|` for the left and right eigenvectors `y`, `x`:
            how far a perturbation of `J` moves the value, in the perturbation's norm. NaN where
            left vectors cannot be had.
        error_bound: `(n, k)`, how far the value is from the eigenvalue at most; infinite where
            nothing small can be said.
        upper: `(n,)`, bound on the spectral radius; infinite where there is none.
        estimated: `(n,)`, whether `upper` is an estimate from products, and no bound.
        converged: `(n, k)`, whether the residual met the tolerance and the error bound is finite.
        products: `(n,)`, products made with the Jacobian or its transpose.
    """

    values: Complex[Tensor, "n k"]
    residual: Float[Tensor, "n k"]
    condition: Float[Tensor, "n k"]
    error_bound: Float[Tensor, "n k"]
    upper: Float[Tensor, " n"]
    estimated: Bool[Tensor, " n"]
    converged: Bool[Tensor, "n k"]
    products: Int[Tensor, " n"]

    @property
    def radius(self) -> Float[Tensor, " n"]:
        """The largest modulus found."""
        return self.values.abs()[:, 0]

    @property
    def contractive(self) -> Bool[Tensor, " n"]:
        """Whether the map contracts at each state: `upper < 1`."""
        return self.upper < 1

    @property
    def expanding(self) -> Bool[Tensor, " n"]:
        """Whether it does not: some modulus is above 1 by more than its error bound.

        A state that is neither contractive nor expanding is undecided.
        """
        return (self.values.abs() - self.error_bound > 1).any(1)

    @property
    def decided(self) -> list[str]:
        """`yes` where the map contracts, `no` where it does not, else `undecided`."""
        pairs = zip(self.contractive.tolist(), self.expanding.tolist(), strict=True)
        return ["yes" if yes else "no" if no else "undecided" for yes, no in pairs]

    def __len__(self) -> int:
        return len(self.upper)

    def within(self, norm: Float[Tensor, " n"]) -> "Spectrum":
        """The same where the operator norm is no larger than this, by an estimate."""
        lower = norm.to(self.upper) < self.upper
        upper = torch.where(lower, norm.to(self.upper), self.upper)
        return replace(self, upper=upper, estimated=self.estimated | lower)

    def with_rows(self, rows: Int[Tensor, " r"], other: "Spectrum") -> "Spectrum":
        """The same with what is known of some states replaced."""
        names = [field.name for field in fields(self)]
        parts = {name: getattr(self, name).clone() for name in names}
        for name, part in parts.items():
            part[rows] = getattr(other, name)
        return Spectrum(**parts)

    @classmethod
    def joined(cls, parts: Sequence["Spectrum"]) -> "Spectrum":
        """The spectra of several batches as those of one."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: torch.cat([getattr(p, name) for p in parts]) for name in names})
