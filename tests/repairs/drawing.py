"""Curves of training → a small SVG picture, written by hand: the same text for the same numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 170, 14, 34  # margins; the names of the curves stand on the right
LOW = -0.2  # the skill at the lower edge; a curve that falls below runs along it
COLOURS = {"as written": "#b3261e", "repaired": "#1b6e3c"}
DASHES = ("", "5 4", "2 3")


def drawn(curves: Mapping[tuple[str, str], Sequence[tuple[int, float]]], steps: int) -> str:
    """The picture of curves by (state, setting): skill over steps, a curve that ends in NaN with a cross at its end."""
    return "".join(f"{line}\n" for line in _lines(curves, steps))


def _lines(curves: Mapping[tuple[str, str], Sequence[tuple[int, float]]], steps: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="11">'
    )
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    for skill in (0.0, 0.5, 1.0):
        y = _y(skill)
        yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#d0d0d0"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{skill:g}</text>'
    for step in (0, steps // 2, steps):
        yield f'<text x="{_x(step, steps)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{step}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle:g}" y="{HEIGHT - 4}" text-anchor="middle">steps</text>'
    yield f'<text x="12" y="{HEIGHT / 2:g}" text-anchor="middle" transform="rotate(-90 12 {HEIGHT / 2:g})">skill</text>'
    settings = list(dict.fromkeys(setting for _, setting in curves))
    for number, ((state, setting), curve) in enumerate(curves.items()):
        look = f'stroke="{COLOURS[state]}" stroke-dasharray="{DASHES[settings.index(setting)]}"'
        places = [(_x(step, steps), _y(skill)) for step, skill in curve if math.isfinite(skill)]
        if places:
            path = "L".join(f"{x} {y}" for x, y in places)
            yield f'<path d="M{path}" fill="none" stroke-width="1.6" {look}/>'
        if not math.isfinite(curve[-1][1]):
            x, y = places[-1] if places else (_x(curve[-1][0], steps), _y(LOW))
            yield f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{COLOURS[state]}" stroke-width="1.6"/>'
        y = TOP + 10 + 18 * number
        x = WIDTH - RIGHT + 12
        yield f'<path d="M{x} {y - 4}h22" stroke-width="1.6" {look}/>'
        yield f'<text x="{x + 28}" y="{y}">{state}, {setting}</text>'
    yield "</svg>"


def _x(step: int, steps: int) -> float:
    return round(LEFT + (WIDTH - RIGHT - LEFT) * step / steps, 1)


def _y(skill: float) -> float:
    return round(TOP + (HEIGHT - BOTTOM - TOP) * (1 - max(skill, LOW)) / (1 - LOW), 1)
