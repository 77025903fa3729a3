"""Models of every kind as self-maps; each stands beside the module that it was made from."""

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
    f = load_map(tmp_path / "m.onnx", noise_level=2, predicts="noise", alpha_bar=0.8)
    assert torch.allclose(f(z), (1 - 3 * 0.2**0.5) * z, atol=1e-6)
    with pytest.raises(mn.MnemoscopeError, match="what it predicts"):
        check_map(load_map(tmp_path / "m.onnx", noise_level=2), z)


def test_a_factory_with_weights(tmp_path, monkeypatch):
    (tmp_path / "my_factory.py").write_text(
        "from tests.maps.adapters.test_adapters import Autoencoder\n"
        "def build(width):\n    return Autoencoder(width)\n"
    )
    monkeypatch.chdir(tmp_path)
    torch.save(autoencoder(24).state_dict(), "w.pt")
    f = load_map("my_factory:build", shape=SHAPE, weights="w.pt", factory_args={"width": 24})
    # Where weights lie in memory may decide the order of a product's sums.
    assert torch.allclose(f(states()), autoencoder(24)(states()), atol=1e-6)
    assert str(tmp_path) not in sys.path
    with pytest.raises(mn.MnemoscopeError, match="tell the shape"):
        load_map("my_factory:build", factory_args={"width": 24})


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


UNET = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}


@pytest.mark.parametrize("predicts", ["epsilon", "sample", "v_prediction"])
def test_a_diffusion_model_denoises_at_one_level(tmp_path, predicts):
    diffusers = pytest.importorskip("diffusers")
    DDPMPipeline, DDPMScheduler = diffusers.DDPMPipeline, diffusers.DDPMScheduler

    model = diffusers_model("UNet2DModel", tmp_path / "alone", **UNET)
    scheduler = DDPMScheduler(prediction_type=predicts, beta_schedule="squaredcos_cap_v2")
    DDPMPipeline(model, scheduler).save_pretrained(tmp_path / "pipeline")
    f = load_map(tmp_path / "pipeline", noise_level=300)
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
            load_map(tmp_path / "pipeline", noise_level=level)


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
        f = load_map(tmp_path, noise_level=300, predicts=predicts)
        assert torch.allclose(f(states()), (estimate + 1) / 2, atol=1e-4)
    assert not caplog.text
    f = load_map(tmp_path, noise_level=300)
    assert torch.allclose(f(states()), (wanted["noise"] + 1) / 2, atol=1e-4)
    assert "taken for the noise" in caplog.text
    given = load_map(tmp_path, noise_level=300, predicts="noise", alpha_bar=0.25)
    with torch.no_grad():
        made = model(0.5 * z, 300).sample
    by_hand = (0.5 * z - 0.75**0.5 * made) / 0.5
    assert torch.allclose(given(states()), (by_hand + 1) / 2, atol=1e-4)


def test_a_vae_predicts_nothing(tmp_path):
    diffusers_model("AutoencoderKL", tmp_path)
    with pytest.raises(mn.MnemoscopeError, match="--predicts for a AutoencoderKL"):
        load_map(tmp_path, predicts="noise")


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
    (lambda folder: write(folder / "kl" / "config.json", KL), {}, "no weights"),
    (lambda folder: "torch.nn:Linear", {}, "missing 2 required"),
    (lambda folder: "torch.nn:Nothing", {}, "cannot be imported"),
    (lambda folder: "nowhere.at.all:Nothing", {}, "cannot be imported"),
    (lambda folder: "math:pi", {}, "float"),
    (lambda folder: "torch.nn:Identity", {"adapter": "factroy"}, "did you mean factory"),
    (lambda folder: "torch.nn:Identity", {"adapter": "onnx", "weights": "w.pt"}, "--weights"),
]


@pytest.mark.parametrize(("target", "options", "says"), FAULTS)
def test_what_cannot_be_loaded(tmp_path, target, options, says):
    needs = {"onnxruntime cannot load": "onnxruntime", "no weights": "diffusers"}
    if says in needs:
        pytest.importorskip(needs[says])
    with pytest.raises(mn.MnemoscopeError, match=says):
        load_map(target(tmp_path), shape=SHAPE, **options)


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
