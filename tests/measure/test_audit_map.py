import copy
import math

import polars as pl
import pytest
import torch

import mnemoscope as mn
from mnemoscope.data import corrupt
from mnemoscope.results.summary import SpanDistance, Summary
from mnemoscope.results.tables import SCHEMAS
from tests.known_maps import KNOWN_MAPS

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

CYCLES = [m for m in KNOWN_MAPS if m.name.startswith("planted")]


def normal(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def doubled(z):
    return torch.tanh(2 * z)


def brief(f, X, **options):
    return mn.audit(f, X, mn.AuditOptions.of(**{"starts": 60, "trials": 4} | options))


# Every audit, whatever the map.


@pytest.fixture(params=["audited", "corners"])
def any_audit(request):
    found = request.getfixturevalue(request.param)
    return found[1] if isinstance(found, tuple) else found


def test_tables_have_the_columns_and_types_they_are_said_to_have(any_audit):
    for name, schema in SCHEMAS.items():
        table = getattr(any_audit, name)
        assert dict(table.schema) == schema, name


def test_every_start_is_counted_once(any_audit):
    fates = [
        "at_examples", "at_spurious", "at_cycles", "unsettled", "diverged", "left_domain",
        "not_attracting",
    ]  # fmt: skip
    table = any_audit.starts
    assert table.select(pl.sum_horizontal(fates)).to_series().to_list() == table["starts"].to_list()
    assert (table.select(fates) >= 0).to_numpy().all()
    ended = any_audit.basins.group_by("kind").agg(pl.col("starts").sum()).sort("kind")
    settled = (
        table.select("kind", n=pl.sum_horizontal(fates[:3])).sort("kind").filter(pl.col("n") > 0)
    )
    assert ended["starts"].to_list() == settled["n"].to_list()


def test_rates_stand_within_their_intervals(any_audit):
    for name, of in (("recall", "rate"), ("curves", "rate"), ("basins", "fraction")):
        table = getattr(any_audit, name)
        assert ((table["low"] <= table[of]) & (table[of] <= table["high"])).all()
    low, high = mn.wilson(
        torch.tensor(any_audit.recall["recalled"].to_list()),
        torch.tensor(any_audit.recall["trials"].to_list()),
    )
    assert any_audit.recall["low"].to_list() == low.tolist()
    assert any_audit.recall["high"].to_list() == high.tolist()


def test_curves_are_the_sums_over_examples(any_audit):
    sums = any_audit.recall.group_by("corruption", "strength", maintain_order=True).agg(
        pl.col("trials").sum(), pl.col("recalled").sum()
    )
    assert any_audit.curves.select(sums.columns).equals(sums)


def test_basins_of_attractors_are_pooled_over_the_noise(any_audit):
    noise = any_audit.basins.filter(~pl.col("kind").is_in(["bred", "corrupted", "held_out"]))
    pooled = dict(noise.group_by("attractor").agg(pl.col("starts").sum()).iter_rows())
    for row in any_audit.attractors.iter_rows(named=True):
        assert row["starts"] == pooled.get(row["id"], 0)
    assert any_audit.attractors["starts"].is_sorted(descending=True)
    assert any_audit.attractors["basin_fraction"].sum() == pytest.approx(1.0)


def test_the_recall_of_an_example_is_that_at_the_noise_of_the_verdict(any_audit):
    at = any_audit.recall.filter((pl.col("corruption") == "gaussian") & (pl.col("strength") == 0.1))
    assert any_audit.examples["recall_rate"].to_list() == at["rate"].to_list()


def test_the_summary_is_json(any_audit):
    assert Summary.model_validate_json(any_audit.summary.model_dump_json()) == any_audit.summary


# Maps whose answers are known.


def test_corners_are_stored_and_what_is_no_corner_is_not(corners):
    X, audit = corners
    assert audit.examples["stored"].to_list() == [True, True, True, False]
    # The fourth's orbit goes to the first corner.
    assert audit.examples["attractor"][3] == audit.examples["attractor"][0]
    corner = float(X[0, 0])
    unit = audit.summary.unit
    assert unit == pytest.approx(float(X.max() - X.min()))
    distance = audit.examples["fixed_point_distance"][3]
    assert distance == pytest.approx(corner / 2 / unit, abs=1e-5)
    slope = 2 * (1 - corner**2)
    # X is float32: the slope at it is off by a few of its roundings.
    assert audit.examples["spectral_radius"][0] == pytest.approx(slope, abs=1e-5)
    assert audit.examples["fixed_point_spectral_radius"][3] == pytest.approx(slope, abs=1e-5)
    assert audit.examples["operator_norm"][0] == pytest.approx(slope, abs=1e-5)
    residual = (math.tanh(corner) - corner / 2) / unit
    assert audit.examples["residual"][3] == pytest.approx(residual, abs=1e-6)
    assert audit.summary.stored.count == 3
    # Of the eight corners five are no example; there is nothing else to find.
    assert audit.summary.attractors == 8
    assert (audit.summary.spurious, audit.summary.cycles) == (5, 0)
    assert audit.attractors["spurious"].sum() == 5
    assert audit.examples["basin_fraction"][3] is None
    assert audit.examples["basin_fraction"].sum() == pytest.approx(
        audit.attractors.filter(~pl.col("spurious"))["basin_fraction"].sum()
    )


def test_recall_of_corners_is_that_of_signs(corners):
    # A start ends at the corner of its signs, so the same copies can be judged by hand.
    X, audit = corners
    generator = torch.Generator().manual_seed(3)
    for kind, strength in audit.curves.select("corruption", "strength").iter_rows():
        copies = corrupt(X, kind, strength, generator=generator, trials=50)
        right = (copies.sign() == X.sign()).all(-1).sum(0)
        rows = audit.recall.filter(
            (pl.col("corruption") == kind) & (pl.col("strength") == strength)
        )
        assert rows["recalled"].to_list() == [*right[:3].tolist(), 0], (kind, strength)


@pytest.mark.parametrize("known", CYCLES, ids=str)
def test_examples_on_a_cycle_are_stored_by_it(known):
    X = known.attractors[0].float()
    audit = brief(known.self_map(torch.float32), X)
    assert audit.attractors["period"].to_list() == [len(X)]
    assert audit.attractors["kind"].to_list() == ["cycle"]
    assert audit.attractors["spurious"].to_list() == [False]
    assert audit.examples["stored"].all()
    assert set(audit.examples["attractor"]) == {0}
    assert audit.summary.reached.count == len(X)
    # An orbit that ends on the cycle has reached every example on it.
    assert audit.starts.filter(pl.col("kind") == "uniform")["examples_reached"].to_list() == [
        len(X)
    ]
    assert audit.starts["at_cycles"].sum() == 0
    assert audit.examples["recall_rate"].to_list() == [1.0] * len(X)


def test_a_cycle_that_is_no_example_is_spurious():
    known = CYCLES[0]
    audit = brief(known.self_map(torch.float32), known.attractors[0].float() + 5)
    assert (audit.summary.stored.count, audit.summary.cycles) == (0, 1)
    assert audit.summary.spurious == 0
    row = audit.starts.filter(pl.col("kind") == "uniform").row(0, named=True)
    assert row["at_cycles"] == row["starts"] == 60
    assert "; 1 limit cycle was found, " in audit.verdict


def test_the_identity_stores_nothing():
    audit = brief(lambda z: z, normal(4, 3))
    assert audit.examples["residual"].to_list() == [0.0] * 4
    assert not audit.examples["stored"].any()
    assert audit.examples["attractor"].to_list() == [-1] * 4
    for column in ("fixed_point_distance", "fixed_point_spectral_radius", "basin_fraction"):
        assert audit.examples[column].to_list() == [None] * 4
    assert len(audit.attractors) == len(audit.basins) == 0
    assert audit.starts["not_attracting"].to_list() == audit.starts["starts"].to_list()
    assert audit.verdict == "None of the 4 training examples is stored as an attractor."


def test_a_constant_stores_the_example_it_is():
    X = normal(4, 3)
    audit = brief(lambda z: X[2].expand_as(z), X)
    assert audit.examples["stored"].to_list() == [False, False, True, False]
    assert audit.attractors.select("nearest_example", "basin_fraction", "spurious").rows() == [
        (2, 1.0, False)
    ]
    assert audit.attractors["spectral_radius"].to_list() == [0.0]


def test_a_diverging_map_stores_nothing():
    # Not masked: 0 is a fixed point.
    audit = brief(lambda z: 2 * z, normal(4, 3), corruptions={"gaussian": [0.1]})
    assert audit.starts["diverged"].to_list() == audit.starts["starts"].to_list()
    assert (audit.summary.stored.count, audit.summary.attractors) == (0, 0)


def test_a_map_that_is_finite_near_the_examples_alone_is_audited():
    X = normal(4, 3).clamp(-0.9, 0.9)
    audit = brief(lambda z: torch.where(z.abs() > 1, z / 0, z / 2), X)
    assert audit.starts.filter(pl.col("kind") == "gaussian")["diverged"][0] > 0
    assert audit.summary.attractors == 1


def test_a_map_that_is_finite_at_no_fresh_input_is_audited():
    X = normal(1, 3)
    audit = brief(lambda z: torch.where((z - X).abs() < 1e-6, z, z / 0), X)
    assert audit.summary.span_distance == SpanDistance(median=None, inputs=0)


def test_starts_that_never_settle_are_reported():
    # A rotation by an irrational angle, and too few steps for a return to show.
    c, s = math.cos(1.0), math.sin(1.0)
    A = torch.tensor([[c, -s], [s, c]])
    audit = brief(lambda z: z @ A.T, normal(3, 2), max_steps=20, corruptions={"gaussian": [0.1]})
    assert audit.starts["unsettled"].to_list() == audit.starts["starts"].to_list()
    assert audit.summary.unsettled.count == audit.summary.unsettled.total == 5 * 60


# A small trained network.


def test_a_trained_network(audited, trained, digits):
    assert audited.summary.interpolated
    assert audited.summary.stored.count >= 3
    with torch.no_grad():
        residual = (trained(digits) - digits).double().square().mean((1, 2, 3))
    assert audited.examples["loss"].to_list() == pytest.approx(residual.tolist(), rel=1e-4)
    assert audited.summary.training_loss == pytest.approx(trained.training_record.loss, rel=1e-3)
    assert audited.examples["spectral_radius"].to_list() == pytest.approx(
        mn.spectral_radius(trained, digits).tolist(), rel=1e-4
    )
    assert len(audited.spectra) == 5 * 6
    leading = audited.spectra.filter(pl.col("rank") == 0)["modulus"]
    assert leading.to_list() == audited.examples["spectral_radius"].to_list()
    assert len(audited.history) == len(trained.training_record.history)
    assert audited.provenance["spec"]["width"] == 64
    assert audited.provenance["data"] == {"name": "digits"}
    assert audited.provenance["settings"]["held_out"] == 3
    assert audited.starts.filter(pl.col("kind") == "held_out")["starts"].to_list() == [3]
    assert audited.provenance["data_checksum"] == trained.training_record.data_checksum
    assert trained.training


def test_recall_is_that_of_a_plain_loop(audited, trained, digits):
    """The same copies, a thousand iterations of the network, the nearest attractor."""
    attractors = audited.pictures["attractors"]
    own, stored = audited.examples["attractor"], audited.examples["stored"]
    generator = torch.Generator().manual_seed(0)
    for kind, strength in audited.curves.select("corruption", "strength").iter_rows():
        z = corrupt(digits, kind, strength, generator=generator, trials=4).flatten(0, 1)
        with torch.no_grad():
            for _ in range(1000):
                z = trained(z)
        nearest = torch.cdist(z.flatten(1), attractors.flatten(1)).argmin(1).reshape(4, 5)
        right = [
            int((nearest[:, i] == own[i]).sum()) if stored[i] else 0 for i in range(len(digits))
        ]
        rows = audited.recall.filter(
            (pl.col("corruption") == kind) & (pl.col("strength") == strength)
        )
        assert rows["recalled"].to_list() == right, (kind, strength)


def test_pictures_are_those_of_the_tables(audited, trained, digits):
    pictures = audited.pictures
    assert torch.equal(pictures["examples"], digits)
    assert len(pictures["attractors"]) == len(audited.attractors)
    for row in audited.attractors.iter_rows(named=True):
        away = pictures["attractors"][row["id"]] - digits[row["nearest_example"]]
        assert float(away.square().mean().sqrt()) == pytest.approx(row["distance"], rel=1e-4)
    frames, message = pictures["recall_frames"], audited.summary.recall_frames
    assert (message.corruption, message.strength) == ("mask_pixels", 0.25)
    assert frames.shape == (5, len(message.steps) + 1, 1, 8, 8)
    z = frames[:, 0]
    with torch.no_grad():
        for step in range(max(message.steps) + 1):
            if step in message.steps:
                assert torch.allclose(z, frames[:, message.steps.index(step)], atol=1e-5)
            z = trained(z)
    pulled = audited.summary.noise_frames.examples
    ends = pictures["noise_frames"][:, -1]
    assert pulled
    # An orbit ends within 1e-6 of its image, and an attractor stores what is within 1e-2.
    assert (ends - digits[list(pulled)]).flatten(1).square().mean(1).sqrt().max() < 1.1e-2


def test_the_plane_goes_through_three_examples(audited, trained, digits):
    place, table = audited.summary.plane, audited.plane
    a, b, c = (digits[i].flatten() for i in place.examples)
    points = torch.tensor(place.points)
    # In RMS units: distances on the plane are RMS distances of the pictures.
    assert torch.allclose(torch.pdist(points), torch.pdist(torch.stack([a, b, c])) / 8, atol=1e-5)
    for point, example in zip(place.points, place.examples, strict=True):
        if audited.examples["stored"][example]:
            near = table.with_columns(
                d=(pl.col("u") - point[0]) ** 2 + (pl.col("v") - point[1]) ** 2
            ).sort("d")
            assert near["attractor"][0] == audited.examples["attractor"][example]


def test_the_same_seed_gives_the_same_numbers(digits, trained):
    options = {"corruptions": {"gaussian": [0.8]}, "starts": 20, "trials": 2}
    one, same, other = (
        mn.audit(trained, digits, mn.AuditOptions.of(**options), seed=seed) for seed in (1, 1, 2)
    )
    for name in SCHEMAS:
        assert getattr(one, name).equals(getattr(same, name)), name
    assert not one.basins.equals(other.basins) or not one.recall.equals(other.recall)
    assert all(torch.equal(one.pictures[k], same.pictures[k]) for k in one.pictures)
    varying = {"seconds"}
    assert {k: v for k, v in one.summary if k not in varying} == {
        k: v for k, v in same.summary if k not in varying
    }


def test_a_network_fitted_to_a_sequence_has_been_trained_to_interpolation(digits):
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="sigmoid").build(
        seed=0
    )
    fit = mn.train(net, digits[:3], targets=digits[:3].roll(-1, 0))
    audit = brief(net, digits[:3], corruptions={}, starts=20)
    assert audit.summary.loss > 1e-3
    assert audit.summary.interpolated
    assert audit.summary.training_loss == fit.loss
    assert audit.summary.stored.count == 3
    assert "Not trained" not in audit.verdict


def test_weights_changed_after_the_training_are_reported_by_their_own_loss(trained, digits):
    net = copy.deepcopy(trained)
    with torch.no_grad():
        net.body.linear_4.bias += 0.1
    audit = brief(net, digits, corruptions={}, starts=20)
    assert not audit.summary.interpolated
    assert audit.summary.training_loss == pytest.approx(0.01, rel=0.01)


def test_duplicates_are_reported_and_reached_together():
    corner = torch.tensor([0.957504] * 2)
    X = torch.stack([corner, -corner, corner])
    audit = brief(doubled, X)
    assert audit.summary.duplicates == ((0, 2),)
    # Exact duplicates are one example.
    assert audit.summary.stored.total == 2
    assert audit.summary.reached.count == 2
    assert audit.starts["examples_reached"].max() == 2
    assert audit.examples["attractor"][0] == audit.examples["attractor"][2]


def test_the_callers_examples_may_change_afterwards():
    X = normal(3, 2)
    audit = brief(doubled, X, corruptions={})
    before = X.clone()
    X.zero_()
    assert torch.equal(audit.pictures["examples"], before)


@pytest.mark.parametrize("n", [1, 2])
def test_few_examples(n):
    audit = brief(doubled, normal(n, 3))
    assert len(audit.examples) == n
    assert len(audit.plane) == 0
    assert audit.summary.plane is None
    assert ("mix" in audit.curves["corruption"].to_list()) == (n > 1)


def test_nothing_but_the_examples():
    audit = brief(doubled, normal(3, 2), corruptions={}, start_kinds=())
    assert len(audit.starts) == len(audit.recall) == len(audit.curves) == 0
    assert audit.summary.recalled is None
    assert audit.summary.recall_frames is None
    assert audit.examples["recall_rate"].to_list() == [None] * 3
    assert audit.summary.reached.starts == 0
    assert "noise" not in audit.verdict


def test_a_strength_given_twice_is_tried_once():
    audit = brief(doubled, normal(3, 2), corruptions={"gaussian": (0.1, 0.1)})
    assert len(audit.recall) == 3


def test_pictures_only_corruptions_are_for_pictures(audited, corners):
    assert set(corners[1].curves["corruption"]) == {
        "gaussian", "salt_and_pepper", "mask_pixels", "mix"
    }  # fmt: skip


# What is refused, before any work is done.


def untouched(_):
    raise AssertionError("work was begun")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"starts": 0}, "starts=0"),
        ({"starts": 1.5}, "starts=1.5"),
        ({"trials": 0}, "trials=0"),
        ({"seed": -1}, "seed=-1"),
        ({"spectrum_size": 0}, "spectrum_size=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"match_tol": 0.0}, "match_tol=0.0"),
        ({"match_tol": math.nan}, "match_tol=nan"),
        ({"start_kinds": ["uniform", "violet"]}, "start_kinds='violet'"),
        ({"corruptions": {"fog": [0.1]}}, "kind='fog'; expected one of gaussian"),
        ({"corruptions": {"gaussian": [0.1, -1.0]}}, "strength=-1.0"),
        ({"corruptions": {"gaussian": 0.1}}, "strengths 0.1 of the corruption 'gaussian'"),
        ({"corruptions": {"blur": [1.0]}}, "blur of states of shape"),
        ({"held_out": torch.ones(2, 4)}, r"states of shape \(2, 4\)"),
        ({"held_out": torch.ones(0, 3)}, "the held-out data of shape"),
        ({"held_out": torch.full((2, 3), math.nan)}, r"the held-out data at index \[0, 0\]"),
    ],
    ids=str,
)
def test_options_out_of_range(options, match):
    run = mn.AuditRun(on_progress=untouched)
    data = {name: options[name] for name in ("seed", "held_out") if name in options}
    tried = {name: value for name, value in options.items() if name not in data}

    def audit():
        mn.audit(doubled, normal(4, 3), mn.AuditOptions.of(**tried), run=run, **data)

    with pytest.raises(mn.MnemoscopeError, match=match) as error:
        audit()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (
            normal(4, 3).index_put((torch.tensor(1), torch.tensor(2)), torch.tensor(math.nan)),
            r"\[1, 2\]",
        ),
        (normal(4, 3) / 0, r"infinity in the examples at index \[0, 0\]"),
        (torch.full((2, 3), 1e300, dtype=torch.float64), "within the range of torch.float32"),
        (torch.empty(0, 3), r"the examples of shape \(0, 3\)"),
        (torch.ones(3), "shape="),
        (torch.tensor(1.0), "shape="),
    ],
    ids=["NaN", "infinity", "too large", "empty", "one state", "a number"],
)
def test_examples_out_of_range(X, match):
    with pytest.raises(mn.MnemoscopeError, match=match):
        mn.audit(doubled, X, run=mn.AuditRun(on_progress=untouched))


def test_examples_of_another_shape(trained):
    with pytest.raises(mn.MnemoscopeError, match=r"\(1, 1, 9, 9\)"):
        mn.audit(trained, torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(0)))
    f = mn.SelfMap(doubled, shape=(3,))
    with pytest.raises(mn.MnemoscopeError, match=r"states of shape \(2, 4\)"):
        mn.audit(f, normal(2, 4))


def test_a_map_that_breaks_at_an_example():
    X = normal(4, 3)
    with pytest.raises(mn.MnemoscopeError, match="NaN or infinity of example 2"):
        mn.audit(lambda z: torch.where(z == X[2], math.nan, z / 2), X)
