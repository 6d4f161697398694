"""cltorch: PyTorch's API on any OpenCL device.

>>> import cltorch as torch
>>> x = torch.ones(2, 3)
>>> (x + 1).sum()
tensor(12.)
"""

from cltorch.tensor import Tensor
from cltorch.functions import *
from cltorch.device import *
