"""What libraries ask of PyTorch's inner package of tensors without values."""
