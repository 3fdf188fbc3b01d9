"""``scunext-edge quantize``: as much INT8 as a bound on the loss of Dice allows."""
