import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data import CORRUPTIONS, corrupt

PICTURES = 0.1 + 0.8 * torch.rand(4, 3, 6, 8, generator=torch.Generator().manual_seed(0))
VECTORS = 0.1 + 0.8 * torch.rand(4, 50, generator=torch.Generator().manual_seed(1))

every_kind = pytest.mark.parametrize("kind", CORRUPTIONS)
picture_kinds = [name for name, corruption in CORRUPTIONS.items() if corruption.pictures_only]
random_kinds = ["gaussian", "salt_and_pepper", "mask_pixels", "mask_block", "mix"]


def test_the_registry():
    assert list(CORRUPTIONS) == [
        "gaussian", "salt_and_pepper", "mask_pixels", "mask_block", "mask_lower_half", "blur",
        "mix",
    ]  # fmt: skip
    assert picture_kinds == ["mask_block", "mask_lower_half", "blur"]


@every_kind
def test_each_has_a_label_and_strengths_for_a_curve(kind):
    corruption = CORRUPTIONS[kind]
    assert corruption.name == corruption.label.name == kind
    assert "{" not in corruption.label.describe(0.25)
    assert list(corruption.strengths) == sorted(set(corruption.strengths))
    assert all(0 < s <= corruption.high for s in corruption.strengths)


@every_kind
def test_trials_come_first(kind):
    strength = CORRUPTIONS[kind].strengths[0]
    assert corrupt(PICTURES, kind, strength, trials=5).shape == (5, *PICTURES.shape)


@every_kind
def test_every_default_strength_changes_something(kind):
    for strength in CORRUPTIONS[kind].strengths:
        assert not torch.equal(corrupt(PICTURES, kind, strength)[0], PICTURES)


@every_kind
def test_strength_0_changes_nothing(kind):
    Z = corrupt(PICTURES, kind, 0, trials=2)
    assert torch.equal(Z, PICTURES.expand(2, *PICTURES.shape))


@every_kind
@pytest.mark.parametrize("strength", [0, 0.5])
def test_the_examples_themselves_stay_as_they_are(kind, strength):
    X = PICTURES.clone()
    corrupt(X, kind, strength).fill_(7)
    assert torch.equal(X, PICTURES)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_dtype_is_kept(kind, dtype):
    assert corrupt(PICTURES.to(dtype), kind, 0.5).dtype == dtype


@pytest.mark.parametrize("kind", random_kinds)
def test_the_seed_decides(kind):
    def draw(seed):
        return corrupt(PICTURES, kind, 0.5, seed=seed, trials=3)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("kind", random_kinds)
def test_trials_differ(kind):
    Z = corrupt(PICTURES, kind, 0.5, trials=4)
    assert not torch.equal(Z[0], Z[1])


def test_a_generator_goes_on():
    generator = torch.Generator().manual_seed(0)
    first, second = (corrupt(PICTURES, "gaussian", 0.1, generator=generator) for _ in range(2))
    assert torch.equal(first, corrupt(PICTURES, "gaussian", 0.1, seed=0))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", [name for name in CORRUPTIONS if name not in picture_kinds])
def test_vectors_can_be_corrupted_too(kind):
    assert corrupt(VECTORS, kind, 0.5, trials=2).shape == (2, 4, 50)


@pytest.mark.parametrize("kind", picture_kinds)
@pytest.mark.parametrize("strength", [0, 0.5])
def test_what_needs_a_picture_refuses_vectors(kind, strength):
    with pytest.raises(MnemoscopeError, match="pictures") as error:
        corrupt(VECTORS, kind, strength)
    assert error.value.field == "kind"
    assert set(error.value.choices) == set(CORRUPTIONS) - set(picture_kinds)


def test_gaussian_noise_has_the_deviation_asked_for_and_is_not_clipped():
    X = torch.zeros(2, 1, 50, 50)
    noise = corrupt(X, "gaussian", 0.3, trials=10) - X
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert noise.min() < 0


@pytest.mark.parametrize("kind", ["salt_and_pepper", "mask_pixels"])
@pytest.mark.parametrize("share", [0.25, 0.6])
def test_the_share_of_pixels(kind, share):
    X = PICTURES[:, :, :, :1].expand(-1, -1, -1, 400)
    changed = (corrupt(X, kind, share, trials=5) != X).any(2)
    assert changed.float().mean().item() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("kind", ["salt_and_pepper", "mask_pixels"])
def test_a_pixel_changes_in_all_its_channels(kind):
    changed = corrupt(PICTURES, kind, 0.5)[0] != PICTURES
    inner = (PICTURES.min() != PICTURES) & (PICTURES.max() != PICTURES)
    for channel in (1, 2):
        both = inner[:, 0] & inner[:, channel]
        assert torch.equal(changed[:, 0][both], changed[:, channel][both])


def test_masked_pixels_have_the_least_value_and_the_others_are_kept():
    Z = corrupt(PICTURES, "mask_pixels", 0.5)[0]
    assert torch.all((PICTURES.min() == Z) | (Z == PICTURES))


@pytest.mark.parametrize(
    "kind", ["gaussian", "salt_and_pepper", "mask_pixels", "mask_block", "mix"]
)
def test_scale_and_shift_go_through_a_corruption(kind):
    X = PICTURES.double()
    plain = corrupt(X, kind, 0.25, seed=1)
    moved = corrupt(255 * (X - 3), kind, 0.25, seed=1)
    assert torch.allclose(moved / 255 + 3, plain, atol=1e-12)


def test_salt_and_pepper_are_the_extremes_in_equal_parts():
    X = torch.full((1, 1, 100, 100), 0.5)
    X[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    Z = corrupt(X, "salt_and_pepper", 0.4, trials=4)
    assert sorted(Z.unique().tolist()) == [0, 0.5, 1]
    assert (Z == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert (Z == 1).float().mean().item() == pytest.approx(0.2, abs=0.01)


@given(share=st.floats(0.05, 1), seed=st.integers(0, 1000))
def test_the_masked_block_is_one_block_of_the_share_asked_for(share, seed):
    side = 12
    X = torch.cat([torch.ones(1, 1, side, side), torch.zeros(1, 1, side, side)])
    hidden = corrupt(X, "mask_block", share, seed=seed)[0, 0, 0] == 0
    rows, columns = hidden.any(1), hidden.any(0)
    length = round(side * math.sqrt(share))
    assert rows.sum() == columns.sum() == length
    assert torch.equal(hidden, rows[:, None] & columns)
    assert torch.diff(rows.nonzero().flatten()).eq(1).all()
    assert torch.diff(columns.nonzero().flatten()).eq(1).all()


def test_the_block_reaches_every_pixel():
    X = torch.cat([torch.ones(1, 1, 5, 5), torch.zeros(1, 1, 5, 5)])
    hidden = corrupt(X, "mask_block", 0.16, trials=500)[:, 0, 0] == 0
    assert hidden.any(0).all()


def test_the_lower_half_is_hidden():
    Z = corrupt(PICTURES, "mask_lower_half", 0.5)[0]
    assert torch.equal(Z[:, :, :3], PICTURES[:, :, :3])
    assert torch.all(Z[:, :, 3:] == PICTURES.min())


@pytest.mark.parametrize("deviation", [0.5, 1.0, 3.0, 30.0])
def test_a_blur_keeps_the_mean_of_every_channel(deviation):
    Z = corrupt(PICTURES.double(), "blur", deviation)[0]
    assert torch.allclose(Z.mean((-1, -2)), PICTURES.double().mean((-1, -2)), atol=1e-12)


def test_a_blurred_point_is_a_gaussian():
    X = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    X[0, 0, 20, 20] = 1
    Z = corrupt(X, "blur", 2.0)[0, 0, 0]
    steps = torch.arange(41, dtype=torch.float64) - 20
    assert (Z.sum(0) * steps**2).sum().item() == pytest.approx(4, rel=0.01)
    assert (Z[20, 22] / Z[20, 20]).item() == pytest.approx(math.exp(-1 / 2))
    assert torch.allclose(Z, Z.T)


@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_every_value_of_a_blurred_point(deviation, dtype):
    X = torch.zeros(1, 1, 25, 25, dtype=dtype)
    X[0, 0, 12, 12] = 1
    steps = range(-12, 13)
    reach = math.ceil(4 * deviation)
    weight = [math.exp(-((k / deviation) ** 2) / 2) if abs(k) <= reach else 0.0 for k in steps]
    kernel = torch.tensor(weight, dtype=torch.float64) / math.fsum(weight)
    Z = corrupt(X, "blur", deviation)[0, 0, 0]
    torch.testing.assert_close(Z, torch.outer(kernel, kernel).to(dtype))


def test_a_blur_leaves_a_constant_picture_alone(dtype):
    X = torch.full((1, 3, 5, 7), 0.3, dtype=dtype)
    torch.testing.assert_close(corrupt(X, "blur", 2.0)[0], X)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_least_strength_above_0_is_next_to_nothing(kind):
    Z = corrupt(torch.ones(2, 1, 40, 40), kind, 1e-300)[0]
    assert int((Z != 1).sum()) <= 2 * (kind == "mask_block")


def test_the_edge_is_mirrored_with_its_last_pixel_repeated():
    X = torch.tensor([[[[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]] * 8]], dtype=torch.float64)
    kernel = torch.tensor([math.exp(-(k**2) / (2 * 0.25)) for k in (0, 1, 2)])
    total = kernel[0] + 2 * kernel[1:].sum()
    row = corrupt(X, "blur", 0.5)[0, 0, 0, 4]
    assert row[0].item() == pytest.approx(((kernel[0] + kernel[1]) / total).item())
    assert row[1].item() == pytest.approx(((kernel[1] + kernel[2]) / total).item())


def test_the_widest_blur_leaves_the_mean_alone():
    Z = corrupt(PICTURES, "blur", 64.0)[0]
    assert torch.allclose(Z, PICTURES.mean((-1, -2), keepdim=True).expand_as(Z), atol=1e-5)


def test_a_mixture_is_the_formula_with_another_example():
    X = torch.eye(5)
    Z = corrupt(X, "mix", 0.3, trials=200)
    own = Z.diagonal(dim1=1, dim2=2)
    assert torch.allclose(own, torch.tensor(0.7))
    others = Z - 0.7 * X
    assert torch.allclose(others.sum(-1), torch.tensor(0.3))
    assert ((others > 0.2).sum(-1) == 1).all()
    assert ((others > 0.2).any(0) == ~torch.eye(5, dtype=torch.bool)).all()


def test_one_example_has_no_other_to_mix_with():
    with pytest.raises(MnemoscopeError, match="at least 2 examples"):
        corrupt(PICTURES[:1], "mix", 0.5)


@every_kind
@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf"), "x", None])
def test_a_strength_that_makes_no_sense(kind, strength):
    with pytest.raises(MnemoscopeError) as error:
        corrupt(PICTURES, kind, strength)
    assert error.value.field == "strength"


@pytest.mark.parametrize("kind", [k for k in CORRUPTIONS if math.isfinite(CORRUPTIONS[k].high)])
def test_a_strength_beyond_the_largest(kind):
    high = CORRUPTIONS[kind].high
    assert torch.isfinite(corrupt(PICTURES, kind, high)).all()
    with pytest.raises(MnemoscopeError, match=f"strength.*to {high:g}"):
        corrupt(PICTURES, kind, high * 1.01)


@pytest.mark.parametrize(("kind", "near"), [("gausian", "gaussian"), ("Blur", "blur")])
def test_an_unknown_kind_lists_the_known_and_suggests_the_nearest(kind, near):
    with pytest.raises(MnemoscopeError, match=f"did you mean `{near}`?") as error:
        corrupt(PICTURES, kind, 0.1)
    assert error.value.choices == tuple(CORRUPTIONS)


@pytest.mark.parametrize("options", [{"trials": 0}, {"trials": 1.5}, {"seed": -1}, {"seed": 2**70}])
def test_numbers_that_make_no_sense(options):
    (name,) = options
    with pytest.raises(MnemoscopeError, match=f"{name}=.*a whole number"):
        corrupt(PICTURES, "gaussian", 0.1, **options)


@pytest.mark.parametrize("X", [torch.zeros(3), torch.zeros(2, 3, dtype=torch.uint8)], ids=str)
def test_examples_must_be_rows_of_floats(X):
    with pytest.raises(MnemoscopeError, match="of a floating-point dtype"):
        corrupt(X, "gaussian", 0.1)
