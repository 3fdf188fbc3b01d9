"""How fast the native engine is beside other engines, what its steps cost and what bounds them."""
