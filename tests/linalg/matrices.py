"""Matrices whose eigenvalues are (nearly) wrong in float64, and their spectra to 60 digits."""

import mpmath
import torch

DIGITS = 60


def grcar(n, radius=None):
    """Toeplitz, with -1 below the diagonal and 1 on it and on three above (Grcar 1989)."""
    A = torch.eye(n) - torch.diag(torch.ones(n - 1), -1)
    A = A + sum(torch.diag(torch.ones(n - k), k) for k in (1, 2, 3))
    A = A.double()
    return A / 4 if radius is None else A * (radius / modulus_of(A))


def jordan(n, value, coupling=1.0):
    return torch.diag(torch.full((n,), value)).double() + shift(n, coupling)


def shift(n, coupling=1.0):
    return torch.diag(torch.full((n - 1,), coupling), 1).double()


def frank(n):
    """Upper Hessenberg; its smallest eigenvalues are ill-conditioned (Frank 1958)."""
    i, j = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    return torch.where(j >= i - 1, n - torch.maximum(i, j), 0).double()


def kahan(n):
    """Upper triangular: a nearly dependent set of rows (Kahan 1966)."""
    A = torch.triu(torch.full((n, n), -0.8), 1) + torch.eye(n)
    return (0.6 ** torch.arange(n))[:, None].double() * A.double()


def convection_diffusion(n):
    """Upwind differences, with far more convection than diffusion."""
    parts = ((0.5, 0, n), (0.4, 1, n - 1), (0.01, -1, n - 1))
    return sum(torch.diag(torch.full((m,), a), k) for a, k, m in parts).double()


def companion(n):
    """The companion matrix of a polynomial whose roots all have a modulus below 1."""
    A = torch.diag(torch.ones(n - 1), -1).double()
    G = torch.Generator().manual_seed(0)
    A[0] = torch.randn(n, generator=G, dtype=torch.float64) * 0.8 ** torch.arange(n)
    # Cauchy's bound: the moduli of the coefficients sum to less than 1.
    A[0] *= 0.95 / A[0].abs().sum()
    return A


def random(n, seed=0, radius=1.0):
    G = torch.Generator().manual_seed(seed)
    return radius * torch.randn(n, n, generator=G, dtype=torch.float64) / n**0.5


def rotation(n, seed=0):
    return torch.linalg.qr(random(n, seed)).Q


def rotated(A, seed=0):
    """The same matrix in other coordinates: no entry is 0."""
    Q = rotation(len(A), seed)
    return Q @ A @ Q.T


def exact(A, k=None):
    """All eigenvalues, largest modulus first, from 60-digit arithmetic."""
    with mpmath.workdps(DIGITS):
        M = mpmath.matrix([[mpmath.mpf(float(a)) for a in row] for row in A.double()])
        values = mpmath.eig(M, left=False, right=False)
        values = sorted(values, key=abs, reverse=True)[:k]
        return torch.tensor([complex(v) for v in values], dtype=torch.complex128)


def modulus_of(A):
    return float(exact(A)[0].abs())


def refined_hessenberg(A, value):
    """The eigenvalue next to a value: Newton's method on Hyman's form of the polynomial."""
    n = len(A)
    with mpmath.workdps(2 * DIGITS):
        rows = [[mpmath.mpf(float(a)) for a in row] for row in A]
        z = mpmath.mpc(value)
        for _ in range(12):
            # With x_n = 1, rows n to 2 of (A - z) x = 0 give x; the first row's defect is p(z).
            x = [mpmath.mpc(0)] * n
            dx = [mpmath.mpc(0)] * n
            x[-1] = mpmath.mpc(1)
            for i in range(n - 1, 0, -1):
                js = [j for j in range(i, n) if rows[i][j] != 0]
                s = mpmath.fsum(rows[i][j] * x[j] for j in js) - z * x[i]
                ds = mpmath.fsum(rows[i][j] * dx[j] for j in js) - z * dx[i] - x[i]
                x[i - 1], dx[i - 1] = -s / rows[i][i - 1], -ds / rows[i][i - 1]
            js = [j for j in range(n) if rows[0][j] != 0]
            p = mpmath.fsum(rows[0][j] * x[j] for j in js) - z * x[0]
            dp = mpmath.fsum(rows[0][j] * dx[j] for j in js) - z * dx[0] - x[0]
            step = p / dp
            z -= step
            if abs(step) < mpmath.mpf(10) ** -DIGITS:
                break
        return complex(z)
