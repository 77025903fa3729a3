import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import mnemoscope as mn
from mnemoscope.monitoring import Monitor


@pytest.mark.slow
def test_it_records_while_lightning_trains():
    lightning = pytest.importorskip("lightning.pytorch")
    X = torch.rand(8, 4, generator=torch.Generator().manual_seed(0))

    class Autoencoder(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4))

        def forward(self, z):
            return self.net(z)

        def training_step(self, batch, _):
            return nn.functional.mse_loss(self(batch), batch)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=1e-2)

    monitor = Monitor(X, every=4)
    monitor.clock = lambda: 0.0
    trainer = lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_steps=10,
        accumulate_grad_batches=2,
        callbacks=[monitor.lightning()],
    )
    module = Autoencoder()
    trainer.fit(module, DataLoader(X, batch_size=2))
    assert monitor.history["step"].to_list() == [4, 8]
    assert module.training


def test_without_lightning_it_says_what_to_install(monkeypatch):
    for name in ("pytorch_lightning", "lightning", "lightning.pytorch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "lightning.pytorch.callbacks", None)
    monkeypatch.setitem(sys.modules, "lightning", None)
    with pytest.raises(mn.MnemoscopeError, match="pip install lightning"):
        Monitor(torch.zeros(2, 2)).lightning()
