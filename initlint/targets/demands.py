"""FAILED CALL → what it wanted of its operands: a rank, sizes of dimensions, integers instead of floats.

One small function for each kind of call; what none of them knows is left to trial and error in `repairs`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from initlint.targets.probe import CONVOLUTIONS, Call, Operand, Trial
from initlint.targets.specs import Kind


@dataclass(frozen=True, slots=True)
class Demand:
    """Wanted of one operand. `sizes` maps a dimension of the operand, counted from the end, to its wanted size."""

    operand: Operand
    kind: Kind | None = None
    rank: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    high: int = 0  # rows of the table that integers index
    larger: bool = False  # more samples or a larger map, no matter how large


def demands_of(trial: Trial) -> list[Demand]:
    """What the failed call wanted, likeliest first; nothing when the failure is not understood."""
    found: list[Demand] = []
    if trial.call is not None:
        function = trial.call.function
        look = next((v for key, v in TABLE.items() if function in key), None)
        if look is not None:
            found += list(look(trial.call))
        if function in BITWISE or (function in ("where", "masked_fill", "masked_fill_") and "bool" in str(trial.error)):
            found += list(_truths(trial.call))
        found += list(_of_indices(trial.call, str(trial.error)))
    found += list(_of_message(trial))
    return [d for d in found if d.operand.names and _asks(d)]


def _asks(demand: Demand) -> bool:
    have = demand.operand
    if demand.kind == "bool" or (demand.kind == "int" and have.floating):
        return True
    if demand.kind == "float" and not have.floating:
        return True
    if demand.rank is not None and demand.rank != len(have.shape):
        return True
    return demand.larger or any(len(have.shape) < -i or have.shape[i] != n for i, n in demand.sizes)


def _operand(call: Call, index: int, name: str) -> Operand | None:
    value = call.argument(index, name)
    return value if isinstance(value, Operand) else None


def _embedding(call: Call) -> Iterator[Demand]:
    index, table = _operand(call, 0, "input"), _operand(call, 1, "weight")
    if index is not None and table is not None:
        yield Demand(index, kind="int", high=table.shape[0])


def _linear(call: Call) -> Iterator[Demand]:
    x, weight = _operand(call, 0, "input"), _operand(call, 1, "weight")
    if x is not None and weight is not None and len(weight.shape) == 2:
        yield Demand(x, kind="float", sizes=((-1, weight.shape[1]),))


def _bilinear(call: Call) -> Iterator[Demand]:
    weight = _operand(call, 2, "weight")
    for index, name in enumerate(("input1", "input2")):
        x = _operand(call, index, name)
        if x is not None and weight is not None and len(weight.shape) == 3:
            yield Demand(x, kind="float", sizes=((-1, weight.shape[1 + index]),))


def _convolution(call: Call) -> Iterator[Demand]:
    x, weight = _operand(call, 0, "input"), _operand(call, 1, "weight")
    if x is None or weight is None:
        return
    spatial = CONVOLUTIONS[call.function]
    transposed = "transpose" in call.function
    groups = call.argument(7 if transposed else 6, "groups")
    channels = weight.shape[0] if transposed else weight.shape[1] * (groups if isinstance(groups, int) else 1)
    yield Demand(x, kind="float", rank=spatial + 2, sizes=((-spatial - 1, channels),))
    if len(x.shape) == spatial + 2 and x.shape[1] == channels:
        yield Demand(x, larger=True)


def _layer_norm(call: Call) -> Iterator[Demand]:
    x, shape = _operand(call, 0, "input"), call.argument(1, "normalized_shape")
    if x is not None and isinstance(shape, list | tuple):
        sizes = [int(n) for n in shape if isinstance(n, int)]
        yield Demand(x, kind="float", sizes=tuple((i - len(sizes), n) for i, n in enumerate(sizes)))


def _channel_norm(call: Call) -> Iterator[Demand]:
    x = _operand(call, 0, "input")
    sizes = [v.shape[0] for v in (*call.args[1:], *call.kwargs.values()) if isinstance(v, Operand) and len(v.shape) == 1]
    if x is None:
        return
    if sizes and len(x.shape) > 1 and x.shape[1] != sizes[0]:
        yield Demand(x, kind="float", sizes=((1 - len(x.shape), sizes[0]),))
        yield Demand(x, rank=2, sizes=((-1, sizes[0]),))
        yield Demand(x, rank=3, sizes=((-2, sizes[0]),))
    else:
        yield Demand(x, larger=True)


def _attention(call: Call) -> Iterator[Demand]:
    width = call.argument(3, "embed_dim_to_check")
    for index, name in enumerate(("query", "key", "value")):
        x = _operand(call, index, name)
        if x is not None and isinstance(width, int):
            yield Demand(x, kind="float", rank=3, sizes=((-1, width),))


def _product(call: Call) -> Iterator[Demand]:
    start = 1 if call.function in ("addmm", "baddbmm") else 0
    left, right = _operand(call, start, "input"), _operand(call, start + 1, "other")
    if left is None or right is None or not left.shape or not right.shape:
        return
    inner = right.shape[-2] if len(right.shape) > 1 else right.shape[-1]
    yield Demand(left, kind="float", sizes=((-1, inner),))
    yield Demand(right, kind="float", sizes=((-2 if len(right.shape) > 1 else -1, left.shape[-1]),))
    if call.function in ("bmm", "baddbmm"):
        yield Demand(left, rank=3)
        yield Demand(right, rank=3)


def _einsum(call: Call) -> Iterator[Demand]:
    """A rank for each operand, and for each letter one size: that of a weight, where one has it."""
    equation = call.argument(0, "equation")
    if not isinstance(equation, str) or "." in equation:
        return
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    operands = call.operands
    if len(terms) != len(operands):
        return
    sizes: dict[str, int] = {}
    for term, x in sorted(zip(terms, operands, strict=True), key=lambda item: bool(item[1].names)):
        if len(term) == len(x.shape):
            sizes = dict(zip(term, x.shape, strict=True)) | sizes
    for term, x in zip(terms, operands, strict=True):
        wanted = tuple((i - len(term), sizes[letter]) for i, letter in enumerate(term) if letter in sizes)
        yield Demand(x, rank=len(term), sizes=wanted)


def _elementwise(call: Call) -> Iterator[Demand]:
    operands = call.operands[:3]
    for one in operands:
        for other in operands:
            if one is other:
                continue
            if len(one.shape) > len(other.shape) > 1 and one.names and other.names:
                yield Demand(one, rank=len(other.shape))
            pairs = zip(reversed(one.shape), reversed(other.shape), strict=False)
            sizes = [(-i - 1, theirs) for i, (ours, theirs) in enumerate(pairs) if theirs not in (ours, 1)]
            if sizes:
                yield Demand(one, sizes=tuple(sizes))
                # several sizes may follow from one: each alone as well
                for size in sizes if len(sizes) > 1 else []:
                    yield Demand(one, sizes=(size,))


def _joined(call: Call) -> Iterator[Demand]:
    operands = call.operands
    for one in operands:
        for other in operands:
            if one is other:
                continue
            if len(one.shape) != len(other.shape):
                lower, higher = sorted((one, other), key=lambda o: len(o.shape))
                yield Demand(lower, rank=len(higher.shape))
                yield Demand(higher, rank=len(lower.shape))
            else:
                for i, (ours, theirs) in enumerate(zip(one.shape, other.shape, strict=True)):
                    if ours != theirs:
                        yield Demand(one, sizes=((i - len(one.shape), theirs),))


def _permuted(call: Call) -> Iterator[Demand]:
    x = _operand(call, 0, "input")
    dims = [n for a in call.args[1:] for n in (a if isinstance(a, list | tuple) else (a,)) if isinstance(n, int)]
    if x is not None and dims:
        yield Demand(x, rank=len(dims) if call.function == "permute" else max(max(dims) + 1, -min(dims)))


def _one_hot(call: Call) -> Iterator[Demand]:
    x, classes = _operand(call, 0, "input"), call.argument(1, "num_classes")
    if x is not None:
        yield Demand(x, kind="int", high=classes if isinstance(classes, int) and classes > 0 else 0)


def _loss(call: Call) -> Iterator[Demand]:
    logits, target = _operand(call, 0, "input"), _operand(call, 1, "target")
    if target is not None and logits is not None:
        yield Demand(target, kind="int", high=logits.shape[1] if len(logits.shape) > 1 else 0)


def _view(call: Call) -> Iterator[Demand]:
    x = _operand(call, 0, "input")
    if x is None:
        return
    sizes = [n for a in call.args[1:] for n in (a if isinstance(a, list | tuple) else (a,)) if isinstance(n, int)]
    if not sizes or not x.shape:
        return
    fixed = math.prod(n for n in sizes if n > 0)
    total = math.prod(x.shape)
    batched = sizes[0] in (x.shape[0], -1)
    wanted = fixed // (sizes[0] if batched and sizes[0] > 0 else 1)
    side = math.isqrt(wanted // x.shape[1]) if len(x.shape) == 4 else 0
    if side and x.shape[2] == x.shape[3] != side and x.shape[1] * side**2 == wanted:
        yield Demand(x, sizes=((-2, side), (-1, side)))
    if wanted and len(x.shape) == 2:
        yield Demand(x, sizes=((-1, wanted),))
    if wanted and total // max(x.shape[0], 1) != wanted:
        yield Demand(x, sizes=((-1, wanted),))


def _expanded(call: Call) -> Iterator[Demand]:
    one, other = _operand(call, 0, "input"), _operand(call, 1, "other")
    if one is not None and other is not None and len(one.shape) > len(other.shape):
        yield Demand(other, rank=len(one.shape))
        yield Demand(one, rank=len(other.shape))
    elif one is not None and other is not None:
        yield from _elementwise(call)


def _scatter(call: Call) -> Iterator[Demand]:
    for value in call.operands[1:2]:
        yield Demand(value, kind="int")


def _truths(call: Call) -> Iterator[Demand]:
    """Bits of floats, and a condition that is none: integers would do for some of these, truth values for all."""
    operands = call.operands
    for value in operands if call.function in BITWISE else operands[:1] if call.function == "where" else operands[1:2]:
        if value.floating or call.function not in BITWISE:
            yield Demand(value, kind="bool")


BITWISE = (
    "bitwise_not", "__invert__", "invert", "bitwise_and", "__and__", "__rand__", "__iand__", "bitwise_or", "__or__", "__ror__", "__ior__", "bitwise_xor", "__xor__",
)  # fmt: skip
TABLE: Mapping[tuple[str, ...], Callable[[Call], Iterator[Demand]]] = {
    ("embedding", "embedding_bag"): _embedding,
    ("linear",): _linear,
    ("bilinear",): _bilinear,
    tuple(CONVOLUTIONS): _convolution,
    ("layer_norm", "rms_norm"): _layer_norm,
    ("batch_norm", "group_norm", "instance_norm"): _channel_norm,
    ("multi_head_attention_forward",): _attention,
    ("matmul", "mm", "bmm", "__matmul__", "__rmatmul__", "addmm", "baddbmm", "mv"): _product,
    (
        "add", "sub", "mul", "div", "__add__", "__sub__", "__mul__", "__truediv__", "__radd__", "__rsub__", "__rmul__", "add_", "mul_",
        "__iadd__", "__imul__", "true_divide", "where", "masked_fill", "masked_fill_", "addcmul", "lerp", "pow", "mse_loss",
    ): _elementwise,
    ("cat", "concat", "concatenate", "stack"): _joined,
    ("einsum",): _einsum,
    ("one_hot",): _one_hot,
    ("permute", "transpose", "swapaxes"): _permuted,
    ("cross_entropy", "nll_loss"): _loss,
    ("view", "reshape", "unflatten"): _view,
    ("expand_as",): _expanded,
    ("gather", "scatter", "scatter_add", "index_select", "index_add", "index_add_", "scatter_add_", "scatter_reduce_"): _scatter,
}  # fmt: skip


def _of_indices(call: Call, message: str) -> Iterator[Demand]:
    """Float tensors used as indices."""
    if call.function in ("__getitem__", "take", "index_put", "index_put_") and ("index" in message or "indices" in message):
        for value in call.args[1:]:
            for index in value if isinstance(value, list | tuple) else (value,):
                if isinstance(index, Operand):
                    yield Demand(index, kind="int")


UNPACK = re.compile(r"(?:not enough|too many) values to unpack \(expected (\d+)")
DIMENSIONS = (
    re.compile(r"[Ee]xpected (\d+)[Dd](?: \(unbatched\))?(?: or (\d+)[Dd])?"),
    re.compile(r"[Ee]xpected (\d+) dims"),
    re.compile(r"be (\d+)-?[Dd](?:imensional)?(?: or (\d+)-?[Dd])?"),
    re.compile(r"got (?:input with )?\d+[Dd].*expected (\d+)[Dd]"),
)
WHOLE = re.compile(r"[Ee]xpected (?:hidden|hx|cx|cell)\S* size \(([\d, ]+)\)")
EQUAL = re.compile(r"(?:equal to|Expected) (?:\w+\.? )*?(?P<want>\d+),? (?:but )?got:? (?P<have>\d+)")
EXPANDED = re.compile(r"expanded size of the tensor \((?P<have>\d+)\) must match the existing size \((?P<want>\d+)\)")


def _of_message(trial: Trial) -> Iterator[Demand]:
    """What the text of the error says of the first operand, or else of the one that was looked at last."""
    text = str(trial.error)
    operands = trial.call.operands if trial.call is not None else []
    looked = next((o for o in operands if o.names), None) or trial.looked
    unpack = UNPACK.search(text)
    if unpack is not None and trial.looked is not None:
        yield Demand(trial.looked, rank=int(unpack.group(1)))
    elif looked is not None:
        yield from _said_of(looked, text, refused=type(trial.error).__name__ == "Refused")


def _said_of(looked: Operand, text: str, *, refused: bool) -> Iterator[Demand]:
    for pattern in DIMENSIONS:
        found = pattern.search(text)
        if found is not None:
            for rank in sorted({int(g) for g in found.groups() if g is not None}, reverse=True):
                if 0 < rank <= 5:
                    yield Demand(looked, rank=rank)
            break
    whole = WHOLE.search(text)
    if whole is not None and len(looked.shape) == whole.group(1).count(",") + 1:
        sizes = [int(n) for n in whole.group(1).split(",")]
        yield Demand(looked, sizes=tuple((i - len(sizes), n) for i, n in enumerate(sizes)))
    equal = EQUAL.search(text) or EXPANDED.search(text)
    if equal is not None and looked.shape:
        want, have = int(equal["want"]), int(equal["have"])
        for i, size in enumerate(looked.shape):
            if size == have:
                yield Demand(looked, sizes=((i - len(looked.shape), want),))
    if "floating point" in text or "of integers" in text:
        yield Demand(looked, kind="float")
    if refused and "batch" in text:
        yield Demand(looked, rank=len(looked.shape) + 1)
    if "imension out of range" in text and len(looked.shape) < 5:
        yield Demand(looked, rank=len(looked.shape) + 1)
    if "too small" in text or "greater than actual" in text or "more than 1" in text:
        yield Demand(looked, larger=True)
