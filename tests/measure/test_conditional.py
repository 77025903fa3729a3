"""Conditional maps `f(z, c)`: each example keeps its condition, and conditions do not compete."""

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.measure.parts import Interrupted

GENERATOR = torch.Generator().manual_seed(0)
X = torch.rand(9, 4, generator=GENERATOR)
LABELS = torch.tensor([2, 0, 1] * 3)
HELD_OUT = torch.rand(6, 4, generator=GENERATOR)
HELD_OUT_LABELS = torch.tensor([2, 1, 0, 0, 1, 2])

SOME = {"starts": 20, "trials": 1}


class Attention(nn.Module):
    """Draws a state to the nearest example of its own label: `sum_i p_i(z, c) x_i`."""

    def __init__(self, X=X, labels=LABELS):
        super().__init__()
        self.register_buffer("X", X)
        self.register_buffer("labels", labels)
        self.sharpness = nn.Parameter(torch.tensor(200.0))

    def forward(self, z, c):
        assert len(z) == len(c)
        near = -self.sharpness * torch.cdist(z, self.X.to(z)).square()
        near = near.masked_fill(c[:, None] != self.labels[None], -1e9)
        return torch.softmax(near, dim=1) @ self.X.to(z)


def test_every_example_is_an_attractor_at_its_own_label():
    audit = mn.audit_conditional(Attention(), X, LABELS, mn.AuditOptions.of(**SOME))
    assert audit.summary.stored.count == 9
    assert audit.summary.attractors == 9
    assert audit.summary.spurious == 0
    message = audit.summary.conditions
    assert message.values == (0, 1, 2)
    assert message.examples == tuple(LABELS.tolist())
    # Each example's attractor is at its condition, and at the example itself.
    for row in audit.examples.iter_rows(named=True):
        assert message.attractors[row["attractor"]] == message.examples[row["index"]]
        state = audit.pictures["attractors"][row["attractor"]]
        assert torch.allclose(state, X[row["index"]], atol=1e-5)
    assert torch.equal(audit.pictures["examples"], X)


def test_it_is_the_audit_of_each_condition_put_together():
    net = Attention()
    whole = mn.audit_conditional(net, X, LABELS, mn.AuditOptions.of(**SOME))
    unit = whole.summary.unit
    assert unit == pytest.approx(float(X.max() - X.min()))
    for label in range(3):
        rows = (label == LABELS).nonzero()[:, 0]

        def f(z, label=label):
            return net(z, torch.full((len(z),), label))

        own = mn.audit(f, X[rows], mn.AuditOptions.of(**SOME, unit=unit))
        mine = whole.examples[rows.tolist()]
        for column in ("residual", "spectral_radius", "stored", "recall_rate", "upper"):
            assert mine[column].to_list() == pytest.approx(own.examples[column].to_list()), column
    assert whole.starts["starts"].to_list() == [3 * n for n in own.starts["starts"]]
    rates = whole.summary.controls.trained
    assert rates.stored.total == 9
    assert rates.settled.total == 300


def test_a_label_decides_where_the_same_state_leads():
    # One state at two labels: each label has another attractor near to it.
    pair = torch.tensor([[0.2, 0.8], [0.2, 0.8]])
    ends = torch.tensor([[0.0, 1.0], [0.2, 0.8]])

    def f(z, c):
        return 0.5 * (z + ends[c].to(z))

    audit = mn.audit_conditional(f, pair, torch.tensor([0, 1]), mn.AuditOptions.of(**SOME))
    assert audit.examples["stored"].to_list() == [False, True]
    # The attractor of label 1 lies at both: who can choose the label gets the state.
    assert audit.examples["disclosed"].to_list() == [True, True]
    assert audit.summary.spurious == 1
    assert (audit.summary.disclosed.count, audit.summary.disclosed.total) == (2, 2)


def test_near_examples_of_two_labels_do_not_compete():
    # A thousandth of the unit apart: too near for attractors of one map to be distinguished.
    near = torch.tensor([[0.0, 1.0], [1e-6, 1.0]])
    audit = mn.audit_conditional(
        lambda z, c: near[c].to(z) + 0 * z, near, torch.arange(2), mn.AuditOptions.of(**SOME)
    )
    assert audit.summary.stored.count == 2
    assert audit.summary.indistinguishable == 0


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_conditions_of_any_shape_and_dtype_arrive_as_they_are(shape, dtype):
    conditions = torch.arange(4).reshape(-1, *(1 for _ in shape)).expand(4, *shape).to(dtype)
    seen = set()

    def f(z, c):
        seen.add((tuple(c.shape[1:]), c.dtype))
        return 0.5 * z + 0.5 * c.reshape(len(z), -1)[:, :1].to(z)

    targets = torch.arange(4.0)[:, None].expand(4, 2).contiguous()
    audit = mn.audit_conditional(f, targets, conditions, mn.AuditOptions.of(**SOME))
    assert seen == {(shape, dtype)}
    assert audit.summary.stored.count == 4


def test_held_out_data_bring_their_own_conditions(tmp_path):
    audit = mn.audit_conditional(
        Attention(), X, LABELS, mn.AuditOptions.of(**SOME), held_out=(HELD_OUT, HELD_OUT_LABELS)
    )
    table = audit.membership
    assert table["member"].to_list() == [True] * 9 + [False] * 6
    assert table["index"].to_list() == [*range(9), *range(6)]
    net = Attention()
    loss = (net(HELD_OUT, HELD_OUT_LABELS) - HELD_OUT).square().mean(1).sqrt()
    message = table.filter(~table["member"])["residual"].to_list()
    assert message == pytest.approx((loss / audit.summary.unit).tolist(), rel=1e-4)
    assert audit.summary.membership.scores.loss.auc == 1.0
    assert audit.summary.controls.held_out.stored.total == 6
    assert mn.results.Audit.load(audit.save(tmp_path / "a")).verdict == audit.verdict
    assert mn.write_report(audit, tmp_path / "page.html").stat().st_size > 1000


def test_ctrl_c_leaves_the_conditions_that_are_finished(tmp_path):
    begun = []

    def stop(part):
        begun.append(part)
        if part == "condition 3 of 3: controls":
            raise KeyboardInterrupt

    checkpoint = tmp_path / "audit"
    with pytest.raises(Interrupted) as caught:
        mn.audit_conditional(
            Attention(),
            X,
            LABELS,
            mn.AuditOptions.of(**SOME),
            run=mn.AuditRun(checkpoint=checkpoint, on_progress=stop),
        )
    partial = caught.value.result
    assert partial.summary.partial == ("conditions 3 to 3 of 3",)
    assert partial.verdict.startswith("Partial audit")
    assert partial.summary.stored.count == partial.summary.examples == 6
    whole = mn.audit_conditional(
        Attention(), X, LABELS, mn.AuditOptions.of(**SOME), run=mn.AuditRun(checkpoint=checkpoint)
    )
    assert whole.summary.stored.count == 9


def test_a_screening_takes_conditions():
    noise = torch.rand(200, 4, generator=GENERATOR)
    every = torch.cat([noise, X])
    labels = torch.cat([torch.randint(0, 3, (200,), generator=GENERATOR), LABELS])
    found = mn.screen_conditional(
        Attention(),
        every,
        labels,
        mn.ScreenOptions(sample=5, suspicious=9, audit=mn.AuditOptions.of(**SOME)),
    )
    assert sorted(found.suspicious_rows) == list(range(200, 209))
    assert found.summary.suspicious.stored == 9
    net = Attention()
    z = every
    for _ in range(8):
        z = net(z, labels)
    drift = (z - every).square().mean(1).sqrt() / found.summary.unit
    assert found.table["drift"].to_list() == pytest.approx(drift.tolist(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"conditions": LABELS[:5]}, r"conditions of shape \(5,\) for 9 states"),
        ({"conditions": torch.tensor(1)}, r"conditions of shape \(\) for 9 states"),
        ({"conditions": torch.full((9,), torch.nan)}, "NaN or infinity in conditions"),
        ({"held_out": HELD_OUT}, "held_out without conditions"),
        ({"held_out": (HELD_OUT, HELD_OUT_LABELS + 1)}, r"that no example has: \[\[3\]\]"),
        ({"options": mn.AuditOptions.of(**SOME, unit="per_feature")}, "per_feature"),
        ({"run": mn.AuditRun(among=X)}, "among"),
    ],
)
def test_what_does_not_fit_is_refused(given, message):
    given = {"conditions": LABELS, "options": mn.AuditOptions.of(**SOME), **given}
    with pytest.raises(mn.MnemoscopeError, match=message):
        mn.audit_conditional(Attention(), X, **given)


def test_a_self_map_takes_no_conditions():
    with pytest.raises(mn.MnemoscopeError, match="a SelfMap with conditions"):
        mn.audit_conditional(mn.SelfMap(lambda z: z, shape=(4,)), X, LABELS)


def test_a_condition_without_held_out_data_has_no_scores():
    some = HELD_OUT_LABELS < 2
    audit = mn.audit_conditional(
        Attention(),
        X,
        LABELS,
        mn.AuditOptions.of(**SOME),
        held_out=(HELD_OUT[some], HELD_OUT_LABELS[some]),
    )
    members = audit.membership.filter("member")["index"].to_list()
    assert members == (LABELS < 2).nonzero()[:, 0].tolist()
    assert audit.summary.membership.members == 6


def test_parts_may_be_left_out():
    parts = ("controls", "membership")
    audit = mn.audit_conditional(
        Attention(),
        X,
        LABELS,
        mn.AuditOptions.of(**SOME),
        held_out=(HELD_OUT, HELD_OUT_LABELS),
        run=mn.AuditRun(leaves_out=parts.__contains__),
    )
    assert audit.summary.left_out == ("membership", "controls")
    assert audit.summary.controls is None
    assert audit.summary.membership is None
