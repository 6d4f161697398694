"""The functions that are names of torch.*: all but those that PyTorch has only as methods or in torch.nn.functional.

What a new row of the pointwise table or a new function of a module here is called, torch.* gets by itself; a name that
belongs elsewhere is listed below, or says so in its row (``scope``).
"""

from __future__ import annotations

from cltorch import functions
from cltorch.functions.pointwise import ELSEWHERE

# methods of Tensor that are no functions, and what only derivatives and other functions call
_NOT_TORCH = ELSEWHERE | frozenset(
    """
    absolute_ addbmm_ addcdiv_ addcmul_ addmm_ addr_ arctan2_ baddbmm_ bernoulli_ cauchy_ contiguous
    contiguous_copy conv_at conv_transpose_at conv_weight_at
    copy_ cross_entropy detached_copy div_ divide_ divide_floor divide_trunc dropout_at expand
    expand_as expit exponential_ gather_from_layout gradient_copy gelu geometric_ getitem greater_ greater_equal_ index_add_
    index_copy_ index_fill_ less_ less_equal_ like linear log_normal_ masked_fill_ matrix_product matrix_transpose_H
    matrix_transpose_T matrix_transpose_mH matrix_transpose_mT multiply_ new_empty new_empty_strided new_full new_ones
    new_tensor new_zeros nll_loss normal_ not_equal_ pad pad_adjoint pad_dims parse_to pow_ prod_dims
    prod_others put_front random_ rdiv
    replace_in_layout reshape_as resize_ resolve_device scatter_ scatter_add_ scatter_counts scatter_reduce_ multi_dot
    as_strided_back index_back index_reduce_ masked_scatter_ put_ fill_diagonal_ scatter_chosen scatter_into_layout
    set_data setitem_ slice_view softmin special_erf special_expit squeeze_ subtract_ sum_to_size swapaxes_ swapdims_
    t_ take_front to to_copy transpose_ true_divide_ unfold uniform_ unsqueeze_ vector_norm view view_as wrap_dim
    write_out cumprod_ cumsum_ recurrence repeat running_sum scatter_back shifted tril_ triu_
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d avg_pool2d avg_pool3d
    avg_pool_spread avg_pool_windows functional_adaptive_max_pool1d max_pool2d_with_indices max_pool3d_with_indices
    max_pool_pick max_pool_spread functional_batch_norm functional_group_norm functional_instance_norm
    functional_layer_norm
    is_pinned is_shared pin_memory share_memory_ dim_order apply_ map_ set_
    """.split()
)

__all__ = [name for name in functions.__all__ if name not in _NOT_TORCH]
globals().update({name: getattr(functions, name) for name in __all__})
