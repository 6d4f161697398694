"""The functions that are names of torch.*: all but those that PyTorch has only as methods or in torch.nn.functional.

What a new row of the pointwise table or a new function of a module here is called, torch.* gets by itself; a name that
belongs elsewhere is listed below, or says so in its row (``scope``).
"""

from __future__ import annotations

from cltorch import functions, public_forms
from cltorch.functions.leftovers import METHODS_ONLY
from cltorch.functions.pointwise import ELSEWHERE
from cltorch.functions.strict import strict

# methods of Tensor that are no functions, and what only derivatives and other functions call
_NOT_TORCH = (
    ELSEWHERE
    | frozenset(METHODS_ONLY)
    | frozenset(
        """
    absolute_ adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d addbmm_ addcdiv_
    addcmul_ addmm_ addr_ apply_ arctan2_ as_strided_back attention_gradients avg_pool2d avg_pool3d avg_pool_spread
    avg_pool_windows baddbmm_ bernoulli_ by_blocks cauchy_ col2im col2im_blocks contiguous contiguous_copy conv_at
    conv_transpose_at conv_weight_at copy_ cross_entropy cumprod_ cumsum_ dim_order div_ divide_
    divide_floor divide_trunc dropout_at expand expand_as expit exponential_ fill_diagonal_ float_power_
    fractional_max_pool functional_adaptive_max_pool1d functional_batch_norm functional_group_norm
    functional_instance_norm functional_layer_norm gather_from_layout gelu geometric_ getitem gradient_cast
    gradient_copy gradient_sum grid_sampler_gradients
    greater_ greater_equal_ im2col im2col_blocks index_add_ index_back index_copy_ index_fill_
    index_reduce_ inner_rows is_pinned is_shared less_ less_equal_ like linear log_normal_ map2_ map_ masked_fill_
    masked_scatter_ response_norm
    matrix_product matrix_transpose_H matrix_transpose_T matrix_transpose_mH matrix_transpose_mT
    max_pool2d_with_indices max_pool3d_with_indices max_pool_pick max_pool_spread max_unpool multi_dot multiply_
    mvlgamma_ new_empty new_empty_strided new_full new_ones new_tensor new_zeros nll_loss normal_ not_equal_ pad
    pad_adjoint pad_dims pad_edges parse_to pin_memory pivot_rows polygamma_ pow_ prod_dims prod_others put_
    put_front random_ neg_view
    rdiv real_part recurrence recurrent_gradients refused_where region_largest region_means region_spread renorm_ repeat
    replace_in_layout resample reshape_as resize_
    resolve_device running_sum scaled_dot_product_attention scatter_ scatter_add_ scatter_back scatter_chosen
    scatter_counts scatter_into_layout scatter_reduce_ set_ set_data setitem_ share_memory_ shifted slice_view softmin
    solve_matrices solve_triangle special_erf special_expit squeeze_ subtract_ sum_to_size swapaxes_ swapdims_ t_
    take_front take_rows to to_copy transpose_ tril_ triu_ true_divide_ unfold uniform_ unsqueeze_ upsample_to
    vector_norm view view_as wrap_dim write_out
    dirichlet_slope gamma_slope sample_dirichlet standard_gamma
    ctc_loss_backward
    """.split()
    )
)

# what torch.linalg calls by another name than torch.* is called linalg_* here, what is torch.fft's fft_*
__all__ = [name for name in functions.__all__ if name not in _NOT_TORCH and not name.startswith(("linalg_", "fft_"))]
globals().update({name: strict(name, getattr(functions, name)) for name in __all__})
public_forms.functions(__all__, globals(), "cltorch", "torch")
