"""Training: one file per recipe, the training loop, and the models.

`dataflow` is data flow design (link prediction), `operator` is operator design (masked node classification): the
paper's baselines of the local paradigm. What is measured is in `younger_hf.tasks`.
"""
