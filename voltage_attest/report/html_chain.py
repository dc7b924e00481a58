"""The chain of trust as a drawing: inline SVG, one lane a vendor, joined where the evidence commits to a TLS key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from voltage_attest.report.chain import Lane, Step, Tone, binding_steps, lanes_of
from voltage_attest.report.html_markup import Markup, join, tag
from voltage_attest.report.plain import clipped
from voltage_attest.result import AttestationResult

__all__ = ["TONE_WORDS", "chain_section"]

TONE_WORDS: Final = {Tone.GOOD: "holds", Tone.BAD: "failed", Tone.WAIT: "open", Tone.NONE: "not judged"}

_WIDTH: Final = 420
_HEIGHT: Final = 46
_GAP: Final = 20
_TOP: Final = 22
_SIGNS: Final = {
    Tone.GOOD: "M-4 0 L-1 3 L4 -3",
    Tone.BAD: "M-3 -3 L3 3 M3 -3 L-3 3",
    Tone.WAIT: "M0 -4 L0 1 M0 4 L0 4",
    Tone.NONE: "M-3 0 L3 0",
}


def chain_section(result: AttestationResult) -> Markup:
    """The drawing, and beside it the same in words; nothing where nothing was judged."""
    lanes = lanes_of(result)
    if not lanes:
        return Markup()
    end = binding_steps(result)
    drawing = tag(
        "svg",
        tag("title", "The chain of trust, from the vendors' roots to the TLS key"),
        *_drawn(lanes, end),
        viewBox=f"0 0 {_WIDTH} {_bottom(lanes) + 2 * (_HEIGHT + _GAP)}",
        role="img",
    )
    steps = [step for lane in lanes for step in lane.steps] + list(end)
    words = tag("ol", [_in_words(step) for step in steps], class_="steps")
    return join(tag("h2", "Chain of trust"), tag("div", drawing, words, class_="chain"))


def _in_words(step: Step) -> Markup:
    pill = tag("span", TONE_WORDS[step.tone], class_=f"pill {step.tone}")
    return tag(
        "li",
        tag("span", pill),
        tag("span", tag("b", step.title), f" ({step.detail}). ", tag("span", step.meaning, class_="soft")),
    )


def _bottom(lanes: tuple[Lane, ...]) -> int:
    """Where the last box of the longest lane ends, with the gap below it."""
    return _TOP + max(len(lane.steps) for lane in lanes) * (_HEIGHT + _GAP)


def _drawn(lanes: tuple[Lane, ...], end: tuple[Step, ...]) -> Iterator[Markup]:
    width = 300 if len(lanes) == 1 else (_WIDTH - 4 - _GAP * (len(lanes) - 1)) // len(lanes)
    left = (_WIDTH - len(lanes) * width - (len(lanes) - 1) * _GAP) // 2
    bottom = _bottom(lanes)
    for place, lane in enumerate(lanes):
        x = left + place * (width + _GAP)
        middle = x + width // 2
        yield tag("text", lane.vendor, class_="lane", x=middle, y=12, text_anchor="middle")
        for number, step in enumerate(lane.steps):
            y = _TOP + number * (_HEIGHT + _GAP)
            if number:
                yield _link(step.tone, middle, y - _GAP, y)
            yield _box(step, x, y, width)
        last = _TOP + len(lane.steps) * (_HEIGHT + _GAP) - _GAP
        yield _link(end[0].tone, middle, last, bottom)
    for number, step in enumerate(end):
        y = bottom + number * (_HEIGHT + _GAP)
        if number:
            yield _link(step.tone, _WIDTH // 2, y - _GAP, y)
        yield _box(step, left, y, _WIDTH - 2 * left)


def _link(tone: Tone, x: int, top: int, bottom: int) -> Markup:
    return tag("path", class_=f"link {tone}", d=f"M{x} {top + 1} V{bottom - 1}")


def _box(step: Step, x: int, y: int, width: int) -> Markup:
    room = (width - 50) // 6
    sign = tag(
        "g",
        tag("circle", class_="dot", r=9),
        tag("path", class_="sign", d=_SIGNS[step.tone]),
        transform=f"translate({x + 20} {y + _HEIGHT // 2})",
    )
    return tag(
        "g",
        tag("rect", class_="box", x=x + 1, y=y, width=width - 2, height=_HEIGHT, rx=9),
        sign,
        tag("text", step.title, x=x + 38, y=y + 20),
        tag("text", clipped(step.detail, room), class_="sub", x=x + 38, y=y + 35),
        class_=str(step.tone),
    )
