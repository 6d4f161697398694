"""Networks that say where each pixel moves from one image to the next: torchvision.models.optical_flow."""

from cltorch.vision.models.optical_flow.raft import RAFT, raft_large, raft_small
from cltorch.vision.models.weights import attributes as _attributes

__all__ = ["RAFT", "raft_large", "raft_small"]

__getattr__ = _attributes(__name__)
