import pytest
import torch

import mnemoscope as mn
from mnemoscope.associative import storing
from mnemoscope.associative.comparing import COLUMNS, size_in_bytes
from mnemoscope.associative.storing import noise_for, rate_for, training_for, width_for

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

QUICK = mn.AuditOptions(
    starts=50, trials=2, certificates=0, corruptions={"gaussian": [0.1], "mask_pixels": [0.25]}
)


@pytest.fixture(scope="module")
def digits():
    return mn.load_data("digits", n=10)


@pytest.fixture(scope="module")
def memory(digits):
    return mn.store(digits, mn.StoreOptions(audit=QUICK, steps=1_200))


def test_it_stores_all_and_says_how_sure(memory):
    assert memory.audit.summary.stored.count == memory.audit.summary.stored.total == 10
    assert memory.fit.converged
    assert memory.fit.record.finish.method == "least_squares"
    assert (memory.audit.examples["upper"] < 1).all()


def test_it_recalls_what_is_corrupted(memory, digits):
    generator = torch.Generator().manual_seed(0)
    noisy = digits + 0.1 * torch.randn(digits.shape, generator=generator)
    recalled = memory.recall(noisy)
    distance = (recalled - digits).flatten(1).square().mean(1).sqrt()
    assert (distance < 0.01).sum() >= 9


def test_memories_stand_side_by_side(memory, digits):
    table = memory.to_frame()
    assert dict(table.schema) == COLUMNS
    assert table["memory"].unique(maintain_order=True).to_list() == ["network", "hopfield", "plain"]
    assert table.height == 3 * 2
    network, plain, hopfield = (
        table.filter(memory=name)["bytes"][0] for name in ("network", "plain", "hopfield")
    )
    assert network == plain == size_in_bytes(memory.net)
    # The patterns, and an offset for each.
    assert hopfield == (digits.numel() + len(digits)) * 4
    assert "hopfield" in memory._repr_html_()


def test_without_comparison_there_is_one_memory(digits):
    options = mn.StoreOptions(compare=False, audit=QUICK, steps=600)
    table = mn.store(digits[:4], options, seed=1).table
    assert table["memory"].unique().to_list() == ["network"]


def test_equal_examples_are_one(digits):
    X = torch.cat([digits[:3], digits[:1]])
    memory = mn.store(X, mn.StoreOptions(compare=False, audit=QUICK, steps=600))
    assert memory.audit.summary.stored.total == 3
    assert memory.audit.summary.stored.count == 3


def test_attempts_go_on_until_all_are_stored(digits, monkeypatch):
    seen = []

    def fitted(options, name):
        assert name == f"attempt-{len(seen) + 1}"
        seen.append((options.max_steps, options.noise))
        net = mn.nets.FullyConnected(shape=(1, 8, 8), width=8, depth=2).build(seed=0)
        return net, "fit"

    counts = iter([3, 7, 5])
    monkeypatch.setattr(storing, "stored_examples", lambda f, X: torch.arange(10) < next(counts))
    training = mn.TrainingOptions(max_steps=100, noise=0.4)
    storing._best(fitted, digits, training, 3)
    assert seen == [(100, 0.4), (200, 0.2), (400, 0.1)]


def test_choices():
    assert [width_for(n) for n in (1, 100, 129, 500, 10**6)] == [256, 256, 512, 1024, 4096]
    X = torch.tensor([[0.0, 0.0], [0.0, 0.2], [1.0, 1.0], [1.0, 0.8]])
    # Neighbours at 0.2 / sqrt(2) (RMS), the unit is 1.
    assert noise_for(X) == pytest.approx(0.2 / 2**0.5, rel=1e-6)
    assert noise_for(100 * X) == pytest.approx(noise_for(X), rel=1e-6)
    assert noise_for(X[:1]) == storing.LARGEST_NOISE
    training = training_for(torch.eye(40), mn.StoreOptions(noise=0.05), 256, seed=7)
    assert (training.batch_size, training.noise, training.seed) == (8, 0.05, 7)
    # Adam's own rate up to 256 units, beyond it by the square root of the width.
    assert [rate_for(width) for width in (8, 256, 1024)] == pytest.approx([1e-3, 1e-3, 5e-4])
    assert training.lr == rate_for(256)


def test_sequence_is_one_cycle(digits):
    X = digits[:5]
    memory = mn.store_sequence(X, mn.StoreOptions(compare=False, audit=QUICK, steps=1_500))
    orbits = mn.iterate(memory.net, X)
    assert orbits.period.tolist() == [5] * 5
    assert memory.audit.summary.stored.count == 5
    following = memory.net(X)
    assert (following - X.roll(-1, 0)).square().mean() < 1e-8


def test_sequence_with_a_repetition_is_refused(digits):
    with pytest.raises(mn.MnemoscopeError) as refused:
        mn.store_sequence(torch.cat([digits[:2], digits[:1]]))
    assert refused.value.field == "X"


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 0), ("depth", 1), ("noise", -0.1), ("steps", 0), ("attempts", 0)],
)
def test_option_out_of_range(field, value):
    with pytest.raises(mn.MnemoscopeError) as refused:
        mn.StoreOptions(**{field: value})
    assert refused.value.field == field
