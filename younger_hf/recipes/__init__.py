"""The paper's baselines of the local paradigm, one file a recipe, and what they train on.

`dataflow` is data flow design (link prediction), `operator` is operator design (masked node classification).
"""
