import sys

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.monitoring import Monitor


class Model(nn.Module):
    """As `Trainer` wants it: what it gives begins with the loss."""

    def __init__(self):
        super().__init__()
        self.autoencoder = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4))

    def forward(self, x):
        image = self.autoencoder(x)
        return {"loss": nn.functional.mse_loss(image, x), "image": image}


@pytest.mark.slow
def test_it_records_while_trainer_trains(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    X = torch.rand(8, 4, generator=torch.Generator().manual_seed(0))
    monitor = Monitor(X, every=4, network=lambda model: model.autoencoder)
    monitor.clock = lambda: 0.0
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=10,
        per_device_train_batch_size=2,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
    )
    data, callbacks = [{"x": x} for x in X], [monitor.trainer_callback()]
    trainer = transformers.Trainer(Model(), arguments, train_dataset=data, callbacks=callbacks)
    trainer.train()
    assert monitor.history["step"].to_list() == [4, 8]


def test_without_transformers_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(mn.MnemoscopeError, match="pip install 'transformers"):
        Monitor(torch.zeros(2, 2)).trainer_callback()
