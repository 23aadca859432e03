"""BUILT MODEL → example inputs that its forward accepts, found by trying on the meta device.

What the settings declare stands. Then come the calls that the file itself shows. The rest starts from guesses (annotations,
names, first layers) and is mended run by run: each failed run says which call wanted what of which input. The state that came
farthest is mended first.
"""

from __future__ import annotations

import heapq
import inspect
import math
import operator
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from initlint.targets.documented import documented
from initlint.targets.examples import Example, merged
from initlint.targets.guesses import Stem, guesses_for, signature_of, stem_of
from initlint.targets.probe import Refused, Trial, run
from initlint.targets.records import assembled, records_of, short
from initlint.targets.repairs import COMMON, Between, Secants, repairs, sizes_of
from initlint.targets.specs import BATCH, TIME, Spec, State, realize

if TYPE_CHECKING:
    from initlint.inputspec import InputSpec

TRIALS = 400
EXAMPLES = 3  # calls that the file shows, of which one is accepted or none will be
AFFORDED = 1 << 20  # elements that an example has at most: of larger ones few samples are taken, or the guesses
UNROLLED = 1500  # calls, each a node of the graph, from which on a guess of a shorter sequence is worth looking for
MUCH_SHORTER = 0.8
TRIALS_IN_TROUBLE = 12  # once a state fails only for want of values, others have this many runs to do better
OTHERS = 3  # rows more, to see whether they are samples
DEVICES = ("meta", "fake", "cpu")
CACHE = "use_cache"
NEVER = re.compile(
    r"past\w*|\w*cache\w*|labels?|\w*_outputs|head_mask|inputs_embeds|return\w*|output\w*"
)  # not asked of a user
SMALL_MAP = 4  # a convolution that puts out less than this on a side has hardly any map left

Key = tuple[tuple[str, Spec], ...]


class _Queue:
    """States to try: what came farthest and is least far-fetched first, none twice."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, State]] = []
        self.rank: dict[Key, float] = {}
        self.done: set[Key] = set()
        self.count = 0

    def push(self, state: State, progress: int, doubt: float) -> None:
        key, rank = _key(state), doubt - 0.2 * progress**0.5
        if key in self.done or self.rank.get(key, math.inf) <= rank:
            return
        if all(n > 0 for s in state.values() for n in s.shape) and _affordable(state):
            self.rank[key] = rank
            self.count += 1
            heapq.heappush(self.heap, (rank, self.count, state))

    def pop(self) -> State | None:
        while self.heap:
            state = heapq.heappop(self.heap)[-1]
            if _key(state) not in self.done:
                self.done.add(_key(state))
                return state
        return None


def _key(state: State) -> Key:
    return tuple(sorted(state.items(), key=operator.itemgetter(0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Arguments for one call of forward: real, small CPU tensors, only shapes and integer values count.

    how  for the report: "int64[2,64] below 50304 for idx"
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    how: str


class InputsUnknown(Exception):
    """No inputs were found that the forward accepts.

    attempts  what was tried, and how it failed
    help      the settings line that would help
    """

    def __init__(self, message: str, attempts: Sequence[str] = (), help: str = "") -> None:
        super().__init__(message)
        self.attempts = tuple(attempts)
        self.help = help


def infer(
    model: nn.Module, *, declared: Sequence[InputSpec] = (), examples: Sequence[Example] = (), budget: float = 20.0
) -> Inputs:
    """Inputs that `model.forward` accepts in train mode; `examples` are calls that its file shows.

    Raises:
        InputsUnknown: none was found within `budget` seconds, or the declared ones do not fit the signature.
    """
    modes = {module: module.training for module in model.modules()}
    model.train()
    try:
        return _Search(model, declared, examples, budget).result()
    finally:
        for module, mode in modes.items():
            module.training = mode


class _Search:
    def __init__(self, model: nn.Module, declared: Sequence[InputSpec], examples: Sequence[Example], budget: float) -> None:
        self.model, self.examples = model, examples
        self.deadline = time.monotonic() + budget
        self.stem: Stem = stem_of(model)
        self.parameters = signature_of(model)
        self.records = records_of(model, [p.name for p in self.parameters if self.needs(p)], pair=self.stem.pair)
        self.fixed = _declared(declared, self.parameters)
        self.sizes = sizes_of(model)
        self.device = "meta"
        self.attempts: list[str] = []
        self.refuted: set[Key] = set()
        self.farthest: tuple[int, State] = -1, {}  # of the refuted ones
        self.constants = _constants(self.parameters)

    # -- the call -----------------------------------------------------------------------------------------------------

    def call(self, state: State) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Positional and named arguments, and the tensors among them by name."""
        tensors = {name: realize(spec, seed=i) for i, (name, spec) in enumerate(state.items())} | self.fixed
        args: list[Any] = []
        kwargs: dict[str, Any] = dict(self.constants)
        positional = True
        for parameter in self.parameters:
            fields = self.records.get(parameter.name, ())
            given = any(name in tensors for name in fields)
            if parameter.name not in tensors and not given:
                positional = False
                continue
            value = assembled(fields, tensors) if given else tensors[parameter.name]
            if parameter.kind is parameter.VAR_POSITIONAL or (positional and parameter.kind is not parameter.KEYWORD_ONLY):
                args.append(value)
            else:
                kwargs[parameter.name] = value
        return tuple(args), kwargs, tensors

    def attempt(self, state: State, *, strict: bool = True) -> Trial:
        """One run; where meta tensors are what it fails for, on fake or lent real ones, and so from then on."""
        args, kwargs, tensors = self.call(state)
        trial = run(self.model, args, kwargs, tensors, device=self.device, strict=strict)
        for device in DEVICES[DEVICES.index(self.device) + 1 :]:
            if not trial.trouble:
                break
            other = run(self.model, args, kwargs, tensors, device=device, strict=strict)
            if not other.trouble or other.progress > trial.progress:
                self.device, trial = device, other
        return trial

    # -- the search ---------------------------------------------------------------------------------------------------

    def result(self) -> Inputs:
        queue = _Queue()
        secants, between = Secants(), Between()
        best: tuple[int, State] | None = None  # the farthest state that only failed for want of values
        refused: list[State] = []
        long: tuple[State, Trial] | None = None  # what the file shows, where it takes many steps
        for shown in self.shown():
            trial = self.attempt(shown)
            if trial.ok and trial.progress <= UNROLLED:
                return self.finished(shown, trial, sized=True)
            if trial.ok:
                long = self.shortened(shown, trial)
                break
            if trial.trouble and best is None:
                best = trial.progress, shown
            self.refuted.add(_key(shown))
        for place, start in enumerate(self.starts()):
            queue.push(start, 0, 0.3 * place)
        left = TRIALS
        while left:
            left -= 1
            following = queue.pop()
            if following is None or time.monotonic() > self.deadline:
                break
            state, trial = following, self.attempt(following)
            if trial.ok and long is not None and trial.progress > MUCH_SHORTER * long[1].progress:
                break
            if trial.ok:
                sampled = self.sampled(state)
                if sampled is None:
                    return self.finished(state, trial)
                refused.append(state)
                queue.push(sampled, trial.progress, 0.0)
                continue
            self.note(state, trial)
            if trial.trouble:
                left = min(left, TRIALS_IN_TROUBLE)
                best = (trial.progress, state) if best is None or trial.progress > best[0] else best
                continue
            refused += [state] if isinstance(trial.error, Refused) else []
            for repair in (
                *repairs(trial, state, self.sizes),
                *secants.repairs(trial, state),
                *between.repairs(trial, state),
            ):
                queue.push(repair.state, trial.progress, repair.doubt)
            for doubt, more in self.extended(state, trial):
                queue.push(more, trial.progress, doubt)
        if long is not None:
            return self.finished(*long, sized=True)
        for state in refused[:8]:
            if self.attempt(state, strict=False).ok:
                return self.finished(state, Trial())
        if best is not None:
            return self.finished(best[1], Trial())
        raise self.unknown()

    def sampled(self, state: State) -> State | None:
        """Samples in front of rows that are none: no other number of them is accepted, so that it was the length of a table by chance."""
        if len(state) != 1 or self.fixed:
            return None
        ((name, spec),) = state.items()
        if spec.kind != "float" or spec.role or len(spec.shape) != 2:
            return None
        other = self.attempt({name: spec.sized(0, spec.shape[0] + OTHERS)})
        return None if other.ok or other.trouble else {name: spec.shaped(BATCH, *spec.shape)}

    def starts(self) -> Iterator[State]:
        """The first guesses: the likeliest of each input, then the others one at a time."""
        needed = self.needed
        wanted: dict[str, inspect.Parameter] = {}
        for parameter in needed:
            fields = self.records.get(parameter.name, ())
            wanted |= {field: inspect.Parameter(short(field), parameter.kind) for field in fields} or {
                parameter.name: parameter
            }
        names = frozenset(p.name for p in wanted.values()) | self.fixed.keys()
        choices = {name: guesses_for(p, self.stem, names) for name, p in wanted.items()}
        first = {name: specs[0] for name, specs in choices.items()}
        told = {name: spec for name in wanted if (spec := documented(self.model, name, first[name])) is not None}
        if told:
            yield {**first, **told} if told.keys() == first.keys() else self.one_batch({**first, **told})
        yield self.one_batch(first)
        yield first
        for name, specs in choices.items():
            for spec in specs[1:]:
                yield self.one_batch({**first, name: spec})
        if self.records:
            whole = {p.name: guesses_for(p, self.stem, names)[0] for p in needed}
            yield self.one_batch(whole)

    def shown(self) -> Iterator[State]:
        """What the file's own calls give to the inputs that are needed, first with a batch of more than a few samples."""
        names = [p.name for p in self.parameters]
        for example in self.examples[:EXAMPLES]:
            given = example.named(names)
            if any(p.name not in given for p in self.needed) or not self.needed:
                continue
            present = frozenset(p.name for p in self.needed)
            told = {p.name: merged(given[p.name], guesses_for(p, self.stem, present)[0]) for p in self.needed}
            firsts = {spec.shape[0] for spec in told.values() if spec.shape}
            few = {name: spec.sized(0, BATCH) if spec.shape else spec for name, spec in told.items()}
            if len(firsts) == 1 and (max(firsts) < BATCH or _elements(told) > AFFORDED) and _elements(few) <= AFFORDED:
                yield few
            if _elements(told) <= AFFORDED:
                yield told

    def shortened(self, state: State, trial: Trial) -> tuple[State, Trial]:
        """An accepted example with its longest axis as short as a guess would have it, where that takes fewer calls."""
        longest = max((n for spec in state.values() for n in spec.shape[1:]), default=0)
        short = {
            name: spec.shaped(*spec.shape[:1], *(min(n, TIME // 2) if n == longest else n for n in spec.shape[1:]))
            for name, spec in state.items()
        }
        other = self.attempt(short)
        return (short, other) if other.ok and other.progress < MUCH_SHORTER * trial.progress else (state, trial)

    @property
    def needed(self) -> list[inspect.Parameter]:
        return [p for p in self.parameters if p.name not in self.fixed and self.required(p)]

    def one_batch(self, state: State) -> State:
        """All inputs with the batch size of the first that has one, a declared one before all."""
        free = {n: s for n, s in state.items() if s.shape and s.role not in ("edges", "groups", "places")}
        told = next((int(t.shape[0]) for t in self.fixed.values() if t.dim()), None)
        if any(s.role in ("edges", "groups") for s in state.values()) or not free or (len(free) < 2 and told is None):
            return state
        batch = told if told is not None else next(iter(free.values())).shape[0]
        square = {n for n, s in free.items() if len(s.shape) == 2 and s.shape[0] == s.shape[1]}
        place = {n: 1 if s.role == "hidden" else 0 for n, s in free.items() if n not in square}
        return {n: s.sized(place[n], batch) if n in place else s for n, s in state.items()}

    def required(self, parameter: inspect.Parameter) -> bool:
        if parameter.kind is parameter.VAR_KEYWORD:
            return False
        if parameter.kind is parameter.VAR_POSITIONAL:
            return not any(self.needs(p) for p in self.parameters)
        return parameter.name in self.main or self.needs(parameter)

    @staticmethod
    def needs(parameter: inspect.Parameter) -> bool:
        return parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)

    @property
    def main(self) -> tuple[str, ...]:
        """What to give when everything is optional: the model's own word for it, or the first parameter."""
        if any(self.needs(p) for p in self.parameters) or self.fixed:
            return ()
        names = [p.name for p in self.parameters]
        own = next(
            (n for m in _chain(self.model) if isinstance(n := getattr(m, "main_input_name", None), str) and n in names), None
        )
        wanted = [own or names[0]] if names else []
        config = getattr(self.model, "config", None)
        if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in names and wanted:
            wanted.append("decoder_input_ids")
        return tuple(wanted)

    def extended(self, state: State, trial: Trial) -> Iterator[tuple[float, State]]:
        """With optional inputs more: those that were None where it failed, that the message names, or any one."""
        order = [p.name for p in self.parameters]
        text = str(trial.error)
        open_ones: dict[str, tuple[Spec, bool, bool]] = {}
        for parameter in self.parameters:
            if parameter.name in state or parameter.name in self.fixed or self.needs(parameter):
                continue
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or isinstance(parameter.default, bool | str):
                continue
            if NEVER.fullmatch(parameter.name):
                continue
            spec = guesses_for(parameter, self.stem, frozenset({parameter.name, *state}))[0]
            open_ones[parameter.name] = (spec, "None" in text and parameter.name in trial.wanting, parameter.name in text)

        def added(names: Sequence[str]) -> State:
            more = {**state, **{name: open_ones[name][0] for name in names}}
            return self.one_batch({name: more[name] for name in sorted(more, key=lambda n: order.index(_owner(n)))})

        wanting = [name for name, (_, here, _) in open_ones.items() if here]
        named = [name for name, (_, _, said) in open_ones.items() if said]
        if wanting:
            yield 0.0, added(wanting)
        for name in dict.fromkeys((*wanting, *named)):
            yield 0.1, added([name])
        if "None" in text:
            yield from ((0.6, added([name])) for name in open_ones if name not in wanting)

    # -- the end ------------------------------------------------------------------------------------------------------

    def finished(self, state: State, trial: Trial, *, sized: bool = False) -> Inputs:
        """The accepted inputs, their images enlarged where the last maps are tiny, their integers within their tables.

        sized  whether the author chose their sizes
        """
        if not sized:
            state, trial = self.enlarged(*self.tidied(state, trial))
        state = {n: replace(s, high=trial.tables[n]) if n in trial.tables and s.kind == "int" else s for n, s in state.items()}
        state = self.within_tables(state, trial)
        if CACHE not in self.constants and _caches(self.model, self.parameters):
            self.constants[CACHE] = False
            if not self.attempt(state).ok:
                del self.constants[CACHE]
        args, kwargs, _ = self.call(state)
        told = [f"{_dtype(t)}[{','.join(map(str, t.shape))}] for {n} as declared" for n, t in self.fixed.items()]
        how = ", ".join([*told, *(f"{spec} for {name}" for name, spec in state.items())])
        return Inputs(args=args, kwargs=kwargs, how=how)

    def within_tables(self, state: State, trial: Trial) -> State:
        """Smaller integers where sums of them with offsets leave a table, which only a run on values shows."""
        names = {name for name in trial.derived & state.keys() if state[name].kind == "int"}
        while any(state[name].high > 1 for name in names):
            args, kwargs, tensors = self.call(state)
            if not isinstance(run(self.model, args, kwargs, tensors, device="cpu").error, IndexError):
                break
            state = {n: replace(s, high=max(s.high // 2, 1)) if n in names else s for n, s in state.items()}
        return state

    def tidied(self, state: State, trial: Trial) -> tuple[State, Trial]:
        """Image sizes that people use in place of those that arithmetic found, where they are accepted as well."""
        for name, spec in state.items():
            if spec.kind != "float" or len(spec.shape) != 4 or spec.shape[2] != spec.shape[3] or spec.shape[2] in COMMON:
                continue
            side = spec.shape[2]
            for common in sorted((c for c in COMMON if 0.85 < c / side < 1.15), key=lambda c: abs(c - side)):
                other = {**state, name: spec.shaped(*spec.shape[:2], common, common)}
                if _key(other) not in self.refuted and (found := self.attempt(other)).ok:
                    return other, found
        return state, trial

    def enlarged(self, state: State, trial: Trial) -> tuple[State, Trial]:
        images = [n for n, s in state.items() if s.kind == "float" and len(s.shape) == 4 and min(s.shape[2:]) >= 16]
        if not 0 < trial.smallest < SMALL_MAP or not images:
            return state, trial
        for factor in (2, 4):
            larger = {
                n: s.shaped(*s.shape[:2], *(k * factor for k in s.shape[2:])) if n in images else s for n, s in state.items()
            }
            if max(max(larger[n].shape[2:]) for n in images) > 256:
                break
            other = self.attempt(larger)
            if not other.ok:
                break
            if other.smallest >= SMALL_MAP:
                return larger, other
        return state, trial

    def note(self, state: State, trial: Trial) -> None:
        tried = ", ".join(f"{spec} for {name}" for name, spec in state.items())
        lines = [line for line in str(trial.error).splitlines() if line.strip()] or [""]
        self.attempts.append(f"{tried}: {type(trial.error).__name__}: {lines[0][:200]}")
        self.refuted.add(_key(state))
        self.farthest = max(self.farthest, (trial.progress, state), key=operator.itemgetter(0))

    def unknown(self) -> InputsUnknown:
        names = [p.name for p in self.parameters if self.required(p)]
        first = self.attempts[0] if self.attempts else "nothing to try"
        count = len(self.attempts)
        tried = self.farthest[1]
        lines = ", ".join(f'"{_suggested(name, tried.get(name, self.stem.spec))}"' for name in names)
        return InputsUnknown(
            f"no inputs were found that forward({', '.join(names)}) accepts ({count} tried; first {first})",
            self.attempts,
            "say what it takes in the settings, with the right sizes in place of these, which came farthest but were refused:\n[[tool.initlint.targets]]\n"
            f"inputs = [{lines}]",
        )


def _suggested(name: str, spec: Spec) -> str:
    bound = f" < {spec.high}" if spec.kind == "int" else ""
    return f"{name}: {str(spec.dtype).removeprefix('torch.')}[{','.join(map(str, spec.shape))}]{bound}"


def _owner(name: str) -> str:
    return re.split(r"[\[.(]", name, maxsplit=1)[0]


def _elements(state: State) -> int:
    return sum(math.prod(spec.shape) for spec in state.values())


def _affordable(state: State) -> bool:
    return all(math.prod(s.shape) <= 1 << 26 for s in state.values())


def _constants(parameters: Sequence[inspect.Parameter]) -> dict[str, Any]:
    """Switches that keep caches out of the graph."""
    return {p.name: False for p in parameters if p.name == CACHE}


def _caches(model: nn.Module, parameters: Sequence[inspect.Parameter]) -> bool:
    """The model passes on what it does not know, and what it wraps keeps a cache unless told otherwise."""
    config = getattr(model, "config", None)
    inner = (config, *(v for v in getattr(config, "__dict__", {}).values() if hasattr(v, "__dict__")))
    return any(p.kind is p.VAR_KEYWORD for p in parameters) and any(getattr(c, CACHE, False) for c in inner)


def _chain(model: nn.Module) -> Iterator[nn.Module]:
    yield model
    base = getattr(model, "get_base_model", None)
    if callable(base):
        yield base()


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _declared(declared: Sequence[InputSpec], parameters: Sequence[inspect.Parameter]) -> dict[str, torch.Tensor]:
    """Tensors for declared inputs, by the name of the parameter they are for."""
    names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    found: dict[str, torch.Tensor] = {}
    for index, spec in enumerate(declared):
        name = spec.name or (names[index] if index < len(names) else None)
        if name is None or (name not in names and not open_ended):
            raise InputsUnknown(
                f"the settings give {spec.name or f'{len(declared)} inputs'}, but forward takes ({', '.join(names)})"
            )
        found[name] = _tensor(spec, index)
    return found


def _tensor(spec: InputSpec, seed: int) -> torch.Tensor:
    dtype = getattr(torch, spec.dtype)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.empty(spec.shape, dtype=dtype).normal_(generator=torch.Generator().manual_seed(seed))
    low, high = int(spec.low or 0), int(spec.high) if spec.high is not None else 2
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.ones(spec.shape, dtype=dtype)
    return torch.randint(low, max(high, low + 1), spec.shape, generator=generator).to(dtype)
