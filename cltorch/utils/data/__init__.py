"""Datasets, samplers and the loader that batches them: torch.utils.data."""

from cltorch.utils.data._utils.batch import SampleBatch
from cltorch.utils.data._utils.collate import default_collate, default_convert
from cltorch.utils.data._utils.worker import get_worker_info
from cltorch.utils.data.dataloader import DataLoader
from cltorch.utils.data.dataloader import _DatasetKind as _DatasetKind
from cltorch.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe, functional_datapipe
from cltorch.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from cltorch.utils.data.distributed import DistributedSampler
from cltorch.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterDataPipe",
    "IterableDataset",
    "MapDataPipe",
    "RandomSampler",
    "SampleBatch",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "functional_datapipe",
    "get_worker_info",
    "random_split",
]
