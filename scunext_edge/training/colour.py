"""What light, camera and compression do to the pixels of a picture of training."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scunext_edge.training.recipe import Recipe

# RGB to luma and two axes of colour (YIQ): turning and stretching these two keeps the luma.
_TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]]
)
# Gaussian noise, blur and low resolution in the ranges of nnU-Net (arXiv 1809.10486); its noise is
# in units of an image's standard deviation, about 40 of 255 in a dermoscopic picture.
NOISE = 12.0  # largest standard deviation
BLUR = (0.5, 1.0)  # pixels
COARSE = (0.5, 1.0)  # of the resolution


def changed(pixels: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """All that the recipe asks for; float32 [B, H, W, 3] in 0..255, which may be overwritten."""
    pixels = relit(pixels, recipe.colour, rng)
    if recipe.tone > 0:
        pixels = toned(pixels, recipe.tone, rng)
    if recipe.degrade > 0:
        for index in np.flatnonzero(rng.random(len(pixels)) < recipe.degrade):
            pixels[index] = _degraded(pixels[index : index + 1].permute(0, 3, 1, 2), rng)
    return pixels


def relit(pixels: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast and the gain of each channel, in place; [B, H, W, 3] in 0..255."""
    if most <= 0:
        return pixels

    def drawn(channels: int) -> Tensor:
        change = rng.uniform(-most, most, (len(pixels), 1, 1, channels))
        return torch.from_numpy(change.astype(np.float32))

    gain = (1 + drawn(1)) * (1 + drawn(3) / 2)  # contrast x colour of the light
    middle = pixels.mean((1, 2, 3), keepdim=True)
    shift = middle + 128 * drawn(1) - middle * gain
    # as long rows: a dimension of three channels makes the arithmetic ten times slower
    rows, width = pixels.flatten(2), pixels.shape[2]
    gains, shifts = (part.repeat(1, 1, width, 1).flatten(2) for part in (gain, shift))
    torch.addcmul(shifts, rows, gains, out=rows)
    return pixels.clamp_(0, 255)


def toned(pixels: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """Saturation, hue and gamma: times 1 - most to 1 + most, by up to ``most`` radians, and to the
    power exp(-most) to exp(most); [B, H, W, 3] in 0..255.
    """
    count = len(pixels)
    richer, angle, gamma = (rng.uniform(-most, most, count) for _ in range(3))
    matrices = np.zeros((count, 3, 3))
    matrices[:, 0, 0] = 1
    matrices[:, 1, 1] = matrices[:, 2, 2] = (1 + richer) * np.cos(angle)
    matrices[:, 2, 1] = (1 + richer) * np.sin(angle)
    matrices[:, 1, 2] = -matrices[:, 2, 1]
    matrices = np.linalg.inv(_TO_YIQ) @ matrices @ _TO_YIQ
    turned = torch.bmm(
        pixels.flatten(1, 2), torch.from_numpy(matrices.swapaxes(1, 2).astype(np.float32))
    )
    powers = torch.from_numpy(np.exp(gamma).astype(np.float32)).view(-1, 1, 1)
    turned = turned.clamp_(0, 255).div_(255).pow_(powers).mul_(255)
    return turned.view(pixels.shape)


def _degraded(image: Tensor, rng: np.random.Generator) -> Tensor:
    """One of noise, blur and low resolution; [1, 3, H, W] to [H, W, 3]."""
    kind = rng.integers(3)
    if kind == 0:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(0, NOISE))
        image = (image + torch.from_numpy(noise)).clamp_(0, 255)
    elif kind == 1:
        image = _blurred(image, float(rng.uniform(*BLUR)))
    else:
        size = tuple(image.shape[2:])
        small = [max(1, int(side * rng.uniform(*COARSE))) for side in size]
        image = functional.interpolate(image, small, mode="bilinear")
        image = functional.interpolate(image, size, mode="bilinear")
    return image[0].permute(1, 2, 0)


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, one axis after the other; the border is replicated."""
    reach = math.ceil(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma).square())
    weights = (weights / weights.sum()).expand(image.shape[1], 1, 1, -1)
    padded = functional.pad(image, (reach, reach, reach, reach), mode="replicate")
    padded = functional.conv2d(padded, weights, groups=image.shape[1])
    return functional.conv2d(padded, weights.mT.contiguous(), groups=image.shape[1])
