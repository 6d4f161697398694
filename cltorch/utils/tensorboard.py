"""Writing logs for TensorBoard: torch.utils.tensorboard, through the package tensorboardX."""

try:
    from tensorboardX import SummaryWriter
except ImportError as error:
    raise ImportError("utils.tensorboard needs the package tensorboardX: pip install tensorboardX") from error

__all__ = ["SummaryWriter"]
