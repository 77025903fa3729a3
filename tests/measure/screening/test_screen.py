"""Screening, on maps that are known to store certain examples."""

import math

import polars as pl
import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.base.unit import unit_of
from mnemoscope.measure.screening import whole_set_rate
from mnemoscope.measure.screening_pass import (
    EVALUATIONS,
    Drift,
    drawn,
    drift,
    first_distinct,
    order_of,
    plan,
)
from mnemoscope.results.report_format import report_json
from mnemoscope.results.screen import SCREEN

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

BRIEF = {"starts": 20, "trials": 1, "certificates": 0, "max_products": 50, "max_steps": 200}


def uniform(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wells(points, rate=0.5):
    """Contracts towards the nearest of some points, each of which is an attractor."""

    def f(z):
        own = points[torch.cdist(z.flatten(1), points.flatten(1)).argmin(1)]
        return own + rate * (z - own)

    return mn.SelfMap(f, points.shape[1:], dtype=points.dtype)


@pytest.fixture(scope="module")
def found():
    """Five hundred examples; the map stores every fiftieth."""
    X = uniform(500, 6)
    outcome = []
    result = mn.screen(
        wells(X[::50]),
        X,
        mn.ScreenOptions(sample=40, suspicious=15, audit=mn.AuditOptions.of(**BRIEF)),
        seed=3,
        run=mn.AuditRun(on_progress=outcome.append),
    )
    return X, result, outcome


def test_the_table_has_a_row_for_each_example(found):
    X, result, _ = found
    table = result.table
    assert dict(table.schema) == SCREEN
    assert table["index"].to_list() == list(range(500))
    f, unit = wells(X[::50]), unit_of(X)
    z = X
    for step in range(1, 10):
        before, z = z, f(z)
        if step == 1:
            residual = (z - X).square().mean(1).sqrt() / unit
        if step == 8:
            away = (z - X).square().mean(1).sqrt() / unit
    last = (z - before).square().mean(1).sqrt() / unit
    for name, expected in (("residual", residual), ("drift", away), ("step", last)):
        assert torch.allclose(torch.tensor(table[name].to_list()).double(), expected, atol=1e-12)
    assert result.to_frame() is table


def test_the_most_suspicious_are_those_that_are_stored(found):
    _, result, _ = found
    stored = list(range(0, 500, 50))
    assert sorted(result.suspicious_rows[:10]) == stored
    assert result.table.filter(pl.col("rank") <= 10)["index"].sort().to_list() == stored
    audited = dict(zip(result.suspicious_rows, result.suspicious.examples["stored"], strict=True))
    assert [row for row, value in audited.items() if value] == result.suspicious_rows[:10]
    assert result.summary.suspicious.stored == 10
    assert result.summary.suspicious.examples == 15
    # They were selected: no interval.


def test_the_sample_gives_an_interval_for_all(found):
    _, result, _ = found
    rows = result.sample_rows
    assert rows == drawn(500, 40, 3).tolist()
    assert len(set(rows)) == 40
    stored = sum(row % 50 == 0 for row in rows)
    rate = result.rates["stored"]
    assert (rate.count, rate.total, rate.whole) == (stored, 40, 500)
    assert rate.low <= 10 / 500 <= rate.high
    assert result.rates["contractive"].count == 40
    assert result.sample.provenance["data"]["rows"] == rows
    assert "These are 40 of 500 training examples" in result.sample.verdict
    report = report_json(result.sample)
    assert report["summary"]["among"] == 500


def test_attractors_at_examples_outside_of_the_sample_are_not_spurious(found):
    _, result, _ = found
    # All ten wells are examples, and noise finds all of them; the sample has hardly any.
    assert len(result.sample.attractors) == 10
    assert result.sample.summary.spurious == 0
    assert not result.sample.attractors["spurious"].any()
    starts = result.sample.starts
    assert starts["at_spurious"].sum() == 0
    assert starts["at_examples"].sum() > 0
    # So these examples are disclosed although they were not audited.
    assert result.summary.disclosed == tuple(range(0, 500, 50))
    assert set(result.table.filter("stored")["index"]) <= set(range(0, 500, 50))


def test_an_attractor_at_no_example_is_spurious():
    X = uniform(200, 6)
    wells_of = torch.cat([X[:1], X.new_full((1, 6), 3.0)])
    result = mn.screen(
        wells(wells_of),
        X,
        mn.ScreenOptions(sample=20, suspicious=5, audit=mn.AuditOptions.of(**BRIEF, unit=1.0)),
        held_out=X.new_full((2, 6), 2.9),
    )
    assert result.sample.summary.spurious == 1
    assert result.summary.disclosed == (0,)


def test_match_radii_are_those_of_the_whole_set():
    # Each example has a twin 0.004 away, so each attractor must lie within 0.001: these lie at
    # 0.002, between the two, and store none. In the sample alone hardly any twin is seen.
    base = uniform(100, 6)
    X = torch.cat([base, base + 0.004])
    result = mn.screen(
        wells(base + 0.002),
        X,
        mn.ScreenOptions(sample=20, suspicious=10, audit=mn.AuditOptions.of(**BRIEF, unit=1.0)),
    )
    assert result.rates["stored"].count == 0
    assert result.rates["disclosed"].count == 20
    alone = mn.audit(wells(base + 0.002), X[:5], mn.AuditOptions.of(**BRIEF, unit=1.0))
    assert alone.summary.stored.count == 5


def test_the_unit_is_that_of_all_examples():
    X = uniform(300, 4)
    X[299] = 10.0
    few = mn.screen(
        wells(X[:1]), X, mn.ScreenOptions(sample=5, suspicious=2, audit=mn.AuditOptions.of(**BRIEF))
    )
    assert few.summary.unit == pytest.approx(unit_of(X))
    assert few.sample.summary.unit == pytest.approx(unit_of(X))


def test_duplicates_do_not_crowd_out_the_others():
    X = uniform(60, 5)
    X = torch.cat([X[:1].repeat(200, 1), X])
    result = mn.screen(
        wells(X[[0, 230]]),
        X,
        mn.ScreenOptions(sample=30, suspicious=4, audit=mn.AuditOptions.of(**BRIEF)),
    )
    assert len(result.suspicious_rows) == 4
    assert sum(row < 201 for row in result.suspicious_rows) == 1
    assert 0 in result.suspicious_rows
    assert 230 in result.suspicious_rows
    # In the sample each copy is an example of its own: the share is that of rows.
    copies = sum(row < 201 for row in result.sample_rows)
    assert copies > 1
    assert result.rates["stored"].count == copies + (230 in result.sample_rows)


def test_a_small_set_is_audited_whole():
    X = uniform(12, 5)
    result = mn.screen(wells(X[:3]), X, mn.ScreenOptions(audit=mn.AuditOptions.of(**BRIEF)))
    assert result.sample_rows == list(range(12))
    assert sorted(result.suspicious_rows) == list(range(12))
    rate = result.rates["stored"]
    assert (rate.count, rate.low, rate.high) == (3, 3 / 12, 3 / 12)


def test_the_same_seed_gives_the_same(found):
    X, result, _ = found
    again = mn.screen(
        wells(X[::50]),
        X,
        mn.ScreenOptions(sample=40, suspicious=15, audit=mn.AuditOptions.of(**BRIEF)),
        seed=3,
    )
    assert again.table.equals(result.table)
    assert again.rates == result.rates
    assert drawn(500, 40, 4).tolist() != drawn(500, 40, 3).tolist()


def test_the_cost_is_reported_before_the_pass(found, caplog):
    caplog.set_level("INFO", logger="mnemoscope")
    _, result, outcome = found
    assert outcome[0].startswith("screening 500 examples: 4,500 evaluations in batches of ")
    assert "about" in outcome[0]
    assert "MiB" in outcome[0]
    assert outcome[1] == "audit: a random sample of 40 of 500 examples"
    assert "audit: the most suspicious, selected: 15 of 500 examples" in outcome
    assert result.summary.plan["evaluations"] == 500 * EVALUATIONS
    X = uniform(20, 3)
    mn.screen(
        wells(X[:2]), X, mn.ScreenOptions(sample=2, suspicious=2, audit=mn.AuditOptions.of(**BRIEF))
    )
    assert "screening 20 examples: 180 evaluations" in caplog.text


class Counting(nn.Module):
    """Halves, and counts the states that it was given and the largest batch of them."""

    def __init__(self):
        super().__init__()
        self.seen = self.largest = 0

    def forward(self, z):
        self.seen += len(z)
        self.largest = max(self.largest, len(z))
        return z / 2


def test_a_pass_takes_nine_evaluations_of_each_example_in_batches_within_the_budget():
    X = uniform(1000, 50).float()
    count = Counting().eval()
    f = mn.SelfMap(count, (50,), dtype=torch.float32, budget=2**18, unit=1.0)
    with f.evaluating():
        cost = plan(f, X)
        assert cost.memory <= 2**18
        assert 1 < cost.batch_size < 1000
        count.seen = count.largest = 0
        parts = [drift(f, part) for part in X.split(cost.batch_size)]
    assert count.seen == EVALUATIONS * len(X) == cost.evaluations
    assert count.largest <= cost.batch_size
    assert sum(len(part.drift) for part in parts) == 1000


def test_no_copy_of_the_examples_is_made(monkeypatch):
    X = (uniform(300, 4) * 255).to(torch.uint8)
    read = []
    batch = mn.SelfMap.batch

    def watched(self, Z):
        if Z.dtype == torch.uint8:
            read.append(len(Z))
        return batch(self, Z)

    monkeypatch.setattr(mn.SelfMap, "batch", watched)
    monkeypatch.setattr("mnemoscope.measure.subject.PART", 40)
    monkeypatch.setattr("mnemoscope.measure.screening_pass.BATCH_ENTRIES", 80)
    f = mn.SelfMap(lambda z: z / 2, (4,))
    result = mn.screen(
        f,
        X,
        mn.ScreenOptions(sample=5, suspicious=5, audit=mn.AuditOptions.of(**BRIEF | {"starts": 5})),
    )
    # Whole batches of 20, and single examples.
    assert max(read) == 20
    assert sum(read) >= 2 * 300
    assert result.summary.unit == pytest.approx(unit_of(X))


def test_ties_are_ranked_by_residual_and_then_by_index():
    nan = math.nan
    values = Drift(
        residual=torch.tensor([0.2, 0.1, 0.3, 0.2, 0.0]),
        drift=torch.tensor([0.5, 0.5, 0.1, 0.5, nan]),
        step=torch.zeros(5),
    )
    order = order_of(values)
    assert order.tolist() == [2, 1, 0, 3, 4]


def test_of_equal_examples_the_first_in_order_is_chosen():
    X = torch.tensor([[1.0], [0.0], [-0.0], [1.0], [2.0]])
    f = mn.SelfMap(lambda z: z, (1,))
    assert first_distinct(f, X, torch.tensor([2, 1, 3, 0, 4]), 3).tolist() == [2, 3, 4]
    assert first_distinct(f, X, torch.tensor([2, 1, 3, 0, 4]), 9).tolist() == [2, 3, 4]


def test_orbits_that_leave_the_finite_numbers_are_last_and_null():
    X = uniform(50, 3).float()
    X[7] = 1e-3
    X[7, 0] = -5.0

    def f(z):
        return torch.where(z[:, :1] < -1, z * 1e6, 0.5 * z)

    result = mn.screen(
        f, X, mn.ScreenOptions(sample=5, suspicious=5, audit=mn.AuditOptions.of(**BRIEF, unit=1.0))
    )
    row = result.table.row(7, named=True)
    assert row["residual"] == pytest.approx(5e6 / 3**0.5, rel=1e-3)
    assert (row["drift"], row["step"], row["rank"]) == (None, None, 50)


@pytest.mark.parametrize(
    ("count", "sample", "total", "low", "high"),
    [
        (0, 100, 50_000, 0.0, 0.03699),
        # In a hundred of 110 there are 0: at most 10 of all can be.
        (0, 100, 110, 0.0, 0.03699),
        (0, 100, 102, 0.0, 2 / 102),
        (3, 12, 12, 0.25, 0.25),
        (100, 100, 50_000, 0.96301, 1.0),
    ],
)
def test_the_interval_is_wilsons_cut_to_what_is_certain(count, sample, total, low, high):
    rate = whole_set_rate(count, sample, total)
    assert rate.low == pytest.approx(low, abs=1e-5)
    assert rate.high == pytest.approx(high, abs=1e-5)


def test_it_is_saved_and_loaded_whole(found, tmp_path):
    _, result, _ = found
    folder = result.save(tmp_path / "screen")
    assert {path.name for path in folder.iterdir()} == {
        "screen.parquet", "screen.json", "sample", "suspicious",
    }  # fmt: skip
    again = mn.Screen.load(folder)
    assert again.table.equals(result.table)
    assert again.rates == result.rates
    assert again.summary == result.summary
    assert again.lines() == result.lines()
    assert again.suspicious.examples.equals(result.suspicious.examples)
    (folder / "screen.json").write_text("{")
    with pytest.raises(mn.MnemoscopeError, match=r"the screening in .* cannot be read"):
        mn.Screen.load(folder)
    with pytest.raises(mn.MnemoscopeError, match="no screening in"):
        mn.Screen.load(tmp_path / "absent")


def test_what_it_says_in_a_few_lines(found):
    _, result, _ = found
    lines = result.lines()
    assert any("of a random sample of 40" in line and "of all 500 (95%)" in line for line in lines)
    assert "of the 15 most suspicious, which were selected: 10 stored, 10 disclosed" in lines


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample": 0}, "sample=0"),
        ({"suspicious": -1}, "suspicious=-1"),
        ({"audit": {"unit": 0.0}}, "unit=0"),
        ({"audit": {"among": None}}, "'among'"),
    ],
)
def test_bad_options_are_refused_in_one_line(change, message):
    X = uniform(5, 3)

    def screen(audit=None, **options):
        mn.screen(wells(X), X, mn.ScreenOptions(**options, audit=mn.AuditOptions.of(**audit or {})))

    with pytest.raises(mn.MnemoscopeError, match=message) as outcome:
        screen(**change)
    assert "\n" not in str(outcome.value)


def test_bad_examples_and_maps_are_refused_in_one_line(monkeypatch):
    monkeypatch.setattr("mnemoscope.measure.subject.PART", 9)
    X = uniform(20, 3)
    broken = X.clone()
    broken[17, 2] = math.nan
    with pytest.raises(mn.MnemoscopeError, match=r"in the examples at index \[17, 2\]"):
        mn.screen(wells(X), broken)
    with pytest.raises(mn.MnemoscopeError, match="at least one"):
        mn.screen(wells(X), X[:0])
    with pytest.raises(mn.MnemoscopeError, match=r"states of shape \(1, 4\)"):
        mn.screen(wells(X), uniform(20, 4))
    with pytest.raises(mn.MnemoscopeError, match="NaN or infinity of example 11"):
        mn.screen(
            lambda z: torch.where(z[:, :1] == X[11, 0], torch.nan, z / 2),
            X,
            mn.ScreenOptions(audit=mn.AuditOptions.of(**BRIEF, unit=1.0)),
        )
    generator = torch.Generator().manual_seed(0)
    noisy = mn.SelfMap(lambda z: z + torch.rand(z.shape, generator=generator), (3,), dtype=X.dtype)
    with pytest.raises(mn.MnemoscopeError):
        mn.screen(noisy, X)


def test_an_audit_among_others_refuses_what_is_no_whole_set():
    X = uniform(10, 3)
    with pytest.raises(mn.MnemoscopeError, match="unit='per_feature'"):
        mn.audit(
            wells(X),
            X[:2],
            mn.AuditOptions.of(**BRIEF, unit="per_feature"),
            run=mn.AuditRun(among=X),
        )
    with pytest.raises(mn.MnemoscopeError, match=r"states of shape \(1, 4\)"):
        mn.audit(
            wells(X), X[:2], mn.AuditOptions.of(**BRIEF), run=mn.AuditRun(among=uniform(10, 4))
        )
