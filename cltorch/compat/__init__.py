"""Run programs written for PyTorch as they are: ``import torch`` gives cltorch.

>>> from cltorch import compat
>>> compat.install()
>>> import torch
>>> torch.add(torch.tensor(1), 2)
tensor(3)
>>> torch.__version__
'2.13.0'
>>> compat.uninstall()
"""

from cltorch.compat.finder import install, is_installed, uninstall
from cltorch.compat.missing import NotAvailable

__all__ = ["NotAvailable", "install", "is_installed", "uninstall"]
