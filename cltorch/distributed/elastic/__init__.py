"""What programs that torchrun starts call: torch.distributed.elastic."""
