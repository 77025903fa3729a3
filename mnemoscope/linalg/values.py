"""Results: leading eigenvalues or singular values of many Jacobians, and how accurate they are."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import polars as pl
import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from mnemoscope.base.tables import frame_of, table_html


@dataclass(frozen=True)
class LeadingValues:
    """Leading eigenvalues or singular values of the Jacobian at each of `n` states, largest first.

    Attributes:
        values: `(n, k)`, complex eigenvalues or real singular values.
        residual: `(n, k)`, `||J x - theta x||` for the unit eigenvector `x`, or `||J^T u - s v||`
            for unit singular vectors; a singular value is within it of a true one.
        converged: `(n, k)`, whether the value is as accurate as was asked for.
        products: `(n,)`, products made with the Jacobian or its transpose.
    """

    values: Complex[Tensor, "n k"] | Float[Tensor, "n k"]
    residual: Float[Tensor, "n k"]
    converged: Bool[Tensor, "n k"]
    products: Int[Tensor, " n"]

    @property
    def radius(self) -> Float[Tensor, " n"]:
        """The largest modulus found."""
        return self.values.abs()[:, 0]

    def __len__(self) -> int:
        return len(self.values)

    def with_rows(self, rows: Int[Tensor, " r"], other: Self) -> Self:
        """Replaces what is known of some states."""
        parts = {field.name: getattr(self, field.name).clone() for field in fields(self)}
        for name, part in parts.items():
            part[rows] = getattr(other, name)
        return replace(self, **parts)

    @classmethod
    def joined(cls, parts: Sequence["LeadingValues"]) -> Self:
        """Joins the results of several batches."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: torch.cat([getattr(p, name) for p in parts]) for name in names})

    def to_frame(self) -> pl.DataFrame:
        """Returns a row for each state and value: `state, rank, real, modulus, imag, residual, …`.

        What is known of a state as a whole is repeated in each of its rows.
        """
        n, k = self.values.shape
        columns = {"state": torch.arange(n)[:, None], "rank": torch.arange(k)[None]}
        columns |= {"real": self.values.real, "modulus": self.values.abs()}
        if self.values.is_complex():
            columns["imag"] = self.values.imag
        for name in (field.name for field in fields(self) if field.name != "values"):
            part = getattr(self, name)
            columns[name] = part[:, None] if part.ndim == 1 else part
        return frame_of({name: part.expand(n, k).flatten() for name, part in columns.items()})

    def _repr_html_(self) -> str:
        return table_html(f"{type(self).__name__} at {len(self):,} states", self.to_frame())


@dataclass(frozen=True)
class Spectrum(LeadingValues):
    """Leading eigenvalues, with bounds on their errors and on the spectral radius.

    Attributes:
        values: `(n, k)` complex.
        residual: `(n, k)`, `||J x - theta x||` for the unit eigenvector `x`.
        converged: `(n, k)`, whether the residual met the tolerance and the error bound is finite.
        products: `(n,)`, products made with the Jacobian or its transpose.
        condition: `(n, k)`, `||y|| ||x|| / |y^H x|` for the left and right eigenvectors `y`, `x`:
            how far a perturbation of `J` moves the value, in the perturbation's norm. NaN where
            there are no left vectors.
        error_bound: `(n, k)`, the largest distance of the value from the eigenvalue; infinite where
            no small bound holds.
        upper: `(n,)`, bound on the spectral radius; infinite where there is none.
        estimated: `(n,)`, whether `upper` is an estimate from products, and no bound.
    """

    condition: Float[Tensor, "n k"]
    error_bound: Float[Tensor, "n k"]
    upper: Float[Tensor, " n"]
    estimated: Bool[Tensor, " n"]

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

    def within(self, norm: Float[Tensor, " n"]) -> "Spectrum":
        """Lowers `upper` to an estimate of the operator norm where that is smaller."""
        lower = norm.to(self.upper) < self.upper
        upper = torch.where(lower, norm.to(self.upper), self.upper)
        return replace(self, upper=upper, estimated=self.estimated | lower)
