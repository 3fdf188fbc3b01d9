"""What a recipe asks for at one step of the run: the learning rate, the edge term's weight."""

from __future__ import annotations

import math

from scunext_edge.training.recipe import Recipe


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
