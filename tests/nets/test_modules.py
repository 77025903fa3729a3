"""States of modules with complex and integer parameters, and copies in another dtype."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.base.provenance import checksum, weights_checksum
from mnemoscope.maps import SelfMap
from mnemoscope.maps.untrained import UntrainedError, untrained
from mnemoscope.maps.weights import load_weights
from mnemoscope.nets.modules import converted, state_dtype


class Fourier(nn.Module):
    """Multiplies the spectrum of an 8 x 8 picture by complex weights."""

    def __init__(self, dtype: torch.dtype = torch.complex64) -> None:
        super().__init__()
        w = 0.5 * torch.randn(8, 5, dtype=dtype, generator=torch.Generator().manual_seed(0))
        self.w = nn.Parameter(w)

    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.w, s=(8, 8))


class Quantized(nn.Module):
    """A linear map of bytes and a scale: its first parameter is an integer."""

    def __init__(self, scale: str = "buffer") -> None:
        super().__init__()
        q = torch.randint(-5, 5, (4, 4), generator=torch.Generator().manual_seed(0))
        self.q = nn.Parameter(q.to(torch.int8), requires_grad=False)
        if scale == "buffer":
            self.register_buffer("scale", torch.tensor(0.1))
        elif scale == "parameter":
            self.scale = nn.Parameter(torch.tensor(0.1))
        else:
            self.scale = 0.1

    def forward(self, z):
        return z @ (self.q.to(z.dtype) * torch.as_tensor(self.scale).to(z.dtype)).T


@pytest.fixture(autouse=True)
def no_warning():
    """PyTorch warns where imaginary parts are dropped."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_a_fourier_layer_keeps_its_imaginary_parts_in_float64():
    torch.manual_seed(0)
    layer = Fourier()
    layer.w.data = 0.5 * torch.randn(8, 5, dtype=torch.cfloat)
    torch.manual_seed(0)
    f = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Tanh(), layer).eval()
    z = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    single = mn.spectral_radius(f, z)
    double = mn.spectral_radius(f, z, dtype=torch.float64)
    # A second method: the dense Jacobian of a network made in double precision by hand.
    exact = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Tanh(), Fourier(torch.complex128))
    exact[0].double().load_state_dict({k: v.double() for k, v in f[0].state_dict().items()})
    exact[2].w.data = layer.w.data.to(torch.complex128)
    for i, state in enumerate(z.double()):
        J = torch.func.jacrev(lambda v: exact(v[None])[0])(state).reshape(64, 64)
        radius = float(torch.linalg.eigvals(J.detach()).abs().max())
        assert float(double[i]) == pytest.approx(radius, rel=1e-6)
        # float32 resolves an eigenvalue of an ordinary matrix of this size to some 1e-5.
        assert float(single[i]) == pytest.approx(radius, rel=1e-3)
    assert f[2].w.dtype == torch.complex64


@pytest.mark.parametrize(
    ("dtype", "real"), [(torch.complex64, torch.float32), (torch.complex128, torch.float64)]
)
def test_states_of_a_network_of_complex_parameters_alone_are_real(dtype, real):
    f = SelfMap(nn.Sequential(Fourier(dtype)), (1, 8, 8))
    assert f.dtype == real
    z = torch.rand(1, 1, 8, 8)
    assert f(z).dtype == real
    for other in (torch.float64, torch.float32):
        moved = f.to(other)
        assert moved.dtype == other
        torch.testing.assert_close(moved(z).to(real), f(z), rtol=1e-4, atol=1e-5)


def test_a_real_parameter_goes_before_a_complex_one_that_precedes_it():
    both = nn.Sequential(Fourier(torch.complex64), nn.Conv2d(1, 1, 1).double())
    assert state_dtype([both], None) == torch.float64


@pytest.mark.parametrize("scale", ["buffer", "parameter", "constant"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_integer_parameters_are_accepted_and_stay_integers(scale, dtype):
    net = Quantized(scale)
    radius = np.abs(np.linalg.eigvals(0.1 * net.q.double().numpy())).max()
    found = mn.spectral_radius(net, torch.rand(2, 4), dtype=dtype)
    assert found.dtype == dtype
    assert found.tolist() == pytest.approx([radius] * 2, rel=1e-4)
    assert converted(net, torch.float64, "cpu").q.dtype == torch.int8


def test_what_is_asked_for_goes_before_a_buffer_but_not_before_a_parameter():
    assert SelfMap(Quantized(), (4,), dtype=torch.float64).dtype == torch.float64
    assert SelfMap(Quantized(), (4,)).dtype == torch.float32
    assert SelfMap(Quantized("parameter"), (4,), dtype=torch.float64).dtype == torch.float32


def test_an_index_as_a_first_parameter():
    class Shuffle(nn.Module):
        def __init__(self):
            super().__init__()
            self.order = nn.Parameter(torch.tensor([2, 0, 1]), requires_grad=False)
            self.kept = nn.Parameter(torch.tensor([True, True, False]), requires_grad=False)
            self.gain = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

        def forward(self, z):
            return self.gain * z[:, self.order] * self.kept

    f = SelfMap(Shuffle(), (3,))
    assert f.dtype == torch.float64
    assert f(torch.tensor([[1.0, 2, 4]])).tolist() == [[2, 0.5, 0]]


def test_an_audit_of_complex_parameters_has_a_checksum_and_changes_nothing():
    net = nn.Sequential(Fourier()).eval()
    before = net[0].w.detach().clone()
    audit = mn.audit(
        net, torch.rand(2, 1, 8, 8), mn.AuditOptions.of(certificates=0), starts=4, trials=1
    )
    assert torch.equal(net[0].w.detach(), before)
    assert audit.provenance["weights_checksum"] == weights_checksum([net])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.complex64, torch.int8, torch.bool])
def test_checksums_of_every_dtype_distinguish_entries(dtype):
    a, b = torch.tensor([0, 1, 1]).to(dtype), torch.tensor([0, 1, 0]).to(dtype)
    assert checksum(a) != checksum(b)
    assert checksum(a) == checksum(a.clone())
    assert checksum(a[:0]) != checksum(b[:1])


def test_a_checksum_sees_imaginary_parts_and_lazy_conjugates():
    a = torch.tensor([1 + 2j, 3 - 1j])
    assert checksum(a) != checksum(a.conj())
    assert checksum(a.conj()) == checksum(a.conj().resolve_conj())


@pytest.mark.parametrize(
    ("own", "given", "said"),
    [
        (torch.float32, torch.complex64, r"complex64.*torch\.float32"),
        (torch.int8, torch.float32, r"float32.*torch\.int8"),
    ],
)
def test_weights_that_would_lose_parts_of_their_numbers_are_refused(own, given, said, tmp_path):
    class Holder(nn.Module):
        def __init__(self, dtype):
            super().__init__()
            self.w = nn.Parameter(torch.ones(2).to(dtype), requires_grad=False)

    torch.save(Holder(given).state_dict(), tmp_path / "w.pt")
    with pytest.raises(mn.MnemoscopeError, match=said):
        load_weights(Holder(own), tmp_path / "w.pt")


def test_complex_weights_load_whole(tmp_path):
    saved, fresh = Fourier(), Fourier()
    fresh.w.data.zero_()
    torch.save(saved.state_dict(), tmp_path / "w.pt")
    load_weights(fresh, tmp_path / "w.pt")
    assert torch.equal(fresh.w, saved.w)


def test_integers_are_never_taken_for_freshly_drawn():
    with pytest.raises(UntrainedError, match="are integers"):
        untrained(SelfMap(Quantized("parameter"), (4,)))
