"""What a class of failures is called, and what to do about it, in English: code -> (sentence, advice)."""

FAILURES: dict[str, tuple[str, str]] = {
    "cuda_oom": (
        "the GPU ran out of memory",
        "lower the batch size, or see with `nvidia-smi` whether another process holds the GPU's memory.",
    ),
    "nccl_timeout": (
        "a collective operation timed out: one rank did not arrive",
        "look at the rank that is furthest behind, it failed or hung first; the others only waited for it.",
    ),
    "nccl_error": (
        "communication between the GPUs failed (NCCL)",
        "run it again with `NCCL_DEBUG=INFO`; if another rank fell first, its error is the one to mend.",
    ),
    "peer_lost": (
        "another rank went away",
        "look at the log of the rank that ended first, this one only lost its connection to it.",
    ),
    "rendezvous_timeout": (
        "the ranks did not all find each other in time",
        "do all nodes start, and can they reach MASTER_ADDR at MASTER_PORT?",
    ),
    "device_side_assert": (
        "a kernel on the GPU found an impossible value (device-side assert)",
        "mostly a label or token id outside its range; `CUDA_LAUNCH_BLOCKING=1`, or one step on the CPU, shows where.",
    ),
    "cuda_illegal_access": (
        "a kernel on the GPU touched memory that is not its own",
        "`CUDA_LAUNCH_BLOCKING=1` or `compute-sanitizer` finds the kernel; suspect custom or mismatched extensions.",
    ),
    "gpu_fault": (
        "the GPU itself failed",
        "`dmesg | grep -i xid` names the fault; take the GPU out of use until it has been reset or checked.",
    ),
    "cuda_driver": (
        "the GPU cannot be used: none is visible, or driver and build do not fit",
        "compare `nvidia-smi` with `python -m torch.utils.collect_env`, and check CUDA_VISIBLE_DEVICES.",
    ),
    "cudnn_error": (
        "cuDNN failed",
        "often too little GPU memory or another cuDNN on LD_LIBRARY_PATH; try a smaller batch first.",
    ),
    "cublas_error": (
        "cuBLAS failed",
        "often too little GPU memory or an index out of range; `CUDA_LAUNCH_BLOCKING=1` shows the call.",
    ),
    "host_oom": (
        "the machine or the job ran out of memory",
        "fewer DataLoader workers or smaller batches need less; ask the scheduler for more memory.",
    ),
    "shm_exhausted": (
        "shared memory (/dev/shm) is full",
        "start the container with `--shm-size=8g` or `--ipc=host`, or use fewer DataLoader workers.",
    ),
    "dataloader_worker_died": (
        "a DataLoader worker died",
        "`num_workers=0` shows its own error; a worker that was killed mostly ran out of memory.",
    ),
    "pool_worker_died": (
        "a worker of a process pool died",
        "a worker that was killed mostly ran out of memory: fewer of them (`n_jobs`), or smaller pieces.",
    ),
    "missing_module": (
        "a Python package is missing",
        "is it the right environment? `python -m pip list` in it tells.",
    ),
    "import_error": (
        "a package or shared library cannot be loaded",
        "its version does not fit the others: install the packages that are named in one go, for the same CUDA.",
    ),
    "missing_file": (
        "a file or folder does not exist",
        "check the path in the evidence, also as seen from this machine and this working directory.",
    ),
    "missing_command": (
        "a command does not exist",
        "is the environment active, and is the tool installed on this machine?",
    ),
    "permission": (
        "a file or folder may not be accessed",
        "`ls -l` on the path shows its owner and mode; is it mounted read-only?",
    ),
    "disk_full": (
        "the disk is full, or the quota used up",
        "`df -h` and `quota -s` tell which; remove old checkpoints, then resume.",
    ),
    "too_many_files": (
        "too many files are open",
        "raise it with `ulimit -n`, or use `torch.multiprocessing.set_sharing_strategy('file_system')`.",
    ),
    "process_limit": (
        "no more threads or processes may be started",
        "`ulimit -u` and OMP_NUM_THREADS: use fewer workers or threads.",
    ),
    "address_in_use": (
        "its network port is taken",
        "is an earlier run still alive? Otherwise choose another `--master_port`.",
    ),
    "auth_error": (
        "access was denied by a server",
        "log in again (`huggingface-cli login`, `wandb login`), or ask for access to the model.",
    ),
    "network_error": (
        "a server could not be reached, or refused the request",
        "does this machine have a network? Download beforehand, and set HF_HUB_OFFLINE=1.",
    ),
    "time_limit": (
        "the scheduler ended it at its time limit",
        "ask for more time, or checkpoint before the limit and resume.",
    ),
    "preempted": (
        "the scheduler or cloud took the machine back",
        "resume from the last checkpoint; a shorter checkpoint interval loses less.",
    ),
    "node_failure": (
        "the machine failed",
        "start again on another node (`--exclude`), and tell its administrators.",
    ),
    "cancelled": (
        "somebody cancelled the job",
        "`sacct -j JOB` tells who; nothing is to be mended if it was you.",
    ),
    "keyboard_interrupt": (
        "interrupted from the keyboard (Ctrl-C)",
        "nothing is to be mended if it was you.",
    ),
    "segfault": (
        "native code crashed (segmentation fault)",
        "`python -X faulthandler` prints the Python line; suspect extensions built for other versions.",
    ),
    "illegal_instruction": (
        "native code uses an instruction that this CPU does not have",
        "install a build for this CPU, or move to a newer one.",
    ),
    "bus_error": (
        "native code crashed (bus error)",
        "mostly a full /dev/shm or a file that shrank while it was mapped: look at `df -h`.",
    ),
    "device_mismatch": (
        "tensors are on different devices",
        "move model and batch to the same device with `.to(device)`.",
    ),
    "shape_mismatch": (
        "the shapes of tensors do not fit",
        "print the shapes before the line in the traceback; the last, smaller batch is a usual suspect.",
    ),
    "dtype_mismatch": (
        "the types of tensors do not fit",
        "cast inputs or weights to one dtype, or run the step under `torch.autocast`.",
    ),
    "index_out_of_range": (
        "a label or token id lies outside its range",
        "compare the highest id with the number of classes, or the tokenizer's vocabulary with the embedding.",
    ),
    "empty_dataset": (
        "the dataset is empty",
        "is the path to the data right, and does its file pattern match anything?",
    ),
    "autograd_error": (
        "the gradient cannot be computed",
        "`torch.autograd.set_detect_anomaly(True)` shows the operation; look for in-place changes and `detach`.",
    ),
    "ddp_unused_parameters": (
        "some parameters took no part in the loss",
        "use them all, or give DDP `find_unused_parameters=True`.",
    ),
    "nan_loss": (
        "the loss or the gradients became NaN or infinite",
        "go back to the last good checkpoint, lower the learning rate, check the last batch.",
    ),
    "checkpoint_mismatch": (
        "the checkpoint does not fit the model",
        "was it saved with other settings, or with the `module.` prefix of DDP?",
    ),
    "corrupt_checkpoint": (
        "a checkpoint cannot be read",
        "it was probably cut short when it was written: take the one before, and see whether the disk was full.",
    ),
    "corrupt_data": (
        "a data file cannot be read",
        "find the file in the evidence, fetch it again or leave it out.",
    ),
    "config_error": (
        "its configuration or command line is wrong",
        "the evidence names the key or option; compare it with `--help` or the schema.",
    ),
    "build_error": (
        "a kernel or extension could not be compiled",
        "the compiler's own message is above; do `nvcc --version` and the CUDA of PyTorch agree?",
    ),
    "syntax_error": (
        "the program is not valid Python",
        "the evidence's line, or the one before it; is it the right version of Python?",
    ),
    "key_error": (
        "a key is missing",
        "print the keys that are there: a column, batch or configuration is named differently.",
    ),
    "assertion": (
        "a check in the program failed",
        "the traceback's last line says what was expected.",
    ),
}
