"""Products of matrices of 8-bit floats with scales beside them: PyTorch's on the host, and sums written out."""

import numpy as np
import pytest

import cltorch
import cltorch.nn.functional as F

TENSOR, ROW, BLOCK = F.ScalingType.TensorWise, F.ScalingType.RowWise, F.ScalingType.BlockWise1x128


@pytest.fixture
def peer():
    return pytest.importorskip("torch", reason="torch is not installed")


def operands(library, device="cpu", m=5, k=24, n=7, kinds=("float8_e4m3fn", "float8_e5m2")):
    rng = np.random.default_rng(0)
    a, b = (
        library.tensor(rng.standard_normal(s).astype(np.float32)).to(getattr(library, t)).to(device)
        for s, t in zip(((m, k), (k, n)), kinds, strict=True)
    )
    one, other, rows, columns, bias = (
        library.tensor(np.float32(rng.uniform(0.5, 2, s))).to(device) for s in ((), (1, 1), (m, 1), (1, n), (n,))
    )
    library_f = library.nn.functional
    return {
        "T": library, "mm": library_f.scaled_mm, "old": library._scaled_mm, "S": library_f.ScalingType,
        "Z": library_f.SwizzleType, "a": a, "b": b, "one": one, "other": other, "rows": rows, "columns": columns,
        "bias": bias,
    }  # fmt: skip


RESULTS = """
mm(a, b, one, S.TensorWise, other, S.TensorWise)
mm(a, b, one, S.TensorWise, other, S.TensorWise, bias=bias, output_dtype=T.float32)
mm(a, b, [rows], [S.RowWise], [columns], [S.RowWise], Z.NO_SWIZZLE, Z.NO_SWIZZLE, bias.bfloat16(), T.float16)
mm(a, b, one, S.TensorWise, other, S.TensorWise, output_dtype=None, contraction_dim=(1, 0), use_fast_accum=True)
mm(a[:0], b, one, S.TensorWise, other, S.TensorWise)
old(a[:, :0], b[:0], one, other, bias, out_dtype=T.bfloat16)
mm(a.to(T.float8_e8m0fnu), b.to(T.float8_e4m3fnuz), one, S.TensorWise, other, S.TensorWise, output_dtype=T.float32)
old(a, b, one, other)
old(a, b, one, other, bias, one, T.float8_e4m3fn)
old(a, b, rows, columns, bias, one, T.float32)
""".strip().splitlines()


@pytest.mark.parametrize("text", RESULTS)
def test_results_are_pytorchs(text, device, peer):
    ours, theirs = eval(text, operands(cltorch, device)), eval(text, operands(peer))
    assert str(ours.dtype) == str(theirs.dtype)
    assert ours.device.type == cltorch.device(device).type
    # numbers that fall between two of the coarse ones may be rounded to either
    tolerance = {1: 0.26, 2: 1e-2, 4: 1e-5}[ours.dtype.itemsize]
    ours, theirs = ours.cpu().to(cltorch.float32).numpy(), theirs.float().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance / 10)
    assert (ours != theirs).sum() <= 0.05 * ours.size or tolerance < 1e-4


def test_a_scale_for_each_row_and_column(device):
    x = operands(cltorch, device)
    out = F.scaled_mm(x["a"], x["b"], x["rows"], ROW, x["columns"], ROW, bias=x["bias"], output_dtype=cltorch.float32)
    a, b = (x[n].cpu().to(cltorch.float32).numpy().astype(np.float64) for n in "ab")
    rows, columns, bias = (x[n].cpu().numpy().astype(np.float64) for n in ("rows", "columns", "bias"))
    np.testing.assert_allclose(out.cpu().numpy(), (a @ b) * rows * columns + bias, rtol=1e-5, atol=1e-5)


ERRORS = """
mm(a, b, rows, S.RowWise, one, S.TensorWise)
mm(a, b, rows, S.BlockWise1x128, columns, S.BlockWise128x128)
mm(a, b, rows, S.TensorWise, columns, S.TensorWise)
mm(a, b, rows[:4], S.RowWise, columns, S.RowWise)
mm(a, b, rows, S.RowWise, columns[:, :5], S.RowWise)
mm(a, b, one.double(), S.TensorWise, other, S.TensorWise)
mm(a.float(), b, one, S.TensorWise, other, S.TensorWise)
mm(a, b, [one, one], S.TensorWise, other, S.TensorWise)
mm(a, b, [], S.TensorWise, other, S.TensorWise)
mm(a, b[:5], one, S.TensorWise, other, S.TensorWise)
mm(a[None], b, one, S.TensorWise, other, S.TensorWise)
mm(a, b, one, S.TensorWise, other, S.TensorWise, bias=bias[:3])
mm(a, b, one, S.TensorWise, other, S.TensorWise, contraction_dim=(0, 1))
mm(a, b, one, S.TensorWise, other, S.TensorWise, contraction_dim=(1,))
old(a, b, rows, one)
old(a, b.float(), one, one)
old(a[0], b, one, one)
old(a, b[:5], one, one)
old(a, b, 1.0, one)
old(a, b, one, one, None, rows)
old(a, b, one, one, out_dtype=T.float16, out=T.empty(5, 7))
""".strip().splitlines()


@pytest.mark.parametrize("text", ERRORS)
def test_errors_are_pytorchs(text, peer):
    with pytest.raises(Exception) as theirs:
        eval(text, operands(peer))
    with pytest.raises(type(theirs.value)) as ours:
        eval(text, operands(cltorch))
    assert str(ours.value) == str(theirs.value)


def test_scales_in_another_order_are_refused():
    x = operands(cltorch)
    with pytest.raises(ValueError, match="does not support swizzle"):
        F.scaled_mm(x["a"], x["b"], x["one"], TENSOR, x["one"], TENSOR, [F.SwizzleType.SWIZZLE_32_4_4])
    for kinds in ((x["one"], TENSOR, None), (TENSOR, [1], None), (TENSOR, TENSOR, x["one"])):
        with pytest.raises(TypeError, match="expected (ScalingType|SwizzleType) or a list of them"):
            F.scaled_mm(x["a"], x["b"], x["one"], kinds[0], x["one"], kinds[1], kinds[2])


def test_the_result_may_be_written_elsewhere(device):
    x = operands(cltorch, device)
    out = cltorch.empty(1, dtype=cltorch.float32, device=device)
    found = cltorch._scaled_mm(x["a"], x["b"], x["one"], x["one"], out=out)
    assert found is out and out.shape == (5, 7)
    assert out.equal(cltorch._scaled_mm(x["a"], x["b"], x["one"], x["one"], out_dtype=cltorch.float32))


def test_kinds_are_numbered_as_pytorchs(peer):
    for name in ("ScalingType", "SwizzleType"):
        theirs = getattr(peer.nn.functional, name).__members__
        assert {n: int(e) for n, e in getattr(F, name).__members__.items()} == {n: int(e) for n, e in theirs.items()}


GROUPS = {  # shapes of both operands and of their scales, and where groups end
    "rows": ((6, 8), (2, 8, 4), (6,), (2, 4), [2, 6]),
    "columns": ((2, 3, 8), (8, 5), (2, 3), (5,), [1, 5]),
    "sums": ((3, 8), (8, 4), (6,), (8,), [3, 8]),
    "none": ((2, 3, 8), (2, 8, 4), (2, 3), (2, 4), None),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_products_of_groups(kind, device):
    *shapes, ends = GROUPS[kind]
    rng = np.random.default_rng(1)
    a, b, sa, sb = (
        np.float32(rng.standard_normal(s) if i < 2 else rng.uniform(0.5, 2, s)) for i, s in enumerate(shapes)
    )
    x, y = (cltorch.tensor(v, device=device).to(cltorch.float8_e4m3fn) for v in (a, b))
    scales = [cltorch.tensor(v, device=device) for v in (sa, sb)]
    offs = None if ends is None else cltorch.tensor(ends, dtype=cltorch.int32, device=device)
    out = F.scaled_grouped_mm(x, y, scales[0], ROW, scales[1], ROW, offs=offs)
    assert out.dtype is cltorch.bfloat16
    a, b = (v.cpu().to(cltorch.float32).numpy().astype(np.float64) for v in (x, y))
    cuts = [slice(i, j) for i, j in zip([0, *ends], ends, strict=False)] if ends else []
    if kind == "rows":
        wanted = np.concatenate([a[c] * sa[c, None] @ (b[i] * sb[i]) for i, c in enumerate(cuts)])
    elif kind == "columns":
        wanted = np.concatenate([a[i] * sa[i, :, None] @ (b[:, c] * sb[c]) for i, c in enumerate(cuts)], 1)
    elif kind == "sums":
        sa, sb = sa.reshape(2, 3, 1), sb.reshape(2, 1, 4)
        wanted = np.stack([a[:, c] @ b[c] * sa[i] * sb[i] for i, c in enumerate(cuts)])
    else:
        wanted = (a * sa[..., None]) @ (b * sb[:, None])
    np.testing.assert_allclose(out.cpu().float().numpy(), wanted, rtol=1e-2, atol=1e-3)


def test_products_of_groups_refuse_other_scales():
    a, b = cltorch.ones(6, 8).to(cltorch.float8_e4m3fn), cltorch.ones(2, 8, 4).to(cltorch.float8_e4m3fn)
    sa, sb, offs = cltorch.ones(6), cltorch.ones(2, 4), cltorch.tensor([2, 6], dtype=cltorch.int32)

    def call(**changed):
        named = {"mat_a": a, "mat_b": b, "scale_a": sa, "scale_recipe_a": ROW, "scale_b": sb, "scale_recipe_b": ROW}
        return F.scaled_grouped_mm(**named | {"offs": offs} | changed)

    for error, said, changed in (
        (ValueError, "RowWise", {"scale_recipe_a": TENSOR}),
        (ValueError, "RowWise", {"scale_recipe_b": BLOCK}),
        (ValueError, "RowWise", {"mat_a": a.to(cltorch.float32)}),
        (ValueError, "offsets", {"offs": None}),
        (ValueError, "Bias", {"bias": cltorch.ones(4)}),
        (ValueError, "bf16", {"output_dtype": cltorch.float32}),
        (ValueError, "float32", {"scale_a": sa.double()}),
        (RuntimeError, "same length", {"scale_a": sa[:5]}),
        (RuntimeError, "1D", {"scale_a": sa[:, None]}),
        (RuntimeError, "2D", {"scale_b": sb[0]}),
        (RuntimeError, "batch", {"scale_b": sb[:1]}),
        (RuntimeError, "first dimension", {"scale_b": sb[:, :3]}),
    ):
        with pytest.raises(error, match=said):
            call(**changed)
    assert call().tolist() == [[8.0] * 4] * 6
