"""What machine this is, and in what state: read from the system, never guessed.

``machine`` does not change between two runs, ``conditions`` does, a ``Window`` is both sides of a
measurement. ``differences`` tells what makes two measurements incomparable, ``doubts`` what
happened during one.
"""

from scunext_edge.benchmarks.passport.comparable import Difference, differences
from scunext_edge.benchmarks.passport.incidents import doubts
from scunext_edge.benchmarks.passport.packages import versions
from scunext_edge.benchmarks.passport.processor import last_level_cache
from scunext_edge.benchmarks.passport.window import Window, conditions, machine

__all__ = [
    "Difference",
    "Window",
    "conditions",
    "differences",
    "doubts",
    "last_level_cache",
    "machine",
    "versions",
]
