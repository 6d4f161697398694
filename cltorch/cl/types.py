"""The typed tensor and storage classes of OpenCL devices: ``cl.FloatTensor``, ``cl.FloatStorage`` and so on."""

from cltorch import dtypes
from cltorch.storage import storage_class
from cltorch.typed import tensor_class

FloatTensor = tensor_class(dtypes.float32, "cl")
DoubleTensor = tensor_class(dtypes.float64, "cl")
HalfTensor = tensor_class(dtypes.float16, "cl")
BFloat16Tensor = tensor_class(dtypes.bfloat16, "cl")
ByteTensor = tensor_class(dtypes.uint8, "cl")
CharTensor = tensor_class(dtypes.int8, "cl")
ShortTensor = tensor_class(dtypes.int16, "cl")
IntTensor = tensor_class(dtypes.int32, "cl")
LongTensor = tensor_class(dtypes.int64, "cl")
BoolTensor = tensor_class(dtypes.bool_, "cl")

FloatStorage = storage_class(dtypes.float32, "cl")
DoubleStorage = storage_class(dtypes.float64, "cl")
HalfStorage = storage_class(dtypes.float16, "cl")
BFloat16Storage = storage_class(dtypes.bfloat16, "cl")
ByteStorage = storage_class(dtypes.uint8, "cl")
CharStorage = storage_class(dtypes.int8, "cl")
ShortStorage = storage_class(dtypes.int16, "cl")
IntStorage = storage_class(dtypes.int32, "cl")
LongStorage = storage_class(dtypes.int64, "cl")
BoolStorage = storage_class(dtypes.bool_, "cl")
