"""How DistributedDataParallel reduces gradients, to be chosen: torch.distributed.algorithms.ddp_comm_hooks."""
