"""Fitting networks to interpolation.

Names are imported when they are first used (`__init__.pyi` lists them): the command line needs the
options without PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
