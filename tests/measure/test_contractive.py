import pytest
import torch

import mnemoscope as mn
from mnemoscope.results.conditions import parse_condition

BRIEF = {
    "starts": 5,
    "trials": 1,
    "max_steps": 50,
    "corruptions": {},
    "start_kinds": ["uniform"],
    "certificates": 0,
}


def audit(f, X):
    return mn.audit(f, X, mn.AuditOptions.of(**BRIEF))


def test_contractive_is_decided_by_the_bound():
    # The Jacobian of z^2 / 2 is diagonal with the entries of z.
    f = mn.SelfMap(lambda z: z * z / 2, (3,), dtype=torch.float64)
    X = torch.tensor([[0.5, 0.2, 0.1], [1.5, 0.0, 0.1], [1.0, 0.3, 0.2]], dtype=torch.float64)
    found = audit(f, X)
    assert found.examples["contractive"].to_list() == ["yes", "no", "undecided"]
    assert found.examples["upper"].to_list() == pytest.approx([0.5, 1.5, 1.0], abs=1e-9)
    assert max(found.examples["error_bound"]) < 1e-12
    assert found.summary.contractive.count == 1
    assert found.summary.contractive.total == 3
    assert found.summary.undecided == 1
    assert parse_condition("undecided>0").holds(found.summary)


@pytest.mark.parametrize("size", [40, 120])
def test_what_is_nilpotent_contracts_however_long_it_takes(size):
    # Eigenvalues that rounding makes of it have moduli of .7 and more.
    f = mn.SelfMap(
        lambda z: torch.cat([1.4 * z[:, 1:], 0 * z[:, :1]], 1), (size,), dtype=torch.float64
    )
    found = audit(f, torch.zeros(1, size, dtype=torch.float64))
    assert found.examples["contractive"].to_list() == ["yes"]
    assert found.examples["upper"][0] == pytest.approx(0, abs=1e-12)
    assert found.summary.stored.count == 1


@pytest.mark.parametrize(
    ("factor", "decided"), [(0.5, "yes"), (1.5, "no"), (1.0, "undecided")], ids=str
)
def test_a_map_without_derivatives_is_judged_by_its_interval(factor, decided):
    box = mn.BlackBox(lambda z: factor * z)
    found = audit(mn.SelfMap(box, (3,)), torch.ones(1, 3))
    row = found.examples.row(0, named=True)
    assert row["contractive"] == decided
    assert row["upper"] == row["spectral_radius_high"]
    assert row["error_bound"] is None
    assert found.summary.undecided == int(decided == "undecided")
