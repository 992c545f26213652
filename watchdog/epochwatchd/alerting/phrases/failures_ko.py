"""What a class of failures is called, and what to do about it, in Korean: code -> (sentence, advice)."""

FAILURES: dict[str, tuple[str, str]] = {
    "cuda_oom": (
        "GPU 메모리 부족",
        "배치 크기를 줄이거나, `nvidia-smi`로 다른 프로세스가 GPU 메모리를 점유하고 있는지 확인하세요.",
    ),
    "nccl_timeout": (
        "집합 통신 시간 초과: 도착하지 않은 랭크가 있음",
        "가장 뒤처진 랭크를 확인하세요. 그 랭크가 먼저 멈췄고, 나머지는 기다렸을 뿐입니다.",
    ),
    "nccl_error": (
        "GPU 간 통신 실패 (NCCL)",
        "`NCCL_DEBUG=INFO`로 다시 실행해 보세요. 다른 랭크가 먼저 종료됐다면 그쪽 오류가 원인입니다.",
    ),
    "peer_lost": (
        "다른 랭크와 연결이 끊김",
        "가장 먼저 종료된 랭크의 로그를 확인하세요. 이 랭크는 연결만 잃었습니다.",
    ),
    "rendezvous_timeout": (
        "제한 시간 안에 모든 랭크가 모이지 못함",
        "모든 노드가 시작됐는지, MASTER_ADDR와 MASTER_PORT에 접속할 수 있는지 확인하세요.",
    ),
    "device_side_assert": (
        "GPU 커널에서 잘못된 값 발견 (device-side assert)",
        "대개 범위를 벗어난 라벨이나 토큰 번호 때문입니다. `CUDA_LAUNCH_BLOCKING=1`이나 CPU 실행으로 위치를 찾으세요.",
    ),
    "cuda_illegal_access": (
        "GPU 커널의 잘못된 메모리 접근",
        "`CUDA_LAUNCH_BLOCKING=1`이나 `compute-sanitizer`로 커널을 찾으세요. 직접 빌드한 확장 모듈부터 의심하세요.",
    ),
    "gpu_fault": (
        "GPU 하드웨어 오류",
        "`dmesg | grep -i xid`에서 오류 번호를 확인하고, 점검이 끝날 때까지 그 GPU를 쓰지 마세요.",
    ),
    "cuda_driver": (
        "GPU를 사용할 수 없음: 보이는 GPU가 없거나 드라이버와 빌드가 맞지 않음",
        "`nvidia-smi`와 `python -m torch.utils.collect_env`를 비교하고 CUDA_VISIBLE_DEVICES를 확인하세요.",
    ),
    "cudnn_error": (
        "cuDNN 오류",
        "GPU 메모리가 모자라거나 LD_LIBRARY_PATH에 다른 cuDNN이 있는 경우가 많습니다. 먼저 배치 크기를 줄여 보세요.",
    ),
    "cublas_error": (
        "cuBLAS 오류",
        "GPU 메모리 부족이나 범위를 벗어난 인덱스가 흔한 원인입니다. `CUDA_LAUNCH_BLOCKING=1`로 위치를 찾으세요.",
    ),
    "host_oom": (
        "서버 또는 작업의 메모리 부족",
        "DataLoader 워커 수나 배치 크기를 줄이거나, 스케줄러에 더 많은 메모리를 요청하세요.",
    ),
    "shm_exhausted": (
        "공유 메모리(/dev/shm) 부족",
        "컨테이너를 `--shm-size=8g`나 `--ipc=host`로 실행하거나 DataLoader 워커 수를 줄이세요.",
    ),
    "dataloader_worker_died": (
        "DataLoader 워커가 종료됨",
        "`num_workers=0`으로 실행하면 실제 오류가 보입니다. 강제 종료된 워커는 대개 메모리 부족이 원인입니다.",
    ),
    "pool_worker_died": (
        "프로세스 풀의 워커가 종료됨",
        "강제 종료된 워커는 대개 메모리 부족이 원인입니다. 워커 수(`n_jobs`)나 작업 크기를 줄이세요.",
    ),
    "missing_module": (
        "Python 패키지가 없음",
        "실행 환경이 맞나요? 그 환경에서 `python -m pip list`로 확인하세요.",
    ),
    "import_error": (
        "패키지나 공유 라이브러리를 불러올 수 없음",
        "버전이 서로 맞지 않습니다. 관련 패키지를 같은 CUDA 버전용으로 한 번에 다시 설치하세요.",
    ),
    "missing_file": (
        "파일이나 폴더가 없음",
        "로그에 나온 경로가 이 서버와 현재 작업 폴더에서도 맞는지 확인하세요.",
    ),
    "missing_command": (
        "명령을 찾을 수 없음",
        "가상 환경이 활성화되어 있는지, 이 서버에 그 도구가 설치되어 있는지 확인하세요.",
    ),
    "permission": (
        "파일이나 폴더에 접근 권한이 없음",
        "`ls -l`로 소유자와 권한을 확인하세요. 읽기 전용으로 마운트되어 있지는 않나요?",
    ),
    "disk_full": (
        "디스크가 가득 찼거나 할당량 초과",
        "`df -h`와 `quota -s`로 확인하고, 오래된 체크포인트를 지운 뒤 이어서 학습하세요.",
    ),
    "too_many_files": (
        "열린 파일이 너무 많음",
        "`ulimit -n` 값을 올리거나 `torch.multiprocessing.set_sharing_strategy('file_system')`을 사용하세요.",
    ),
    "process_limit": (
        "스레드나 프로세스를 더 만들 수 없음",
        "`ulimit -u`와 OMP_NUM_THREADS를 확인하고 워커나 스레드 수를 줄이세요.",
    ),
    "address_in_use": (
        "네트워크 포트가 이미 사용 중",
        "이전 실행이 남아 있는지 확인하고, 아니라면 `--master_port`를 바꾸세요.",
    ),
    "auth_error": (
        "서버가 접근을 거부함",
        "다시 로그인하거나(`huggingface-cli login`, `wandb login`) 모델 접근 권한을 요청하세요.",
    ),
    "network_error": (
        "서버에 연결할 수 없거나 요청이 거절됨",
        "네트워크 연결을 확인하세요. 미리 내려받고 HF_HUB_OFFLINE=1로 실행하는 방법도 있습니다.",
    ),
    "time_limit": (
        "스케줄러의 시간 제한으로 종료됨",
        "더 긴 시간을 요청하거나, 제한 시간 전에 체크포인트를 저장하고 이어서 학습하세요.",
    ),
    "preempted": (
        "스케줄러나 클라우드가 자원을 회수함 (선점)",
        "마지막 체크포인트에서 이어서 학습하세요. 저장 간격이 짧을수록 손실이 적습니다.",
    ),
    "node_failure": (
        "서버 장애",
        "다른 노드에서 다시 시작하고(`--exclude`) 관리자에게 알리세요.",
    ),
    "cancelled": (
        "누군가 작업을 취소함",
        "`sacct -j JOB`으로 누가 취소했는지 볼 수 있습니다. 직접 취소했다면 조치할 것은 없습니다.",
    ),
    "keyboard_interrupt": (
        "키보드로 중단됨 (Ctrl-C)",
        "직접 중단했다면 조치할 것은 없습니다.",
    ),
    "segfault": (
        "네이티브 코드 비정상 종료 (segmentation fault)",
        "`python -X faulthandler`로 실행하면 Python 코드 위치가 출력됩니다. 버전이 다른 확장 모듈부터 의심하세요.",
    ),
    "illegal_instruction": (
        "이 CPU가 지원하지 않는 명령어 사용",
        "이 CPU용으로 빌드된 패키지를 설치하거나 더 새로운 CPU에서 실행하세요.",
    ),
    "bus_error": (
        "네이티브 코드 비정상 종료 (bus error)",
        "대개 /dev/shm이 가득 찼거나 매핑된 파일의 크기가 줄어든 경우입니다. `df -h`를 확인하세요.",
    ),
    "device_mismatch": (
        "텐서들이 서로 다른 장치에 있음",
        "모델과 배치를 `.to(device)`로 같은 장치에 올리세요.",
    ),
    "shape_mismatch": (
        "텐서 모양(shape)이 맞지 않음",
        "트레이스백에 나온 줄 앞에서 모양을 출력해 보세요. 크기가 작은 마지막 배치가 원인일 때가 많습니다.",
    ),
    "dtype_mismatch": (
        "텐서 자료형(dtype)이 맞지 않음",
        "입력이나 가중치를 같은 자료형으로 바꾸거나 `torch.autocast` 안에서 실행하세요.",
    ),
    "index_out_of_range": (
        "레이블이나 토큰 번호가 범위를 벗어남",
        "가장 큰 번호를 클래스 수와, 토크나이저의 어휘 크기를 임베딩 크기와 비교하세요.",
    ),
    "empty_dataset": (
        "데이터셋이 비어 있음",
        "데이터 경로가 맞는지, 파일 이름 패턴에 맞는 파일이 있는지 확인하세요.",
    ),
    "autograd_error": (
        "기울기를 계산할 수 없음",
        "`torch.autograd.set_detect_anomaly(True)`로 연산을 찾고, in-place 연산과 `detach`를 확인하세요.",
    ),
    "ddp_unused_parameters": (
        "loss 계산에 쓰이지 않은 파라미터가 있음",
        "모두 사용하거나 DDP에 `find_unused_parameters=True`를 지정하세요.",
    ),
    "nan_loss": (
        "loss나 gradient가 NaN 또는 무한대",
        "정상이던 마지막 체크포인트로 돌아가 학습률을 낮추고, 마지막 배치를 확인하세요.",
    ),
    "checkpoint_mismatch": (
        "체크포인트가 모델과 맞지 않음",
        "다른 설정으로 저장됐거나 DDP의 `module.` 접두사가 붙어 있지 않은지 확인하세요.",
    ),
    "corrupt_checkpoint": (
        "체크포인트를 읽을 수 없음",
        "저장 도중 잘렸을 가능성이 큽니다. 그 이전 체크포인트를 쓰고, 디스크가 가득 차지 않았는지 확인하세요.",
    ),
    "corrupt_data": (
        "데이터 파일을 읽을 수 없음",
        "로그에 나온 파일을 찾아 다시 내려받거나 제외하세요.",
    ),
    "config_error": (
        "설정이나 명령줄 인자가 잘못됨",
        "로그에 나온 항목을 `--help`나 설정 스키마와 비교하세요.",
    ),
    "build_error": (
        "커널이나 확장 모듈 컴파일 실패",
        "위쪽에 컴파일러 메시지가 있습니다. `nvcc --version`과 PyTorch의 CUDA 버전이 같은지 확인하세요.",
    ),
    "syntax_error": (
        "Python 문법 오류",
        "로그에 나온 줄이나 그 앞줄을 확인하세요. Python 버전이 맞는지도 확인하세요.",
    ),
    "key_error": (
        "키가 없음",
        "실제로 있는 키를 출력해 보세요. 열, 배치 또는 설정의 이름이 다릅니다.",
    ),
    "assertion": (
        "프로그램의 검사(assert) 실패",
        "트레이스백의 마지막 줄에 기대한 조건이 있습니다.",
    ),
}
