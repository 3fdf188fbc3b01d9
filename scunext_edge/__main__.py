"""``python -m scunext_edge``."""

from scunext_edge.cli import main

main()
