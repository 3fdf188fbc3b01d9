"""Whether a mask may be used: what is measured of a picture and its logits, and the limits."""
