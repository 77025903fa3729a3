"""Steps of values: found where they are, not where a map is smooth, constant or steep."""

import numpy as np
import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import SelfMap, check_values
from mnemoscope.maps.resolution import measure_resolution


def drawn(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def found(f, Z, unit=1.0):
    return measure_resolution(f, Z, unit=unit)


def steps(n):
    """Rounds to multiples of 1 / n."""
    return lambda z: torch.round(n * z) / n


STEPPED = {
    "bytes": (lambda z: torch.round(2 * z * 255) / 255, 1 / 255, "quantized"),
    "bytes inside and outside": (
        lambda z: steps(255)(torch.tanh(steps(255)(z))),
        1 / 255,
        "quantized",
    ),
    "sixths": (lambda z: torch.round(6 * z) / 3, 1 / 3, "quantized"),
    "partly": (lambda z: 0.5 * z + 0.1 * torch.round(10 * z), 0.1, "quantized"),
    "three decimals": (lambda z: steps(1000)(torch.tanh(z)), 1e-3, "coarse"),
    "float16": (lambda z: (z.half() * 0.5 + 0.25).float(), 2**-11, "coarse"),
    "sixteen bits": (lambda z: steps(65535)(0.9 * z), 1 / 65535, "coarse"),
}


@pytest.mark.parametrize("name", STEPPED)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 255.0])
def test_steps_are_found_in_any_unit(name, scale):
    f, step, kind = STEPPED[name]
    if name == "float16" and scale != 1:
        pytest.skip("float16 has a scale of its own")
    resolution = found(lambda z: scale * f(z / scale), scale * drawn(3, 16), unit=scale)
    assert resolution.kind == kind
    assert resolution.entry == pytest.approx(scale * step, rel=0.1)
    # Two roundings after one another are off by more than one.
    assert 0.7 * step < resolution.spacing / scale < 2.1 * step
    assert resolution.length > 2 * resolution.spacing or kind == "quantized"


def test_float32_inside_float64():
    f = lambda z: torch.tanh(z.float()).double()  # noqa: E731
    resolution = found(f, drawn(3, 5).double())
    assert resolution.kind == "coarse"
    assert resolution.entry == pytest.approx(6e-8, rel=0.2)
    assert found(torch.tanh, drawn(3, 5).double()).smooth


PATTERNS = drawn(10, 16, seed=5)


def nearest(z):
    return PATTERNS[torch.cdist(z, PATTERNS).argmin(1)]


SMOOTH = {
    "constant": lambda z: 0 * z + 1,
    "a dead region": lambda z: torch.relu(z - 100),
    "tanh": torch.tanh,
    "steep": lambda z: torch.tanh(1000 * (z - 0.5)),
    "kinks": lambda z: (3 * z - 1).clamp(0, 1),
    "two maps": lambda z: torch.where(z.mean(1, keepdim=True) > 0.5, 0.5 * z, 0.7 * z),
    "softmax": lambda z: torch.softmax(-200 * torch.cdist(z, PATTERNS) ** 2, 1) @ PATTERNS,
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_maps(name):
    assert found(SMOOTH[name], drawn(3, 16)).smooth


def test_a_map_that_is_constant_where_it_is_measured_is_smooth_there():
    assert found(nearest, PATTERNS).smooth
    assert found(nearest, drawn(3, 16, seed=1)).kind == "quantized"


def test_known_networks_are_smooth_and_cost_nothing(monkeypatch):
    net = mn.nets.FullyConnected(shape=(6,), width=8, depth=3).build(seed=0)
    f = SelfMap(net)
    monkeypatch.setattr(SelfMap, "__call__", None)
    check_values(f, drawn(3, 6))
    assert f.resolution.smooth
    assert not f.by_values


def test_half_precision_inside_keeps_a_true_derivative():
    """That of 1.5 z + .1 in float16 is 1.5."""
    f = SelfMap(lambda z: (1.5 * z.half() + 0.1).float(), (6,))
    assert mn.spectral_radius(f, drawn(3, 6)).tolist() == pytest.approx([1.5] * 3, rel=1e-3)
    assert f.resolution.kind == "coarse"
    assert not f.by_values


def rounded(matrix, levels=255):
    return lambda z: torch.round(levels * (z @ matrix)) / levels


@pytest.mark.parametrize("d", [16, 100])
def test_spectra_are_those_of_visible_growth(d):
    generator = torch.Generator().manual_seed(0)
    A = 1.2 * torch.randn(d, d, generator=generator) / d**0.5
    X = drawn(3, d)
    for measure in (mn.spectral_radius, mn.operator_norm):
        exact = measure(lambda z: z @ A, X)
        assert torch.allclose(measure(rounded(A), X), exact, rtol=0.03)
    found = mn.jacobian_eigenvalues(rounded(A), X, 3)
    assert found.converged.all()
    assert (found.residual > 1e-3).all()
    assert found.values.shape == (3, 3)


def test_spectra_of_states_too_large_to_form_a_jacobian():
    d = 1500
    slope = 1.5 * torch.linspace(0, 1, d) ** 4
    f = lambda z: torch.round(255 * slope * z) / 255  # noqa: E731
    assert torch.allclose(mn.spectral_radius(f, drawn(2, d)), torch.tensor(1.5), rtol=0.02)
    with pytest.raises(mn.MnemoscopeError, match="measured by its values"):
        mn.operator_norm(f, drawn(2, d))


def test_norms_of_coarse_steps():
    for growth in (0.5, 2.0):
        f = lambda z, growth=growth: growth * torch.round(6 * z) / 6  # noqa: E731
        X = drawn(3, 16)
        assert torch.allclose(mn.spectral_radius(f, X), torch.tensor(growth), rtol=0.05)
        assert torch.allclose(mn.operator_norm(f, X), torch.tensor(growth), rtol=0.05)


class Reconstruction(nn.Module):
    """The sample or the audio that a model gives."""

    def __init__(self, model, name):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, z):
        return getattr(self.model(z), self.name)[..., : z.shape[-1]]


def with_codes(model, scale):
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*model.named_buffers(), *model.named_parameters()]:
        if "embed" in name and "codebook" in name and tensor.ndim == 2:
            tensor.data.copy_(scale * torch.randn(tensor.shape, generator=generator))
    return model.eval()


def tiny():
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    model = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(1, 1, 1, 1),
    )  # fmt: skip
    # Untrained, it hardly depends on the picture.
    for parameter in model.encoder.parameters():
        parameter.data.mul_(1.6)
    return Reconstruction(model.eval(), "sample"), (3, 16, 16)


def codebook():
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    model = diffusers.VQModel(
        block_out_channels=(8,), norm_num_groups=4, sample_size=8, num_vq_embeddings=64
    )
    model.quantize.embedding.weight.data.normal_(0, 1)
    return Reconstruction(model.eval(), "sample"), (3, 8, 8)


def encodec():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.EncodecConfig(
        sampling_rate=100, target_bandwidths=[1.0], num_filters=4, upsampling_ratios=[2, 2],
        hidden_size=8, codebook_size=64, codebook_dim=8, num_lstm_layers=1,
    )  # fmt: skip
    return Reconstruction(with_codes(transformers.EncodecModel(config), 0.3), "audio_values"), (
        1,
        32,
    )


def mimi():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.MimiConfig(
        sampling_rate=100, frame_rate=None, num_filters=4, upsampling_ratios=[2, 2],
        hidden_size=16, codebook_size=32, codebook_dim=8, num_quantizers=4,
        num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, head_dim=8,
        intermediate_size=32, sliding_window=16, vector_quantization_hidden_dimension=8,
        upsample_groups=16,
    )  # fmt: skip
    return Reconstruction(with_codes(transformers.MimiModel(config), 0.02), "audio_values"), (
        1,
        32,
    )


def by_hand(f, z, length, pairs):
    """The Jacobian of the smoothed map by Stein's formula, E[f(z + h u) u^T] / h."""
    generator = torch.Generator().manual_seed(7)
    u = torch.randn(pairs, *z.shape, generator=generator)
    with torch.no_grad():
        difference = (f(z + length * u) - f(z - length * u)).flatten(1)
    return torch.linalg.lstsq(2 * length * u.flatten(1).double(), difference.double()).solution.T


@pytest.mark.parametrize("make", [tiny, codebook, encodec, mimi])
def test_packages_with_steps_inside(make):
    model, shape = make()
    with torch.random.fork_rng():
        X = drawn(3, *shape, seed=3)
        f = SelfMap(model, shape)
        check_values(f, X)
        assert f.by_values
        assert f.resolution.kind == "quantized"
        assert torch.allclose(f(X), model(X).detach(), atol=1e-5)
        d = f.size
        if d > 300:
            return
        J = by_hand(model, X[0], f.resolution.length, 40 * d)
        radius = float(torch.linalg.eigvals(J).abs().max())
        norm = float(torch.linalg.matrix_norm(J, 2))
        # Both are averages of a map with steps: of one smoothed a little differently.
        near = max(3 * f.resolution.quotient_error, 0.15)
        assert float(mn.spectral_radius(f, X[:1])[0]) == pytest.approx(radius, rel=near, abs=0.02)
        assert float(mn.operator_norm(f, X[:1])[0]) == pytest.approx(norm, rel=near, abs=0.02)


def half_precision_file(path, weights):
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    d = weights.shape[0]
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["a"]),
        helper.make_node("Tanh", ["a"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "half",
        [helper.make_tensor_value_info("z", kind.FLOAT16, ["n", d])],
        [helper.make_tensor_value_info("y", kind.FLOAT16, ["n", d])],
        [onnx.numpy_helper.from_array(weights.astype(np.float16), "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, path)
    return str(path)


def test_an_onnx_file_of_half_precision(tmp_path):
    pytest.importorskip("onnxruntime")
    from mnemoscope.dynamics.contraction import contraction

    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    weights = (turn @ np.diag([1.4, 0.9, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1]) @ turn.T).astype("f4")
    f = mn.load_map(half_precision_file(tmp_path / "half.onnx", weights))
    X = 0.1 * drawn(3, 8)
    rates = contraction(f, X)
    assert f.resolution.kind == "coarse"
    exact = mn.spectral_radius(lambda z: torch.tanh(z @ torch.from_numpy(weights)), X)
    assert torch.allclose(rates.rate, exact, rtol=0.02)
    # tanh(W z) has two attractors, at plus and minus the same state.
    census = mn.find_attractors(f, drawn(100, 8) * 2 - 1)
    assert len(census.attractors) == 2
