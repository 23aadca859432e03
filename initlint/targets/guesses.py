"""SIGNATURE and WEIGHTS → first guesses for every input of a forward: by annotation, by name, by the first weights in the model."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from initlint.targets.specs import BATCH, EDGES, NODES, STEPS, TIME, Spec

STEM_SIZES = {1: 28}  # images of one channel are digits more often than not


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """What the first layers of a model say about its inputs.

    kind      of the first layer with a weight
    shape     of the input it wants
    width     features, channels or rows of its table
    sequence  there are recurrent or attention layers: samples are sequences
    """

    kind: str
    spec: Spec
    width: int
    sequence: bool
    classes: int  # rows of the smallest table in the model, for labels
    tables: bool  # there are embeddings
    state: tuple[int, int] | None = None  # layers and width of the state of the first recurrent layer
    pair: bool = False  # that state is a pair, as an LSTM has it


def stem_of(model: nn.Module) -> Stem:
    """The first layer with a weight, in the order of construction."""
    sequence = any(isinstance(m, nn.RNNBase | nn.MultiheadAttention) for m in model.modules())
    tables = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)]
    classes = min(tables, default=10)
    recurrent = next((m for m in model.modules() if isinstance(m, nn.RNNBase)), None)
    state = None if recurrent is None else (recurrent.num_layers * (2 if recurrent.bidirectional else 1), _width(recurrent))
    shapes = [p.shape for p in model.parameters() if p.dim() >= 2]
    width = int(shapes[0][-1]) if shapes else 16
    kind, spec, width = next(
        (found for m in model.modules() if (found := _input_of(m, sequence)) is not None),
        ("linear", features(width, sequence), width),
    )
    return Stem(
        kind=kind, spec=spec, width=width, sequence=sequence, classes=classes, tables=bool(tables),
        state=state, pair=isinstance(recurrent, nn.LSTM),
    )  # fmt: skip


def _width(recurrent: nn.RNNBase) -> int:
    return recurrent.proj_size or recurrent.hidden_size


def _input_of(module: nn.Module, sequence: bool) -> tuple[str, Spec, int] | None:
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return "embedding", tokens(module.num_embeddings), module.num_embeddings
    if isinstance(module, nn.RNNBase):
        shape = (BATCH, TIME // 2) if module.batch_first else (TIME // 2, BATCH)
        return "sequence", Spec("float", (*shape, module.input_size)), module.input_size
    if isinstance(module, nn.MultiheadAttention):
        shape = (BATCH, TIME // 2) if module.batch_first else (TIME // 2, BATCH)
        return "sequence", Spec("float", (*shape, module.embed_dim)), module.embed_dim
    if isinstance(module, nn.Linear | nn.Bilinear):
        width = module.in1_features if isinstance(module, nn.Bilinear) else module.in_features
        return "linear", features(width, sequence), width
    if isinstance(module, CONVOLUTIONS):
        return _convolution(module)
    if isinstance(module, nn.RNNCellBase):
        return "linear", Spec("float", (2 * BATCH, module.input_size)), module.input_size
    return None


Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def _convolution(module: Convolution) -> tuple[str, Spec, int]:
    spatial = len(module.kernel_size)
    channels = module.in_channels
    if module.transposed:
        return "latent", Spec("float", (BATCH, channels, *([1] * spatial))), channels
    kernel, stride = max(module.kernel_size), max(module.stride)
    if spatial == 1:
        return "conv", Spec("float", (BATCH, channels, max(TIME, 8 * kernel))), channels
    if spatial == 3:
        return "conv", Spec("float", (BATCH, channels, *([max(16, 4 * kernel)] * 3))), channels
    if kernel == stride and kernel >= 14:
        size = 16 * kernel if kernel <= 16 else 7 * kernel
    elif kernel == stride and kernel > 1:
        size = 8 * kernel
    elif stride == 1 and kernel <= 5:
        size = STEM_SIZES.get(channels, 32)
    else:
        size = 64
    return "conv", Spec("float", (BATCH, channels, size, size)), channels


def features(width: int, sequence: bool) -> Spec:
    """Samples of so many features, or sequences of them; coordinates come in larger numbers."""
    if sequence:
        return Spec("float", (BATCH, TIME // 2, width))
    return Spec("float", (64 * BATCH if width <= 3 else 2 * BATCH, width))


def tokens(rows: int) -> Spec:
    """Token sequences."""
    return Spec("int", (2, TIME), high=max(rows, 1))


# -- by name -------------------------------------------------------------------------------------------------------------

Guess = Callable[[Stem, frozenset[str]], list[Spec]]


def _tokens(stem: Stem, _: frozenset[str]) -> list[Spec]:
    rows = stem.width if stem.kind == "embedding" else stem.classes
    return [Spec("int", (2, TIME), high=rows), Spec("float", (BATCH, TIME // 2, stem.width))]


def _sequence(stem: Stem, names: frozenset[str]) -> list[Spec]:
    if stem.kind == "embedding" or (stem.tables and len(names) > 1):
        return _tokens(stem, names)
    batched = stem.spec if len(stem.spec.shape) == 3 else Spec("float", (BATCH, TIME // 2, stem.width))
    return [batched, stem.spec]


def _image(stem: Stem, _: frozenset[str]) -> list[Spec]:
    return [stem.spec if stem.kind == "conv" else Spec("float", (BATCH, 3, 32, 32))]


def _video(stem: Stem, _: frozenset[str]) -> list[Spec]:
    """Channels before frames, or after; frames and sides are what people choose, few first."""
    if stem.kind == "conv" and len(stem.spec.shape) == 5:
        return [stem.spec]
    choices = [(side, frames) for side in (32, 64, 224) for frames in (8, 4, 16, 2)]
    orders = ((BATCH, 3, n, side, side) for side, n in choices), ((BATCH, n, 3, side, side) for side, n in choices)
    return [Spec("float", shape) for pair in zip(*orders, strict=True) for shape in pair]


def _places(stem: Stem, names: frozenset[str]) -> list[Spec]:
    """Where each element of a sequence is, along time, height and width; or tokens after all."""
    return [Spec("int", (TIME // 2, 3), high=TIME // 2, role="places"), *_tokens(stem, names)]


def _numbers(stem: Stem, _: frozenset[str]) -> list[Spec]:
    return [Spec("float", (2 * BATCH, 16 if stem.kind == "embedding" else stem.width))]


def _categories(stem: Stem, _: frozenset[str]) -> list[Spec]:
    return [Spec("int", (2 * BATCH, 4), high=stem.classes)]


def _time(stem: Stem, names: frozenset[str]) -> list[Spec]:
    if len(names) == 1:
        return [stem.spec]
    return [Spec("int", (BATCH,), high=STEPS, role="steps"), Spec("float", (BATCH,), role="steps"), Spec("float", (BATCH, 1))]


def _label(stem: Stem, _: frozenset[str]) -> list[Spec]:
    return [Spec("int", (BATCH,), high=stem.classes), Spec("float", (BATCH, stem.width))]


def _item(stem: Stem, _: frozenset[str]) -> list[Spec]:
    return [Spec("int", (4 * BATCH,), high=stem.classes)]


def _mask(_: Stem, names: frozenset[str]) -> list[Spec]:
    return [
        Spec("bool", (2, TIME), role="ones"),
        Spec("int", (2, TIME), role="ones"),
        Spec("float", (2, TIME), role="ones"),
        Spec("bool", (TIME, TIME), role="ones"),
    ]


def _edges(_: Stem, __: frozenset[str]) -> list[Spec]:
    return [Spec("int", (2, EDGES), high=NODES, role="edges")]


def _edge_values(stem: Stem, _: frozenset[str]) -> list[Spec]:
    return [Spec("float", (EDGES, stem.width)), Spec("float", (EDGES,)), Spec("float", (EDGES, 1)), Spec("int", (EDGES,))]


def _groups(_: Stem, __: frozenset[str]) -> list[Spec]:
    return [Spec("int", (NODES,), role="groups", high=2)]


def _dense_graph(_: Stem, __: frozenset[str]) -> list[Spec]:
    return [Spec("float", (NODES, NODES)), Spec("float", (BATCH, NODES, NODES)), Spec("bool", (NODES, NODES), role="ones")]


def _recurrent_or_vector(stem: Stem, names: frozenset[str]) -> list[Spec]:
    if stem.state is None or len(names) == 1:
        return [stem.spec]
    layers, width = stem.state
    return [Spec("float", (layers, stem.spec.shape[0], width), role="hidden"), stem.spec]


def _latent(stem: Stem, _: frozenset[str]) -> list[Spec]:
    return [stem.spec]


def _lengths(_: Stem, __: frozenset[str]) -> list[Spec]:
    return [Spec("int", (2,), high=TIME, role="full")]


def _positions(_: Stem, __: frozenset[str]) -> list[Spec]:
    return [Spec("int", (2, TIME), high=TIME, role="order"), Spec("int", (TIME,), high=TIME, role="order")]


def _vector(stem: Stem, _: frozenset[str]) -> list[Spec]:
    return [Spec("float", (BATCH, stem.width))]


def _audio(_: Stem, __: frozenset[str]) -> list[Spec]:
    return [Spec("float", (2, 16000))]


NAMES: tuple[tuple[re.Pattern[str], Guess], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), guess)
    for pattern, guess in (
        (r"^edge_index(_\w+)?$|^edges$|^adj_t$", _edges),
        (r"^edge_(attr|weights?|features?|feats?|type)$", _edge_values),
        (r"^(batch|batch_index|batch_idx|graph_ids?)$", _groups),
        (r"^(adj|adjacency|adj_matrix|adjacency_matrix|laplacian|a_hat|(?-i:A))$", _dense_graph),
        (r".*mask.*", _mask),
        (r"^(position_ids|positions|pos_ids)$", _positions),
        (r"^(t|ts|times?|timesteps?|time_?steps?|steps?|sigmas?|noise_levels?|diffusion_steps?|timestep_cond)$", _time),
        (r"^(y|labels?|class_labels?|cls|class_idx|class_ids?|targets?|classes)$", _label),
        (r"^(tasks?|domains?|speakers?|subjects?)(_ids?|_idx|_index|_label)?$", _label),
        (r"^(users?|items?|movies?|products?|user_ids?|item_ids?|movie_ids?|entity|entities|heads?|relations?|tails?)(_idx|_index|_indices|_indexes)?$", _item),
        (r"^(lengths?|lens|seq_lens?|x_len(gths?)?|src_len(gths?)?|input_lengths?)$", _lengths),
        (r"^(input_values|waveforms?|wav|audio|signal|raw_audio)$", _audio),
        (r"^(videos?|clips?|pixel_values_videos?)$", _video),
        (r"^(img|txt)_ids$", _places),
        (r"^(\w*_ids|ids|idx|tokens?|token_\w+|texts?|words?|sentences?|captions?|prompts?)$", _tokens),
        (r"^(src|tgt|trg|source|encoder_input|decoder_input|seqs?|sequences?|series|time_series|hidden_states)$", _sequence),
        (r"^(encoder_hidden_states|context|memory)$", _sequence),
        (r"^(imgs?|images?|pixel_values|pixels|rgb|pictures?|frames?)$", _image),
        (r"^(h|hx|hc|hn|c|cx|h0|h_0|c0|c_0|hid|hidden|hiddens|hidden_state|prev_hidden|prev_state|state|states)$", _recurrent_or_vector),
        (r"^(pooled\w*|\w*_pooled|vec|vector|guidance_embeds?|style|w|cond|conditioning|condition)$", _vector),
        (r"^(z|noise|latents?|latent_codes?)$", _latent),
        (r"^(x_|inputs?_)?(num|numer|numeric|numerical|cont|continuous)(_\w+)?$", _numbers),
        (r"^(x_|inputs?_)?(cat|cats|categ|categorical)(_\w+)?$", _categories),
    )
)  # fmt: skip


def guesses_for(parameter: inspect.Parameter, stem: Stem, names: frozenset[str]) -> list[Spec]:
    """What to try for one parameter, likeliest first."""
    annotated = from_annotation(parameter.annotation, stem)
    by_name = next((guess(stem, names) for pattern, guess in NAMES if pattern.match(parameter.name)), None)
    if annotated is not None and by_name:
        alike = [s for s in by_name if s.kind == annotated.kind and len(s.shape) == len(annotated.shape)]
        return [*alike, annotated]
    if annotated is not None:
        return [annotated]
    found = by_name or [stem.spec]
    if any(name.startswith("edge_index") or name.lower() in ("adj", "adjacency") for name in names):
        found = [s if s.role in ("edges", "groups") or s.shape[:1] != stem.spec.shape[:1] else node(stem) for s in found]
    return found


def node(stem: Stem) -> Spec:
    """Features of the nodes of one graph, or their kinds."""
    return Spec("int", (NODES,), high=stem.width) if stem.kind == "embedding" else Spec("float", (NODES, stem.width))


# -- by annotation -------------------------------------------------------------------------------------------------------

SHAPED = re.compile(
    r"(?:^|\.)(Float\w*|BFloat16|Int\w*|Long|UInt\w*|Bool|Num|Real|Shaped|Inexact)\[\s*[\w.]+\s*,\s*[\"']([^\"']*)[\"']\s*\]"
)
AXES = {
    "batch": BATCH, "b": BATCH, "bs": BATCH, "n": BATCH, "batch_size": BATCH, "seq": TIME, "t": TIME, "time": TIME, "l": TIME,
    "length": TIME, "seq_len": TIME, "seq_length": TIME, "sequence_length": TIME, "s": TIME, "tokens": TIME, "h": 32, "w": 32, "height": 32, "width": 32, "nodes": NODES,
    "edges": EDGES, "num_nodes": NODES, "num_edges": EDGES,
}  # fmt: skip


def from_annotation(annotation: Any, stem: Stem) -> Spec | None:
    """The shape that a jaxtyping annotation writes down; sizes it only names are guesses."""
    kind_name, axes = getattr(annotation, "dtype", None), getattr(annotation, "dim_str", None)
    if isinstance(axes, str):
        kind_name = getattr(kind_name, "__name__", str(annotation))
    else:
        text = annotation if isinstance(annotation, str) else ""
        found = SHAPED.search(text)
        if found is None:
            return None
        kind_name, axes = found.group(1), found.group(2)
    kind = str(kind_name).lower()
    names = [axis for axis in axes.split() if axis != "..."]
    sizes = tuple(_axis(axis, stem, last=i == len(names) - 1) for i, axis in enumerate(names))
    if "bool" in kind:
        return Spec("bool", sizes, role="ones")
    if "int" in kind or "long" in kind:
        return Spec("int", sizes, high=stem.width if stem.kind == "embedding" else stem.classes)
    return Spec("float", sizes)


def _axis(axis: str, stem: Stem, *, last: bool) -> int:
    name = axis.lstrip("*#?_").split("=")[-1]
    if name.isdigit():
        return int(name)
    if name.lower() in AXES:
        return AXES[name.lower()]
    return stem.width if last or "chan" in name or name.lower() == "c" else 16


# -- the signature -------------------------------------------------------------------------------------------------------


def signature_of(model: nn.Module) -> list[inspect.Parameter]:
    """What forward takes; a wrapper that only passes on takes what it wraps takes."""
    for inner in _wrapped(model):
        try:
            parameters = list(inspect.signature(inner.forward).parameters.values())
        except (TypeError, ValueError):
            continue
        if any(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
            return parameters
    return [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)]


def _wrapped(model: nn.Module) -> Iterator[nn.Module]:
    yield model
    seen = {id(model)}
    while True:
        base = getattr(model, "get_base_model", None)
        inner = base() if callable(base) else next(iter(model.children()), None)
        if not isinstance(inner, nn.Module) or id(inner) in seen:
            return
        seen.add(id(inner))
        model = inner
        yield model
