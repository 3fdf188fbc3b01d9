"""Put a lesion segmenter on a point-of-care device, and prove that it still works there."""

__version__ = "0.1.0"
