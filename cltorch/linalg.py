"""torch.linalg: linear algebra of (batches of) matrices.

Products, norms, powers and exponentials are computed on the tensors' device; decompositions and solvers on the host, in
float32 or float64, as ``cltorch.set_host_fallback`` permits.
Source: https://docs.pytorch.org/docs/2.13/linalg.html

>>> import cltorch as torch
>>> A = torch.tensor([[4.0, 2.0], [2.0, 3.0]])
>>> torch.linalg.det(A)
tensor(8.)
"""

from cltorch import public_forms
from cltorch.functions.linalg_determinant import linalg_det as det
from cltorch.functions.linalg_determinant import linalg_slogdet as slogdet
from cltorch.functions.linalg_factor import linalg_cholesky as cholesky
from cltorch.functions.linalg_factor import linalg_cholesky_ex as cholesky_ex
from cltorch.functions.linalg_factor import linalg_ldl_factor as ldl_factor
from cltorch.functions.linalg_factor import linalg_ldl_factor_ex as ldl_factor_ex
from cltorch.functions.linalg_factor import linalg_lu as lu
from cltorch.functions.linalg_factor import linalg_lu_factor as lu_factor
from cltorch.functions.linalg_factor import linalg_lu_factor_ex as lu_factor_ex
from cltorch.functions.linalg_factor import linalg_qr as qr
from cltorch.functions.linalg_factored import linalg_ldl_solve as ldl_solve
from cltorch.functions.linalg_factored import linalg_lu_solve as lu_solve
from cltorch.functions.linalg_norm import linalg_cond as cond
from cltorch.functions.linalg_norm import linalg_matrix_norm as matrix_norm
from cltorch.functions.linalg_norm import linalg_norm as norm
from cltorch.functions.linalg_power import linalg_cross as cross
from cltorch.functions.linalg_power import linalg_diagonal as diagonal
from cltorch.functions.linalg_power import linalg_householder_product as householder_product
from cltorch.functions.linalg_power import linalg_matrix_exp as matrix_exp
from cltorch.functions.linalg_power import linalg_vander as vander
from cltorch.functions.linalg_power import linalg_vecdot as vecdot
from cltorch.functions.linalg_solve import linalg_inv as inv
from cltorch.functions.linalg_solve import linalg_inv_ex as inv_ex
from cltorch.functions.linalg_solve import linalg_solve as solve
from cltorch.functions.linalg_solve import linalg_solve_ex as solve_ex
from cltorch.functions.linalg_solve import linalg_solve_triangular as solve_triangular
from cltorch.functions.linalg_solve import linalg_tensorinv as tensorinv
from cltorch.functions.linalg_solve import linalg_tensorsolve as tensorsolve
from cltorch.functions.linalg_spectrum import linalg_eig as eig
from cltorch.functions.linalg_spectrum import linalg_eigh as eigh
from cltorch.functions.linalg_spectrum import linalg_eigvals as eigvals
from cltorch.functions.linalg_spectrum import linalg_eigvalsh as eigvalsh
from cltorch.functions.linalg_spectrum import linalg_lstsq as lstsq
from cltorch.functions.linalg_spectrum import linalg_matrix_rank as matrix_rank
from cltorch.functions.linalg_spectrum import linalg_pinv as pinv
from cltorch.functions.linalg_spectrum import linalg_svd as svd
from cltorch.functions.linalg_spectrum import linalg_svdvals as svdvals
from cltorch.functions.matmul import matmul
from cltorch.functions.norms import vector_norm
from cltorch.functions.products import matrix_power, multi_dot
from cltorch.ops.lapack import LinAlgError

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot",
    "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv",
    "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip

public_forms.functions(__all__, globals(), "cltorch.linalg", "torch.linalg")
