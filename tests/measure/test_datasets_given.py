"""A `Dataset` or a `DataLoader` is accepted wherever examples are."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import mnemoscope as mn
from mnemoscope.measure import Effort, audit_within, controls, membership

GENERATOR = torch.Generator().manual_seed(0)
X, HELD_OUT = torch.rand(2, 12, 4, generator=GENERATOR)
LABELS = torch.arange(12) % 2

SOME = {"starts": 20, "trials": 1}


def f(z):
    return 0.5 * (z + X[torch.cdist(z, X.to(z)).argmin(1)].to(z))


def dataset(states):
    return TensorDataset(states, torch.arange(len(states)))


def loader(states):
    return DataLoader(dataset(states), batch_size=5)


def conditional(z, c):
    return f(z) + 0 * c[:, None]


CALLS = {
    "audit": lambda X, H: mn.audit(f, X, mn.AuditOptions.of(**SOME), held_out=H).examples,
    "audit, among": lambda X, H: (
        mn.audit(f, given_rows(X, 6), mn.AuditOptions.of(**SOME), run=mn.AuditRun(among=X)).examples
    ),
    "audit, conditions": lambda X, H: (
        mn.audit_conditional(
            conditional, X, LABELS, mn.AuditOptions.of(**SOME), held_out=(H, LABELS)
        ).examples
    ),
    "audit_within": lambda X, H: audit_within(f, X, Effort(minutes=1e6, **SOME)).examples,
    "controls": lambda X, H: controls(
        mn.SelfMap(f, (4,)), X, H, options=mn.AuditOptions.of(**SOME)
    ),
    "membership": lambda X, H: membership(mn.SelfMap(f, (4,)), X, H).summary(),
    "screen": lambda X, H: (
        mn.screen(
            f, X, mn.ScreenOptions(sample=4, suspicious=4, audit=mn.AuditOptions.of(**SOME))
        ).table
    ),
}


def given_rows(given, n):
    """Some of the examples; those of a dataset are the tensor's."""
    return X[:n] if not torch.is_tensor(given) else given[:n]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("given", [dataset, loader])
@pytest.mark.filterwarnings("ignore::mnemoscope.measure.DistributionWarning")
def test_it_is_as_the_tensor(call, given):
    plain = CALLS[call](X, HELD_OUT)
    found = CALLS[call](given(X), given(HELD_OUT))
    assert found.equals(plain) if hasattr(plain, "equals") else found == plain
