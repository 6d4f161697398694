"""Optimizers: torch.optim."""
