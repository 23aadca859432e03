"""The last way to a graph: the forward is run for real, on weights drawn from their laws, and its operators are written down.

torch.export refuses sizes that come out of values, and a graph network has them at once: the edges left when loops are taken
away. Integer inputs are given, so such a size is one number. What depends on floating values is not: the run is made several
times, with other weights and other inputs, and where two of them differ there is no one graph to speak of.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import fx, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from initlint.graph.dataflow import PASSING, SELECTING, strip
from initlint.graph.model import Parameter
from initlint.graph.places import writes
from initlint.graph.stand_ins import exporting, replaced, restored

Result = TypeVar("Result")

MOST_WEIGHTS = 1 << 26  # entries drawn for one run: a quarter of a gigabyte
MOST_WORK = 1 << 29  # entries that all operators of one run put out together
RUNS = 8  # a coin that decides the way shows the same side in all of them once in 128 times
UNPLACED = 0.01  # what a large tensor without a law is filled with


class DependsOnValues(Exception):
    """Two runs of one model, alike but for their floating numbers, took different ways."""


class TooLarge(Exception):
    """Running this model for real would take too long, or too much memory."""


class RecordedProgram:
    """The result of a recorded run, with the parts of an ExportedProgram that initlint reads."""

    def __init__(self, graph_module: fx.GraphModule, names: Sequence[str], inputs: int) -> None:
        self.graph_module = graph_module
        self.graph = graph_module.graph
        placeholders = [node for node in self.graph.nodes if node.op == "placeholder"]
        self.weights = dict(zip((p.name for p in placeholders), names, strict=False))
        self.user_inputs = [p.name for p in placeholders[len(names) : len(names) + inputs]]
        self.constants: dict[str, Any] = {}


def recorded_run(
    model: nn.Module, parameters: Mapping[str, Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> RecordedProgram:
    """One graph of `model(*args, **kwargs)`, whose integer inputs stand for themselves.

    Raises:
        TooLarge, DependsOnValues, and whatever the forward raises.
    """
    if sum(math.prod(p.shape) for p in parameters.values()) > MOST_WEIGHTS:
        raise TooLarge("too many weights for a real run")
    steps = [_once(model, parameters, args, kwargs, seed, _stepped) for seed in range(RUNS)]
    for other in steps[1:]:
        for a, b in itertools.zip_longest(steps[0], other):
            if a != b:
                raise DependsOnValues(f"{PARTING}: it took {a or 'no step'} in one run and {b or 'none'} in another")
    first, second = (_once(model, parameters, args, kwargs, seed, _traced) for seed in (0, 1))
    difference = _difference(first.graph, second.graph)
    if difference is not None:  # perhaps only in what no output is made from, as codes that are replaced for the next step
        for program in (first, second):
            _cut_beside(program.graph)
        difference = _difference(first.graph, second.graph)
    if difference is not None:
        raise DependsOnValues(f"{PARTING}: {difference}")
    return first


PARTING = "the way through the model depends on the values of its activations"

Run = Callable[[dict[str, torch.Tensor], list[torch.Tensor]], Any]


def _once(
    model: nn.Module, parameters: Mapping[str, Parameter], args: Sequence[Any], kwargs: Mapping[str, Any], seed: int,
    how: Callable[[Run, dict[str, torch.Tensor], list[torch.Tensor]], Result],
) -> Result:  # fmt: skip
    """One run on freshly drawn weights; every second one has the inputs of the one before with the other sign."""
    generator = torch.Generator().manual_seed(seed // 2)
    sign = -1.0 if seed % 2 else 1.0

    def number(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if leaf.is_floating_point() or leaf.is_complex():
            return (sign * torch.randn(leaf.shape, generator=generator)).to(leaf.dtype)
        return torch.zeros(leaf.shape, dtype=leaf.dtype) if leaf.is_meta else leaf.clone()

    leaves, spec = tree_flatten(tree_map(number, (tuple(args), dict(kwargs))))
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    generator.manual_seed(1000 + seed)
    with replaced(model, drawn(model, parameters, generator)), restored(model), exporting(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = {
            **dict(model.named_parameters(remove_duplicate=False)),
            **dict(model.named_buffers(remove_duplicate=False)),
        }

        def run(weights: dict[str, torch.Tensor], inputs: list[torch.Tensor]) -> Any:
            supply = iter(inputs)
            filled = [next(supply) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
            positional, named = tree_unflatten(filled, spec)
            return torch.func.functional_call(model, weights, positional, named)

        run.__dict__["_orig_mod"] = model  # where make_fx looks for the modules whose stack it keeps
        return how(run, state, tensors)


def _stepped(run: Run, state: dict[str, torch.Tensor], inputs: list[torch.Tensor]) -> list[str]:
    """The names of the operators, in order."""
    with Steps() as steps, torch.no_grad():
        run(state, inputs)
    return list(steps.names)


def _traced(run: Run, state: dict[str, torch.Tensor], inputs: list[torch.Tensor]) -> RecordedProgram:
    from torch.fx.experimental.proxy_tensor import make_fx

    tracer = make_fx(
        run, pre_dispatch=True, tracing_mode="real", record_module_stack=True, record_stack_traces=True,
        _error_on_data_dependent_ops=False,
    )  # fmt: skip
    return RecordedProgram(tracer(state, inputs), list(state), len(inputs))


class Steps(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Notes the operators of a run, and stops it when they have put out more than MOST_WORK entries."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.names: list[str] = []
        self.spent = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.names.append(str(func))
        self.spent += sum(leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
        if self.spent > MOST_WORK:
            raise TooLarge("the activations of a real run are too large")
        return result


def drawn(model: nn.Module, parameters: Mapping[str, Parameter], generator: torch.Generator) -> dict[int, torch.Tensor]:
    """Real tensors in place of a model's: random ones drawn anew, by the id of what they replace."""
    made: dict[int, torch.Tensor] = {}
    named = itertools.chain(model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False))
    for name, tensor in named:
        known = parameters.get(name)
        if id(tensor) in made or known is None:
            continue
        spread = known.law.std if known.value is None else 0.0
        if known.value is not None:
            plain = known.value.clone()
        elif math.isfinite(spread) and (spread > 0 or tensor.is_meta) and tensor.is_floating_point():
            plain = (known.law.mean + spread * torch.randn(tensor.shape, generator=generator)).to(tensor.dtype)
        elif tensor.is_meta:
            plain = torch.full(tensor.shape, UNPLACED).to(tensor.dtype)
        else:
            plain = tensor.detach().clone()
        made[id(tensor)] = nn.Parameter(plain, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else plain
    return made


def _cut_beside(graph: fx.Graph) -> None:
    """Take away what no output is computed from, nor anything that it writes to is read by an output later."""
    needed: set[fx.Node] = set()
    read: set[fx.Node] = set()
    for node in reversed(list(graph.nodes)):
        target = next(iter(node.all_input_nodes), None)
        written = node.op == "call_function" and target is not None and writes(node) and _base(target) in read
        if node.op in ("output", "placeholder") or node in needed or written:
            needed.update(node.all_input_nodes)
            read.update(_base(item) for item in node.all_input_nodes)
        else:
            graph.erase_node(node)


def _base(node: fx.Node) -> fx.Node:
    return strip(node, PASSING | SELECTING | {"detach"})


def _difference(first: fx.Graph, second: fx.Graph) -> str | None:
    """Where two graphs part, or None: operators, what they are connected to, and constants, but not floating constants."""
    place: dict[fx.Node, int] = {}

    def shape_of(value: Any) -> Any:
        if isinstance(value, fx.Node):
            return ("node", place[value])
        return value

    for n, (a, b) in enumerate(itertools.zip_longest(first.nodes, second.nodes)):
        if a is None or b is None:
            return "one run takes more steps than another"
        place[a] = place[b] = n
        if a.op != b.op or (a.op == "call_function" and a.target is not b.target):
            return f"{a.target} in one run is {b.target} in another"
        if a.op == "get_attr":
            continue
        left, right = (tree_map(shape_of, (node.args, node.kwargs)) for node in (a, b))
        if repr(left) != repr(right):
            return f"{a.target} has other arguments in another run"
    return None
