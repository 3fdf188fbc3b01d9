"""What a recipe asks for at one step: what is learned, at what size and rate, the edge's weight."""

from __future__ import annotations

import math

from scunext_edge.training.recipe import Recipe


def phase(recipe: Recipe, step: int, steps: int) -> tuple[bool, int, int]:
    """Whether this step restores hidden patches, its number in its phase, and how many that has.

    Each phase has a schedule of its own, from warm-up to ``lr_final``.
    """
    first = int(recipe.restore * steps)
    return (True, step, first) if step < first else (False, step - first, steps - first)


def is_halved(recipe: Recipe, step: int, steps: int) -> bool:
    """Whether this step, of those that segment, is taken at half the size."""
    return step < int(recipe.halved * steps)


def rate(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of one step: linear warm-up, then half a cosine to ``lr_final``."""
    rising = int(recipe.warmup * steps)
    if step < rising:
        return recipe.lr * (step + 1) / rising
    progress = (step - rising) / max(1, steps - rising - 1)
    return recipe.lr_final + (recipe.lr - recipe.lr_final) * (1 + math.cos(math.pi * progress)) / 2


def edge_weight(recipe: Recipe, step: int, steps: int) -> float:
    """The weight of the edge term at one step."""
    return recipe.edge * min(1.0, step / max(1, steps // 10))
