"""An operator of a constructor and the laws of its operands → the law of its result, without running it on anything large.

Closed forms where a law stays in its family; an element-wise function of random entries is run on a sample of them; what is
left has no known law, and says so.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from initlint.graph import laws
from initlint.graph.model import Law

SAMPLES = 1 << 16  # entries drawn for an element-wise function: 0.4 % of standard error on a second moment
SHORT = 256  # entries of a tensor that is there, below which its values say too little of their law
SEED = 0x5EED
INDEPENDENT = ("normal", "uniform", "truncated normal", "measured")  # laws whose entries have nothing in common
MANY = 16  # entries whose average is normal, whatever they are
MARKED = 1 << 24  # entries up to which those that indices name are marked one by one

Laws = Callable[[torch.Tensor], Law]


class NoLaw(Exception):
    """Nothing is known of an operator's result."""


def law_of_result(func: Any, name: str, target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    """The law of the entries of `target`, which `func(*args, **kwargs)` made or wrote.

    name  the operator's plain name, without the underscore of in-place ones
    of    the law of an operand

    Raises:
        NoLaw: the result is too large to be there, and no rule tells its law.
    """
    made = FACTORIES.get(name)
    if made is not None:
        return made(target, args, kwargs, of)
    tensors = [t for t in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    if not tensors:
        return exact_or_measured(target)
    rule = RULES.get(name)
    law = rule(target, args, kwargs, of) if rule is not None else None
    if law is not None:
        return law
    if not target.is_meta:
        if all(of(t).family in ("constant", "exact", "identity") for t in tensors):
            return exact_or_measured(target)
        if target.numel() < SHORT and target.is_floating_point() and torch.Tag.pointwise in func.tags:
            with contextlib.suppress(NoLaw):
                return _sampled(func, args, kwargs, of)
        return measured(target)
    if torch.Tag.pointwise in func.tags:
        return _sampled(func, args, kwargs, of)
    raise NoLaw(name)


# -- results of factories ------------------------------------------------------------------------------------------------


def _number(args: Sequence[Any], kwargs: Mapping[str, Any], position: int, key: str, default: float) -> float:
    numbers = [a for a in args if isinstance(a, int | float) and not isinstance(a, bool)]
    value = kwargs.get(key, numbers[position] if len(numbers) > position else default)
    return float(value) if isinstance(value, int | float) else default


def _filled(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    value = kwargs.get("fill_value", args[-1] if args else 0.0)
    if isinstance(value, torch.Tensor):
        return of(value)
    return laws.constant(float(value)) if isinstance(value, int | float) else measured(target)


def _normal(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    tensors = [a for a in args[1:] if isinstance(a, torch.Tensor)]
    if tensors:
        return measured(target)
    return laws.normal(_number(args, kwargs, 0, "mean", 0.0), _number(args, kwargs, 1, "std", 1.0))


def _coin(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    """bernoulli_(p) with a number or a tensor, bernoulli(p) of a tensor: what its entries are, is what is drawn."""
    chance = kwargs.get("p", args[1] if len(args) > 1 else args[0] if args and args[0] is not target else 0.5)
    return laws.coin(of(chance).mean if isinstance(chance, torch.Tensor) else float(chance))


def _at_steps(value: Callable[[float], float], mean: float, second_moment: float) -> Law:
    """A law by its inverse distribution function."""
    return laws.by_quantiles([value((step + 0.5) / laws.STEPS) for step in range(laws.STEPS)], mean, second_moment)


def _exponential(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    scale = 1.0 / _number(args, kwargs, 0, "lambd", 1.0)
    return _at_steps(lambda share: -scale * math.log1p(-share), scale, 2.0 * scale**2)


def _integers(low: float, high: float) -> Law:
    """Integers from low to below high, all alike."""
    count = high - low
    if count < 1 or high > 2**53:
        raise NoLaw("random")
    middle = (low + high - 1.0) / 2.0
    return _at_steps(lambda share: low + math.floor(share * count), middle, middle**2 + (count**2 - 1.0) / 12.0)


def _random(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    bounds = [a for a in args if isinstance(a, int) and not isinstance(a, bool)]
    if not bounds:
        raise NoLaw("random")
    return _integers(float(bounds[0]) if len(bounds) > 1 else 0.0, float(bounds[-1]))


def _complex_uniform() -> Law:
    """Real and imaginary parts uniform over (0, 1): the mean is that of the real part, the second moment |x|²."""
    return Law(family="measured", mean=0.5, second_moment=2.0 / 3.0)


Rule = Callable[[torch.Tensor, Sequence[Any], Mapping[str, Any], Laws], "Law"]

FACTORIES: Mapping[str, Rule] = {
    **dict.fromkeys(("zeros", "zero"), lambda t, a, k, of: laws.constant(0.0)),
    "ones": lambda t, a, k, of: laws.constant(1.0),
    **dict.fromkeys(("full", "fill", "scalar_tensor"), _filled),
    **dict.fromkeys(("empty", "empty_strided", "empty_permuted"), lambda t, a, k, of: laws.uninitialized()),
    "randn": lambda t, a, k, of: laws.normal(0.0, 1.0),
    "normal": _normal,
    "rand": lambda t, a, k, of: _complex_uniform() if t.is_complex() else laws.uniform(0.0, 1.0),
    "uniform": lambda t, a, k, of: laws.uniform(_number(a, k, 0, "from", 0.0), _number(a, k, 1, "to", 1.0)),
    "bernoulli": _coin,
    "exponential": _exponential,
    "random": _random,
    "randint": _random,
    "eye": lambda t, a, k, of: laws.identity(t.shape, min(t.shape)),
}


# -- results of operators on tensors -------------------------------------------------------------------------------------


def _first(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    return of(args[0])


def _copy(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    return of(args[1])


def _operands(args: Sequence[Any], of: Laws) -> tuple[Law, Law]:
    sides = [of(a) if isinstance(a, torch.Tensor) else laws.constant(float(a)) for a in args[:2]]
    return sides[0], sides[1]


def _sum(sign: float) -> Rule:
    def rule(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
        first, other = _operands(args, of)
        if len(args) > 1 and args[0] is args[1]:
            return laws.scaled(first, 1.0 + sign)
        return laws.added(first, laws.scaled(other, sign * float(kwargs.get("alpha", 1.0))))

    return rule


def _product(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    if args[0] is args[1]:
        return None  # a square: not a product of independent entries
    return laws.multiplied(*_operands(args, of))


def _quotient(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    first, other = _operands(args, of)
    return laws.scaled(first, 1.0 / other.mean) if other.family == "constant" and other.mean else None


def _inverse_erf(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    law = of(args[0])
    if law.family != "uniform" or law.low is None or law.high is None:
        return None
    inside = (max(min(bound, 1 - 1e-12), -1 + 1e-12) for bound in (law.low, law.high))
    low, high = (float(torch.erfinv(torch.tensor(bound, dtype=torch.float64))) for bound in inside)
    return laws.truncated_normal(0.0, math.sqrt(0.5), low, high)


def _clamp(which: str) -> Callable[[torch.Tensor, Sequence[Any], Mapping[str, Any], Laws], Law | None]:
    def rule(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
        limits = [a for a in args[1:] if isinstance(a, int | float) or a is None]
        low = kwargs.get("min", limits[0] if limits and which != "max" else None)
        high = kwargs.get("max", limits[1] if len(limits) > 1 else limits[0] if limits and which == "max" else None)
        return laws.clamped(of(args[0]), -math.inf if low is None else float(low), math.inf if high is None else float(high))

    return rule


def _joined(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    return laws.pooled([(float(t.numel()), of(t)) for t in args[0]])


def _padded(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    """A tensor, and one number around it: transformers pads the bias of a head to the size of the tied embedding."""
    value = kwargs.get("value", args[2] if len(args) > 2 else 0.0)
    rest = target.numel() - args[0].numel()
    parts = [(float(args[0].numel()), of(args[0]))]
    return laws.pooled([*parts, (float(rest), laws.constant(float(value)))]) if rest > 0 else of(args[0])


def _put(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    """t[indices] = values: the entries that are named have the law of the values, the others keep theirs."""
    if any(index is not None and index.is_meta and index.dtype in (torch.bool, torch.uint8) for index in args[1]):
        return None  # a mask, perhaps of the tensor's own entries
    before, put = of(args[0]), of(args[2])
    if kwargs.get("accumulate", len(args) > 3 and args[3]):
        put = laws.added(before, put)
    elif not target.is_meta and {before.family, put.family} <= {"constant", "exact", "identity"}:
        return None  # the values are there
    named = _named(target, args[1])
    parts = [(target.numel() - named, before), (named, put)]
    return laws.pooled([(share, law) for share, law in parts if share > 0]) if target.numel() else before


def _named(target: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> float:
    """How many entries these indices name; of indices without values, as if no entry were named twice."""
    present = [index for index in indices if index is not None]
    if target.numel() <= MARKED and not any(index.is_meta for index in present):
        marks = torch.zeros(target.shape, dtype=torch.bool)
        marks[tuple(slice(None) if index is None else index for index in indices)] = True
        return float(marks.sum())
    rest = math.prod(n for n, index in zip(target.shape, indices, strict=False) if index is None)
    rest *= math.prod(target.shape[len(indices) :])
    places = math.prod(np.broadcast_shapes(*(tuple(index.shape) for index in present)))
    return float(min(places * rest, target.numel()))


def _picked(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    """Rows or entries that integers name, whatever the values are: each has the law of any."""
    indices = [item for item in torch.utils._pytree.tree_leaves(args[1:]) if isinstance(item, torch.Tensor)]
    if not target.is_meta or any(item.dtype in (torch.bool, torch.uint8) for item in indices):
        return None
    law = of(args[0])
    if law.family in ("normal", "uniform", "truncated normal", "constant", "measured"):
        return law
    return None


def _triangle(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    """Entries outside the triangle become zero: the moments of a random entry shrink by the share that is kept."""
    law = of(args[0])
    rows, columns = int(target.shape[-2]), int(target.shape[-1])
    diagonal = int(kwargs.get("diagonal", args[1] if len(args) > 1 else 0))
    upper = sum(min(max(columns - max(row + diagonal, 0), 0), columns) for row in range(rows))
    strictly_upper = sum(min(max(columns - max(row + diagonal + 1, 0), 0), columns) for row in range(rows))
    kept = upper if kwargs.get("upper") else rows * columns - strictly_upper
    share = kept / max(rows * columns, 1)
    return Law(family="measured", mean=law.mean * share, second_moment=law.second_moment * share)


def _upper(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    return _triangle(target, args, {**kwargs, "upper": True}, of)


def _matrix_product(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    """E = n·E[a]·E[b], E[·²] = n·(q_a q_b − m_a² m_b²) + n² m_a² m_b², for independent entries; the rank of its thinnest factor."""
    a, b = args[0], args[1]
    inner = int(a.shape[-1])
    rank = min(inner, *(law.rank for law in (of(a), of(b)) if law.rank is not None), *target.shape[-2:])
    thin = rank if target.dim() == 2 and rank < min(target.shape) else None
    if not target.is_meta:
        return None if thin is None else replace(measured(target), rank=thin)
    if a is b:
        return None
    left, right = of(a), of(b)
    mean = left.mean * right.mean
    spread = left.second_moment * right.second_moment - mean**2
    return Law(family="measured", mean=inner * mean, second_moment=inner * spread + (inner * mean) ** 2, rank=thin)


def _orthonormal(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    """The first factor of a QR or singular value decomposition of a random matrix."""
    return laws.orthogonal(target.shape[-2:], 1.0) if target.is_meta else None


def _mean(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    """The average of n independent entries: a normal law with the n-th part of the variance (central limit theorem)."""
    law, count = of(args[0]), args[0].numel() / max(target.numel(), 1)
    if not target.is_meta or count < MANY or law.pair is not None or law.family not in INDEPENDENT:
        return None
    return laws.normal(law.mean, law.std / math.sqrt(count))


def _length(target: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law | None:
    """Euclidean lengths of many independent entries hardly vary: √(n E[w²]), less 1/(4n) of it."""
    order = args[1] if len(args) > 1 else 2
    if order is None or float(order) != 2.0 or not target.numel():
        return None
    law, count = of(args[0]), args[0].numel() / target.numel()
    if math.isnan(law.second_moment):
        return None
    second = count * law.second_moment
    mean = math.sqrt(second) * (1.0 - 1.0 / (4.0 * count))
    return Law(family="measured", mean=mean, second_moment=second)


RULES: Mapping[str, Callable[[torch.Tensor, Sequence[Any], Mapping[str, Any], Laws], Law | None]] = {
    **dict.fromkeys(("_to_copy", "clone", "contiguous", "detach", "alias", "expand", "repeat"), _first),
    **dict.fromkeys(("index", "index_select", "embedding", "gather"), _picked),
    "index_put": _put,
    "copy": _copy,
    "add": _sum(1.0),
    "sub": _sum(-1.0),
    "rsub": lambda t, a, k, of: _sum(-1.0)(t, (a[1], a[0]), k, of),
    "neg": lambda t, a, k, of: laws.scaled(of(a[0]), -1.0),
    "mul": _product,
    "div": _quotient,
    "erfinv": _inverse_erf,
    "clamp": _clamp("both"),
    "clamp_min": _clamp("min"),
    "clamp_max": _clamp("max"),
    **dict.fromkeys(("cat", "stack"), _joined),
    "constant_pad_nd": _padded,
    **dict.fromkeys(("linalg_vector_norm", "norm", "norm_except_dim"), _length),
    "mean": _mean,
    "tril": _triangle,
    "triu": _upper,
    **dict.fromkeys(("mm", "matmul", "bmm"), _matrix_product),
    **dict.fromkeys(("linalg_qr", "_linalg_svd", "linalg_svd"), _orthonormal),
}


# -- by sampling ---------------------------------------------------------------------------------------------------------


def _sampled(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], of: Laws) -> Law:
    """Moments of an element-wise function of independent entries, from a sample."""
    generator = torch.Generator().manual_seed(SEED)
    drawn: dict[int, torch.Tensor] = {}

    def sample(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) not in drawn:
            drawn[id(value)] = _sample(value, of(value), generator).to(value.dtype)
        return drawn[id(value)]

    functional = func
    if func._schema.is_mutable:
        functional = getattr(torch.ops.aten, func.overloadpacket.__name__.removesuffix("_"))
    drawn_args, drawn_kwargs = (
        [sample(a) for a in args],
        {k: sample(v) for k, v in kwargs.items() if k not in ("device", "out")},
    )
    try:
        result = functional(*drawn_args, **drawn_kwargs)
    except RuntimeError as error:  # shapes that only the whole tensors have
        raise NoLaw(str(func)) from error
    law = measured(result.double() if result.dtype == torch.bool else result)
    return Law(family=law.family, mean=law.mean, second_moment=law.second_moment, quantiles=law.quantiles)


def _sample(values: torch.Tensor, law: Law, generator: torch.Generator) -> torch.Tensor:
    """Entries of a tensor's law, or of its values where they are there and say all that is known."""
    if values.is_meta:
        return sample_of(law, generator)
    if values.numel() < SHORT:
        with contextlib.suppress(NoLaw):
            return sample_of(law, generator)
    flat = values.detach().reshape(-1)
    return flat[torch.randint(0, flat.numel(), (SAMPLES,), generator=generator)]


def sample_of(law: Law, generator: torch.Generator) -> torch.Tensor:
    """Independent entries of a law.

    Raises:
        NoLaw: it is not known well enough to be drawn from.
    """
    if law.family == "constant":
        return torch.full((SAMPLES,), law.mean)
    if law.family == "measured" and law.quantiles:
        return torch.tensor(law.quantiles)[torch.randint(0, len(law.quantiles), (SAMPLES,), generator=generator)]
    if law.family == "uniform" and law.low is not None and law.high is not None:
        return law.low + (law.high - law.low) * torch.rand(SAMPLES, generator=generator)
    if law.family in ("normal", "orthogonal"):
        return law.mean + law.std * torch.randn(SAMPLES, generator=generator)
    if law.family == "truncated normal" and law.low is not None and law.high is not None:
        reach = min(law.mean - law.low, law.high - law.mean)
        if reach > 3 * law.std:  # hardly cut: the moments that are known are those of the normal law
            return (law.mean + law.std * torch.randn(SAMPLES, generator=generator)).clamp(law.low, law.high)
    raise NoLaw(law.family)


# -- of values that are there --------------------------------------------------------------------------------------------


def measured(tensor: torch.Tensor) -> Law:
    """First and second moments of real values."""
    from initlint.graph.measure import law_of_values

    if tensor.is_meta:
        return laws.constant(0.0)
    return law_of_values(tensor)


def exact_or_measured(tensor: torch.Tensor) -> Law:
    """Deterministic values: a constant if all are equal, else exact."""
    if tensor.is_meta or tensor.is_complex() or tensor.numel() == 0:
        return laws.constant(0.0)
    values = tensor.detach().double()
    if bool((values == values.reshape(-1)[0]).all()):
        return laws.constant(float(values.reshape(-1)[0]))
    return Law(family="exact", mean=float(values.mean()), second_moment=float((values * values).mean()))
