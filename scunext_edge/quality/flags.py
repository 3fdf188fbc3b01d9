"""The flags: which signal each looks at, on which side its limit is, and what to tell the user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A flag is raised where its signal lies beyond its limit: below it, or above."""

    name: str
    signal: str
    below: bool
    what: str  # for the user, with the remedy

    def raised(self, value: float, limit: float) -> bool:
        """The limit itself is fine."""
        return value < limit if self.below else value > limit


FLAGS = (
    Rule(
        name="other_kind",
        signal="distance",
        below=False,
        what="this looks unlike the pictures that the network knows: take a dermoscopic photograph "
        "of skin, in colour",
    ),
    Rule(
        name="too_dark",
        signal="light",
        below=True,
        what="too dark: add light, or expose longer, and take it again",
    ),
    Rule(
        name="too_bright",
        signal="white",
        below=False,
        what="overexposed: lower the exposure or the light, and take it again",
    ),
    Rule(
        name="blurred",
        signal="sharpness",
        below=True,
        what="blurred: clean the lens, hold the camera still, focus, and take it again",
    ),
    Rule(
        name="glare",
        signal="glare",
        below=False,
        what="reflections at the lesion: tilt the lamp, polarise, or add contact fluid, and take "
        "it again",
    ),
    Rule(
        name="no_lesion",
        signal="found",
        below=True,
        what="hardly anything looks like a lesion: bring it to the middle, nearer, and take it "
        "again",
    ),
    Rule(
        name="unsure",
        signal="confidence",
        below=True,
        what="the network is not sure of this outline: draw it by hand, or take another picture",
    ),
)
