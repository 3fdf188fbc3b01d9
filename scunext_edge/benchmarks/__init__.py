"""Taking time, repeating, isolating, recording the machine, doubting.

Not aware of masks, of Dice, of how an artifact was made, or of what a good number is.
"""
