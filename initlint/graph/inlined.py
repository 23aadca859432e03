"""Stretches under `torch.autocast`, which torch.export keeps as graphs of their own: put back into the graph around them.

There a layer is a layer again, whatever the precision. What autocast does to values is noted as well: products of matrices and
convolutions put out the lower precision (`torch.amp`, the list of operators that autocast to it).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from initlint.graph.dataflow import CONVOLUTIONS, PRODUCTS, operands, operator

LOWERED = frozenset({"linear", "scaled_dot_product_attention", *CONVOLUTIONS, *PRODUCTS})


def inline_autocast(module: fx.GraphModule) -> None:
    """In place; the names of what is put out stay as they are."""
    for node in list(module.graph.nodes):
        if node.op == "call_function" and "wrap_with_autocast" in str(node.target):
            _inline(module, node)


def _inline(module: fx.GraphModule, node: fx.Node) -> None:
    _, dtype, enabled, _, inner, *given = node.args
    graph = getattr(module, str(inner.target)).graph if isinstance(inner, fx.Node) else None
    readers = list(node.users)
    if graph is None or any(operator(user) != "getitem" for user in readers):
        return
    for nested in list(graph.nodes):
        if nested.op == "get_attr" or "wrap_with" in str(nested.target):
            return  # constants, and stretches in a stretch, are held by its own module
    copies: dict[fx.Node, Any] = {}
    supply = iter(given)
    results: list[fx.Node] = []
    with module.graph.inserting_before(node):
        for item in graph.nodes:
            if item.op == "placeholder":
                copies[item] = next(supply)
            elif item.op == "output":
                results = [copies[part] for part in operands(item)]
            else:
                copies[item] = module.graph.node_copy(item, copies.__getitem__)
                if enabled and isinstance(dtype, torch.dtype) and operator(item) in LOWERED:
                    _lower(copies[item], dtype)
    for user in readers:
        result = results[int(str(user.args[1]))]
        name = user.name
        user.replace_all_uses_with(result)
        module.graph.erase_node(user)
        if result.op == "call_function":
            result.name = name
    module.graph.erase_node(node)


def _lower(node: fx.Node, dtype: torch.dtype) -> None:
    value = node.meta.get("val")
    if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
        node.meta["val"] = value.to(dtype)
