"""Operators by themselves, on tensors with prescribed moments: the rows that no layer of `test_operators` leads to.

Every floating input of a row is drawn in turn with each law of PRESCRIBED: with and without a mean, correlated inside a sample
and not. Operators that only exist below the surface (`aten._softmax`) are called as such.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.propagate.judged import FINITE_WIDTH, net
from tests.propagate.test_operators import Case, conv, linear, parameter

PRESCRIBED = ((0.0, 1.0, 0.0), (0.7, 1.0, 0.0), (0.0, 1.5, 0.4), (-0.5, 0.8, 0.3))
ROWS: list[Case] = []
aten: Any = torch.ops.aten

V = torch.zeros(16, 64)
T = torch.zeros(8, 12, 32)
I = torch.zeros(6, 16, 12, 12)  # noqa: E741 - an image
S = torch.zeros(6, 16, 24)
O = torch.zeros(4, 8, 6, 6, 6)  # noqa: E741 - a volume
C = torch.zeros(16, 32, dtype=torch.complex64)


def row(name: str, run: Callable[..., Any], *inputs: torch.Tensor, bits: float = FINITE_WIDTH, grad_bits: float = FINITE_WIDTH,
        why: str = "", draws: int = 16, laws: tuple[tuple[float, float, float], ...] = PRESCRIBED,
        **parts: Callable[[], Any]) -> None:  # fmt: skip
    """A function of inputs alone; with parts, of a module and inputs."""
    called = run if parts else (lambda _m, *x: run(*x))
    ROWS.append(
        Case(name=name, build=net(called, **parts), inputs=inputs or (V,), bits=bits, grad_bits=grad_bits, why=why, draws=draws,
             laws=laws)
    )  # fmt: skip


def rows(kind: str, functions: dict[str, Callable[..., Any]], *inputs: torch.Tensor, **options: Any) -> None:
    for name, function in functions.items():
        row(f"{name} {kind}", function, *inputs, **options)


# -- functions of one number ----------------------------------------------------------------------------------------------

WHOLE = ("abs asinh atan ceil celu cos cosh elu erf erfc exp exp2 expm1 floor frac gelu hardshrink hardsigmoid hardswish hardtanh i0 "
         "leaky_relu log_sigmoid mish nan_to_num neg positive relu relu6 round selu sgn sigmoid sign silu sin sinc sinh softplus "
         "softshrink square tanh trunc special_erf special_expit log_sigmoid_forward")  # fmt: skip
rows("of the input", {n: (lambda x, n=n: first(getattr(aten, n)(x))) for n in WHOLE.split()}, V)
rows(
    "of a small input",
    {n: (lambda x, n=n: getattr(aten, n)(0.3 * x)) for n in ("cosh", "exp", "exp2", "expm1", "sinh", "i0")},
    V,
)
rows("of a positive number", {n: (lambda x, n=n: getattr(aten, n)(x.abs() + 0.5)) for n in
     ("digamma", "lgamma", "log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sqrt")}, V)  # fmt: skip
rows("of a number below one", {n: (lambda x, n=n: getattr(aten, n)(0.9 * torch.tanh(x))) for n in
     ("acos", "asin", "atanh", "erfinv", "tan")}, V)  # fmt: skip
row("acosh of a number above one", lambda x: aten.acosh(1.5 + x.abs()))
row("logit of a sigmoid", lambda x: aten.logit(0.05 + 0.9 * torch.sigmoid(x)))
rows("with a parameter", {
    "clamp": lambda x: aten.clamp(x, -0.3, 1.2), "clamp_min": lambda x: aten.clamp_min(x, -0.2), "clamp_max": lambda x: aten.clamp_max(x, 0.4),
    "clip": lambda x: aten.clip(x, -1.0, 0.5), "threshold": lambda x: aten.threshold(x, 0.2, -1.0), "pow 3": lambda x: aten.pow(x, 3),
    "two to the power": lambda x: aten.pow(2.0, x), "rsub": lambda x: aten.rsub(x, 1.5), "fmod": lambda x: aten.fmod(x, 0.7),
    "remainder": lambda x: aten.remainder(x, 0.7), "floor_divide": lambda x: x * aten.floor_divide(x.detach(), 0.3), "div by floor":
    lambda x: torch.div(x, 0.3, rounding_mode="floor"), "heaviside": lambda x: x * aten.heaviside(x.detach(), torch.tensor(0.5)),
    "true_divide": lambda x: aten.true_divide(x, 3.0), "divide": lambda x: aten.divide(x, 0.5), "hardtanh of six":
    lambda x: aten.hardtanh(x, 0.0, 6.0), "elu of 0.3": lambda x: aten.elu(x, 0.3), "softplus of 3": lambda x: aten.softplus(x, 3.0),
    "_prelu_kernel": lambda x: aten._prelu_kernel(x, torch.tensor([0.2])), "leaky_relu_": lambda x: aten.leaky_relu_(x.clone(), 0.3),
}, V)  # fmt: skip


def first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) else value


# -- functions of two numbers ---------------------------------------------------------------------------------------------

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": torch.add, "add with alpha": lambda x, y: torch.add(x, y, alpha=-0.5), "sub": torch.sub, "mul": torch.mul,
    "div by 1 + y²": lambda x, y: x / (1 + y * y), "atan2": lambda x, y: torch.atan2(x, 2 + y.abs()),
    "hypot": lambda x, y: torch.hypot(x, 1 + y), "fmax": torch.fmax, "fmin": torch.fmin, "maximum": torch.maximum,
    "minimum": torch.minimum, "logaddexp": torch.logaddexp, "lerp": lambda x, y: torch.lerp(x, y, 0.3),
    "xlogy": lambda x, y: torch.xlogy(x, 1 + y.abs()), "a power of a positive": lambda x, y: torch.pow(1 + x.abs(), 0.3 * y),
    "addcmul": lambda x, y: torch.addcmul(x, x, y, value=0.3), "addcdiv": lambda x, y: torch.addcdiv(x, y, 1 + x * x, value=0.5),
    "where by sign": lambda x, y: torch.where(x > 0.2, y, x), "min of two": lambda x, y: aten.min(x, y), "max of two": lambda x, y:
    aten.max(x, y), "a row minus a column": lambda x, y: x[:, :1] - y, "outer sum": lambda x, y: x[:, None] + y[:, :, None],
}  # fmt: skip
rows("of two independent inputs", BINARY, V, V)
rows("of an input and what depends on it", {n: (lambda x, y, f=f: f(x, 0.6 * x + 0.5 * y)) for n, f in BINARY.items()}, V, V)
rows("as a number", {
    n: (lambda x, n=n: getattr(aten, n)(x, 0.3).float() * 2) for n in ("gt", "ge", "lt", "le", "eq", "ne")
} | {n: (lambda x, n=n: getattr(aten, n)(x).float()) for n in ("isfinite", "isnan", "isinf", "logical_not")}, V)  # fmt: skip
rows("of two conditions", {
    n: (lambda x, y, n=n: getattr(aten, n)(x > 0.1, y < 0.4).float() + x) for n in
    ("logical_and", "logical_or", "logical_xor", "__and__", "__or__", "bitwise_and", "bitwise_or")
} | {"bitwise_not": lambda x, y: aten.bitwise_not(x > 0.1).float() * y} | {
    n: (lambda x, y, n=n: getattr(aten, n)(x > 0.1, y < 0.4).float() + x) for n in ("__xor__", "bitwise_xor")
}, V, V)  # fmt: skip

# -- products of matrices ---------------------------------------------------------------------------------------------------

rows("with a weight", {
    "mm": lambda m, x: aten.mm(x, m.w), "linalg_matmul": lambda m, x: aten.linalg_matmul(x, m.w), "inner": lambda m, x: aten.inner(x, m.w),
    "tensordot": lambda m, x: torch.tensordot(x, m.w, dims=([1], [0])), "mv": lambda m, x: aten.mv(x, m.w[:, 0]),
    "addmv": lambda m, x: aten.addmv(m.w[:16, 0], x, m.w[:, 1]), "addmm with beta": lambda m, x: torch.addmm(m.w[0], x, m.w, beta=0.5, alpha=2.0),
    "t and numpy_T": lambda m, x: aten.numpy_T(aten.t(x) * 1.0) @ m.w, "adjoint": lambda m, x: aten.adjoint(x).mT @ m.w,
    "matrix_H": lambda m, x: aten.matrix_H(aten.mH(x)) @ m.w, "mT": lambda m, x: aten.mT(m.w) @ x.mT,
}, V, w=parameter(64, 64, std=0.2, mean=0.02))  # fmt: skip
rows("of batches of matrices", {
    "bmm": lambda x, y: aten.bmm(x, y.mT), "baddbmm": lambda x, y: torch.baddbmm(x @ x.mT * 0 + 1, x, y.mT, beta=0.5, alpha=0.3),
    "addbmm": lambda x, y: torch.addbmm(torch.zeros(12, 12), x, y.mT), "einsum bij,bkj->bik": lambda x, y: torch.einsum("bij,bkj->bik", x, y),
    "einsum bij,bij->bi": lambda x, y: torch.einsum("bij,bij->bi", x, y), "einsum bij,bik->bjk": lambda x, y: torch.einsum("bij,bik->bjk", x, y),
    "x xᵀ": lambda x, y: torch.bmm(x, x.mT), "cosine_similarity": lambda x, y: torch.cosine_similarity(x, y, -1),
}, T, T)  # fmt: skip
rows("of one tensor with itself", {
    "xᵀ x": lambda x: x.mT @ x, "a multiple": lambda x: (0.5 * x).mT @ x / 3, "over the batch": lambda x: torch.einsum("bij,bkj->ik", x, x),
    "of rows of two sizes": lambda x: (lambda q: q @ q.mT)(torch.cat([x[:, :4], 2 * x[:, 4:]], 1)), "linear": lambda x: F.linear(x[0], x[0]),
}, T)  # fmt: skip
row("products of all pairs of rows", lambda x: torch.einsum("bijc,bklc->bikjl", x, x), torch.zeros(4, 5, 6, 8))
rows("of vectors", {
    "dot": lambda x, y: aten.dot(x[0], y[0]), "vdot": lambda x, y: aten.vdot(x[0], y[1]), "outer": lambda x, y: aten.outer(x[0], y[1]),
    "ger": lambda x, y: aten.ger(x[2], y[3]),
}, V, V, draws=64)  # fmt: skip
row("_weight_norm_interface", lambda m, x: x @ aten._weight_norm_interface(m.v, m.g, 0)[0].mT, V, v=parameter(32, 64), g=parameter(32, 1))
# rows are sorted by expert, so that which sample a row is of says nothing about its expert: here every row is a sample
row("_grouped_mm", lambda m, x: aten._grouped_mm(x, m.w, torch.tensor([30, 64, 96], dtype=torch.int32)), torch.zeros(96, 32),
    w=parameter(3, 32, 48, std=0.1))  # fmt: skip
row("bilinear of the same input", lambda m, x: m.f(x, x), V, f=lambda: nn.Bilinear(64, 64, 24))

# -- convolutions -----------------------------------------------------------------------------------------------------------

for _padding, _stride, _dilation, _groups, _kernel in [
    (0, 1, 1, 1, 3), (1, 1, 1, 1, 3), (1, 2, 1, 1, 3), (2, 1, 2, 1, 3), (1, 1, 1, 4, 3), (1, 1, 1, 16, 3), (3, 4, 1, 1, 7),
    (0, 2, 1, 2, 2), (2, 3, 1, 1, 5), (3, 1, 3, 16, 3),
]:  # fmt: skip
    _grid = {"stride": _stride, "padding": _padding, "dilation": _dilation, "groups": _groups}
    _words = f"kernel {_kernel} padding {_padding} stride {_stride} dilation {_dilation} groups {_groups}"
    row(f"conv2d {_words}", lambda m, x: m.c(x), I, c=lambda k=_kernel, o=_grid: nn.Conv2d(16, 32, k, **o))
    row(f"conv1d {_words}", lambda m, x: m.c(x), S, c=lambda k=_kernel, o=_grid: nn.Conv1d(16, 32, k, **o))
    if _padding < _kernel and _groups != 16:
        row(
            f"conv_transpose2d {_words}",
            lambda m, x: m.c(x),
            I,
            c=lambda k=_kernel, o=_grid: nn.ConvTranspose2d(16, 32, k, **o),
        )
row("conv3d, strided", lambda m, x: m.c(x), O, c=lambda: nn.Conv3d(8, 16, 3, stride=2, padding=1))
row("conv_transpose3d", lambda m, x: m.c(x), O, c=lambda: nn.ConvTranspose3d(8, 12, 2, stride=2))
rows("with a weight", {
    "convolution": lambda m, x: aten.convolution(x, m.w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1),
    "_convolution": lambda m, x: aten._convolution(x, m.w, None, [2, 2], [0, 0], [1, 1], False, [0, 0], 1, False, False, False, False),
}, I, w=parameter(24, 16, 3, 3, std=0.1))  # fmt: skip

# -- pooling and resampling -----------------------------------------------------------------------------------------------

rows("over a line", {
    "avg_pool1d": lambda x: F.avg_pool1d(x, 3, 2, 1), "max_pool1d": lambda x: F.max_pool1d(x, 3, 2), "adaptive_avg_pool1d":
    lambda x: F.adaptive_avg_pool1d(x, 5), "adaptive_max_pool1d": lambda x: F.adaptive_max_pool1d(x, 4), "_adaptive_avg_pool1d":
    lambda x: aten.adaptive_avg_pool1d(x, [4]), "max_pool1d_with_indices": lambda x: aten.max_pool1d_with_indices(x, [2])[0],
    "upsample_linear1d": lambda x: F.interpolate(x, scale_factor=2, mode="linear"), "upsample_nearest1d": lambda x:
    F.interpolate(x, size=36), "_upsample_nearest_exact1d": lambda x: F.interpolate(x, size=36, mode="nearest-exact"),
}, S)  # fmt: skip
rows("over an image", {
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2, 1), "_adaptive_avg_pool2d": lambda x: aten._adaptive_avg_pool2d(x, [4, 4]),
    "max_pool2d": lambda x: F.max_pool2d(x, 2), "max_pool2d_with_indices": lambda x: aten.max_pool2d_with_indices(x, [2, 2])[0],
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, 3), "_upsample_bicubic2d_aa":
    lambda x: F.interpolate(x, size=(9, 13), mode="bicubic", antialias=True), "_upsample_bilinear2d_aa":
    lambda x: F.interpolate(x, size=(9, 13), mode="bilinear", antialias=True), "upsample_bicubic2d": lambda x:
    F.interpolate(x, size=(17, 20), mode="bicubic"), "upsample_bilinear2d": lambda x: F.interpolate(x, size=(8, 18), mode="bilinear"),
    "_upsample_nearest_exact2d": lambda x: F.interpolate(x, size=(18, 20), mode="nearest-exact"), "im2col": lambda x: F.unfold(x, 3, 1, 0, 2),
    "col2im": lambda x: F.fold(F.unfold(x, 2, stride=2), (12, 12), 2, stride=2), "col2im, overlapping": lambda x:
    F.fold(F.unfold(x, 3, padding=1), (12, 12), 3, padding=1), "constant_pad_nd": lambda x: aten.constant_pad_nd(x, [1, 2, 0, 1], 0.5),
    "pad with borders": lambda x: F.pad(x, (1, 2, 1, 0), mode="replicate"), "pad in circles": lambda x: F.pad(x, (1, 2, 1, 0), mode="circular"),
    "grid_sampler": lambda x: F.grid_sample(x, F.affine_grid(torch.eye(2, 3).expand(6, 2, 3) * 0.8, [6, 16, 9, 9], align_corners=False),
    align_corners=False), "channel_shuffle": lambda x: F.channel_shuffle(x, 4), "native_channel_shuffle": lambda x:
    x + aten.native_channel_shuffle(x.detach(), 4), "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2), "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 3),
}, I)  # fmt: skip
rows("over a volume", {
    "avg_pool3d": lambda x: F.avg_pool3d(x, 2), "max_pool3d": lambda x: F.max_pool3d(x, 2), "max_pool3d_with_indices":
    lambda x: aten.max_pool3d_with_indices(x, [3, 3, 3])[0], "adaptive_avg_pool3d": lambda x: F.adaptive_avg_pool3d(x, 2),
    "_adaptive_avg_pool3d": lambda x: aten._adaptive_avg_pool3d(x, [3, 3, 3]), "adaptive_max_pool3d": lambda x: F.adaptive_max_pool3d(x, 2),
    "upsample_nearest3d": lambda x: F.interpolate(x, scale_factor=2), "upsample_trilinear3d": lambda x:
    F.interpolate(x, scale_factor=2, mode="trilinear"), "max_unpool3d": lambda x: F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2),
}, O)  # fmt: skip
row("col2im of patches", lambda x: F.fold(x, (8, 8), 3), torch.zeros(6, 144, 36))
row("col2im of what a layer makes of patches", lambda m, x: F.fold((x.mT @ m.w).mT, (12, 12), 3, stride=2, padding=1), torch.zeros(6, 144, 36),
    w=parameter(144, 72, std=0.1))  # fmt: skip

# -- normalizations and softmax -------------------------------------------------------------------------------------------

rows("of an image", {
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True), "native_batch_norm":
    lambda x: aten.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)[0], "_native_batch_norm_legit":
    lambda x: aten._native_batch_norm_legit(x, None, None, True, 0.1, 1e-5)[0], "_native_batch_norm_legit_functional":
    lambda x: aten._native_batch_norm_legit_functional(x, None, None, torch.zeros(16), torch.ones(16), True, 0.1, 1e-5)[0], "group_norm": lambda x: F.group_norm(x, 4),
    "native_group_norm": lambda x: aten.native_group_norm(x, None, None, 6, 16, 144, 4, 1e-5)[0], "instance_norm": F.instance_norm,
}, I)  # fmt: skip
rows("of tokens", {
    "layer_norm": lambda x: F.layer_norm(x, (32,)), "native_layer_norm": lambda x: aten.native_layer_norm(x, [32], None, None, 1e-5)[0],
    "layer_norm over two dimensions": lambda x: F.layer_norm(x, (12, 32)), "rms_norm": lambda x: F.rms_norm(x, (32,)), "_fused_rms_norm":
    lambda x: aten._fused_rms_norm(x, [32], None, 1e-5)[0], "_softmax": lambda x: aten._softmax(x, -1, False), "_log_softmax":
    lambda x: aten._log_softmax(x, -1, False), "special_softmax": lambda x: aten.special_softmax(x, 1), "special_log_softmax": lambda x:
    aten.special_log_softmax(x, -1), "_safe_softmax": lambda x: aten._safe_softmax(x, -1), "softmax of 5 x": lambda x: F.softmax(5 * x, -1),
    "logsumexp": lambda x: torch.logsumexp(x, -1), "F.normalize": lambda x: F.normalize(x, dim=-1),
}, T)  # fmt: skip
row("attention as query, key and value", lambda x: F.scaled_dot_product_attention(x, x, x), torch.zeros(4, 2, 12, 32), grad_bits=0.3,
    why="what comes back to x as a value, as a query and as a key is taken as independent")  # fmt: skip
row("causal attention as query, key and value", lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True), torch.zeros(4, 2, 12, 32))
row("attention as query and key", lambda x, v: F.scaled_dot_product_attention(x, x, v), *(torch.zeros(4, 2, 12, 32),) * 2)
rows("of three inputs", {
    "attention": F.scaled_dot_product_attention, "flash attention": lambda q, k, v: aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[0],
}, *(torch.zeros(4, 2, 12, 32),) * 3)  # fmt: skip

# -- reductions -------------------------------------------------------------------------------------------------------------

rows("of tokens", {
    "mean over tokens": lambda x: x.mean(1), "mean over all": lambda x: x.mean((1, 2)), "sum": lambda x: x.sum(-1), "amax": lambda x: x.amax(-1),
    "amin": lambda x: x.amin(1), "min": lambda x: x.min(-1).values, "max": lambda x: x.max(1).values, "std_mean": lambda x:
    torch.stack(torch.std_mean(x, -1), -1), "var_mean": lambda x: torch.stack(torch.var_mean(x, 1), -1), "var without correction":
    lambda x: x.var(-1, correction=0), "norm": lambda x: aten.norm(x, 2, [-1]), "norm of p = 1": lambda x: aten.norm(x, 1, [-1]),
    "linalg_vector_norm": lambda x: torch.linalg.vector_norm(x, 2, -1), "the largest absolute value":
    lambda x: torch.linalg.vector_norm(x, float("inf"), -1), "cumsum": lambda x: torch.cumsum(x, -1), "cumprod of 1 + x/10":
    lambda x: torch.cumprod(1 + 0.1 * x, 1), "diff": lambda x: torch.diff(x, dim=1), "prod of 1 + x/10": lambda x: (1 + 0.1 * x).prod(1),
    "sort": lambda x: x.sort(-1).values, "topk": lambda x: x.topk(3, -1).values, "median": lambda x: x.median(-1).values, "kthvalue": lambda x:
    x.kthvalue(4, -1).values, "argsort": lambda x: x.gather(-1, x.argsort(-1, descending=True)), "msort": lambda x: x.msort(),
}, T)  # fmt: skip

# -- moving elements about --------------------------------------------------------------------------------------------------

rows("of tokens", {
    "alias": lambda x: aten.alias(x) * 2, "_to_copy": lambda x: aten._to_copy(x, dtype=torch.float64), "to": lambda x: x.to(torch.float64) * 3,
    "type_as": lambda x: x.type_as(torch.zeros(1, dtype=torch.float64)), "_unsafe_view": lambda x: aten._unsafe_view(x, [96, 32]) * 2,
    "_reshape_alias": lambda x: aten._reshape_alias(x, [96, 32], [32, 1]) * 2, "view_as": lambda x: x.view_as(torch.zeros(96, 32)) * 2,
    "reshape_as": lambda x: x.reshape_as(torch.zeros(96, 32)) * 2, "broadcast_to": lambda x: aten.broadcast_to(x[:, :1], [8, 5, 32]) * 2,
    "expand_as": lambda x: x[:, :1].expand_as(torch.zeros(8, 5, 32)) * 2, "concat": lambda x: aten.concat([x, 2 * x], 1),
    "joined with nothing": lambda x: torch.cat([x * 2], -1) * 3, "concatenate":
    lambda x: aten.concatenate([x, 2 * x], -1), "stack": lambda x: torch.stack([x, x.abs()], 1), "moveaxis": lambda x: x.moveaxis(1, 2) * 2,
    "movedim": lambda x: x.movedim(0, 1) * 2, "swapaxes": lambda x: x.swapaxes(1, 2) * 2, "swapdims": lambda x: x.swapdims(0, 1) * 2,
    "narrow": lambda x: x.narrow(1, 2, 5) * 2, "tile": lambda x: x.tile(1, 2, 3), "repeat": lambda x: x.repeat(2, 1, 1), "repeat_interleave":
    lambda x: x.repeat_interleave(2, 1), "tensor_split": lambda x: torch.cat([t * (n + 1) for n, t in enumerate(x.tensor_split(5, 1))], 1),
    "split_with_sizes": lambda x: (lambda a, b: a.mean(1) + b.sum(1))(*x.split([4, 8], 1)), "unsafe_split":
    lambda x: aten.unsafe_split(x, 4, 1)[1] * 2, "unsafe_split_with_sizes": lambda x: aten.unsafe_split_with_sizes(x, [4, 8], 1)[1] * 2,
    "unsafe_chunk": lambda x: aten.unsafe_chunk(x, 2, -1)[0] * 2, "unbind": lambda x: x.unbind(1)[3] * 2, "select_scatter": lambda x:
    torch.select_scatter(x, x[:, 0] * 3, 1, 4), "slice_scatter": lambda x: torch.slice_scatter(x, x[:, :2] * 3, 1, 4, 6), "index": lambda x:
    x[:, torch.tensor([0, 3, 3])] * 2, "_unsafe_index": lambda x: aten._unsafe_index(x, [None, torch.tensor([0, 3])]) * 2, "_unsafe_masked_index": lambda x:
    aten._unsafe_masked_index(x, torch.arange(2)[None, :, None] < 1, [None, torch.arange(2) * 3], 0.5) * 2, "index_select":
    lambda x: x.index_select(-1, torch.tensor([1, 1, 5])), "gather": lambda x: x.gather(1, torch.full((8, 2, 32), 3)), "take_along_dim":
    lambda x: torch.take_along_dim(x, torch.full((1, 2, 1), 3), 1), "flip": lambda x: x.flip(1) * 2, "roll": lambda x: x.roll(2, 1) + x,
    "masked_fill": lambda x: x.masked_fill(torch.arange(12)[None, :, None] > 6, 2.0), "masked_fill_ by its own sign":
    lambda x: x.clone().masked_fill_(x < 0, 0.5), "tril": lambda x: x.tril(2), "triu": lambda x: x.triu(3), "diagonal": lambda x:
    x.diagonal(0, 1, 2) * 2, "unfold": lambda x: x.unfold(1, 4, 2) * 2, "squeeze": lambda x: x.unsqueeze(1).squeeze(1) * 2, "unflatten":
    lambda x: x.unflatten(-1, (4, 8)) * 2, "flatten": lambda x: x.flatten(1) * 2, "lift_fresh and lift": lambda x: aten.lift(aten.lift_fresh(x)) * 2,
    "resolve_conj and resolve_neg": lambda x: aten.resolve_neg(aten.resolve_conj(x)) * 2, "detach": lambda x: x + x.detach(), "detach_":
    lambda x: x + (x * 1).detach_(), "clone, contiguous": lambda x: x.mT.contiguous().clone() * 2, "copy": lambda x: x + aten.copy(torch.zeros(8, 12, 32), x.detach()),
    "copy_ into a slice": lambda x: _copied(x), "index_put_": lambda x: _put(x), "_unsafe_index_put":
    lambda x: aten._unsafe_index_put(x, [None, torch.tensor([2, 5])], torch.tensor(0.5)) * 2, "scatter": lambda x: torch.zeros(8, 12, 32).scatter(1,
    torch.full((8, 1, 32), 2), x[:, :1]), "scatter_add": lambda x: torch.zeros(8, 3, 32).scatter_add(1, (torch.arange(12) % 3)[None, :,
    None].expand(8, 12, 32), x), "index_add": lambda x: torch.zeros(8, 3, 32).index_add(1, torch.arange(12) % 3, x), "scatter_reduce by average": lambda x:
    torch.zeros(8, 3, 32).scatter_reduce(1, (torch.arange(12) % 3)[None, :, None].expand(8, 12, 32), x, "mean", include_self=False),
    "scatter_reduce by the largest": lambda x: torch.zeros(8, 3, 32).scatter_reduce(1, (torch.arange(12) % 3)[None, :, None].expand(8, 12, 32),
    x, "amax", include_self=False), "index_reduce": lambda x: torch.zeros(8, 3, 32).index_reduce(1, torch.arange(12) % 3, x, "mean",
    include_self=False), "zero": lambda x:
    aten.zero(x) + x, "fill": lambda x: aten.fill(x, 2.0) * x, "ones_like": lambda x: torch.ones_like(x) * x, "zeros_like": lambda x:
    torch.zeros_like(x) + x, "full_like": lambda x: torch.full_like(x, 0.5) * x, "new_full": lambda x: x.new_full((12, 32), 0.5) + x,
    "new_ones": lambda x: x.new_ones(32) * x, "new_zeros": lambda x: x.new_zeros(32) + x, "requires_grad_": lambda x: (x * 1).requires_grad_() * 2, "requires_grad_ as a call": lambda x: aten.requires_grad_(x * 1) * 2,
    "cpu and float": lambda x: x.cpu().double().float() * 2,
}, T)  # fmt: skip


def _copied(x: torch.Tensor) -> torch.Tensor:
    y = x.new_empty(8, 14, 32)
    y.zero_()
    y[:, 1:13].copy_(x)
    return y * 2


def _put(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, torch.tensor([2, 5])] = 0.5
    return y * 2


rows("of what is known", {
    "a mask of positions": lambda x: x * ((torch.arange(12) % 3 != 0) & (torch.arange(12) >= 2) & (torch.arange(12) <= 9)
    & ~(torch.arange(12) == 4) & (torch.arange(12).gt(torch.zeros(12, dtype=torch.long))))[:, None],
    "frequencies": lambda x: x * torch.cos(torch.outer(torch.arange(0, 12), torch.linspace(0.1, 1, 32))), "a grid":
    lambda x: x * torch.stack(torch.meshgrid(torch.arange(12.0), torch.arange(32.0), indexing="ij")).sum(0) / 40, "an identity":
    lambda x: torch.eye(12) @ x + torch.ones(12, 1) + torch.zeros(32), "one_hot": lambda x: x + F.one_hot(torch.arange(12) % 5, 32),
    "a full table": lambda x: x * torch.full((32,), 0.5) + torch.scalar_tensor(0.3), "a histogram": lambda x: x + torch.histc(torch.arange(12.0), 32, 0, 12),
    "floor division of indices": lambda x: x * (torch.arange(12).floor_divide(3).float()[:, None] + torch.tensor(1.0)),
    "empty memory, filled": lambda x: x + torch.empty_like(torch.zeros(32)).fill_(0.5),
}, T)  # fmt: skip

# -- recurrent cells --------------------------------------------------------------------------------------------------------

for _cell, _made in {
    "gru_cell": lambda: nn.GRUCell(64, 64), "rnn_tanh_cell": lambda: nn.RNNCell(64, 64), "rnn_relu_cell":
    lambda: nn.RNNCell(64, 64, nonlinearity="relu"),
}.items():  # fmt: skip
    row(f"{_cell} of an input and a state", lambda m, x, h: m.cell(x, h), V, V, cell=_made)
row("rnn_relu over tokens", lambda m, x: m.f(x)[0], T, f=lambda: nn.RNN(32, 48, nonlinearity="relu", batch_first=True))

# -- random numbers, dropout ------------------------------------------------------------------------------------------------

rows("beside the input", {
    "rand": lambda x: x * torch.rand(8, 12, 32), "rand_like": lambda x: x + torch.rand_like(x), "randn": lambda x: x * torch.randn(8, 12, 32),
    "randn_like": lambda x: x + 0.3 * torch.randn_like(x), "bernoulli_": lambda x: x * x.new_empty(8, 1, 1).bernoulli_(0.7) / 0.7,
    "bernoulli": lambda x: x * torch.bernoulli(torch.full((8, 12, 1), 0.7)), "uniform_": lambda x: x * torch.empty(8, 12, 32).uniform_(-1, 2),
    "normal_": lambda x: x * torch.empty(8, 12, 32).normal_(0.5, 2.0), "exponential_": lambda x: x * torch.empty(8, 12, 32).exponential_(2.0),
    "uniform": lambda x: x + aten.uniform(torch.zeros(8, 12, 32), -1.0, 2.0), "normal": lambda x: x + torch.normal(0.5, 2.0, (8, 12, 32)),
    "exponential": lambda x: x + aten.exponential(torch.zeros(8, 12, 32), 2.0),
    "dropout": lambda x: F.dropout(x, 0.4), "native_dropout": lambda x: aten.native_dropout(x, 0.4, True)[0], "feature_dropout":
    lambda x: aten.feature_dropout(x, 0.4, True), "alpha_dropout": lambda x: F.alpha_dropout(x, 0.3, True), "feature_alpha_dropout":
    lambda x: F.feature_alpha_dropout(x, 0.3, True), "floor of a uniform number": lambda x: x * torch.floor(0.8 + torch.rand(8, 1, 1)),
}, T, draws=32)  # fmt: skip
row("an embedding, summed in bags", lambda m, i: aten._embedding_bag(m.w, i.flatten(), torch.arange(0, 48, 4))[0],
    torch.zeros(4, 12, dtype=torch.long), w=parameter(50, 32))  # fmt: skip

# -- complex numbers --------------------------------------------------------------------------------------------------------

rows("of complex numbers", {
    "real and imag": lambda x: x.real + 2 * x.imag, "view_as_real": lambda x: torch.view_as_real(x) * 2, "a product": lambda x: (x * x.conj()).real,
    "abs": lambda x: x.abs(), "a phase": lambda x: (x * torch.polar(torch.ones(32), torch.arange(32.0))).real,
    "conj": lambda x: aten.conj(x).imag, "fft": lambda x: torch.fft.fft(x).real, "ifft": lambda x: torch.fft.ifft(x).imag,
}, C)  # fmt: skip
rows("made of real ones", {
    "complex": lambda x, y: torch.complex(x, y).real * 2, "view_as_complex": lambda x, y: torch.view_as_complex(torch.stack([x, y], -1)).imag * 2,
    "polar": lambda x, y: torch.polar(x, y).real, "rotated pairs": lambda x, y: torch.view_as_real(torch.view_as_complex(torch.stack([x, y], -1))
    * torch.polar(torch.ones(64), torch.arange(64.0))), "rfft": lambda x, y: torch.fft.rfft(x).real, "irfft of rfft":
    lambda x, y: torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(y)), "rfft2": lambda x, y: torch.fft.rfft2(x).imag, "fft2 and back":
    lambda x, y: torch.fft.ifft2(torch.fft.fft2(x)).real, "fftn": lambda x, y: torch.fft.fftn(x).real, "irfftn": lambda x, y:
    torch.fft.irfftn(torch.fft.rfftn(x)), "irfft2": lambda x, y: torch.fft.irfft2(torch.fft.rfft2(x)), "ifftn": lambda x, y: torch.fft.ifftn(x).real,
    "conj_physical": lambda x, y: torch.conj_physical(torch.complex(x, y)).imag,
}, V, V)  # fmt: skip

# -- number formats ---------------------------------------------------------------------------------------------------------

for _type in (torch.float64, torch.bfloat16, torch.float16):
    _short = str(_type).removeprefix("torch.")
    row(f"a layer in {_short}", lambda m, x: m.b(F.gelu(m.a(x))), V.to(_type), a=linear(dtype=_type), b=linear(dtype=_type), bits=0.1,
        why="rounding")  # fmt: skip
    row(
        f"a convolution in {_short}",
        lambda m, x: F.relu(m.a(x)).mean((2, 3)),
        I.to(_type),
        a=conv(dtype=_type),
        bits=0.1,
        why="rounding",
    )
    row(
        f"layer norm and softmax in {_short}",
        lambda x: F.softmax(F.layer_norm(x, (32,)), -1),
        T.to(_type),
        bits=0.1,
        why="rounding",
    )
    row(f"in {_short} and back", lambda x, t=_type: torch.tanh(x.to(t)).float() * 2, V)
