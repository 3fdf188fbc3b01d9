"""Images and masks as numpy arrays: reading, pairing, splitting, checking, drawing. No torch."""
