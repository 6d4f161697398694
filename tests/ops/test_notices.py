"""Warnings of functions: those that come once in a process, and those that come each time."""

import warnings

import pytest

import cltorch


def said(call):
    """Return what a call warns of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in found if w.category is UserWarning]


ONCE = [
    ("meshgrid", lambda x: cltorch.meshgrid(x[0], x[1]), "required to pass the indexing argument"),
    ("cross", lambda x: cltorch.cross(x, x), "torch.cross without specifying the dim arg"),
    ("chain_matmul", lambda x: cltorch.chain_matmul(x, x), "torch.linalg.multi_dot instead"),
    ("cholesky", lambda x: cltorch.cholesky(x), "in favor of torch.linalg.cholesky"),
    ("qr", lambda x: cltorch.qr(x), "in favor of torch.linalg.qr"),
    ("lu", lambda x: cltorch.lu(x), "in favor of torch.linalg.lu_factor"),
    ("lu_solve", lambda x: x.lu_solve(*cltorch.linalg.lu_factor(x)), "in favor of torch.linalg.lu_solve"),
    ("triangular_solve", lambda x: x.triangular_solve(x), "in favor of torch.linalg.solve_triangular"),
    (
        "index_reduce",
        lambda x: x.index_reduce(0, cltorch.tensor([0], device=x.device), x[:1], "prod"),
        "index_reduce.. is in beta",
    ),
    (
        "scatter",
        lambda x: x.scatter(1, cltorch.zeros(1, 1, dtype=cltorch.int64, device=x.device), x, reduce="add"),
        "The reduce argument of torch.scatter",
    ),
    ("float", lambda x: float(x[0, 0].requires_grad_() * 2), "Converting a tensor with requires_grad=True"),
]


@pytest.mark.parametrize(("name", "call", "words"), ONCE, ids=[row[0] for row in ONCE])
def test_some_warnings_come_once_or_each_time_when_asked_for(name, call, words, device, each_warning):
    x = cltorch.eye(3, device=device)
    cltorch.set_host_fallback("allow")
    try:
        with pytest.warns(UserWarning, match=words):
            call(x)
        assert len(said(lambda: call(x))) == 1
        cltorch.set_warn_always(False)
        assert said(lambda: call(x)) == []
    finally:
        cltorch.set_host_fallback("warn")


def test_calls_with_what_replaces_them_say_nothing(device):
    x = cltorch.eye(3, device=device)
    index = cltorch.zeros(1, 1, dtype=cltorch.int64, device=device)
    cltorch.set_warn_always(True)
    try:
        assert said(lambda: cltorch.meshgrid(x[0], x[1], indexing="ij")) == []
        assert said(lambda: (cltorch.cross(x, x, dim=0), cltorch.linalg.cross(x, x))) == []
        assert said(lambda: x.clone().scatter_(1, index, 2.0, reduce="add")) == []
        assert said(lambda: x[0, 0].requires_grad_().item()) == []
    finally:
        cltorch.set_warn_always(False)


def test_some_warnings_come_each_time(device):
    x = cltorch.eye(3, device=device)
    bytes_ = cltorch.tensor([1, 0, 1], dtype=cltorch.uint8, device=device)
    for call, words in (
        (lambda: cltorch.range(0, 3, device=device), "torch.range is deprecated"),
        (lambda: x[bytes_], "indexing with dtype torch.uint8"),
        (lambda: x[[[0, 1], [1, 0]]], "non-tuple sequence for multidimensional indexing"),
    ):
        for _ in range(2):
            (message,) = said(call)
            assert words in message
