"""Where modules of torchvision import the fetching of weights from."""

from cltorch.hub import load_state_dict_from_url

__all__ = ["load_state_dict_from_url"]
