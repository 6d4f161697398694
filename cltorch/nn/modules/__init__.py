"""The layers, a file for each kind; torch.nn has them all."""
