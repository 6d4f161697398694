"""Plans of Fourier transforms by pyvkfft: what is not asked for, how many are kept, what is remembered."""

import pytest

import cltorch
from cltorch.device import fourier


class App:
    """Stands in for pyvkfft: it plans anything of an even number of lines, and counts."""

    made = 0

    @staticmethod
    def vkfft_max_fft_dimensions():
        return 4

    @classmethod
    def VkFFTApp(cls, shape, dtype, queue, **options):
        cls.made += 1
        if shape[0] % 2:
            raise RuntimeError("VKFFT_ERROR_UNSUPPORTED_FFT_LENGTH")
        return type("Plan", (), {"queue": queue})()


@pytest.fixture
def fourier_of(cl_device, monkeypatch):
    monkeypatch.setattr(fourier, "library", lambda: App)
    monkeypatch.setattr(App, "made", 0)
    return fourier.Fourier(cltorch.device(cl_device).context)


def test_sizes_that_would_end_the_process_are_never_planned(fourier_of):
    for n, planned in ((8192, True), (8191, True), (24001, False), (2 * 8209, False), (44000, True), (1 << 20, True)):
        assert (fourier_of.plan((2, n), (1,), False, False) is not None) is planned, n
    assert App.made == 4
    assert fourier_of.plan((24001, 2), (1,), False, False) is None and App.made == 5  # odd lines, but of two numbers


def test_plans_made_last_are_kept_and_refusals_remembered(fourier_of):
    first = fourier_of.plan((2, 8), (1,), False, True)
    assert fourier_of.plan((2, 8), (1,), False, True) is first and App.made == 1
    assert fourier_of.plan((3, 8), (1,), False, True) is None
    assert fourier_of.plan((3, 8), (1,), False, True) is None and App.made == 2
    for k in range(fourier._KEPT):
        fourier_of.plan((2, 16 + k), (1,), False, True)
    made = App.made
    assert fourier_of.plan((2, 8), (1,), False, True) is not first and App.made == made + 1
    assert fourier_of.plan((2, 2, 2, 2, 2), (4,), False, True) is None and App.made == made + 1  # too many dimensions


def test_without_the_package_there_are_no_plans(cl_device, monkeypatch):
    monkeypatch.setattr(fourier, "library", lambda: None)
    assert fourier.Fourier(cltorch.device(cl_device).context).plan((2, 8), (1,), False, False) is None
