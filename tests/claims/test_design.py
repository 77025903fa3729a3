"""Settings are trained and measured as a table: a row for each network."""

import polars as pl
import torch

import mnemoscope as mn
from mnemoscope.claims import Setting, each_network, noise_images, rows_of

X = mn.load_data("digits", n=3)
SPEC = mn.nets.FullyConnected(shape=(1, 8, 8), width=16, depth=2)


def test_a_row_for_each_network_with_its_spec_and_training():
    setting = Setting(
        SPEC, X, [3, 4], levels={"data": "digits"}, training={"max_steps": 20, "lr": [1e-3, 2e-3]}
    )
    rows = rows_of([setting])
    assert rows.select(
        "seed", "depth", "width", "n", "max_steps", "steps", "lr", "data"
    ).rows() == [
        (3, 2, 16, 3, 20, 20, 1e-3, "digits"),
        (4, 2, 16, 3, 20, 20, 2e-3, "digits"),
    ]
    assert not rows["interpolated"].any()
    each = [mn.TrainingOptions(max_steps=20, lr=lr) for lr in (1e-3, 2e-3)]
    replicas = mn.train_replicas(SPEC, X, each, seeds=[3, 4])
    assert rows["loss"].to_list() == replicas.loss.tolist()


def test_measurements_give_one_row_or_several_and_may_have_nothing_to_say():
    def twice(trained):
        for _, own, seed, _ in each_network(trained):
            yield [{"kind": kind, "of": seed + len(own)} for kind in "ab"]

    rows = rows_of(
        [Setting(SPEC, X, [0, 1], training={"max_steps": 20}, measure=(twice, lambda _: [{}, {}]))],
        {"measured": pl.Int64()},
    )
    assert rows.select("seed", "kind", "of").rows() == [
        (0, "a", 3), (0, "b", 3), (1, "a", 4), (1, "b", 4),
    ]  # fmt: skip
    assert rows.schema["measured"] == pl.Int64()


def test_measurements_of_a_sweep_are_of_networks_that_interpolate():
    fitted = Setting(SPEC, X, [0], measure=("stored", "contraction"))
    lost = Setting(SPEC, X, [0], training={"max_steps": 20}, measure=("stored",))
    rows = rows_of([fitted, lost])
    assert rows["interpolated"].to_list() == [True, False]
    assert rows["stored"].is_null().to_list() == [False, True]
    assert rows_of([lost]).schema["stored"] == pl.Int64()
    beyond = Setting(SPEC, X, [0], training={"max_steps": 20}, interpolation=1.0)
    assert rows_of([beyond])["interpolated"].all()


def test_what_diverges_is_a_row_and_no_warning(recwarn):
    rows = rows_of([Setting(SPEC, X, [0], training={"lr": 1e6, "max_steps": 50})])
    assert rows["diverged"].to_list() == [True]
    assert not recwarn.list


def test_noise_is_the_same_for_the_same_seed():
    assert noise_images(2, 3, seed=1).shape == (2, 1, 3, 3)
    assert torch.equal(noise_images(2, 3, seed=1), noise_images(2, 3, seed=1))
    assert not torch.equal(noise_images(1, 3, seed=1), noise_images(1, 3, seed=2))
