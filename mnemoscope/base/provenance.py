"""What a result was made with: versions of the software and checksums of data and weights."""

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

import torch
from jaxtyping import Shaped
from torch import Tensor, nn


def versions() -> dict[str, str]:
    """Versions of Mnemoscope, Python, PyTorch and the machine's platform."""
    try:
        own = version("mnemoscope")
    except PackageNotFoundError:
        own = "unknown"
    return {
        "mnemoscope": own,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "threads": str(torch.get_num_threads()),
    }


def checksum(X: Shaped[Tensor, "..."]) -> str:
    """Computes SHA-256 of a tensor's dtype, shape and entries, as hexadecimal digits."""
    digest = hashlib.sha256(f"{X.dtype} {tuple(X.shape)}".encode())
    # As bytes: NumPy knows neither bfloat16 nor complex numbers of half precision.
    entries = X.detach().cpu().resolve_conj().resolve_neg().contiguous().flatten()
    if entries.is_quantized:
        digest.update(str(entries.qscheme()).encode())
        entries = entries.int_repr()
    digest.update(entries.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def weights_checksum(modules: Iterable[nn.Module]) -> str | None:
    """Computes SHA-256 of the names and weights of networks; None where there are none."""
    digest, found = hashlib.sha256(), False
    for module in modules:
        for name, value in module.state_dict().items():
            if isinstance(value, Tensor):
                digest.update(f"{name} {checksum(value)}".encode())
                found = True
    return digest.hexdigest() if found else None
