"""INI706: a gain given as `a` of kaiming initialization, where the negative slope of the leaky ReLU is expected."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_call

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI706",
    name="gain-passed-as-slope",
    severity=Severity.WARNING,
    summary="A gain such as sqrt(2) is given as the negative slope of kaiming initialization, which makes weights smaller.",
    fix="unsafe",
)

# What torch.nn.init.calculate_gain gives for ReLU, tanh, SELU and leaky ReLUs of usual slopes. No leaky ReLU has such a slope.
# sqrt(5), which nn.Linear's own start uses, is none of them; 1 and 0 are ways to ask for a gain of 1 and of sqrt(2).
GAINS = {
    math.sqrt(2.0): "ReLU",
    5.0 / 3.0: "tanh",
    3.0 / 4.0: "SELU",
    **{math.sqrt(2.0 / (1.0 + slope**2)): f"a leaky ReLU of slope {slope}" for slope in (0.1, 0.2, 0.3)},
}


def check(facts: Facts) -> Iterator[Finding]:
    """Weights last drawn by a kaiming function whose slope is a known gain."""
    for parameter in facts.traced.parameters.values():
        if parameter.alias_of is not None or not parameter.writes:
            continue
        write = parameter.writes[-1]
        slope = write.options.get("a")
        if write.default or not write.op.startswith("nn.init.kaiming") or not isinstance(slope, int | float):
            continue
        if write.options.get("nonlinearity") != "leaky_relu":  # the slope is read for this one alone
            continue
        gain = next((gain for gain in GAINS if math.isclose(gain, slope, rel_tol=1e-3)), None)
        site = site_of_call(write, facts)
        if gain is None or site is None:
            continue
        drawn = math.sqrt(2.0 / (1.0 + slope**2))
        yield finding(
            RULE,
            facts,
            at=site,
            message=(
                f"`{parameter.name}`: a={number(slope)} is the gain for {GAINS[gain]}, but `a` is the negative slope of a leaky "
                f"ReLU. The gain drawn with is {number(drawn)}: weights start {number(gain / drawn)}x smaller than meant."
            ),
            help="give nonlinearity='relu' (or 'tanh') and leave `a` out",
            modules=[module_of(parameter)],
            evidence={"slope": float(slope), "gain": drawn},
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The function's name in the place of its gain."""
    from initlint.fixes.calls import renamed_argument, with_argument, without_argument
    from initlint.lint.cures import draw_of_finding, unsafe
    from initlint.lint.starting import Files

    place = draw_of_finding(found, Files(facts))
    if place is None:
        return
    code, draw = place
    slope = draw.argument("a", 0)
    function = next(
        (name.lower() for gain, name in GAINS.items() if math.isclose(gain, found.evidence["slope"], rel_tol=1e-3)), ""
    )
    if slope is None or not function:
        return
    if "slope" in function:
        leak = math.sqrt(2.0 / found.evidence["slope"] ** 2 - 1.0)  # of the gain √(2/(1 + a²))
        yield from unsafe(f"give the slope, {leak:.3g}", [code.replaced(slope.value, f"{leak:.3g}")])
        return
    name = f"{code.quote}{function}{code.quote}"
    if draw.argument("nonlinearity", 2) is not None:
        edits = [with_argument(code, draw, "nonlinearity", name, 2), without_argument(code, draw.call, slope)]
    elif slope.keyword is not None or draw.call.args[-1] is slope:
        edits = [renamed_argument(code, slope, "nonlinearity"), code.replaced(slope.value, name)]
    else:
        edits = [code.replaced(slope.value, "0"), with_argument(code, draw, "nonlinearity", name, 2)]
    yield from unsafe(f"name the function ({function}) and leave the slope out", edits)
