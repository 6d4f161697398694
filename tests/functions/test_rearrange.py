"""Repeating, flipping and rolling, against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck


def host(x):
    return x.detach().cpu().numpy()


@pytest.fixture
def cube(device):
    """Return numbered elements of shape (2, 3, 4)."""
    return ct.arange(24, device=device).reshape(2, 3, 4)


def test_repeat_and_tile_follow_numpy(device, cube):
    for counts in ((1, 1, 1), (2, 1, 3), (3, 2, 1, 2)):
        assert np.array_equal(host(cube.repeat(*counts)), np.tile(host(cube), counts))
        assert np.array_equal(host(cube.repeat(counts)), np.tile(host(cube), counts))
        assert np.array_equal(host(ct.tile(cube, counts)), np.tile(host(cube), counts))
    assert np.array_equal(host(cube.tile(2)), np.tile(host(cube), 2))
    assert np.array_equal(host(cube.transpose(0, 2).repeat(1, 2, 2)), np.tile(host(cube).transpose(2, 1, 0), (1, 2, 2)))
    assert cube.repeat(0, 1, 2).shape == (0, 3, 8)
    assert ct.tensor(3, device=device).repeat(2).tolist() == [3, 3]


def test_repeat_always_copies(cube):
    same = cube.repeat(1, 1, 1)
    same.zero_()
    assert host(cube).sum() == 276


def test_errors_of_repeat(cube):
    with pytest.raises(RuntimeError, match="can not be smaller than number of dimensions of tensor"):
        cube.repeat(2)
    with pytest.raises(RuntimeError, match=r"negative dimension -4: \[2, 3, -4\]"):
        cube.repeat(1, 1, -1)
    with pytest.raises(TypeError, match="missing 1 required positional"):
        cube.repeat()
    assert not hasattr(ct, "repeat")


def test_repeat_interleave_follows_numpy(device, cube):
    a = host(cube)
    assert np.array_equal(host(cube.repeat_interleave(2)), np.repeat(a, 2))
    for dim in (0, 1, 2, -1):
        assert np.array_equal(host(ct.repeat_interleave(cube, 3, dim)), np.repeat(a, 3, dim))
    for counts in ([1, 0, 2], [0, 0, 0], [4, 1, 1]):
        times = ct.tensor(counts, device=device)
        assert np.array_equal(host(cube.repeat_interleave(times, 1)), np.repeat(a, counts, 1))
        assert np.array_equal(host(cube.repeat_interleave(times, 1, output_size=sum(counts))), np.repeat(a, counts, 1))
    assert np.array_equal(host(cube.repeat_interleave(ct.tensor([2], device=device), 0)), np.repeat(a, 2, 0))
    assert ct.repeat_interleave(ct.tensor([2, 0, 1], device=device)).tolist() == [0, 0, 2]
    assert ct.repeat_interleave(ct.tensor([1, 2], dtype=ct.int32, device=device)).dtype is ct.int32


def test_a_known_size_saves_waiting_for_the_device(cl_device):
    x, times = ct.arange(3.0, device=cl_device), ct.tensor([1, 2, 1], device=cl_device)
    context = ct.device(cl_device).context
    before = context.syncs
    found = x.repeat_interleave(times, output_size=4)
    assert context.syncs == before
    assert found.tolist() == [0.0, 1.0, 1.0, 2.0]


def test_errors_of_repeat_interleave(device, cube):
    def times(*counts):
        return ct.tensor(counts, device=device)

    with pytest.raises(RuntimeError, match="Repeats must be non-negative"):
        cube.repeat_interleave(-1)
    with pytest.raises(RuntimeError, match="repeats can not be negative"):
        cube.repeat_interleave(times(1, -1, 1), 1)
    with pytest.raises(RuntimeError, match=r"repeats.size\(0\) = 2 and input.size\(1\) = 3"):
        cube.repeat_interleave(times(1, 2), 1)
    with pytest.raises(RuntimeError, match="repeats must be 0-dim or 1-dim tensor"):
        cube.repeat_interleave(times(1, 2, 3)[None], 1)
    with pytest.raises(RuntimeError, match="only accept 1D vector as repeat"):
        ct.repeat_interleave(ct.tensor(3, device=device))
    with pytest.raises(NotImplementedError, match="not implemented for 'Float'"):
        cube.repeat_interleave(times(1.0, 2.0, 1.0), 1)
    with pytest.raises(RuntimeError, match="Invalid output_size, expected 48 but got 5"):
        cube.repeat_interleave(2, output_size=5)


@pytest.mark.parametrize("dtype", [ct.int64, ct.float32, ct.bool])
def test_flip_follows_numpy(device, dtype):
    for shape in ((5,), (3, 40), (2, 3, 33), (4, 1), (0, 3)):
        x = (ct.arange(int(np.prod(shape)), device=device) % 7).to(dtype).reshape(shape)
        for dims in ((0,), (-1,), tuple(range(len(shape)))):
            assert np.array_equal(host(ct.flip(x, dims)), np.flip(host(x), dims))
            assert np.array_equal(host(x.flip(*dims)), np.flip(host(x), dims))


def test_flip_reads_views(cube):
    a = host(cube)
    for view, ref in (
        (cube.transpose(0, 2), a.transpose(2, 1, 0)), (cube[1:, :, 1:], a[1:, :, 1:]), (cube[..., ::2], a[..., ::2]),
        (cube[:, :1].expand(2, 5, 4), np.repeat(a[:, :1], 5, 1)),
    ):  # fmt: skip
        for dims in ((0,), (2,), (0, 1, 2), (1, 2)):
            assert np.array_equal(host(view.flip(dims)), np.flip(ref, dims))


def test_a_long_line_is_reversed_in_pieces(cl_device):
    x = ct.arange(50001, device=cl_device)
    assert np.array_equal(host(x.flip(0)), np.arange(50000, -1, -1))


def test_flip_of_nothing_and_of_scalars(device, cube):
    assert np.array_equal(host(cube.flip(())), host(cube))
    assert ct.tensor(2.0, device=device).flip(0).item() == 2.0
    assert np.array_equal(host(ct.fliplr(cube[0])), np.fliplr(host(cube)[0]))
    assert np.array_equal(host(ct.flipud(cube[0])), np.flipud(host(cube)[0]))
    with pytest.raises(RuntimeError, match="appears multiple times in the list of dims"):
        cube.flip(0, 0)
    with pytest.raises(IndexError, match="but got 3"):
        cube.flip(3)
    with pytest.raises(RuntimeError, match="Input must be >= 2-d"):
        ct.fliplr(cube[0, 0])


def test_roll_follows_numpy(cube):
    a = host(cube)
    for shift in (0, 1, -1, 5, 24, 30):
        assert np.array_equal(host(cube.roll(shift)), np.roll(a, shift))
        assert np.array_equal(host(cube.roll(shift, 1)), np.roll(a, shift, 1))
    assert np.array_equal(host(ct.roll(cube, (1, -2), (0, 2))), np.roll(a, (1, -2), (0, 2)))
    assert np.array_equal(host(cube.roll((1, 1), (1, -2))), np.roll(a, 2, 1))
    assert np.array_equal(host(cube.transpose(0, 2).roll(1, 0)), np.roll(a.transpose(2, 1, 0), 1, 0))
    assert cube[:0].roll(1, 1).shape == (0, 3, 4)


def test_errors_of_roll(device, cube):
    with pytest.raises(RuntimeError, match=r"must align. shifts: 1, dims:2"):
        cube.roll(1, (0, 1))
    with pytest.raises(RuntimeError, match="`shifts` required"):
        cube.roll((), (0,))
    with pytest.raises(IndexError, match="tensor has no dimensions"):
        ct.tensor(1.0, device=device).roll(1, 0)


def test_rot90_follows_numpy(cube):
    a = host(cube)
    for k in range(-1, 5):
        for dims in ((0, 1), (1, 2), (2, 0)):
            assert np.array_equal(host(ct.rot90(cube, k, dims)), np.rot90(a, k, dims))
    with pytest.raises(RuntimeError, match="expected rotation dims to be different"):
        cube.rot90(1, (1, 1))
    with pytest.raises(RuntimeError, match="expected total rotation dims == 2, but got dims = 1"):
        cube.rot90(1, (1,))


MOVES = {
    "repeat": lambda x: x.repeat(2, 1, 2),
    "interleave": lambda x: x.repeat_interleave(2, 1),
    "counts": lambda x: x.repeat_interleave(ct.tensor([1, 0, 2], device=x.device), 1),
    "flip": lambda x: x.flip(0, 1),
    "roll": lambda x: x.roll((1, 2), (0, 1)),
    "rot90": lambda x: x.rot90(),
}


@pytest.mark.parametrize("name", MOVES)
def test_gradients_of_moves(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    x = ct.randn(2, 3, dtype=ct.float64, device=device, requires_grad=True)
    assert gradcheck(MOVES[name], [x])
    if device == "cpu" or name == "flip":  # the rules are those of the host, their kernels were just tested
        assert gradgradcheck(MOVES[name], [x])


def test_moves_agree_with_pytorch(cube):
    torch = pytest.importorskip("torch", reason="parity is checked where PyTorch is installed")
    theirs = torch.from_numpy(host(cube))
    for f in (
        lambda t, x: x.repeat(1, 2, 1, 2), lambda t, x: t.tile(x, (2,)), lambda t, x: t.roll(x, (3, -1), (2, 1)),
        lambda t, x: t.rot90(x, 3, (0, 2)), lambda t, x: t.flip(x, (0, 2)), lambda t, x: x.repeat_interleave(2, dim=-1),
    ):  # fmt: skip
        assert f(ct, cube).tolist() == f(torch, theirs).tolist()
