"""Mnemoscope finds out what an autoencoder has memorized.

Names are imported when they are first used (`__init__.pyi` lists them), so that the command line
starts at once.

Example:
    >>> import mnemoscope as mn
    >>> X = mn.load_data("digits", n=5)
    >>> spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="sigmoid")
    >>> net = spec.build(seed=0)
    >>> mn.train(net, X).converged
    True
    >>> mn.spectral_radius(net, X).shape
    torch.Size([5])
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
