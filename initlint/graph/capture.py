"""Trace a built model into one graph of ATen operators on the meta device, weights replaced by their laws.

torch.export in train mode comes first. Where it fails the same model is tried strictly, then on fake CPU tensors (for models
that mix devices), then as a recorded run (`recorded`); what was used and what failed is said in the result.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind

from initlint.graph.built import RecordedModel
from initlint.graph.constants import constant_shadows
from initlint.graph.data_attribute import data_traced
from initlint.graph.hidden import hidden_modules
from initlint.graph.inlined import inline_autocast
from initlint.graph.measure import law_of_values
from initlint.graph.model import InputLaw, Parameter, Site, TracedModel
from initlint.graph.provenance import module_of_node, site_of_node
from initlint.graph.recorded import DependsOnValues, RecordedProgram, recorded_run
from initlint.graph.stand_ins import moved, quiet

Method = Literal["export", "export-strict", "fx", "recorded"]

THROUGH = {
    "view", "reshape", "to", "_to_copy", "clone", "contiguous", "unsqueeze", "squeeze", "expand", "transpose", "permute",
    "slice", "select", "flatten", "alias", "detach", "masked_fill", "clamp", "clamp_min", "where", "long", "type_as", "cat",
    "roll", "flip", "split", "chunk", "unbind",
}  # fmt: skip


class SizeUnknown(Exception):
    """A tensor's size came out of values that tracing does not have."""


class CannotTrace(Exception):
    """No way of tracing worked; the message is that of the first, `attempts` has all."""

    def __init__(self, message: str, attempts: Sequence[str], cause: BaseException) -> None:
        super().__init__(message)
        self.attempts = tuple(attempts)
        self.cause = cause


def capture(recorded: RecordedModel, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> TracedModel:
    """One graph of ATen operators for `recorded.model(*args, **kwargs)`, in train mode.

    Raises:
        CannotTrace: every way of tracing failed.
    """
    kwargs = dict(kwargs or {})
    model = recorded.model
    was_training = {module: module.training for module in model.modules()}
    attempts: list[str] = []
    first: BaseException | None = None
    incomplete: TracedModel | None = None
    try:
        model.train()
        for method, device, strict in (("export", "meta", False), ("export", "fake", False), ("export-strict", "meta", True)):
            try:
                # the strict export reads the code, and knows `data`
                reading = contextlib.nullcontext() if strict else data_traced()
                with quiet(), reading, _known(model, device), moved(model, device) as (values, place):
                    program = torch.export.export(model, place(tuple(args)), place(kwargs), strict=strict)
                    inline_autocast(program.graph_module)
                    _refuse_symbols(program.graph)
                    traced = _described(program, method, recorded, values, args, kwargs, tuple(attempts))  # type: ignore[arg-type]
                    if incomplete is None and _valueless(traced):
                        # x[:, [0, 2]] on a meta tensor makes its indices there: only their values on the CPU are known
                        incomplete = traced
                        continue
                    return traced
            except Exception as error:  # noqa: BLE001 - user code runs here: anything may come out, and the next way is tried
                first = first or error
                attempts.append(f"{method} on {device}: {type(error).__name__}: {_first_line(error)}")
                if isinstance(error, SizeUnknown):  # to every export; only a run tells it
                    break
        if incomplete is not None:
            return incomplete
        try:
            with quiet(), data_traced():
                run = recorded_run(model, recorded.parameters, args, kwargs)
                return _described(run, "recorded", recorded, {}, args, kwargs, tuple(attempts))
        except DependsOnValues as error:
            cause = RuntimeError(str(error)).with_traceback(None if first is None else first.__traceback__)
            raise CannotTrace(str(error), (*attempts, f"recorded run: {error}"), cause) from first
        except Exception as error:  # noqa: BLE001 - as above
            attempts.append(f"recorded run: {type(error).__name__}: {_first_line(error)}")
    finally:
        for module, mode in was_training.items():
            module.training = mode
    assert first is not None
    raise CannotTrace(_first_line(first), attempts, first) from first


def _refuse_symbols(graph: fx.Graph) -> None:
    """Sizes that only a run would tell leave nothing to predict: the model is run then.

    Raises:
        SizeUnknown: a size in the graph is a symbol.
    """
    for node in graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor) and not all(isinstance(n, int) for n in value.shape):
            raise SizeUnknown(f"the size of '{node.name}' depends on values")


def _valueless(traced: TracedModel) -> bool:
    """Whether a constant that the forward made itself was lost on the meta device."""
    return any(p.kind == "constant" and p.value is None for p in traced.parameters.values())


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _known(model: nn.Module, device: str) -> contextlib.AbstractContextManager[None]:
    """On fake tensors, values that are constants can be asked for; the first try, on meta, does without what that costs."""
    return constant_shadows(model) if device == "fake" else contextlib.nullcontext()


def _described(
    program: Any,
    method: Method,
    recorded: RecordedModel,
    values: Mapping[int, torch.Tensor],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    notes: tuple[str, ...],
) -> TracedModel:
    graph = program.graph
    nodes = {node.name: node for node in graph.nodes}
    parameters: dict[str, Parameter] = {}
    input_names: list[str] = []
    if isinstance(program, RecordedProgram):
        parameters = {p: recorded.parameters[name] for p, name in program.weights.items() if name in recorded.parameters}
        input_names = list(program.user_inputs)
        outputs = _outputs(graph)
    else:
        for spec in program.graph_signature.input_specs:
            name = getattr(spec.arg, "name", None)
            if name is None or name not in nodes:
                continue
            if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
                parameters[name] = recorded.parameters.get(spec.target) or _constant(spec.target, program, values)
            elif spec.kind == InputKind.CONSTANT_TENSOR:
                parameters[name] = recorded.plain.get(spec.target) or _constant(spec.target, program, values)
            elif spec.kind == InputKind.USER_INPUT:
                input_names.append(name)
        outputs = _outputs(graph)
    for node in graph.nodes:
        if node.op == "get_attr" and node.name not in parameters:
            tensor = _attribute(program.graph_module, str(node.target))
            if isinstance(tensor, torch.Tensor):
                parameters[node.name] = _as_constant(str(node.target), values.get(id(tensor), tensor))
    leaves = torch.utils._pytree.tree_leaves((tuple(args), dict(kwargs)))
    tensors = iter([leaf for leaf in leaves if isinstance(leaf, torch.Tensor)])
    inputs: dict[str, InputLaw] = {}
    for name in input_names:
        if isinstance(nodes[name].meta.get("val"), torch.Tensor):
            inputs[name] = _input_law(nodes[name], next(tensors, None))
    sites: dict[str, Site] = {}
    modules: dict[str, str] = {}
    for node in graph.nodes:
        site = site_of_node(node, recorded.roots)
        if site is not None:
            sites[node.name] = site
        modules[node.name] = module_of_node(node)
    read = {
        parameters[node.name].alias_of or parameters[node.name].name
        for node in graph.nodes
        if node.name in parameters and node.users
    }
    unreached = tuple(
        p.name for p in recorded.parameters.values() if p.kind == "parameter" and p.alias_of is None and p.name not in read
    )
    return TracedModel(
        program=program,
        method=method,
        parameters=parameters,
        inputs=inputs,
        outputs=outputs,
        sites=sites,
        modules=modules,
        module_sites=dict(recorded.module_sites),
        module_types={path: f"{type(m).__module__}.{type(m).__qualname__}" for path, m in recorded.model.named_modules()},
        hidden=hidden_modules(recorded.model),
        unreached=unreached,
        lost=recorded.lost,
        unused=recorded.unused,
        untied=recorded.untied,
        notes=(*recorded.notes, *notes),
    )


def _outputs(graph: fx.Graph) -> tuple[str, ...]:
    """Names of the floating tensors that the graph returns to its user (not of updated buffers)."""
    output = next(node for node in graph.nodes if node.op == "output")
    names: list[str] = []
    for leaf in torch.utils._pytree.tree_leaves(output.args[0]):
        if isinstance(leaf, fx.Node):
            value = leaf.meta.get("val")
            if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
                names.append(leaf.name)
    return tuple(dict.fromkeys(names))


def _attribute(module: Any, target: str) -> Any:
    value = module
    for name in target.split("."):
        value = getattr(value, name, None)
    return value


def _constant(target: str, program: Any, values: Mapping[int, torch.Tensor]) -> Parameter:
    tensor = program.constants.get(target)
    if tensor is None:
        tensor = program.state_dict.get(target)
    if tensor is None:
        raise KeyError(f"the traced program has no tensor '{target}'")
    return _as_constant(target, values.get(id(tensor), tensor))


def _as_constant(name: str, tensor: torch.Tensor) -> Parameter:
    from torch._subclasses.fake_tensor import FakeTensor

    from initlint.graph import laws

    real = not tensor.is_meta and not isinstance(tensor, FakeTensor)
    floating = tensor.dtype.is_floating_point
    return Parameter(
        name=name,
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype),
        kind="constant",
        trainable=False,
        law=law_of_values(tensor) if real and floating else laws.uninitialized() if not real else laws.constant(0.0),
        value=tensor.detach() if real else None,
    )


def _input_law(node: fx.Node, given: torch.Tensor | None) -> InputLaw:
    """What is assumed of an input: N(0, 1), indices of the table they look up, or the given integers themselves."""
    value = node.meta["val"]
    shape, dtype = tuple(int(n) for n in value.shape), str(value.dtype).removeprefix("torch.")
    if value.is_floating_point() or value.is_complex():
        return InputLaw(shape=shape, dtype=dtype)
    rows = _table_rows(node)
    if rows is not None and value.dtype != torch.bool:
        return InputLaw(shape=shape, dtype=dtype, low=0, high=rows)
    if given is not None and not given.is_meta:
        return InputLaw(shape=shape, dtype=dtype, value=given.detach())
    return InputLaw(shape=shape, dtype=dtype, value=torch.ones(shape, dtype=value.dtype))


def _table_rows(node: fx.Node) -> int | None:
    """Rows of the smallest table that an integer input indexes, looking through casts and views."""
    seen: set[fx.Node] = set()
    queue, rows = [node], math.inf
    while queue:
        here = queue.pop()
        if here in seen:
            continue
        seen.add(here)
        for user in here.users:
            packet = getattr(user.target, "overloadpacket", None)
            name = packet.__name__ if packet is not None else getattr(user.target, "__name__", "")
            if name == "embedding" and len(user.args) > 1 and user.args[1] is here:
                table = user.args[0]
                if isinstance(table, fx.Node):
                    rows = min(rows, int(table.meta["val"].shape[0]))
            elif name == "one_hot" and len(user.args) > 1 and isinstance(user.args[1], int) and user.args[1] > 0:
                rows = min(rows, user.args[1])
            elif name.rstrip("_") in THROUGH or name == "getitem":
                queue.append(user)
    return None if math.isinf(rows) else int(rows)
