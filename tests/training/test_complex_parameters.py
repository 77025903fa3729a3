"""Every optimizer trains complex parameters, and checkpoints keep both of their parts."""

import warnings

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.training import OPTIMIZERS
from mnemoscope.training.checkpoint import read_checkpoint, write_checkpoint


class Spectrum(nn.Module):
    """Its spectrum's weights are all it has: the right ones are 1 wherever the data are not 0."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        w = 1 + 0.3 * torch.randn(4, 3, dtype=dtype, generator=torch.Generator().manual_seed(0))
        self.w = nn.Parameter(w)

    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.w, s=(4, 4))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex_parameters_are_trained(optimizer, dtype):
    X = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    net = Spectrum(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = float((net(X) - X).detach().square().mean())
        lr = {"adam": 1e-2, "rmsprop": 1e-2, "gradient_descent": 0.05}.get(optimizer)
        fit = mn.train(net, X, mn.TrainingOptions(optimizer=optimizer, lr=lr, max_steps=300))
    assert fit.loss < 1e-2 * before
    assert net.w.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128, torch.float32, torch.int64])
def test_a_checkpoint_gives_back_each_dtype(dtype, tmp_path):
    values = torch.arange(4).to(dtype) * (1j if dtype.is_complex else 1)
    write_checkpoint(tmp_path / "c.safetensors", {"values": [values.to(dtype)]})
    (found,) = read_checkpoint(tmp_path / "c.safetensors")["values"]
    assert found.dtype == dtype
    assert torch.equal(found, values.to(dtype))
