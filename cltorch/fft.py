"""torch.fft: discrete Fourier transforms.

They run on the host, as ``cltorch.set_host_fallback`` permits, in single or double precision.
Source: https://docs.pytorch.org/docs/2.13/fft.html

>>> import cltorch as torch
>>> torch.fft.fft(torch.tensor([1.0, 0.0, -1.0, 0.0]))
tensor([0.+0.j, 2.+0.j, 0.+0.j, 2.+0.j])
"""

from cltorch import public_forms
from cltorch.functions.fft import fft_fft as fft
from cltorch.functions.fft import fft_fft2 as fft2
from cltorch.functions.fft import fft_fftfreq as fftfreq
from cltorch.functions.fft import fft_fftn as fftn
from cltorch.functions.fft import fft_fftshift as fftshift
from cltorch.functions.fft import fft_hfft as hfft
from cltorch.functions.fft import fft_hfft2 as hfft2
from cltorch.functions.fft import fft_hfftn as hfftn
from cltorch.functions.fft import fft_ifft as ifft
from cltorch.functions.fft import fft_ifft2 as ifft2
from cltorch.functions.fft import fft_ifftn as ifftn
from cltorch.functions.fft import fft_ifftshift as ifftshift
from cltorch.functions.fft import fft_ihfft as ihfft
from cltorch.functions.fft import fft_ihfft2 as ihfft2
from cltorch.functions.fft import fft_ihfftn as ihfftn
from cltorch.functions.fft import fft_irfft as irfft
from cltorch.functions.fft import fft_irfft2 as irfft2
from cltorch.functions.fft import fft_irfftn as irfftn
from cltorch.functions.fft import fft_rfft as rfft
from cltorch.functions.fft import fft_rfft2 as rfft2
from cltorch.functions.fft import fft_rfftfreq as rfftfreq
from cltorch.functions.fft import fft_rfftn as rfftn
from cltorch.tensor import Tensor

__all__ = [
    "Tensor", "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn",
    "ifftshift", "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

public_forms.functions(__all__, globals(), "cltorch.fft", "torch.fft")
