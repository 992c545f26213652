"""What fails around the program: memory, disks, files, packages, the network, schedulers and signals. Data only."""

from __future__ import annotations

from epochwatchd.detection.failures.row import Row

_SHELL = r"(?:\S{1,200}: line \d+: {1,5}\d+ |\[\d+\] {1,5}\d+ |srun: error: \S+: tasks? [\d,-]+: )?"
"""What bash, Slurm and plain shells write before the name of the signal that ended a command."""
_FATAL = r"(?:Fatal Python error: |!+ )?"


def _signalled(number: int, name: str, words: str) -> tuple[str, ...]:
    """The lines in which shells, launchers and the interpreter report a process that ended by a signal."""
    return (
        rf"{_SHELL}{_FATAL}{words}(?:$| {{0,20}}\(core dumped|\s{{2}})",
        rf"\s*exitcode +: -{number}\b",
        rf".{{0,200}}\bfailed \(exitcode: -{number}\)",
        rf"\s*traceback +: Signal {number} \({name}\) received by PID",
        rf"(?:mpirun|mpiexec|prterun)\S* noticed that process .{{0,120}}exited on signal {number}\b",
        rf"\[\S+:\d+\] Signal: {words} \({number}\)",
        rf"\*\*\* {name} received at time",
    )


def _exited_by(number: int, name: str) -> tuple[str, ...]:
    """The exceptions in which a parent reports a child that ended by a signal."""
    return (
        rf"^ProcessExitedException: process \d+ terminated with signal {name}",
        rf"exits with return code = -{number}$",
        rf"^CalledProcessError: .{{0,600}}died with <Signals\.{name}: {number}>",
        rf"\bfailed \(exitcode: -{number}\)",
    )


MACHINE: tuple[Row, ...] = (
    Row(
        "host_oom",
        types="MemoryError",
        proofs=(
            r"\bDefaultCPUAllocator: (?:can't allocate memory|not enough memory)|\bstd::bad_alloc\b(?!: cuda)",
            r"^ParserError: [^\n]{0,80}out of memory",
            r"^_?ArrayMemoryError\b|^MemoryError: Unable to allocate|RESOURCE_EXHAUSTED: .{0,300}\bhost memory",
            r"OOM when allocating tensor with shape\S* and type \w+ on \S*(?:CPU|cpu):\d",
            r"^OutOfMemoryError: (?:Task was killed due to the node running low on memory|.{0,200}\bworkers? \(tasks)",
            r"^ArrowMemoryError: (?:malloc|realloc)",
        ),
        signs=(r"\[Errno 12\]|\b(?:error code|errno):? 12\b|Cannot allocate memory|\[WinError 1455\]",),
        said=(
            r"slurmstepd: error: Detected \d+ oom.kill event",
            r"slurmstepd: error: .{0,80}[Ee]xceeded (?:step |job )?memory limit",
            r"srun: error: \S+: tasks? [\d,-]+: Out Of Memory",
            r".{0,60}\b(?:[Ss]tate|STATE|JobState)\s{0,3}[:=]\s{0,3}OUT_OF_MEMORY\b",
            r".{0,80}\b(?:Out of memory|out of memory|Memory cgroup out of memory): Kill(?:ed)? process \d+",
            r".{0,80}\boom-kill:constraint=|\s*(?:Reason|reason|status|Error)\W{1,16}OOMKilled\b|TERM_MEMLIMIT\b",
            r"=>> PBS: job killed: (?:v?mem|pmem)\b",
            r"terminate called after throwing an instance of 'std::bad_alloc'|\s*what\(\):\s+std::bad_alloc",
            r".{0,60}\b(?:fork|mmap|malloc)\w*: (?:retry: )?Cannot allocate memory",
            r"(?:\S+: )?(?:line \d+: )?(?:fork: )?Cannot allocate memory$",
            r"(?:OpenBLAS|MKL)\S* error: .{0,40}[Mm]emory allocation|systemd-oomd\S* (?:killed|Killed)\b",
            r".{0,60}\breplica \S+ ran out-of-memory\b",
        ),
    ),
    Row(
        "shm_exhausted",
        proofs=(
            r"out of shared memory\. Please try to raise your shared memory limit",
            r"might be caused by insufficient shared memory",
            r"unable to (?:write to|allocate|resize|mmap)[^\n]{0,40}shared memory",
            r"unable to (?:write|allocate|mmap)[^\n]{0,80}</?torch_\d|No space left on device[^\n]{0,20}/dev/shm",
            r"/dev/shm[^\n]{0,120}No space left on device",  # noqa: S108 - a message, not a file
            r"shared memory segment[^\n]{0,120}(?:No space left|size \d+)|while creating shared memory segment",
            r"unable to open shared memory object[^\n]{0,120}No space left",
            r"[Ii]nsufficient (?:shared memory|space in /dev/shm)|/dev/shm.{0,60}(?:too small|is full)",
        ),
        said=(r"ERROR: Unexpected bus error encountered in worker\. This might be caused by insufficient shared",),
    ),
    Row(
        "dataloader_worker_died",
        proofs=(
            r"DataLoader worker \(pid(?:\(s\))?:? [\d, ]+\) (?:is killed by signal|exited unexpectedly)",
            r"DataLoader timed out after \d+ seconds|Pin memory thread exited unexpectedly",
        ),
        echo=True,
    ),
    Row(
        "pool_worker_died",
        types="TerminatedWorkerError",
        proofs=(r"A worker process managed by the executor was unexpectedly terminated",),
        echo=True,
    ),
    Row(
        "missing_module",
        types="ModuleNotFoundError PackageNotFoundError",
        proofs=(
            r"\bNo module named '?[\w.]+|requires the \S+ (?:library|package)|: `pip install",
            r"^ImportError: .{0,200} not installed|to be installed",
            r"^ImportError: .{0,120}[Pp]lease (?:pip )?install|^ImportError: [^\n]{0,400}\bpip install\b",
            r"[Mm]issing optional dependency",
        ),
        said=(
            r"\S*python[\d.]*: No module named [\w.]+|(?:\S*python[\d.]*: )?Error while finding module specification",
        ),
    ),
    Row(
        "import_error",
        types="ImportError",
        proofs=(
            r"cannot open shared object file|undefined symbol: |version `\S+' not found|cannot import name ",
            r"wrong ELF class|DLL load failed|partially initialized module",
            r"[Cc]ould not load (?:library|dynamic library) |cannot allocate memory in static TLS block",
            r"Unable to load any of \{|numpy\.dtype size changed|module compiled against ABI version",
            r"compiled using NumPy 1\.x cannot be run in|Library cudart\S* is not initialized",
            r"symbol lookup error|libdevice not found|operator torchvision::\S+ does not exist",
            r"CUDA Setup failed despite GPU being available|^RuntimeError: Numpy is not available",
            r"Couldn't load custom C\+\+ ops",
        ),
        said=(
            r"\S+: error while loading shared libraries: |\S+: symbol lookup error: ",
            r"\S+: \S+: version `\S+' not found|Could not load library lib\S+\. Error: ",
        ),
    ),
    Row(
        "missing_file",
        types="FileNotFoundError NotADirectoryError IsADirectoryError",
        signs=(
            r"\[Errno 2\]|[/.][^\n]{0,200} does not exist\b|[Ff]ile not found",
            r"[/.]\S{0,200} is not a (?:file|directory)\b|does not appear to have a file named|no file named",
            r"[Nn]o such file or directory|Can't find a valid checkpoint|doesn't exist on the Hub",
            (
                r"\b(?:[Ff]ile|[Dd]irectory|[Ff]older|[Pp]ath|[Cc]heckpoint)\b[^\n]{0,120}\b"
                r"(?:does not exist|doesn't exist|not found|could not be found|cannot be found)\b"
            ),
        ),
        said=(
            r"\S*python[\d.]*: can't open file ",
            r"[\w./-]{1,80}: (?:line \d+: )?.{1,200}: No such file or directory$",
            r".{1,200}: 그런 파일이나 디렉터리가 없습니다$|.{1,200}: 没有那个文件或目录$",
            r".{1,200}: Datei oder Verzeichnis nicht gefunden$|.{1,200}: Aucun fichier ou dossier de ce (?:nom|type)$",
        ),
    ),
    Row(
        "missing_command",
        proofs=(
            r"CUDA_HOME environment variable is not set|Ninja is required to load C\+\+ extensions",
            r"^FileNotFoundError: \[Errno 2\] [^\n]{0,300}\nraised in \S*subprocess\.py, _execute_child",
        ),
        said=(
            r"(?:\S+: )?(?:(?:line )?\d+: )?\S{1,120}: (?:command )?not found$",
            r".{1,160}: 명령(?:어를 찾을 수 없음|을 찾을 수 없습니다)$|.{1,160}: (?:Kommando|Befehl) nicht gefunden$",
            r".{1,160}: commande introuvable$|.{1,160}: 未找到命令$|.{1,160}: コマンドが見つかりません$",
            r"(?:srun: error: )?(?:\S+: )?execve\(\): \S+: No such file",
            r"\S*env: .{1,100}: No such file or directory",
        ),
    ),
    Row(
        "permission",
        types="PermissionError PermissionDeniedError",
        proofs=(r"\[Errno 30\]|Read-only file system",),
        signs=(r"\[Errno (?:13|1)\]|[Pp]ermission denied|Operation not permitted|\[WinError 5\]",),
        said=(
            r"(?:\S+: ){1,3}(?:line \d+: )?.{0,160}\b[Pp]ermission denied\.?$",
            r".{1,200}: 허가 거부$|.{1,200}: 权限不够$|.{1,200}: Keine Berechtigung$",
            r".{1,200}: Permission non accordée$",
        ),
    ),
    Row(
        "disk_full",
        proofs=(
            r"No space left on device|Disk quota exceeded|[Nn]ot enough (?:free )?disk space",
            r"[Dd]isk (?:is )?full\b|ENOSPC\b|PytorchStreamWriter failed writing file",
            r"database or disk is full|^OSError: \d+ requested and \d+ written",
        ),
        signs=(r"\[Errno (?:28|122)\]|inline_container\.cc:\d+\] \. unexpected pos",),
        said=(
            r"(?:\S+: ){1,3}.{0,160}(?:No space left on device|Disk quota exceeded)$",
            r".{1,200}: 장치에 남은 공간이 없음$|.{1,200}: 设备上没有空间$",
            r".{1,200}: Auf dem Gerät ist kein Speicherplatz mehr verfügbar$|.{1,200}: Aucun espace disponible sur",
        ),
    ),
    Row(
        "too_many_files",
        proofs=(r"\[Errno (?:24|23)\]|Too many open files|received 0 items of ancdata|inotify watch limit reached",),
        said=(r"(?:\S+: ){1,3}.{0,160}Too many open files(?: in system)?$",),
    ),
    Row(
        "process_limit",
        proofs=(
            r"can't start new thread|\[Errno 11\] Resource temporarily unavailable|pthread_create failed",
            r"Thread creation failed|Resource temporarily unavailable",
        ),
        said=(
            r"OpenBLAS blas_thread_init: (?:pthread_create failed|ensure that)",
            r".{0,80}fork: (?:retry: )?Resource temporarily unavailable",
            r"(?:OMP|libgomp)\b.{0,60}(?:Can't create|Thread creation failed|pthread_create)",
        ),
    ),
    Row(
        "address_in_use",
        proofs=(
            r"\[Errno 98\]|[Aa]ddress already in use|EADDRINUSE\b|[Pp]ort \d+ is (?:already )?in use",
            r"on port [^\n]{0,12}, but another process is utilizing|server socket has failed to (?:listen|bind)",
        ),
    ),
    Row(
        "auth_error",
        types="GatedRepoError AuthenticationError NoCredentialsError RepositoryNotFoundError LocalTokenNotFoundError",
        proofs=(
            r"\b401 Client Error|\b403 Client Error|Invalid username or password|[Uu]nauthorized\b",
            r"Access to model .{0,120}is restricted|api_key not configured",
            r"[Ii]nvalid (?:API key|user token|credentials|token)",
            r"is not a local folder and is not a valid model identifier|gated repo",
            r"You are trying to access a gated|HTTP Error 40[13]\b|An error occurred \(40[13]\)",
            r"\b40[13] (?:Forbidden|Unauthorized)|CommError: Permission denied|^Forbidden: 403",
            r"not have permission to access the requested",
            r"\(?(?:AccessDenied|InvalidAccessKeyId|ExpiredToken|SignatureDoesNotMatch)\)?",
        ),
        said=(r"wandb: ERROR (?:api_key not configured|API key)|wandb: Network error \(HTTPError\): 401",),
    ),
    Row(
        "network_error",
        types="LocalEntryNotFoundError ConnectTimeout ReadTimeout ProxyError SSLError MaxRetryError"
        " ChunkedEncodingError EndpointConnectionError OfflineModeIsEnabled CommError ConnectionError"
        " HTTPError URLError ConnectError ConnectionRefusedError HfHubHTTPError ClientConnectorError"
        " gaierror ClientPayloadError ClientOSError ServerDisconnectedError RemoteDisconnected"
        " APIConnectionError NoValidConnectionsError",
        proofs=(
            r"Max retries exceeded|NewConnectionError|NameResolutionError|Temporary failure in name resolution",
            r"Name or service not known|getaddrinfo failed|nodename nor servname",
            r"[Cc]ouldn't (?:connect to|reach) |[Rr]ead timed out",
            (
                r"^(?![\s\S]{0,1200}(?:gloo/transport|key-value store|raised in \S*torch/distributed/))"
                r"[^\n]{0,400}"
                r"[Cc]onnection (?:refused|timed out|reset by peer|aborted)"
            ),
            r"^[^\n]{0,400}(?:Network is unreachable|No route to host)|Failed to establish a new connection",
            r"Remote end closed connection|IncompleteRead|\b(?:429|500|502|503|504) (?:Client|Server) Error",
            r"HTTP Error (?:4\d\d|5\d\d)|Could not (?:connect to|resolve host)|CERTIFICATE_VERIFY_FAILED",
            r"Consistency check failed",
        ),
    ),
    Row(
        "time_limit",
        types="TimeLimitExceeded",
        proofs=(r"Job (?:has )?(?:timed out|exceeded the (?:time|maximum run))",),
        said=(
            r"(?:slurmstepd|srun): error: \*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT \S+ DUE TO TIME LIMIT",
            r"srun: error: .{0,60}DUE TO TIME LIMIT|TERM_RUNLIMIT\b",
            r"=>> PBS: job killed: (?:walltime|cput|ncpus)",
            r".{0,60}\b(?:[Ss]tate|STATE|JobState)\s{0,3}[:=]\s{0,3}TIMEOUT\b",
            r"\s*(?:Reason|reason)\W{1,16}DeadlineExceeded\b|.{0,60}CPU time limit exceeded",
        ),
    ),
    Row(
        "preempted",
        types="PreemptionError PreemptedError",
        proofs=(r"\bpreempted\b",),
        said=(
            r"(?:slurmstepd|srun): error: \*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT \S+ DUE TO PREEMPTION",
            r".{0,60}\b(?:[Ss]tate|STATE|JobState)\s{0,3}[:=]\s{0,3}PREEMPTED\b",
            r"submitit WARNING .{0,80}: this job is preempted",
            r".{0,100}(?:[Ss]pot|EC2|[Ii]nstance) interruption notice",
            r".{0,100}(?:[Ii]nstance|VM|[Nn]ode)\b.{0,40} (?:was|is being) preempted",
            r"\s*(?:Reason|reason)\W{1,16}(?:Preempted|Preempting|Evicted)\b",
        ),
    ),
    Row(
        "node_failure",
        said=(
            r"(?:slurmstepd|srun): error: .{0,120}DUE TO NODE FAILURE|srun: error: Node failure on ",
            r".{0,60}\b(?:[Ss]tate|STATE|JobState)\s{0,3}[:=]\s{0,3}NODE_FAIL\b",
        ),
    ),
    Row(
        "cancelled",
        said=(
            r"(?:slurmstepd|srun): error: \*\*\* JOB \S+ ON \S+ CANCELLED AT \S+ (?:DUE TO JOB REQUEUE )?\*\*\*",
            r"srun: Force Terminated |TERM_OWNER\b|=>> PBS: job (?:killed|deleted): (?:by|qdel)",
        ),
        echo=True,
    ),
    Row(
        "keyboard_interrupt",
        types="KeyboardInterrupt",
        proofs=(r"^SignalException: Process \d+ got signal: 2\b|^Abort(?:ed)?!",),
        said=(r"\^C(?:$|Traceback|\W)|KeyboardInterrupt$",),
        echo=True,
    ),
    Row(
        "segfault",
        proofs=(
            *_exited_by(11, "SIGSEGV"),
            r"exit status 3221225477|access violation reading 0x|Windows fatal exception: access violation",
            r"DataLoader worker [^\n]{0,40}is killed by signal: Segmentation fault",
        ),
        said=(
            *_signalled(11, "SIGSEGV", "Segmentation [Ff]ault"),
            r"!+ Segfault encountered !+|ERROR: Unexpected segmentation fault encountered in worker",
            r"Speicherzugriffsfehler",
            rf"{_SHELL}세그멘테이션 (?:오류|결함)|{_SHELL}段错误|{_SHELL}Erreur de segmentation",
        ),
    ),
    Row(
        "illegal_instruction",
        proofs=_exited_by(4, "SIGILL"),
        said=_signalled(4, "SIGILL", "Illegal [Ii]nstruction"),
    ),
    Row(
        "bus_error",
        proofs=_exited_by(7, "SIGBUS"),
        said=_signalled(7, "SIGBUS", "Bus [Ee]rror"),
    ),
)
