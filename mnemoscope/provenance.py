"""What a result was made with: versions of the software and a checksum of the data."""

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version

import torch
from jaxtyping import Shaped
from torch import Tensor


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
    """SHA-256 of a tensor's dtype, shape and entries, as hexadecimal digits."""
    digest = hashlib.sha256(f"{X.dtype} {tuple(X.shape)}".encode())
    digest.update(X.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
