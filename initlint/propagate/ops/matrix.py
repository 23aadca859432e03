"""Products of matrices: linear layers, matmul, einsum. One contraction of pair moments serves them all.

Law: for independent factors, E[(Σ_k a_k b_k)(Σ_l a'_l b'_l)] = Σ_{k,l} E[a_k a'_l] E[b_k b'_l], a sum over pair states
weighted by their number. With fresh zero-mean weights it is the familiar q_out = fan_in · E[w²] · q_in (He et al. 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, common
from initlint.propagate.lineage import is_leaf, length_of
from initlint.propagate.moments import Gram, Moments, common_factors, factored, size_of
from initlint.propagate.ops.arithmetic import add, added, mul
from initlint.propagate.ops.copied import through_identity
from initlint.propagate.ops.functions import affine
from initlint.propagate.ops.gather import flags_of, tidy, worst
from initlint.propagate.ops.grams import places_of, roles_of, with_itself
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.regressed import tell_input, tell_weight
from initlint.propagate.ops.view import reshaped
from initlint.propagate.rows import image_of_rows, shifted_rows
from initlint.propagate.tape import Known, Tape

PRODUCTS = 1 << 20  # of pair states in one contraction: more cost more time than they add truth

einsum_of: Any = np.einsum  # its stubs do not know operands with lists of axes


def contract(x: Moments, y: Moments, a: str, b: str, out: str) -> Moments:
    """Pair moments of Σ over the letters missing in `out`, for independent x and y with dimensions named a and b."""
    for letter in dict.fromkeys(a):
        if letter not in b:
            continue
        i, j = a.index(letter), b.index(letter)
        if not x.dims[i] or not y.dims[j] or x.dims[i] == y.dims[j]:
            continue
        sizes = common_factors([[axis.size for axis in x.dims[i]], [axis.size for axis in y.dims[j]]])
        x, y = factored(x, i, sizes), factored(y, j, sizes)
        for n in range(len(sizes)):
            fine = common(x.dims[i][n], y.dims[j][n])
            x, y = x.refined(x.position(i) + n, fine), y.refined(y.position(j) + n, fine)
    x, y = _bounded(x, y, a, b)
    plan = _planned(a, b, out, tuple(map(len, x.dims)), tuple(map(len, y.dims)))
    index_x, index_y, index_out = plan.first, plan.second, plan.result
    pair, mean = x.pair, x.mean
    pair_y, mean_y = y.pair, y.mean
    centred = not (mean.any() and mean_y.any())
    for k in plan.summed_first:
        after = (-1,) + (1,) * (pair.ndim - 1 - k)
        pair = pair * x.axes[k].pairs.reshape(after)
        mean = mean if centred else mean * x.axes[k].counts.reshape(after)
    for k in plan.summed_second:
        after = (-1,) + (1,) * (pair_y.ndim - 1 - k)
        pair_y = pair_y * y.axes[k].pairs.reshape(after)
        mean_y = mean_y if centred else mean_y * y.axes[k].counts.reshape(after)
    dims = tuple([() if d is None else (y if other else x).dims[d] for other, d in plan.dims])
    extra = _together(x, y, index_x, index_y, index_out)
    pair = plan.of(pair, pair_y)
    if extra is not None:
        pair = pair + extra
    if not centred:
        mean = plan.of(mean, mean_y)
    else:
        mean = np.zeros([axis.groups for dim in dims for axis in dim])
    z = Moments(dims, mean, pair, method=worst([x, y]), flags=flags_of([x, y]))
    z.gram = _inherited(x, y, index_x, index_y, index_out)
    return z


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which axes of two factors meet in a contraction, are summed and stay; axes by number, those that meet by one number.

    summed_second   of the second factor's axes those that the first has not
    dims            of the result: whether of the second factor, and which of its dimensions; None where size one
    """

    first: list[int]
    second: list[int]
    result: list[int]
    summed_first: tuple[int, ...]
    summed_second: tuple[int, ...]
    dims: tuple[tuple[bool, int | None], ...]
    product: _Product | None

    def of(self, left: Array, right: Array) -> Array:
        """The contraction of two arrays that have these axes; sums are counted already."""
        if self.product is None:
            return np.asarray(einsum_of(left, self.first, right, self.second, self.result))
        return self.product.of(left, right)


@dataclass(frozen=True, slots=True)
class _Product:
    """A contraction as a product of matrices, many times as fast where they are small: axes that both have and keep, that one has, that
    meet; and the order of the first three in the result."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    kept: int
    own: int
    met: int
    order: tuple[int, ...]

    def of(self, left: Array, right: Array) -> Array:
        left, right = left.transpose(self.left), right.transpose(self.right)
        kept = np.broadcast_shapes(left.shape[: self.kept], right.shape[: self.kept])
        own, other = left.shape[self.kept : self.kept + self.own], right.shape[self.kept + self.met :]
        first = left.reshape(*left.shape[: self.kept], math.prod(own), -1)
        second = right.reshape(*right.shape[: self.kept], -1, math.prod(other))
        return np.asarray(first @ second).reshape((*kept, *own, *other)).transpose(self.order)


def _as_product(first: list[int], second: list[int], result: list[int]) -> _Product | None:
    """A contraction as a product of matrices; None where an axis of one factor alone is summed."""
    if any(n not in second and n not in result for n in first) or any(n not in first and n not in result for n in second):
        return None
    if len(set(first)) < len(first) or len(set(second)) < len(second):
        return None
    kept = [n for n in first if n in second and n in result]
    met = [n for n in first if n in second and n not in result]
    own, other = [n for n in first if n not in second], [n for n in second if n not in first]
    made = [*kept, *own, *other]
    return _Product(
        tuple(first.index(n) for n in (*kept, *own, *met)),
        tuple(second.index(n) for n in (*kept, *met, *other)),
        len(kept),
        len(own),
        len(met),
        tuple(made.index(n) for n in result),
    )


@lru_cache(maxsize=4096)
def _planned(a: str, b: str, out: str, axes_x: tuple[int, ...], axes_y: tuple[int, ...]) -> _Plan:
    """For dimensions named a and b, made of so many axes each."""
    numbers: dict[tuple[str, int], int] = {}
    found: dict[str, tuple[bool, int]] = {}
    indices: list[list[int]] = []
    for other, letters, counts in ((False, a, axes_x), (True, b, axes_y)):
        index: list[int] = []
        for d, (letter, count) in enumerate(zip(letters, counts, strict=True)):
            if count:
                found.setdefault(letter, (other, d))
            index += [numbers.setdefault((letter, n), len(numbers)) for n in range(count)]
        indices.append(index)
    first, second = indices
    result = [numbers[letter, n] for letter in out if letter in found for n in range((axes_y if found[letter][0] else axes_x)[found[letter][1]])]
    gone = {number for (letter, _), number in numbers.items() if letter not in out}
    return _Plan(
        first,
        second,
        result,
        tuple([k for k, number in enumerate(first) if number in gone]),
        tuple([k for k, number in enumerate(second) if number in gone and number not in first]),
        tuple([found.get(letter, (False, None)) for letter in out]),
        _as_product(first, second, result),
    )


def _bounded(x: Moments, y: Moments, a: str, b: str) -> tuple[Moments, Moments]:
    """Both factors in fewer groups, the most alike averaged, where their product would be too large: windows of windows of tiles."""
    while x.pair.size * y.pair.size > PRODUCTS:
        axes = {
            (letter, n): axis
            for letters, tensor in ((a, x), (b, y))
            for letter, dim in zip(letters, tensor.dims, strict=True)
            for n, axis in enumerate(dim)
        }
        (letter, n), finest = max(axes.items(), key=lambda item: item[1].groups, default=(("", 0), None))
        if finest is None or finest.groups < 2 or math.prod(axis.states for axis in axes.values()) <= PRODUCTS:
            return x, y
        to = None
        if letter in a and x.dims[a.index(letter)]:
            k = x.position(a.index(letter)) + n
            x = tidy(x, k, finest.groups // 2)
            to = x.axes[k]
        if letter in b and y.dims[b.index(letter)]:
            k = y.position(b.index(letter)) + n
            y = tidy(y, k, finest.groups // 2) if to is None else y.coarsened(k, to)
    return x, y


def _together(x: Moments, y: Moments, index_x: list[int], index_y: list[int], index_out: list[int]) -> Array | None:
    """What the product has beyond independence when both factors are random images of one tensor u, contracted over its axes.

    E[Σ_ss' a_s a_s' b_s b_s'] needs E[K_a K_b] with K = u_s·u_s' for both: the fluctuation of u_s·u_s' adds
    (K_a(s,s) − K_a(s,s'))(K_b(s,s) − K_b(s,s'))/freedom to every pair of different s (so that XᵀX of n samples of d features
    has size n²q²(1/n + 1/d)).
    """
    first, second = x.gram, y.gram
    if first is None or second is None or first.base is None or first.base != second.base:
        return None
    shared = {index_x[k] for k in first.axes} & {index_y[k] for k in second.axes} - set(index_out)
    if not shared:
        return None
    gone = set(index_x + index_y) - set(index_out)
    left = _own_part(x, first, index_x, shared, gone)
    right = _own_part(y, second, index_y, shared, gone - set(index_x))
    apart = np.zeros((1,) * left.ndim, dtype=bool)
    for k in first.axes:  # the entries that are the same along all axes are in the plain product already
        inside = np.arange(x.axes[k].states) >= x.axes[k].groups
        apart = apart | inside.reshape([-1 if n == k else 1 for n in range(left.ndim)])
    left = np.where(apart, left, 0.0)
    scale = first.scale * second.scale / first.freedom
    return np.asarray(einsum_of(left, index_x, right, index_y, index_out)) * scale


def _own_part(x: Moments, gram: Gram, index: list[int], shared: set[int], counted: set[int]) -> Array:
    """The part of a token's second moment that it shares with no other, at every state of the axes of `gram`.

    Axes named in `counted` are weighted by their numbers of pairs.
    """
    result = x.pair
    for k in sorted(gram.axes):
        axis = x.axes[k]
        same = result[(slice(None),) * k + (axis.cells,)]
        if index[k] in shared:
            diagonal = axis.groups + np.arange(axis.groups) * (axis.groups + 1)
            same = same - result.take(diagonal, axis=k)
        by_cell = np.sqrt(np.maximum(same, 0.0))
        row, column = axis.rows
        result = by_cell.take(row, axis=k) * by_cell.take(column, axis=k)
    for k, axis in enumerate(x.axes):
        if index[k] in counted:
            result = result * axis.pairs.reshape([-1 if n == k else 1 for n in range(result.ndim)])
    return result


def _inherited(x: Moments, y: Moments, index_x: list[int], index_y: list[int], index_out: list[int]) -> Gram | None:
    """A product with an independent factor is an image of the same tensor, along the axes that the factor does not have."""
    found: list[Gram] = []
    for gram, index, other in ((x.gram, index_x, index_y), (y.gram, index_y, index_x)):
        if gram is not None and gram.base is not None:
            kept = frozenset(k for k in gram.axes if index[k] not in other and index[k] in index_out)
            if kept:
                found.append(gram.over(frozenset(index_out.index(index[k]) for k in kept)))
    return found[-1] if found else None


def product(tape: Tape, x: Moments, y: Moments, a: str, b: str, out: str) -> Moments:
    """`contract` with its pullback; a letter that only one factor has and `out` lacks is summed."""
    z = contract(x, y, a, b, out)
    if (roles := roles_of(x, y, a, b, out)) is not None and (places := places_of(z, roles, x, y, a, b, out)) is not None:
        z = with_itself(z, x, roles, places)
    z.zeros = 1.0 if z.is_zero else 0.0
    z.cosine = shared_length(tape, x, y, math.prod(x.shape[a.index(letter)] for letter in (set(a) & set(b)) - set(out)))
    z.complex = x.complex or y.complex
    z.positive = (x.positive and y.positive) or (x.negative and y.negative)
    z.negative = (x.positive and y.negative) or (x.negative and y.positive)

    def back(g: Moments, other: Moments, letters: str, own: str, target: Moments) -> Moments:
        present = "".join(letter for letter in own if letter in out or letter in letters)
        factor = Moments(other.dims, np.zeros(other.mean.shape), other.pair, gram=partner_of(other, g))
        result = contract(g, factor, out, letters, present)
        # a letter that was summed away alone gets the same cotangent at every index
        inside = iter(result.dims)
        if present != own:
            result = result.with_(dims=tuple([next(inside) if letter in present else () for letter in own]))
        if result.shape != target.shape:
            result = result.expanded(target.shape)
        gone = [d for d, dim in enumerate(target.dims) if not dim and result.dims[d]]
        if z.complex and not target.complex:
            result = result.scaled(0.5**0.5)
        return result.summed(result.dim_axes(gone)) if gone else result

    return tape.record([x, y], z, lambda g: [back(g, y, b, a, x), back(g, x, a, b, y)])


def shared_length(tape: Tape, x: Moments, y: Moments, size: int) -> int:
    """`size` if two tensors are divided by their own size over so many elements, the dimensions of the cosines in their product; or 0."""
    return size if size > 1 and length_of(tape, x) == length_of(tape, y) == size else 0


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@transfer("linear")
def linear(tape: Tape, x: Any, weight: Any, bias: Any = None) -> Moments:
    """y = x Wᵀ + b."""
    x, weight = as_moments(x), as_moments(weight)
    lead = LETTERS[: len(x.dims) - 1]
    if len(weight.dims) == 1:
        y = product(tape, x, weight, lead + "Y", "Y", lead)
    elif weight.eye:
        y = through_identity(tape, x, weight, lambda t, u, w: product(t, u, w, lead + "Y", "ZY", lead + "Z"))
    else:
        y = product(tape, x, weight, lead + "Y", "ZY", lead + "Z")
        if not weight.mean.any():
            y.gram = image_of(x)
    z = y
    if bias is not None:
        z = added(tape, y, as_moments(bias))
        z.gram = shifted_rows(y, z)
    if len(weight.dims) > 1 and not weight.mean.any():
        tell_weight(tape, z, x, weight, len(z.dims) - 1)
        tell_input(tape, z, x, weight)
    return z


def image_of(x: Moments) -> Gram | None:
    """The inner products of x over its last dimension, which a random linear image of x inherits."""
    lead = x.position(len(x.dims) - 1)
    if lead == 0 or not x.dims[-1]:
        return None
    return image_of_rows(x, frozenset(range(lead)), float(size_of(x.dims[-1])), x)


def partner_of(x: Moments, other: Moments) -> Gram | None:
    """What x is an image of: of itself, unless that is not what `other` is an image of and it is known as one of something else."""
    own = image_of(x)
    if own is not None and other.gram is not None and other.gram.base == own.base:
        return own
    return x.gram if x.gram is not None and x.gram.base is not None else own


def matmul_letters(x: int, y: int) -> tuple[str, str, str]:
    """Dimension names of torch.matmul for tensors of these ranks, aligned from the right."""
    batch = LETTERS[: max(x, y, 2) - 2]
    a = batch[len(batch) - max(x - 2, 0) :] + ("XY" if x > 1 else "Y")
    b = batch[len(batch) - max(y - 2, 0) :] + ("YZ" if y > 1 else "Y")
    out = batch + ("X" if x > 1 else "") + ("Z" if y > 1 else "")
    return a, b, out


@transfer("matmul", "mm", "bmm", "mv", "dot", "linalg_matmul", "vdot", "inner")
def matmul(tape: Tape, x: Any, y: Any) -> Moments:
    x, y = as_moments(x), as_moments(y)
    a, b, out = matmul_letters(len(x.dims), len(y.dims))
    if y.eye and len(y.dims) == 2:
        return through_identity(tape, x, y, lambda t, u, w: product(t, u, w, a, b, out))
    z = product(tape, x, y, a, b, out)
    if len(y.dims) == 2 and is_leaf(y) and not np.any(y.mean):
        z.gram = image_of(x)
    return z


@transfer("addmm", "baddbmm", "addmv")
def addmm(tape: Tape, bias: Any, x: Any, y: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Moments:
    return beside(tape, bias, matmul(tape, x, y), beta, alpha)


@transfer("addbmm")
def addbmm(tape: Tape, bias: Any, x: Any, y: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Moments:
    """The products of all matrices of a batch, added up."""
    return beside(tape, bias, product(tape, as_moments(x), as_moments(y), "BXY", "BYZ", "XZ"), beta, alpha)


def beside(tape: Tape, bias: Any, z: Moments, beta: float, alpha: float) -> Moments:
    """alpha·z + beta·bias."""
    z = affine(tape, z, alpha, 0.0)
    if beta == 0:
        return z
    if isinstance(bias, Known):
        return add(tape, z, mul(tape, bias, beta) if beta != 1 else bias)
    return added(tape, z, as_moments(mul(tape, bias, beta)) if beta != 1 else as_moments(bias))


@transfer("outer", "ger")
def outer(tape: Tape, x: Any, y: Any) -> Moments:
    return product(tape, as_moments(x), as_moments(y), "X", "Z", "XZ")


@transfer("einsum")
def einsum(tape: Tape, equation: str, operands: Sequence[Any], **kwargs: Any) -> Moments:
    equation = equation.replace(" ", "")
    tensors = [as_moments(t) for t in operands]
    left, _, out = equation.partition("->")
    terms = left.split(",")
    spare = iter([c for c in LETTERS[::-1] if c not in equation])
    rank = max((len(t.dims) - len(term.replace("...", "")) for term, t in zip(terms, tensors, strict=True) if "..." in term), default=0)
    dots = "".join(next(spare) for _ in range(rank))
    terms = [
        term.replace("...", dots[rank - (len(t.dims) - len(term.replace("...", ""))) :] if "..." in term else "")
        for term, t in zip(terms, tensors, strict=True)
    ]
    if "->" not in equation:
        joined = "".join(terms)
        out = dots + "".join(sorted(c for c in set(joined) - set(dots) if joined.count(c) == 1))
    else:
        out = out.replace("...", dots)
    if any(len(set(term)) < len(term) for term in terms):
        raise CannotPredict("a diagonal inside einsum")
    result, letters = tensors[0], terms[0]
    for n in range(1, len(tensors)):
        later = set("".join(terms[n + 1 :]) + out)
        keep = "".join(c for c in dict.fromkeys(letters + terms[n]) if c in later)
        target = out if n == len(tensors) - 1 else keep
        result, letters = product(tape, result, tensors[n], letters, terms[n], target), target
    if len(tensors) == 1:
        from initlint.propagate.ops.reduce import reduced
        from initlint.propagate.ops.view import permuted

        gone = [d for d, c in enumerate(letters) if c not in out]
        if gone:
            result = reduced(tape, result, gone, False, mean=False)
            letters = "".join(c for c in letters if c in out)
        return permuted(tape, result, [letters.index(c) for c in out])
    return result


@transfer("bilinear")
def bilinear(tape: Tape, x: Any, y: Any, weight: Any, bias: Any = None) -> Moments:
    lead = LETTERS[: len(x.shape) - 1]
    half = product(tape, as_moments(x), as_moments(weight), lead + "X", "ZXY", lead + "ZY")
    z = product(tape, half, as_moments(y), lead + "ZY", lead + "Y", lead + "Z")
    return z if bias is None else added(tape, z, as_moments(bias))


@transfer("tensordot")
def tensordot(tape: Tape, x: Any, y: Any, a: Sequence[int], b: Sequence[int]) -> Moments:
    x, y = as_moments(x), as_moments(y)
    left = list(LETTERS[: len(x.dims)])
    right = list(LETTERS[26 : 26 + len(y.dims)])
    for i, j in zip(a, b, strict=True):
        right[j % len(right)] = left[i % len(left)]
    shared = set(left) & set(right)
    out = [c for c in left if c not in shared] + [c for c in right if c not in shared]
    return product(tape, x, y, "".join(left), "".join(right), "".join(out))


@transfer("cosine_similarity")
def cosine_similarity(tape: Tape, x: Any, y: Any, dim: int = 1, eps: float = 1e-8) -> Moments:
    """Σ x̂ŷ; each factor has unit length, so the average of its squares is 1/n."""
    from initlint.propagate.ops.norm import rms_normalized
    from initlint.propagate.ops.reduce import reduced

    x, y = as_moments(x), as_moments(y)
    d = x.dim(dim)
    count = float(size_of(x.dims[d]))
    a = affine(tape, rms_normalized(tape, x, [d], eps), count**-0.5, 0.0)
    b = affine(tape, rms_normalized(tape, y, [d], eps), count**-0.5, 0.0)
    z = mul(tape, a, b)
    return reduced(tape, z, [d], False, mean=False)


def flattened(tape: Tape, x: Moments) -> Moments:
    """x as a vector."""
    return reshaped(tape, x, [int(np.prod(x.shape))])
