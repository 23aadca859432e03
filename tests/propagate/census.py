"""The operators that models are made of: base names of all ATen operators in 148 models of three libraries, traced in train mode.

Checks of shapes (`_assert_tensor_metadata`) are left out: they compute nothing.
"""

CENSUS = frozenset(
    """
    __and__ _upsample_bicubic2d_aa abs adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d add addcmul addmm
    alias amax arange avg_pool1d avg_pool2d baddbmm batch_norm bernoulli bitwise_not bmm cat chunk clamp clamp_min
    clone col2im contiguous conv1d conv2d conv3d conv_transpose2d copy cos cumsum detach diff div dropout einsum
    embedding empty empty_like eq exp expand expand_as eye feature_dropout flatten flip floor floor_divide full
    full_like gather ge gelu grid_sampler group_norm gt hardsigmoid hardswish hardtanh histc im2col index index_put
    instance_norm layer_norm le leaky_relu lift_fresh_copy linalg_vector_norm linear linspace log lstm lt masked_fill
    matmul max max_pool2d max_pool3d mean meshgrid min mul ne neg new_empty new_ones new_zeros numpy_T one_hot ones
    pad permute pow rand relu repeat repeat_interleave reshape reshape_as rms_norm roll rsqrt rsub scalar_tensor
    scaled_dot_product_attention select sigmoid silu sin slice softmax softplus sort split split_with_sizes sqrt
    square squeeze stack sub sum swapaxes tanh tensor_split tile to topk transpose type_as unbind unflatten unsqueeze
    upsample_bicubic2d upsample_bilinear2d upsample_nearest2d view where zero zeros zeros_like
    """.split()
)

# registered operators that no graph traced on a CPU has: the one that has the same formula and a row
ELSEWHERE = {
    "convolution_overrideable": "convolution",  # of other devices
    "cpu": "to",  # what it is traced as
    "cudnn_batch_norm": "native_batch_norm",  # of CUDA
    "lift_fresh": "lift_fresh_copy",  # what it is traced as
}
