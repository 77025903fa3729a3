"""Networks that Mnemoscope wrote: a `.safetensors` file that carries its spec."""

from pathlib import Path

from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.nets import load


class NetworkFile(Adapter):
    """A `.safetensors` file with a spec in it."""

    def recognizes(self, target: str) -> bool:
        """Recognizes any file of that name; loading it reports what is wrong with it."""
        return target.endswith(".safetensors") and Path(target).is_file()

    def load(self, request: Request) -> Loaded:
        """Returns the network, with its spec and training record."""
        network = load(request.target, device=request.device)
        return Loaded(network, shape=network.shape)
