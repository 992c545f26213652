"""What fails on GPUs and between them. Data only."""

from __future__ import annotations

from epochwatchd.detection.failures.row import Row

GPUS: tuple[Row, ...] = (
    Row(
        "cuda_oom",
        types="OutOfMemoryError ResourceExhaustedError",
        proofs=(
            r"\b(?:CUDA|HIP|XPU|NPU|MPS backend|GPU) (?:ran )?[Oo]ut of memory",
            r"\b(?:CUDA|HIP|hip|Cuda|NCCL) (?:error|failure|driver error)(?: \d+)?:? '?out of memory",
            r"\bcuda runtime error \(2\)|Dst tensor is not initialized",
            r"\bcuda(?:ErrorMemoryAllocation|_ERROR_OUT_OF_MEMORY)|\bCUDA_ERROR_OUT_OF_MEMORY",
            r"RESOURCE_EXHAUSTED: (?!.*\bhost memory)(?:.{0,200}Out of memory|Attempting to reserve|.{0,300}hbm)",
            r"^ResourceExhaustedError.{0,200}(?:failed to allocate memory|Out of memory while trying)",
            r"OOM when allocating tensor with shape\S* and type \w+ on \S*(?:GPU|gpu|XLA_GPU|TPU):\d",
            r"^(?:NotEnoughMemory|OutOfMemory)Error: .{0,300}\b(?:GPU|CUDA|VRAM|cudaMalloc)\b",
            r"Resource exhausted: (?:OOM when|Out of memory)(?! .{0,200}(?:CPU|cpu):\d)",
            r"Ran out of memory in memory space (?:hbm|vmem)|\bCUBLAS_STATUS_ALLOC_FAILED",
            r"\bCUDNN_STATUS_ALLOC_FAILED|\bCUSPARSE_STATUS_ALLOC_FAILED",
            r"^ValueError: No available memory for the cache blocks|cudaMalloc(?:Async)? failed: out of memory",
            r"Memory not available to allocate buffer|Failed to CUDA calloc|cuMemCreate.{0,40}out of memory",
        ),
        signs=(
            r"^(?:Xla|Jax)RuntimeError: RESOURCE_EXHAUSTED",
            r"\b(?i:out of memory|failed to allocate)\b[^\n]{0,120}\b(?:GPU|gpu|VRAM|cuda:\d|device ordinal)\b",
        ),
        said=(
            r"(?:what\(\): +)?CUDA (?:out of memory\. Tried|error: out of memory)",
            r"MIOpen Error: .{0,200}Memory not available to allocate buffer",
        ),
    ),
    Row(
        "nccl_timeout",
        proofs=(
            r"Watchdog caught collective operation timeout",
            r"(?:Work|Process ?Group)NCCL\b.{0,600}ran for \d+ milliseconds before timing out",
            r"NCCL[^\n]{0,60}(?:timed? ?out|[Tt]imeout)\b",
            r"retrieving ncclUniqueId[^\n]{0,160}\btimeout",
            r"\[(?:Rank|PG)[^\n]{0,80}(?:Timeout at|collective operation timeout)|timed out in monitoredBarrier",
            r"reach monitoredBarrier|pass monitoredBarrier",
            r"Timed out waiting \d+ms for (?:recv|send) operation to complete",
            r"Heartbeat monitor timed out! Process will be terminated|Rank \d+ failed to pass monitoredBarrier",
        ),
        said=(
            r"\[[EF].{0,400}due to (?:ProcessGroupNCCL watchdog hang|collective timeout)",
            r"\[[EF].{0,400}'s watchdog got stuck for \d+ seconds",
            r"(?:\[[EF]|\s{0,8}what\(\)).{0,160}Watchdog caught collective operation timeout: Work",
            r"\[[EF].{0,200}Heartbeat monitor timed out! Process will be terminated",
        ),
        echo=True,
    ),
    Row(
        "nccl_error",
        types="DistBackendError NcclError",
        proofs=(
            r"\bNCCL error\b|\bNCCL Error \d|\bnccl(?:Unhandled\w+|System|Internal|Remote|Invalid\w+)Error\b",
            r"NCCL (?:WARN|operation|failure)\b[^\n]{0,80}(?:abort|fail|error|closed)",
            r"\b(?:RCCL|HCCL)\b[^\n]{0,40}(?:error|fail)|ncclCommInitRank failed|Duplicate GPU detected",
        ),
        signs=(r"NCCL communicator was aborted",),
        echo=True,
    ),
    Row(
        "peer_lost",
        proofs=(
            r"Connection closed by peer \[|gloo/transport/\S+ (?!Timed out)",
            r"[Cc]onnection (?:reset|closed|refused|aborted)[^\n]{0,200}\nraised in \S*torch/distributed/",
            r"\b(?:sendBytes|recvBytes|recvValue|recvVector) failed|failed to recv, got 0 bytes",
            r"[Rr]emote peer (?:closed|exited)|[Pp]eer (?:process|rank)[^\n]{0,30}(?:died|exited|gone)",
            r"(?:All tasks|Task \S+) .{0,80}(?:unhealthy|heartbeat timeout)",
            r"coordination service.{0,120}(?:heartbeat|disconnected|unavailable)|HorovodInternalError",
            r"Horovod has been shut down|a possible application crash on rank",
        ),
        said=(r"An MPI communication peer process has unexpectedly disconnected",),
        echo=True,
    ),
    Row(
        "rendezvous_timeout",
        types="RendezvousTimeoutError RendezvousConnectionError RendezvousClosedError",
        proofs=(
            r"seconds waiting for clients|client socket has (?:timed out|failed to connect)",
            r"^Dist\w+Error: (?:Socket Timeout|wait timeout after)|Socket Timeout$",
            r"[Tt]imed out initializing process group in store",
            r"[Tt]imed? ?out waiting for (?:clients|all workers|rendezvous)",
            r"DEADLINE_EXCEEDED: [^\n]{0,80}(?:Barrier|RegisterTask|coordination|GetKeyValue)",
        ),
        echo=True,
    ),
    Row(
        "device_side_assert",
        proofs=(
            r"device-side assert triggered|CUDA_ERROR_ASSERT\b|cudaErrorAssert\b",
            r"device kernel image.{0,20}assert",
        ),
        said=(r"\S+\.cuh?:\d+: .{0,600}: block: \[\d+,\d+,\d+\], thread: \[\d+,\d+,\d+\] Assertion `",),
    ),
    Row(
        "cuda_illegal_access",
        proofs=(
            r"an illegal memory access was encountered|CUDA_ERROR_ILLEGAL_ADDRESS\b|cudaErrorIllegalAddress\b",
            r"misaligned address\b|CUDA_ERROR_MISALIGNED_ADDRESS|an illegal instruction was encountered",
            r"Memory access fault by GPU node",
        ),
        said=(r"Memory access fault by GPU node-\d+",),
    ),
    Row(
        "gpu_fault",
        proofs=(
            r"uncorrectable (?:ECC|NVLink) error|ECC_UNCORRECTABLE|CUDA_ERROR_(?:HARDWARE_STACK|NVLINK)",
            r"hardware stack error|GPU (?:is lost|has fallen off the bus)|GPU is lost\.",
            r"unspecified launch failure|CUDA_ERROR_LAUNCH_FAILED|the launch timed out and was terminated",
        ),
        said=(
            r"Unable to determine the device handle for (?:GPU|gpu)",
            r".{0,60}NVRM: (?:Xid \(PCI:\S+\): (?:48|63|64|74|79|94|95|119|120)\b|GPU \S+ has fallen off)",
        ),
    ),
    Row(
        "cuda_driver",
        proofs=(
            r"Found no NVIDIA driver|No CUDA GPUs are available|no CUDA-capable device is detected",
            r"CUDA_ERROR_NO_DEVICE|NVIDIA driver on your system is too old|CUDA driver version is insufficient",
            r"forward compatibility was attempted|CUDA driver initialization failed",
            r"CUDA_ERROR_(?:NOT_INITIALIZED|SYSTEM_DRIVER_MISMATCH|COMPAT_NOT_SUPPORTED\w*|INVALID_DEVICE|UNKNOWN)",
            r"no kernel image is available for execution|invalid device ordinal|CUDA_ERROR_NO_BINARY_FOR_GPU",
            r"(?:driver/library|Driver/library) version mismatch",
            r"system has unsupported display driver / cuda driver|CUDA unknown error - this may be due to",
            r"CUDA initialization: |CUDA-capable devices?(?:\(s\))? (?:is/)?are busy or unavailable",
            r"Torch not compiled with CUDA enabled|not compiled with (?:GPU|CUDA) support",
            r"\b(?:CUDA|Cuda|GPU) is (?:not available|unavailable|required)",
            r"torch\.cuda\.is_available\(\) is False|provided PTX was compiled with an unsupported toolchain",
            r"device kernel image is invalid|system not yet initialized",
            r"Unable to initialize backend '(?:cuda|gpu|tpu|rocm)'|No visible GPU devices",
            r"only supports? Ampere GPUs|Expected a cuda device, but got: cpu",
            r"CUDA error: initialization error|NVML_ERROR_DRIVER_NOT_LOADED",
            r"NVMLError_(?:DriverNotLoaded|LibRmVersionMismatch|LibraryNotFound)",
            r"Cannot re-initialize CUDA in forked subprocess|No supported gpu backend found",
            r"No HIP GPUs are available|\bcan ?not run on your system since the accelerator is not available",
        ),
    ),
    Row(
        "cudnn_error",
        proofs=(
            r"\b(?:cuDNN|CUDNN|MIOpen) [Ee]rror\b|\bCUDNN_STATUS_(?!ALLOC_FAILED)[A-Z]|\bmiopenStatus[A-Z]\w+",
            r"Unable to find a valid cuDNN algorithm|(?:FIND|GET) was unable to find an engine to execute",
            r"DNN library (?:is not found|initialization failed)|Could not create cudnn handle",
            r"cuDNN launch failure|No algorithm worked|Failed to get convolution algorithm",
            r"[Ff]ailed to initialize cuDNN|cuDNN version incompatibility",
        ),
    ),
    Row(
        "cublas_error",
        signs=(
            r"\b(?:CUBLAS|HIPBLAS|ROCBLAS)_STATUS_(?!ALLOC_FAILED)[A-Z]|Blas (?:x?GEMM|GEMV)\w* launch failed",
            r"cublas error|perform BLAS operation using StreamExecutor without BLAS support",
        ),
        echo=True,
    ),
)
