"""From an ONNX graph to a plan.

In this order: ``graph`` reads the file and takes the Q/DQ pairs out, ``operators`` turns its nodes
into steps on NHWC tensors, ``patterns`` joins steps into the plan's operations, ``storage``
chooses how their results are stored, ``channels`` pads channels, ``emit`` writes the plan.
"""
