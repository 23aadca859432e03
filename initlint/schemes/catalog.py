"""Names → schemes: the table, and the one way from a model's facts to a plan.

A scheme is a generator: it yields changes, and remarks as strings, and raises `DoesNotApply` before anything is done. Its
keyword arguments are its options; their defaults say their types.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from initlint.schemes import automatic, data_driven, depth, identity, orthogonal, residual, tuned, variance
from initlint.schemes.plan import Change, DoesNotApply, Plan

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.schemes.anatomy import Anatomy


@dataclass(frozen=True, slots=True)
class Scheme:
    """One named initialization."""

    name: str
    source: str
    plan: Callable[..., Iterator[Change | str]]

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return (inspect.getdoc(self.plan) or "").split("\n")[0]

    @property
    def options(self) -> Mapping[str, Any]:
        """Its options with their defaults."""
        parameters = inspect.signature(self.plan).parameters.values()
        return {item.name: item.default for item in parameters if item.kind is item.KEYWORD_ONLY}


SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("auto", "initlint's rules, each remedy proved by a second analysis", automatic.auto),
        Scheme("lecun", "LeCun, Bottou, Orr, Müller 1998", variance.lecun),
        Scheme("xavier", "Glorot, Bengio 2010", variance.xavier),
        Scheme("kaiming", "He, Zhang, Ren, Sun 2015, arXiv:1502.01852", variance.kaiming),
        Scheme("orthogonal", "Saxe, McClelland, Ganguli 2013, arXiv:1312.6120", orthogonal.orthogonal),
        Scheme("delta-orthogonal", "Xiao et al. 2018, arXiv:1806.05393", orthogonal.delta_orthogonal),
        Scheme("convolution-aware", "Aghajanyan 2017, arXiv:1702.06295", orthogonal.convolution_aware),
        Scheme("lsuv", "Mishkin, Matas 2016, arXiv:1511.06422", data_driven.lsuv),
        Scheme("fixup", "Zhang, Dauphin, Ma 2019, arXiv:1901.09321", residual.fixup),
        Scheme(
            "skipinit", "De, Smith 2020, arXiv:2002.10444; ReZero: Bachlechner et al. 2020, arXiv:2003.04887", residual.skipinit
        ),
        Scheme("stable-resnet", "Hayou et al. 2020, arXiv:2010.12859", residual.stable_resnet),
        Scheme("zero", "Zhao, Schäfer, Anandkumar 2022, arXiv:2110.12661", identity.zero),
        Scheme("idinit", "Pan et al. 2025, arXiv:2503.04626", identity.idinit),
        Scheme("gpt2", "Radford et al. 2019", depth.gpt2),
        Scheme("deepnorm", "Wang et al. 2022, arXiv:2203.00555", depth.deepnorm),
        Scheme("t-fixup", "Huang, Pérez, Ba, Volkovs 2020", depth.t_fixup),
        Scheme("mup", "Yang, Hu et al. 2022, arXiv:2203.03466", depth.mup),
        Scheme("kumar", "Kumar 2017, arXiv:1704.08863", tuned.kumar),
        Scheme(
            "edge-of-chaos",
            "Schoenholz et al. 2017, arXiv:1611.01232; Hayou et al. 2019, arXiv:1902.06853",
            tuned.edge_of_chaos,
        ),
        Scheme("maxout", "Tseran, Montúfar 2023, arXiv:2301.06956", tuned.maxout),
        Scheme("clipped-sparse", "Price et al. 2024, arXiv:2402.16184", tuned.clipped_sparse),
    )
}


def scheme_of(name: str) -> Scheme:
    """The scheme of a name.

    Raises:
        DoesNotApply: there is none.
    """
    found = SCHEMES.get(name)
    if found is None:
        near = difflib.get_close_matches(name, SCHEMES, 1)
        raise DoesNotApply(f"no scheme {name!r}{f'; {near[0]!r}?' if near else ''} Schemes: {', '.join(SCHEMES)}")
    return found


def planned(facts: Facts, name: str, options: Mapping[str, Any] | None = None) -> Plan:
    """What a scheme would change in a model; what it holds already is left out.

    Raises:
        DoesNotApply: the scheme does not fit the architecture, or an option is wrong.
    """
    from initlint.schemes.anatomy import anatomy_of

    scheme = scheme_of(name)
    given = dict(options or {})
    for option in given:
        if option not in scheme.options:
            known = ", ".join(scheme.options) or "none"
            raise DoesNotApply(f"{name} has no option {option!r}; its options: {known}")
    anatomy = anatomy_of(facts)
    changes: list[Change] = []
    notes: list[str] = []
    for item in scheme.plan(anatomy, **given):
        if isinstance(item, str):
            notes.append(item)
        else:
            changes.append(item)
    notes = [*_together(notes), *_left(anatomy)]
    words = tuple((key, value) for key, value in given.items() if isinstance(value, (str, int, float, bool)))
    return Plan(scheme=name, changes=tuple(with_before(changes, anatomy)), notes=tuple(dict.fromkeys(notes)), options=words)


def with_before(changes: list[Change], anatomy: Anatomy) -> Iterator[Change]:
    """The changes that change anything, with what was there before."""
    from initlint.lint.wording import law_in_words

    for change in changes:
        law = anatomy.laws[change.place.parameter]
        held = law.mean if law.family == "constant" else None
        wanted = 0.0 if change.draw.function == "nn.init.zeros_" else dict(change.draw.options).get("val")
        if held is None or wanted is None or held != wanted:
            words = f"measured, std {law.std:.3g}" if law.family == "measured" else law_in_words(law)
            yield replace(change, before=words)


def _together(notes: list[str]) -> Iterator[str]:
    """Remarks of the form "parameter: text" with the same text as one."""
    by_text: dict[str, list[str]] = {}
    for note in notes:
        name, colon, text = note.partition(": ")
        if colon and " " not in name:
            by_text.setdefault(text, []).append(name)
        else:
            by_text.setdefault(note, [])
    for text, names in by_text.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"{', '.join(names[:3])}{more}: {text}" if names else text


def _left(anatomy: Anatomy) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in anatomy.left.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"left alone ({reason}): {', '.join(names[:3])}{more}"
