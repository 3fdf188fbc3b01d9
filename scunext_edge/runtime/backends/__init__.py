"""One file per engine. Only ``runtime.registry`` imports them, when one is asked for."""
