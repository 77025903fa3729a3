"""Checkpoints of Lightning: `make test-adapters NAME=lightning`, and where it is installed."""

import argparse
import logging

import pytest
import torch
from torch import nn

lightning = pytest.importorskip(
    "lightning", reason="lightning is not installed: pip install 'mnemoscope[lightning]'"
)

import mnemoscope as mn  # noqa: E402
from mnemoscope.maps.adapters import open_model  # noqa: E402

X = torch.rand(8, 6, generator=torch.Generator().manual_seed(0))


class Base(lightning.LightningModule):
    def training_step(self, batch):
        return (self.net(batch) - batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())


class Whole(Base):
    def forward(self, x):
        return self.net(x)


def layers(width, activation="Tanh"):
    return nn.Sequential(nn.Linear(6, width), getattr(nn, activation)(), nn.Linear(width, 6))


class Autoencoder(Whole):
    def __init__(self, width=4, activation="Tanh"):
        super().__init__()
        self.save_hyperparameters()
        self.net = layers(width, activation)


class OfOneArgument(Whole):
    def __init__(self, hparams):
        super().__init__()
        self.save_hyperparameters(hparams)
        self.net = layers(self.hparams.width)


class OfAnything(Whole):
    def __init__(self, **sizes):
        super().__init__()
        self.save_hyperparameters()
        self.net = layers(**sizes)


class Late(Whole):
    def __init__(self, width):
        super().__init__()
        self.save_hyperparameters()
        self.net = None

    def configure_model(self):
        if self.net is None:
            self.net = layers(self.hparams.width)


class OfAModule(Whole):
    def __init__(self, net):
        super().__init__()
        self.save_hyperparameters()
        self.net = net


class WithoutForward(Base):
    def __init__(self, width=4):
        super().__init__()
        self.net = layers(width)


def trained(model, path):
    trainer = lightning.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    trainer.fit(model, torch.utils.data.DataLoader(X, batch_size=4))
    trainer.save_checkpoint(path)
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "made"),
    [
        (Autoencoder, lambda: Autoencoder(width=9, activation="Sigmoid")),
        (OfOneArgument, lambda: OfOneArgument(argparse.Namespace(width=9))),
        (OfOneArgument, lambda: OfOneArgument({"width": 9})),
        (OfAnything, lambda: OfAnything(width=9, activation="ELU")),
        (Late, lambda: Late(9)),
    ],
)
def test_a_checkpoint_tells_how_its_class_is_built(tmp_path, kind, made, caplog):
    path = tmp_path / "last.ckpt"
    model = trained(made(), path)
    with caplog.at_level(logging.INFO, logger="mnemoscope"):
        f = mn.load_map(kind, weights=path, shape=(6,))
    assert "hyperparameters" in caplog.text
    assert torch.allclose(f(X), model.net(X).detach(), atol=1e-6)
    by_name = mn.load_map(f"{__name__}:{kind.__name__}", weights=path, shape=(6,))
    assert torch.equal(by_name(X), f(X))
    assert open_model(kind, mn.LoadOptions(weights=path)).adapter == "lightning"


@pytest.mark.filterwarnings("ignore")
def test_arguments_go_before_what_the_checkpoint_says(tmp_path):
    path = tmp_path / "last.ckpt"
    trained(Autoencoder(width=9), path)
    f = mn.load_map(
        Autoencoder, mn.LoadOptions(factory_args={"activation": "ReLU"}), weights=path, shape=(6,)
    )
    assert isinstance(f.modules[0].net[1], nn.ReLU)
    with pytest.raises(mn.MnemoscopeError, match="does not fit the Autoencoder"):
        mn.load_map(
            Autoencoder, mn.LoadOptions(factory_args={"width": 3}), weights=path, shape=(6,)
        )


@pytest.mark.filterwarnings("ignore")
def test_names_of_code_in_a_checkpoint_are_not_followed(tmp_path):
    path = tmp_path / "last.ckpt"
    trained(OfAnything(width=9), path)
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"] |= {"_instantiator": "os.system", "_class_path": "x.Y"}
    torch.save(content, path)
    assert mn.load_map(OfAnything, weights=path, shape=(6,)).shape == (6,)


@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_with_objects_is_refused(tmp_path):
    path = tmp_path / "last.ckpt"
    trained(OfAModule(layers(9)), path)
    with pytest.raises(mn.MnemoscopeError, match="never unpickled"):
        mn.load_map(OfAModule, weights=path, shape=(6,))


def test_a_class_without_forward():
    with pytest.raises(mn.MnemoscopeError, match="has no forward"):
        mn.load_map(WithoutForward, shape=(6,))


def test_an_instance_is_a_module():
    model = Autoencoder()
    f = mn.load_map(model, shape=(6,))
    assert model.training  # a copy is put in eval mode
    assert torch.equal(f(X), model.net(X).detach())
