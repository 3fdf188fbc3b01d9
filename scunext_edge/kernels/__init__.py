"""The native engine: its model file, the compiler that writes it, and the kernels that run it."""
