"""Run programs written for PyTorch as they are: ``import torch`` gives cltorch.

from cltorch import compat

compat.install()  # before the first import of torch
import torch      # cltorch, under PyTorch's names
"""

from cltorch.compat.finder import install, is_installed, uninstall
from cltorch.compat.missing import NotAvailable

__all__ = ["NotAvailable", "install", "is_installed", "uninstall"]
