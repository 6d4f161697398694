"""Parts of Tensor, by subject: what it is, its gradients, its values for Python and NumPy.

``cltorch.tensor`` takes their members into Tensor, which has no other base than Array.
"""
