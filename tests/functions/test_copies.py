"""The functions that return copies of views, and other small names."""

import copy
import pickle

import pytest

import cltorch
from cltorch.autograd import gradcheck

ONE = {
    "alias": (), "as_strided": ((2, 2), (1, 2)), "diagonal": (1,), "expand": ((2, 3, 4),), "permute": ((1, 0),),
    "select": (1, -1), "squeeze": (), "t": (), "transpose": (0, 1), "unfold": (1, 2, 1), "unsqueeze": (-1,),
    "view": ((4, 3),),
}  # fmt: skip
SEVERAL = {"split": (2, 1), "split_with_sizes": ([1, 2],), "unbind": (1,)}


@pytest.mark.parametrize("name", sorted(ONE))
def test_one(name):
    x = cltorch.arange(12.0).reshape(3, 4)
    copy, args = getattr(cltorch, name + "_copy"), ONE[name]
    view = x if name == "alias" else getattr(x, name)(*args)
    got = copy(x, *args)
    assert got.tolist() == view.tolist() and got.is_contiguous() and got.data_ptr() != x.data_ptr()
    out = cltorch.empty(0)
    assert copy(x, *args, out=out) is out and out.tolist() == view.tolist()
    assert gradcheck(lambda x: copy(x, *args), (x.double().requires_grad_(),))


@pytest.mark.parametrize("name", sorted(SEVERAL))
def test_several(name):
    x = cltorch.arange(12.0).reshape(3, 4)
    copy, args = getattr(cltorch, name + "_copy"), SEVERAL[name]
    views, got = getattr(x, name)(*args), copy(x, *args)
    assert isinstance(got, tuple) and [g.tolist() for g in got] == [v.tolist() for v in views]
    assert all(g.untyped_storage().data_ptr() != x.data_ptr() for g in got)
    out = [cltorch.empty(0) for _ in got]
    assert copy(x, *args, out=out) is None and [o.tolist() for o in out] == [v.tolist() for v in views]
    with pytest.raises(RuntimeError, match="tensors in out="):
        copy(x, *args, out=out[1:])


def test_slice_and_detach():
    x = cltorch.arange(12.0, requires_grad=True).reshape(3, 4)
    assert cltorch.slice_copy(x, 1, 0, 4, 2).tolist() == x[:, ::2].tolist()
    assert cltorch.slice_copy(x, -1, start=-2).tolist() == x[:, -2:].tolist()
    assert cltorch.detach_copy(x).tolist() == x.tolist()


def test_from_file(tmp_path):
    path = tmp_path / "numbers"
    cltorch.arange(4.0).numpy().tofile(path)
    x = cltorch.from_file(str(path), size=4)
    x[0] = 9
    assert x.tolist() == [9, 1, 2, 3] and cltorch.from_file(str(path), size=4).tolist() == [0, 1, 2, 3]
    y = cltorch.from_file(str(path), True, 3, dtype=cltorch.int32)
    y[0] = 1
    assert cltorch.from_file(str(path), size=1, dtype=cltorch.int32).item() == 1
    assert cltorch.from_file(str(tmp_path / "new"), shared=True, size=2).tolist() == [0, 0]
    assert cltorch.from_file(str(path)).shape == (0,)
    with pytest.raises(RuntimeError, match="smaller than the required mapping size <36>"):
        cltorch.from_file(str(path), size=9)
    with pytest.raises(RuntimeError, match="unable to open file"):
        cltorch.from_file(str(tmp_path / "none"), size=1)


def test_questions():
    x = cltorch.ones(2, 3)
    assert cltorch.get_device(x) == -1 and not cltorch.is_inference(x) and not cltorch.is_distributed(x)
    with cltorch.inference_mode():
        assert cltorch.is_inference(cltorch.ones(1))
    assert (cltorch.sym_int(-3.7), cltorch.sym_float(3), cltorch.sym_not(True)) == (-3, 3.0, False)
    assert cltorch.sym_max(3, 4.0) == 4.0 and type(cltorch.sym_min(3, 4.0)) is float and cltorch.sym_sum([1, 2]) == 3
    assert cltorch.sym_ite(True, 1, 2) == 1 and cltorch.sym_sqrt(4) == 2.0
    with pytest.raises(TypeError):
        cltorch.sym_ite(True, 1, 2.0)
    assert x.dense_dim() == 2 and x.sparse_dim() == 0 and x.to_dense() is x
    assert x.const_data_ptr() == x.data_ptr() and x.to_dense(cltorch.int64).dtype is cltorch.int64
    assert x.flipud().tolist() == x.tolist() and not x.is_distributed()
    assert x.module_load(2 * x).tolist() == x.tolist() == [[2, 2, 2]] * 2
    with pytest.warns(UserWarning, match="deprecated"):
        assert x.resize(3, 2).shape == (3, 2)
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match=r"requested resize to 4x2 \(8 elements"):
        x.resize(4, 2)


def test_return_types():
    found = cltorch.sort(cltorch.tensor([2, 1]))
    assert isinstance(found, cltorch.return_types.sort) and found.values.tolist() == [1, 2]
    assert cltorch.return_types.sort in cltorch.return_types.all_return_types
    assert cltorch.return_types.histogram_out is type(cltorch.histogram(cltorch.ones(1), 1))
    made = cltorch.return_types.sort([1, 2])
    assert (made.values, made.indices) == (1, 2) and made == cltorch.return_types.sort(1, 2) == copy.deepcopy(made)
    assert type(pickle.loads(pickle.dumps(made))) is cltorch.return_types.sort
    with pytest.raises(TypeError, match=r"sort\(\) takes a 2-sequence \(1-sequence given\)"):
        cltorch.return_types.sort([1])


def test_edges_and_versions():
    x = cltorch.ones(2, requires_grad=True)
    y = x * 2
    edge = cltorch.autograd.graph.get_gradient_edge(y)
    assert edge.node is y.grad_fn and edge.output_nr == 0
    with pytest.raises(RuntimeError, match="does not require gradients"):
        cltorch.autograd.graph.get_gradient_edge(x.detach())
    z = x.exp()
    cltorch.autograd.graph.increment_version([z])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    with cltorch.autograd.set_multithreading_enabled(False):
        y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_anomaly_switches():
    assert cltorch.is_anomaly_check_nan_enabled()
    cltorch.set_anomaly_enabled(True, False)
    try:
        assert cltorch.is_anomaly_enabled() and not cltorch.is_anomaly_check_nan_enabled()
    finally:
        cltorch.set_anomaly_enabled(False)
