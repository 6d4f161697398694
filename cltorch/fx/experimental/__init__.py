"""The corner of torch.fx.experimental that libraries ask questions of."""
