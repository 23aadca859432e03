"""FORWARD RUN on meta tensors → how far it came, which call it failed in, and which inputs that call's operands were made from.

The probe sees every torch function of the run. It also refuses what torch would let pass but no author means: an unbatched
image, positions beyond a table, channels that a batch norm does not have.
"""

from __future__ import annotations

import contextlib
import itertools
import linecache
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from initlint.graph.stand_ins import exporting, lent, moved, quiet, restored

Names = frozenset[str]
NONE: Names = frozenset()


class Refused(Exception):
    """The run would go on, but not as the author means it."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor that a call was given, and the names of the inputs it was computed from."""

    shape: tuple[int, ...]
    floating: bool
    names: Names


@dataclass(frozen=True, slots=True)
class Call:
    """One torch function call: its name, its arguments with tensors as `Operand`s."""

    function: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def argument(self, index: int, name: str) -> Any:
        """An argument by place or name."""
        return self.args[index] if index < len(self.args) else self.kwargs.get(name)

    @property
    def operands(self) -> list[Operand]:
        """All tensors among the arguments, those inside lists too."""
        found: list[Operand] = []
        for value in (*self.args, *self.kwargs.values()):
            found += [v for v in value if isinstance(v, Operand)] if isinstance(value, list | tuple) else []
            if isinstance(value, Operand):
                found.append(value)
        return found


@dataclass(slots=True)
class Trial:
    """What became of one run.

    progress  calls that came through
    call      the call that failed, None when plain Python raised
    looked    the operand whose shape was asked for last
    tables    rows of the smallest table each integer input was looked up in
    derived   integer inputs that something was computed from which was looked up in a table
    wanting   parameters of forward that were None in the statement that failed
    smallest  the smallest height or width that a convolution put out, 0 if there was none
    """

    error: Exception | None = None
    progress: int = 0
    call: Call | None = None
    looked: Operand | None = None
    tables: dict[str, int] = field(default_factory=dict)
    derived: set[str] = field(default_factory=set)
    smallest: int = 0
    wanting: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """The forward ran to its end."""
        return self.error is None

    @property
    def trouble(self) -> bool:
        """It failed for want of values or of one device, which no other shape would mend."""
        text = f"{type(self.error).__name__} {self.error}".lower()
        return self.error is not None and any(word in text for word in TROUBLE)


TROUBLE = (
    "meta tensor", "expected device meta", "item()", "data-dependent", "datadependent", "data dependent", "data pointer", "data-independent",
    "'meta' backend", "dynamicoutputshape", "unsupported scalartype", "expected inputs of bf16", "is not on the expected device", "expected all tensors to be on", "tolist",
    "torch.meta.",
)  # fmt: skip


class Probe(TorchFunctionMode):
    """Follows which values come from which input."""

    def __init__(self, inputs: Mapping[str, Any], counted: set[int], *, strict: bool) -> None:
        super().__init__()
        self.strict = strict
        self.trial = Trial()
        self.failed: tuple[Exception, Call] | None = None
        self.alive: list[torch.Tensor] = []
        self.lineage: dict[int, Names] = {}
        self.counted = counted  # 0, 1, 2 … and what was computed from that: positions
        self.same: dict[int, str] = {}  # the values of one input, reshaped at most
        for name, value in inputs.items():
            for leaf in tree_leaves(value):
                if isinstance(leaf, torch.Tensor):
                    self.tag(leaf, frozenset({name}))
                    self.same[id(leaf)] = name

    def tag(self, tensor: torch.Tensor, names: Names) -> None:
        self.alive.append(tensor)
        self.lineage[id(tensor)] = names

    def operand(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            floating = value.is_floating_point() or value.is_complex()
            return Operand(tuple(value.shape), floating, self.lineage.get(id(value), NONE))
        if isinstance(value, list | tuple) and len(value) < 64:
            return (
                type(value)(self.operand(v) for v in value)
                if type(value) in (list, tuple)
                else [self.operand(v) for v in value]
            )
        return value

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func))
        if name in QUERIES:
            if args and isinstance(args[0], torch.Tensor) and id(args[0]) in self.lineage:
                self.trial.looked = self.operand(args[0])
            return func(*args, **kwargs)
        names = self.names_in((args, kwargs))
        call = Call(name, tuple(self.operand(a) for a in args), {k: self.operand(v) for k, v in kwargs.items()})
        try:
            self.check(call, source=self.same.get(id(args[0])) if args else None, counted=self.any_counted(args))
            result = torch.empty_like(args[0]) if keeps_shape(name, args, kwargs) else func(*args, **kwargs)
        except Exception as error:
            if self.failed is None or self.failed[0] is not error:
                self.failed = (error, call)
            raise
        self.trial.progress += 1
        for leaf in result if isinstance(result, list | tuple) else (result,):
            if isinstance(leaf, torch.Tensor):
                if name in COUNTING or (not leaf.is_floating_point() and self.any_counted(args)):
                    self.counted.add(id(leaf))
                    self.alive.append(leaf)
                if names:
                    self.tag(leaf, names | self.lineage.get(id(leaf), NONE))
                    if name in MOVING and args and id(args[0]) in self.same:
                        self.same[id(leaf)] = self.same[id(args[0])]
                if name.startswith("conv") and leaf.dim() >= 4:
                    least = min(leaf.shape[2:])
                    if least > 1 or not _covers(call):
                        self.trial.smallest = min(self.trial.smallest or least, least)
        return result

    def names_in(self, value: Any) -> Names:
        found = NONE
        for leaf in tree_leaves(value):
            if isinstance(leaf, torch.Tensor):
                found |= self.lineage.get(id(leaf), NONE)
        return found

    def any_counted(self, args: Any) -> bool:
        return any(id(a) in self.counted for a in tree_leaves(args) if isinstance(a, torch.Tensor))

    def check(self, call: Call, *, source: str | None, counted: bool) -> None:
        """Refuse what would pass unnoticed on meta tensors."""
        name = call.function
        first = call.argument(0, "input")
        if not isinstance(first, Operand):
            return
        if name == "embedding":
            self.check_embedding(first, call.argument(1, "weight"), source=source, counted=counted)
        elif name in CONVOLUTIONS and len(first.shape) != CONVOLUTIONS[name] + 2 and self.strict:
            raise Refused(f"{name} of an input without a batch")
        elif name in CONVOLUTIONS and not first.floating:
            raise Refused(f"{name} of integers")
        elif name in CONVOLUTIONS and "transpose" in name:  # the others are refused by torch itself
            weight = call.argument(1, "weight")
            if isinstance(weight, Operand) and first.shape[-CONVOLUTIONS[name] - 1] != weight.shape[0]:
                raise Refused(f"{name} of another number of channels")
        elif name == "linear" and not first.floating:
            raise Refused("linear of integers")
        elif name == "batch_norm":
            mean = call.argument(1, "running_mean") or call.argument(3, "weight")
            if isinstance(mean, Operand) and len(first.shape) > 1 and first.shape[1] != mean.shape[0]:
                raise Refused("batch_norm of another number of channels")
        elif name == "multi_head_attention_forward" and len(first.shape) == 2 and self.strict:
            raise Refused("attention without a batch")
        elif name in ("matmul", "__matmul__", "mm") and self.strict:
            other = call.argument(1, "other")
            if (
                isinstance(other, Operand)
                and first.names
                and first.names == other.names
                and len(first.names) == 1
                and len(first.shape) == len(other.shape) == 2
            ):
                raise Refused("a product that mixes the samples of a batch")

    def check_embedding(self, index: Operand, table: Any, *, source: str | None, counted: bool) -> None:
        if not isinstance(table, Operand) or not table.shape:
            return
        if index.floating:
            raise Refused("embedding of floating numbers")
        if source is not None:
            self.trial.tables[source] = min(self.trial.tables.get(source, table.shape[0]), table.shape[0])
        else:
            self.trial.derived |= index.names
        if counted and index.shape and index.shape[-1] > table.shape[0]:
            raise Refused(f"positions beyond the table: {index.shape[-1]} of {table.shape[0]}")


def keeps_shape(name: str, args: Any, kwargs: Any) -> bool:
    """A batch norm that will succeed: on meta tensors PyTorch computes it step by step, which takes longer than all else."""
    if name != "batch_norm" or not args or not isinstance(args[0], torch.Tensor) or not args[0].is_meta or args[0].dim() < 2:
        return False
    training = kwargs.get("training", args[5] if len(args) > 5 else False)
    return bool(training) and args[0].numel() > args[0].shape[1]


MOVING = frozenset(
    "to long int view reshape contiguous clone squeeze unsqueeze flatten __getitem__ transpose permute t expand detach clamp roll".split()
)
COUNTING = frozenset({"arange", "cumsum"})
QUERIES = frozenset(
    {"__get__", "size", "dim", "numel", "stride", "is_floating_point", "get_device", "is_contiguous", "__len__"}
)
CONVOLUTIONS = {"conv1d": 1, "conv2d": 2, "conv3d": 3, "conv_transpose1d": 1, "conv_transpose2d": 2, "conv_transpose3d": 3}


def run(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    names: Mapping[str, Any],
    *,
    device: str = "meta",
    strict: bool = True,
) -> Trial:
    """Run the forward once without weights; `names` maps the names of inputs to the tensors among the arguments."""
    with (
        quiet(),
        exporting(),
        lent(model) if device == "cpu" else moved(model, device) as (values, place),
        restored(model),
        torch.random.fork_rng(devices=[]),
        torch.no_grad(),
    ):
        memo: dict[int, Any] = {}

        def once(leaf: Any) -> Any:
            if id(leaf) not in memo:
                memo[id(leaf)] = place(leaf)
            return memo[id(leaf)]

        def placed(value: Any) -> Any:
            return tree_map(once, value)

        there = {name: placed(value) for name, value in names.items()}
        probe = Probe(there, {key for key, value in values.items() if _counts(value)}, strict=strict)
        hooks = (
            [m.register_forward_pre_hook(_recurrent) for m in model.modules() if isinstance(m, nn.RNNBase)] if strict else []
        )
        try:
            with contextlib.ExitStack() as stack:
                if device == "meta":
                    stack.enter_context(torch.device("meta"))
                stack.enter_context(probe)
                model(*[placed(a) for a in args], **{k: placed(v) for k, v in kwargs.items()})
        except Exception as error:  # noqa: BLE001 - the user's forward, on inputs it may not be meant for
            probe.trial.error = error
            probe.trial.wanting = _wanting(model, error)
            if probe.failed is not None and _same_failure(error, probe.failed[0]):
                probe.trial.call = probe.failed[1]
        finally:
            for hook in hooks:
                hook.remove()
        return probe.trial


def _covers(call: Call) -> bool:
    """A convolution whose kernel is as large as the map: a linear layer in disguise, or a generator's first."""
    first, kernel = call.argument(0, "input"), call.argument(1, "weight")
    return isinstance(first, Operand) and isinstance(kernel, Operand) and first.shape[2:] == kernel.shape[2:]


def _counts(value: torch.Tensor) -> bool:
    """A table of positions: 0, 1, 2 … along its last axis."""
    integral = not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)
    if not integral or value.dim() == 0 or value.shape[-1] < 2 or value.numel() > 1 << 20:
        return False
    return torch.equal(value.reshape(-1, value.shape[-1])[0], torch.arange(value.shape[-1], dtype=value.dtype))


def _recurrent(module: nn.Module, args: tuple[Any, ...]) -> None:
    assert isinstance(module, nn.RNNBase)
    if args and isinstance(args[0], torch.Tensor) and args[0].dim() == 2:
        raise Refused("a sequence without a batch")


def _wanting(model: nn.Module, error: BaseException) -> tuple[str, ...]:
    """Arguments of the model's own forward that are None and take part in the statement that failed."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_locals.get("self") is model and frame.f_code.co_name == "forward":
            names = {key for key, value in frame.f_locals.items() if value is None}
            return tuple(sorted(names & set(_NAME.findall(_statement(frame.f_code, trace.tb_lasti, trace.tb_lineno)))))
        trace = trace.tb_next
    return ()


def _statement(code: CodeType, instruction: int, line: int) -> str:
    """The source of the expression that was running, or its line."""
    last = line
    if sys.version_info >= (3, 11):
        place = next(itertools.islice(code.co_positions(), instruction // 2, None), None)
        line, last = (place[0] or line, place[1] or line) if place is not None else (line, line)
    return " ".join(linecache.getline(code.co_filename, n) for n in range(line, last + 1))


_NAME = re.compile(r"[^\W\d]\w*")


def _same_failure(error: BaseException, inner: BaseException) -> bool:
    seen: BaseException | None = error
    for _ in range(6):
        if seen is inner:
            return True
        seen = None if seen is None else seen.__cause__ or seen.__context__
    return False
