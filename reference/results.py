"""What is computed: audits, spectra, a census, certificates, an extraction, claims, a sweep."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import mnemoscope as mn
from mnemoscope.claims import Scale
from mnemoscope.claims.claim import run_claim
from mnemoscope.results.tables import SCHEMAS

SOME = {"starts": 100, "trials": 2}

CLAIMS = ("projection", "nonlinear-span", "two-layer-contraction", "deep-contraction", "iteration")
"""Those whose quick runs take seconds."""

DESIGN = {
    "name": "reference",
    "data": {"source": "digits", "n": 4},
    "spec": {"activation": "leaky_relu"},
    "training": {"max_steps": 600},
    "grid": {
        "spec.depth": [1, 2, 3, 4],
        "spec.width": [16, 32],
        "training.optimizer": ["adam", "rmsprop", "gradient_descent", "lbfgs", "gauss_newton"],
    },
    "seeds": 5,
    "measure": {"take": ["stored", "contraction", "outcomes"]},
}
"""A sweep of 200 runs."""

VARIED = [*(path.rpartition(".")[2] for path in DESIGN["grid"]), "seed"]
"""The columns that distinguish its runs; the order of rows in a store is that of their keys."""


def network(kind: str, **options: Any) -> tuple[Any, Tensor]:
    """A network that is trained to interpolation, and its examples."""
    X = mn.load_data("digits", n=6)
    spec = {"full": mn.nets.FullyConnected, "conv": mn.nets.Convolutional}[kind]
    net = spec(shape=(1, 8, 8), **options).build(seed=0)
    mn.train(net, X, max_steps=3000)
    return net, X


def audited(audit: Any) -> dict[str, Any]:
    """An audit's tables, summary and pictures."""
    tables = {name: getattr(audit, name) for name in SCHEMAS}
    # Times are no results.
    tables["history"] = tables["history"].drop("seconds")
    summary = audit.summary.model_dump(mode="json", exclude={"seconds"})
    return {**tables, "summary": summary, "pictures": audit.pictures}


def digits() -> dict[str, Any]:
    """An audit of a deep network, with held-out data."""
    net, X = network("full", width=64, depth=4)
    held_out = mn.load_data("digits", n=20, offset=100)
    return audited(mn.audit(net, X, held_out=held_out, **SOME))


def conv() -> dict[str, Any]:
    """An audit of a convolutional network; its orbits creep, so they end early."""
    net, X = network("conv", channels=16, depth=4)
    return audited(mn.audit(net, X, mn.AuditOptions.of(max_steps=200, **SOME)))


def black_box() -> dict[str, Any]:
    """An audit of a map that gives values alone."""
    net, X = network("full", width=64, depth=4)
    f = mn.BlackBox(lambda z: net(torch.from_numpy(z)).detach().numpy())
    return audited(mn.audit(f, X, **SOME))


class Own(nn.Module):
    """A module that is no spec's."""

    def __init__(self) -> None:
        """Draws its weights."""
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.GELU())
        self.decoder = nn.Linear(48, 64)

    def forward(self, z: Tensor) -> Tensor:
        """Reproduces a batch of pictures."""
        return self.decoder(self.encoder(z)).reshape(z.shape)


def own_module() -> dict[str, Any]:
    """An audit of a user's module, trained by the user."""
    X, net = mn.load_data("digits", n=6), Own()
    solver = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(1500):
        solver.zero_grad()
        (net(X) - X).square().mean().backward()
        solver.step()
    return audited(mn.audit(net, X, **SOME))


def numbers() -> dict[str, Any]:
    """Spectra, orbits, a census and certificates of one network."""
    net, X = network("full", width=64, depth=4)
    f = mn.SelfMap(net, shape=(1, 8, 8))
    spectrum = mn.spectrum(f, X, k=6)
    noise = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    census, orbits = mn.find_attractors(f, noise, X), mn.iterate(f, noise)
    certificates = mn.theory.certify_all(f, census.attractors[census.period == 1])
    return {
        "spectral_radius": mn.spectral_radius(f, X),
        "operator_norm": mn.operator_norm(f, X),
        "spectrum": {
            name: getattr(spectrum, name)
            for name in ("residual", "condition", "error_bound", "upper", "converged")
        },
        "eigenvalues": torch.view_as_real(spectrum.values),
        "census": {
            name: getattr(census, name)
            for name in ("attractors", "period", "spectral_radius", "basin_fraction", "labels")
        },
        "orbits": {name: getattr(orbits, name) for name in ("end", "steps", "period", "status")},
        "certificates": [
            [each.certified, float(each.radius), float(each.rate)] for each in certificates
        ],
    }


def extraction() -> dict[str, Any]:
    """Candidates from weights alone."""
    net, _ = network("full", width=64, depth=4)
    found = mn.extract(net, starts=50, max_starts=2000, seed=0)
    return {"table": found.table, "candidates": found.candidates}


def claims() -> dict[str, Any]:
    """Claims at their quickest."""
    scale = Scale("quick")
    rows = {name: run_claim(name, scale).row() for name in CLAIMS}
    return {name: {k: v for k, v in row.items() if k != "seconds"} for name, row in rows.items()}


def sweep() -> dict[str, Any]:
    """The rows of a sweep of 200 runs."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "sweep"
        mn.sweep.run(mn.sweep.Design(**DESIGN), place)
        rows = mn.sweep.load(place).collect()
    kept = [name for name in rows.columns if not _is_moment(name)]
    return {"rows": rows.select(kept).sort(VARIED)}


def _is_moment(name: str) -> bool:
    words = ("seconds", "time", "host", "process", "version", "key", "group", "memory", "began")
    return any(word in name for word in words)


RESULTS: dict[str, Callable[[], dict[str, Any]]] = {
    "digits": digits,
    "conv": conv,
    "black_box": black_box,
    "own_module": own_module,
    "numbers": numbers,
    "extraction": extraction,
    "claims": claims,
    "sweep": sweep,
}
"""By name."""
