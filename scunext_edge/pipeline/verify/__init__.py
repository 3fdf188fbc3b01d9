"""``scunext-edge verify``: what a model must show before it goes to a device."""
