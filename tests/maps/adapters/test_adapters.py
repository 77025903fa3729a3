"""Models of every kind as self-maps; each is compared with the module that it was made from."""

import json
import sys
from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import check_map
from mnemoscope.maps.adapters import Adapter, Loaded, find_adapter, load_map, open_model, registry
from mnemoscope.maps.adapters.configured import refuse_code

SHAPE = (3, 8, 8)


class Autoencoder(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Flatten(), nn.Linear(192, width), nn.Tanh(), nn.Linear(width, 192)
        )

    def forward(self, z):
        return self.inner(z).reshape(z.shape)


def autoencoder(width=16):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Autoencoder(width).eval()


def states(n=5, shape=SHAPE):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1))


def exported(path, *, batch):
    dim = None if batch else {0: torch.export.Dim("n", min=1, max=4096)}
    example = torch.zeros(batch or 2, *SHAPE)
    torch.export.save(
        torch.export.export(autoencoder(), (example,), dynamic_shapes=dim and (dim,)), path
    )
    return str(path)


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_exported(tmp_path, batch):
    f = load_map(exported(tmp_path / "m.pt2", batch=batch))
    assert f.shape == SHAPE
    check_map(f, states())
    assert torch.allclose(f(states()), autoencoder()(states()), atol=1e-6)
    mine = mn.spectral_radius(autoencoder(), states(2))
    assert torch.allclose(mn.spectral_radius(f, states(2)), mine, rtol=1e-4)


N, HEIGHT = "n", "h"
BOUNDS = [
    (lambda: torch.export.Dim(N, max=64), 4, "1 to 64", 65),
    (lambda: torch.export.Dim(N, min=3, max=5), 4, "3 to 5", 2),
    (lambda: 2 * torch.export.Dim(N, min=2, max=9), 4, "4 to 18 in steps of 2", 5),
    (lambda: 2 * torch.export.Dim(N, min=2, max=9) + 1, 5, "5 to 19 in steps of 2", 21),
    (lambda: torch.export.Dim(N, min=7), 7, "at least 7", 1),
]


@pytest.mark.parametrize(("dim", "example", "sizes", "other"), BOUNDS)
def test_batches_keep_within_the_bounds_of_an_exported_program(
    tmp_path, dim, example, sizes, other
):
    net = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
    program = torch.export.export(net, (torch.rand(example, 6),), dynamic_shapes=({0: dim()},))
    torch.export.save(program, tmp_path / "m.pt2")
    f = load_map(tmp_path / "m.pt2")
    assert str(f.stages[0].fixed_batch) == sizes
    for n in (1, 2, 6, 20, 70):
        assert torch.allclose(f(states(n, (6,))), net(states(n, (6,))), atol=1e-6)
    audit = mn.audit(
        f, states(3, (6,)), mn.AuditOptions.of(max_steps=20, certificates=0), starts=10, trials=1
    )
    assert audit.summary.examples == 3
    with pytest.raises(mn.MnemoscopeError, match=f"exported for: {sizes}"):
        load_map(tmp_path / "m.pt2", mn.LoadOptions(fixed_batch=other))
    g = load_map(tmp_path / "m.pt2", mn.LoadOptions(fixed_batch=example))
    assert torch.allclose(g(states(9, (6,))), net(states(9, (6,))), atol=1e-6)


def test_sides_keep_within_the_bounds_of_an_exported_program(tmp_path):
    dims = {
        2: 4 * torch.export.Dim(HEIGHT, min=2, max=8),
        3: torch.export.Dim("w", min=4, max=64),
    }
    net = nn.Conv2d(1, 1, 3, padding=1)
    program = torch.export.export(net, (torch.rand(2, 1, 8, 12),), dynamic_shapes=(dims,))
    torch.export.save(program, tmp_path / "m.pt2")
    for shape in ((1, 8, 4), (1, 32, 64)):
        f = load_map(tmp_path / "m.pt2", shape=shape)
        Z = states(3, shape)
        assert torch.allclose(f(Z), net(Z), atol=1e-6)
    for wrong in ((1, 10, 12), (1, 36, 12), (1, 8, 3), (8, 12), (3, 8, 12)):
        with pytest.raises(
            mn.MnemoscopeError, match="exported for: 1, 8 to 32 in steps of 4, 4 to 64"
        ) as message:
            load_map(tmp_path / "m.pt2", shape=wrong)
        assert "\n" not in str(message.value)


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(3, 3)

    def forward(self, z):
        return self.l(z)


def channels_last_file(kind, path):
    """A model of `(n, 8, 6, 3)`, and the matrix that it applies to the channels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ChannelsLast().eval()
    A = net.l.weight.detach()
    net.l.bias.data.zero_()
    if kind == "pt2":
        torch.export.save(torch.export.export(net, (torch.rand(1, 8, 6, 3),)), path)
        return A
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    sides = ["n", 8, 6, 3]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["z", "A"], ["y"])],
        "last",
        [helper.make_tensor_value_info("z", number, sides)],
        [helper.make_tensor_value_info("y", number, sides)],
        [onnx.numpy_helper.from_array(A.T.contiguous().numpy(), "A")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return A


@pytest.mark.parametrize("kind", ["pt2", "onnx"])
def test_a_file_says_its_shape_with_the_channels_last(tmp_path, kind):
    path = tmp_path / f"last.{kind}"
    A = channels_last_file(kind, path)
    for message in ({}, {"shape": (3, 8, 6)}):
        f = load_map(path, mn.LoadOptions(channels_last=True), **message)
        assert f.shape == (3, 8, 6)
        Z = states(3, (3, 8, 6))
        assert torch.allclose(f(Z), torch.einsum("dc,nchw->ndhw", A, Z), atol=1e-5)
    # Without the option the state has the file's own layout.
    assert load_map(path).shape == (8, 6, 3)
    with pytest.raises(mn.MnemoscopeError, match=r"states \(3, 8, 6\)"):
        load_map(path, mn.LoadOptions(channels_last=True), shape=(8, 6, 3))


def test_flat_states_of_a_file_take_the_shape_of_the_data(tmp_path):
    net = nn.Sequential(nn.Linear(64, 64), nn.Tanh())
    torch.export.save(torch.export.export(net, (torch.rand(2, 64),)), tmp_path / "flat.pt2")
    f = load_map(tmp_path / "flat.pt2", mn.LoadOptions(flatten=True), shape=(1, 8, 8))
    Z = states(3, (1, 8, 8))
    assert torch.allclose(f(Z), net(Z.flatten(1)).reshape(Z.shape), atol=1e-6)
    assert load_map(tmp_path / "flat.pt2").shape == (64,)
    with pytest.raises(mn.MnemoscopeError, match=r"\(64,\)"):
        load_map(tmp_path / "flat.pt2", shape=(1, 8, 8))


def onnx_file(path, *, batch):
    onnx = pytest.importorskip("onnx")
    net = autoencoder()
    weights = {k: v.numpy() for k, v in net.state_dict().items()}
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    kind = onnx.TensorProto.FLOAT
    sides = [batch or "n", *SHAPE]
    nodes = [
        helper.make_node("Flatten", ["z"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "inner.1.weight", "inner.1.bias"], ["a"], transB=1),
        helper.make_node("Tanh", ["a"], ["t"]),
        helper.make_node("Gemm", ["t", "inner.3.weight", "inner.3.bias"], ["b"], transB=1),
        helper.make_node("Reshape", ["b", "shape"], ["y"]),
    ]
    import numpy as np

    constants = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    constants.append(numpy_helper.from_array(np.array([-1, *SHAPE], dtype=np.int64), "shape"))
    graph = helper.make_graph(
        nodes,
        "autoencoder",
        [helper.make_tensor_value_info("z", kind, sides)],
        [helper.make_tensor_value_info("y", kind, sides)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return str(path)


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_onnx(tmp_path, batch):
    pytest.importorskip("onnxruntime")
    f = load_map(onnx_file(tmp_path / "m.onnx", batch=batch))
    assert f.shape == SHAPE
    assert not f.differentiable
    check_map(f, states())
    assert torch.allclose(f(states()), autoencoder()(states()), atol=1e-5)


def test_an_onnx_denoiser_predicts_noise(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    # e = 3 z: with abar = 0.8 the state is (a z - s 3 a z) / a = (1 - 3 s) z.
    three = onnx.numpy_helper.from_array(torch.tensor(3.0).numpy(), "three")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["z", "three"], ["e"])],
        "noise",
        [helper.make_tensor_value_info(n, kind, s) for n, s in (("z", ["n", 4]), ("t", ["n"]))],
        [helper.make_tensor_value_info("e", kind, ["n", 4])],
        [three],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    z = torch.rand(3, 4)
    f = load_map(
        tmp_path / "m.onnx", mn.LoadOptions(noise_level=2, predicts="noise", alpha_bar=0.8)
    )
    assert torch.allclose(f(z), (1 - 3 * 0.2**0.5) * z, atol=1e-6)
    with pytest.raises(mn.MnemoscopeError, match="what it predicts"):
        check_map(load_map(tmp_path / "m.onnx", mn.LoadOptions(noise_level=2)), z)


def test_a_factory_with_weights(tmp_path, monkeypatch):
    (tmp_path / "my_factory.py").write_text(
        "from tests.maps.adapters.test_adapters import Autoencoder\n"
        "def build(width):\n    return Autoencoder(width)\n"
    )
    monkeypatch.chdir(tmp_path)
    torch.save(autoencoder(24).state_dict(), "w.pt")
    f = load_map(
        "my_factory:build", mn.LoadOptions(factory_args={"width": 24}), shape=SHAPE, weights="w.pt"
    )
    # Where weights lie in memory may decide the order of a product's sums.
    assert torch.allclose(f(states()), autoencoder(24)(states()), atol=1e-6)
    assert str(tmp_path) not in sys.path
    with pytest.raises(mn.MnemoscopeError, match="state the shape"):
        load_map("my_factory:build", mn.LoadOptions(factory_args={"width": 24}))


def test_our_own(tmp_path):
    net = mn.nets.FullyConnected(shape=SHAPE, width=8, depth=2).build(seed=0)
    mn.nets.save(net, tmp_path / "net.safetensors")
    f = load_map(tmp_path / "net.safetensors")
    assert f.shape == SHAPE
    assert torch.allclose(f(states()), mn.SelfMap(net)(states()), atol=1e-6)


def diffusers_model(name, folder, **config):
    diffusers = pytest.importorskip("diffusers")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(diffusers, name)(
            sample_size=8, block_out_channels=(8,), norm_num_groups=4, **config
        ).eval()
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("name", ["AutoencoderKL", "VQModel"])
def test_autoencoders_of_diffusers(tmp_path, name):
    model = diffusers_model(name, tmp_path)
    f = load_map(tmp_path)
    assert f.shape == SHAPE
    # A codebook passes a derivative on that is not its own.
    assert f.differentiable == (name != "VQModel")
    check_map(f, states())
    with torch.no_grad():
        by_hand = (model(2 * states() - 1).sample + 1) / 2
    assert torch.allclose(f(states()), by_hand, atol=1e-5)


def test_the_size_that_a_vae_was_made_for_does_not_bind(tmp_path):
    model = diffusers_model("AutoencoderKL", tmp_path)
    for shape in ((3, 8, 8), (3, 16, 16), (3, 12, 20)):
        f = load_map(tmp_path, shape=shape)
        z = states(2, shape)
        with torch.no_grad():
            assert torch.allclose(f(z), (model(2 * z - 1).sample + 1) / 2, atol=1e-5)
    # What takes a map and data takes the data's shape, unless one was asked for.
    X = states(2, (3, 12, 20))
    asked = mn.spectral_radius(load_map(tmp_path, shape=(3, 12, 20)), X)
    assert torch.allclose(mn.spectral_radius(load_map(tmp_path), X), asked, rtol=1e-3)
    with pytest.raises(mn.MnemoscopeError, match=r"expected a batch \(n, 3, 8, 8\)"):
        mn.spectral_radius(load_map(tmp_path, shape=SHAPE), X)
    with pytest.raises(mn.MnemoscopeError, match=r"its own shape is \(3, 8, 8\)"):
        mn.spectral_radius(load_map(tmp_path), X[:, :1])
    opened = open_model(tmp_path)
    assert (opened.shape, opened.binds) == (SHAPE, False)
    # Data are brought to what it takes: as they are, with the channels first, else its own shape.
    assert opened.laid_out(torch.rand(2, 3, 12, 20)).how == "as it is"
    assert tuple(opened.laid_out(torch.rand(2, 12, 20, 3)).states.shape) == (2, 3, 12, 20)
    assert tuple(opened.laid_out(torch.rand(2, 192)).states.shape) == (2, *SHAPE)
    assert opened.laid_out(torch.rand(2, 1, 8, 8)).states is None
    with pytest.raises(mn.MnemoscopeError, match=r"its own shape is \(3, 8, 8\)"):
        load_map(tmp_path, shape=(1, 8, 8))


def test_a_size_binds_where_positions_are_learned(tmp_path):
    masked_autoencoder(tmp_path)
    assert not open_model(tmp_path).binds
    with pytest.raises(mn.MnemoscopeError, match=r"its own shape is \(3, 8, 8\)") as message:
        load_map(tmp_path, shape=(3, 12, 12))
    assert "\n" not in str(message.value)


def test_a_convolutional_denoiser_takes_other_sizes(tmp_path):
    diffusers_model("UNet2DModel", tmp_path, **UNET)
    f = load_map(tmp_path, mn.LoadOptions(noise_level=100, predicts="noise"), shape=(3, 16, 12))
    check_map(f, states(2, (3, 16, 12)))


AUDIO = {
    "Dac": {
        "encoder_hidden_size": 4, "downsampling_ratios": [2, 2], "decoder_hidden_size": 8,
        "n_codebooks": 2, "codebook_size": 8, "codebook_dim": 4, "hidden_size": 16,
    },
    "Encodec": {
        "num_filters": 4, "upsampling_ratios": [2, 2], "codebook_size": 8, "codebook_dim": 16,
        "hidden_size": 16, "num_lstm_layers": 1, "target_bandwidths": [1.5], "sampling_rate": 400,
    },
    "Mimi": {
        "num_filters": 4, "upsampling_ratios": [2, 2], "codebook_size": 8, "codebook_dim": 16,
        "hidden_size": 16, "vector_quantization_hidden_dimension": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 16, "head_dim": 8,
        "num_quantizers": 2, "num_semantic_quantizers": 1, "sampling_rate": 400, "frame_rate": 50,
        "upsample_groups": 16,
    },
}  # fmt: skip


@pytest.mark.parametrize("output", [None, "audio_values"])
@pytest.mark.parametrize("name", AUDIO)
def test_audio_models_of_transformers(tmp_path, name, output):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{name}Config")(**AUDIO[name])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{name}Model")(config).eval()
    model.save_pretrained(tmp_path)
    f = load_map(tmp_path, shape=(1, 64), output=output)
    Z = states(2, (1, 64))
    with torch.no_grad():
        by_hand = model(Z).audio_values.reshape(2, 1, 64)
    assert torch.allclose(f(Z), by_hand, atol=1e-4)
    assert f.shape == (1, 64)


UNET = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}


@pytest.mark.parametrize("predicts", ["epsilon", "sample", "v_prediction"])
def test_a_diffusion_model_denoises_at_one_level(tmp_path, predicts):
    diffusers = pytest.importorskip("diffusers")
    DDPMPipeline, DDPMScheduler = diffusers.DDPMPipeline, diffusers.DDPMScheduler

    model = diffusers_model("UNet2DModel", tmp_path / "alone", **UNET)
    scheduler = DDPMScheduler(prediction_type=predicts, beta_schedule="squaredcos_cap_v2")
    DDPMPipeline(model, scheduler).save_pretrained(tmp_path / "pipeline")
    f = load_map(tmp_path / "pipeline", mn.LoadOptions(noise_level=300))
    check_map(f, states())
    # The scheduler's own estimate of the clean sample, clipping off, is the second method.
    scheduler.register_to_config(clip_sample=False)
    z = 2 * states() - 1
    noisy = scheduler.alphas_cumprod[300].sqrt() * z
    with torch.no_grad():
        out = model(noisy, 300).sample
    estimate = scheduler.step(out, 300, noisy).pred_original_sample
    assert torch.allclose(f(states()), (estimate + 1) / 2, atol=1e-4)
    for level in (None, -1, 1000, 0.5):
        with pytest.raises(mn.MnemoscopeError, match="0 to 999"):
            load_map(tmp_path / "pipeline", mn.LoadOptions(noise_level=level))


def test_what_a_diffusion_model_predicts_may_be_said(tmp_path, caplog):
    DDPMScheduler = pytest.importorskip("diffusers").DDPMScheduler

    model = diffusers_model("UNet2DModel", tmp_path, **UNET)
    shares = DDPMScheduler().alphas_cumprod
    a, s = shares[300].sqrt(), (1 - shares[300]).sqrt()
    z = 2 * states() - 1
    with torch.no_grad():
        made = model(a * z, 300).sample
    wanted = {"state": made, "noise": (a * z - s * made) / a, "v": a * a * z - s * made}
    for predicts, estimate in wanted.items():
        f = load_map(tmp_path, mn.LoadOptions(noise_level=300, predicts=predicts))
        assert torch.allclose(f(states()), (estimate + 1) / 2, atol=1e-4)
    assert not caplog.text
    f = load_map(tmp_path, mn.LoadOptions(noise_level=300))
    assert torch.allclose(f(states()), (wanted["noise"] + 1) / 2, atol=1e-4)
    assert "taken for the noise" in caplog.text
    given = load_map(tmp_path, mn.LoadOptions(noise_level=300, predicts="noise", alpha_bar=0.25))
    with torch.no_grad():
        made = model(0.5 * z, 300).sample
    by_hand = (0.5 * z - 0.75**0.5 * made) / 0.5
    assert torch.allclose(given(states()), (by_hand + 1) / 2, atol=1e-4)


def test_a_vae_predicts_nothing(tmp_path):
    diffusers_model("AutoencoderKL", tmp_path)
    with pytest.raises(mn.MnemoscopeError, match="--predicts for a AutoencoderKL"):
        load_map(tmp_path, mn.LoadOptions(predicts="noise"))


def masked_autoencoder(folder, **config):
    transformers = pytest.importorskip("transformers")
    settings = transformers.ViTMAEConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        decoder_hidden_size=16, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=16, image_size=8, patch_size=4, **config,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.ViTMAEForPreTraining(settings).eval()
    model.save_pretrained(folder)
    return model


def test_a_masked_autoencoder_sees_everything(tmp_path, global_generator_untouched):
    masked_autoencoder(tmp_path)
    f = load_map(tmp_path)
    assert f.shape == SHAPE
    check_map(f, states())
    # Nothing is hidden: every entry of the picture has a say in the output.
    pull = f.linearize(states(1)).vjp(torch.ones(1, *SHAPE))
    assert (pull != 0).all()


def test_patches_without_their_mean_are_refused(tmp_path):
    masked_autoencoder(tmp_path, norm_pix_loss=True)
    with pytest.raises(mn.MnemoscopeError, match="norm_pix_loss"):
        load_map(tmp_path)


HARMFUL = {
    "at the top": {"_attn_implementation_internal": "someone/kernel"},
    "whatever it says": {"_attn_implementation_internal": "eager"},
    "of experts": {"_experts_implementation_internal": "someone/kernel"},
    "in a part": {"decoder_config": {"_attn_implementation_internal": "someone/kernel"}},
    "in a list of parts": {"parts": [[{}, {"deep": {"_attn_implementation_internal": None}}]]},
    "by its public name": {"attn_implementation": "someone/kernel@main"},
    "by its public name, of a part": {"_attn_implementation": {"decoder": "someone/kernel"}},
}


@pytest.mark.parametrize("fields", HARMFUL.values(), ids=HARMFUL)
def test_a_configuration_that_names_code_is_refused(fields, tmp_path):
    masked_autoencoder(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(mn.MnemoscopeError, match="code to be fetched and run") as error:
        load_map(tmp_path)
    assert "\n" not in str(error.value)


def test_a_configuration_nested_deeply_is_searched_to_its_bottom():
    config = {"_attn_implementation_internal": "someone/kernel"}
    for _ in range(100_000):
        config = {"part": config}
    with pytest.raises(mn.MnemoscopeError, match="_attn_implementation_internal"):
        refuse_code("folder", config)


def test_the_usual_choices_of_an_implementation_are_taken(tmp_path):
    masked_autoencoder(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"attn_implementation": "eager"}))
    assert load_map(tmp_path).shape == SHAPE


def test_half_precision_is_computed_in_float32(tmp_path, monkeypatch):
    (tmp_path / "half.py").write_text(
        "from tests.maps.adapters.test_adapters import Autoencoder\n"
        "def build():\n    return Autoencoder().half()\n"
    )
    monkeypatch.chdir(tmp_path)
    assert load_map("half:build", shape=SHAPE).dtype == torch.float32


def test_a_map_in_steps_is_checked_at_the_data_too(tmp_path, monkeypatch):
    (tmp_path / "rounding.py").write_text(
        "from tests.maps.test_check import quantized_over_the_batch\n"
        "def build():\n    return quantized_over_the_batch\n"
    )
    monkeypatch.chdir(tmp_path)
    X = states(3, (16,))
    X[2] *= 100
    f = load_map("rounding:build", shape=(16,))
    assert f.resolution.kind == "quantized"
    with pytest.raises(mn.MnemoscopeError, match="--fixed-batch 1"):
        check_map(f, X)
    check_map(load_map("rounding:build", mn.LoadOptions(fixed_batch=1), shape=(16,)), X)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path if path.name != "config.json" else path.parent)


KL = json.dumps({"_class_name": "AutoencoderKL", "_diffusers_version": "0.30"})
FAULTS = [
    (lambda folder: str(folder / "nothing"), {}, "does not exist"),
    (lambda folder: write(folder / "m.pt2", "text"), {}, "no archive"),
    (lambda folder: write(folder / "m.onnx", "text"), {}, "onnxruntime cannot load"),
    (lambda folder: write(folder / "m.safetensors", "text"), {}, "not a safetensors file"),
    (
        lambda folder: write(folder / "m.keras", "text"),
        {},
        r"keras\.saving\.load_model",
    ),
    (lambda folder: write(folder / "m.joblib", "text"), {}, r"module:make"),
    (lambda folder: write(folder / "kl" / "config.json", KL), {}, "no weights"),
    (lambda folder: "torch.nn:Linear", {}, "missing 2 required"),
    (lambda folder: "torch.nn:Nothing", {}, "cannot be imported"),
    (lambda folder: "nowhere.at.all:Nothing", {}, "cannot be imported"),
    (lambda folder: "math:pi", {}, "float"),
    (lambda folder: "torch.nn:Identity", {"adapter": "factroy"}, "did you mean `factory`"),
    (lambda folder: "torch.nn:Identity", {"adapter": "onnx", "weights": "w.pt"}, "--weights"),
]


@pytest.mark.parametrize(("target", "options", "says"), FAULTS)
def test_what_cannot_be_loaded(tmp_path, target, options, says):
    needs = {"onnxruntime cannot load": "onnxruntime", "no weights": "diffusers"}
    if says in needs:
        pytest.importorskip(needs[says])
    with pytest.raises(mn.MnemoscopeError, match=says):
        load_map(target(tmp_path), mn.LoadOptions(**options), shape=SHAPE)


def test_a_pickle_in_an_archive_is_refused(tmp_path):
    import zipfile

    source, target = exported(tmp_path / "m.pt2", batch=None), tmp_path / "p.pt2"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("_weights_config.json"):
                content = content.replace(b'"use_pickle": false', b'"use_pickle": true')
            new.writestr(name, content)
    with pytest.raises(mn.MnemoscopeError, match="pickled tensors"):
        load_map(target)


def test_a_library_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    write(tmp_path / "m.onnx", "anything")
    with pytest.raises(mn.MnemoscopeError, match=r"pip install 'mnemoscope\[onnx\]'"):
        load_map(tmp_path / "m.onnx")


class Halving(Adapter):
    def recognizes(self, target):
        return target.endswith(".half")

    def load(self, request):
        return Loaded(lambda z: z / 2, shape=(4,))


def test_others_ship_their_own(monkeypatch):
    here = EntryPoint("halving", f"{__name__}:Halving", registry.GROUP)
    broken = EntryPoint("aaa", "nowhere.at.all:Adapter", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [broken, here])
    monkeypatch.setattr(EntryPoint, "load", lambda self: _loaded(self))
    assert find_adapter("x.half")[0] == "halving"
    assert open_model("x.half").shape == (4,)
    assert torch.equal(load_map("x.half")(torch.ones(1, 4)), torch.full((1, 4), 0.5))
    with pytest.raises(mn.MnemoscopeError, match="cannot be imported"):
        find_adapter("x.half", "aaa")


def _loaded(point):
    if point.name == "aaa":
        raise ImportError("nowhere")
    return Halving
