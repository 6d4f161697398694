"""Parts of PyTorch's torch._functorch that libraries import."""
