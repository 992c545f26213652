"""Korean. Sentences end in nouns and names come first, so that no particle depends on how a name is pronounced."""

from epochwatchd.alerting.phrases import failures_ko, lines_ko

FAILURES: dict[str, tuple[str, str]] = failures_ko.FAILURES

KINDS: dict[str, str] = {
    "running": "실행 중",
    "finished": "완료",
    "crashed": "비정상 종료",
    "interrupted": "중단됨",
    "silent": "무응답",
    "stalled": "학습 정체",
    "diverged": "loss 발산",
    "lost": "신호 끊김",
    "overdue": "예정 시간 초과",
    "missing": "미시작",
    "started": "시작",
    "watchdog": "감시 데몬 이상",
    "digest": "요약",
}

HEADLINES: dict[str, str] = {
    "firing": "{on_host}{job} {kind}",
    "firing.crashed": "{on_host}{job} 비정상 종료",
    "firing.silent": "{on_host}{job} {age}째 멈춰 있음",
    "firing.stalled": "{on_host}{job} 학습 정체",
    "firing.diverged": "{on_host}{job} loss 발산",
    "firing.lost": "{on_host}{job} 신호 끊김",
    "firing.overdue": "{on_host}{job} 예정 시간 초과",
    "firing.missing": "{on_host}{job} 시작되지 않음",
    "firing.watchdog": "{on_host}감시 데몬 이상",
    "resolved": "{on_host}{job} {kind} 해소 ({age} 지속)",
    "resolved.silent": "{on_host}{job} 다시 진행 중 ({age} 동안 멈춤)",
    "resolved.crashed": "{on_host}{job} 다시 실행 중 ({age} 만에)",
    "resolved.diverged": "{on_host}{job} loss 발산 해소 ({age} 지속)",
    "resolved.lost": "{on_host}{job} 연락 복구 ({age} 만에)",
    "resolved.missing": "{on_host}{job} 뒤늦게 시작됨 ({age} 지연)",
    "resolved.watchdog": "{on_host}감시 데몬 정상화 ({age} 만에)",
    "notice": "{on_host}{job} {kind}",
    "notice.finished": "{on_host}{job} 학습 완료 (소요 시간 {elapsed})",
    "notice.interrupted": "{on_host}{job} 중단됨",
    "notice.started": "{on_host}{job} 학습 시작",
    "notice.digest": "{on_host}지난 {age} 요약",
    "notice.started.test": "{on_host}epochwatch 시험 메시지",
}

REASONS: dict[str, str] = {
    "reminder": "[계속] {headline}",
    "worse": "[악화] {headline}",
    "amended": "[원인 확인] {headline}",
    "unacked": "[미확인] {headline}",
    "resolved.first": "[발생 후 해소] {headline}",
}

TIMES: dict[str, str] = {
    "notice.digest": "{since}부터 {detected}까지",
    "firing": "{since}부터 {age}째, 실행 시간 {elapsed}",
    "firing.crashed": "{since}, 실행 {elapsed} 만에",
    "firing.missing": "예정 시각 {since}",
    "firing.watchdog": "{since}부터",
    "resolved": "{since}부터 {detected}까지 ({age})",
    "notice": "{since}",
    "notice.finished": "{since}, 실행 시간 {elapsed}",
    "notice.interrupted": "{since}, 실행 시간 {elapsed}",
}

BRIEF: dict[str, tuple[str, ...]] = {
    "summary": ("완료 {finished}, 실패 {failed}, 실행 중 {running}",),
    "exception": ("{type}", "예외"),
    "oom_kill": ("메모리 부족으로 강제 종료 (OOM)",),
    "gpu_lost": ("GPU {gpus} 인식 불가", "GPU 인식 불가"),
    "deadlock": ("{at}에서 대기 중", "CPU를 쓰지 않고 대기 중"),
    "busy": ("{at}에서 계산 중", "CPU는 쓰지만 진행 없음"),
    "io_wait": ("{at}에서 디스크 대기 중", "디스크나 네트워크 대기 중"),
    "network_wait": ("네트워크 대기 중",),
    "polling": ("{at}에서 반복 확인 중", "잠들었다 깨며 반복 확인 중"),
    "peer_wait": ("다른 랭크를 기다림",),
    "crashed.unknown": ("어떻게 끝났는지 알 수 없음",),
    "keyboard_interrupt": ("Ctrl-C (에폭 {epoch}/{epochs})", "Ctrl-C (스텝 {step}/{steps})", "Ctrl-C"),
    "terminated.orderly": ("{signal} 뒤 정상 종료", "정상 종료"),
    "unseen_status": (
        "에폭 {epoch}/{epochs}에서 끝남, 종료 코드 모름",
        "스텝 {step}/{steps}에서 끝남, 종료 코드 모름",
        "종료 코드 모름",
    ),
    "too_fast": ("지나치게 빨리 끝남",),
    "error_in_output": ("출력이 오류로 끝남",),
    "still_there": ("끝났지만 GPU {gpus} 점유 중", "끝났지만 프로세스가 남아 있음"),
    "exec": ("다른 프로그램({program})으로 바뀜", "다른 프로그램으로 바뀜"),
    "finished.exec": ("다른 프로그램으로 끝남",),
    "stopped": ("워커 {child}이(가) 정지됨", "일시 정지됨 (SIGSTOP, Ctrl-Z)"),
    "stopped.terminal": ("백그라운드에서 터미널 입력을 기다림",),
    "stopped.prompt": ("프롬프트나 디버거에서 대기 중",),
    "busy.gpu": ("GPU는 일하지만 진행 없음",),
    "io_wait.moving": ("읽거나 쓰지만 진행 없음",),
    "silent.unknown": ("원인 모름",),
    "gpu_idle": ("GPU {gpus}이(가) {idle_s}째 놀고 있음", "GPU가 놀고 있음"),
    "gpu_spin": ("GPU {gpus} 공회전", "GPU 공회전"),
    "gpu_driver": ("NVIDIA 드라이버 응답 없음",),
    "step_frozen": ("스텝 {step}에서 {stood_s}째 진행 없음", "스텝 진행 없음"),
    "loss_exploded": ("loss 폭증",),
    "unreachable": ("데이터그램이 끊김",),
    "past_estimate": ("처음보다 훨씬 느림",),
    "run_set_aside": ("{runs} 판정 보류", "실행 하나 판정 보류"),
    "too_many_runs": ("{user}의 실행이 너무 많음", "실행이 너무 많음"),
    "store_unwritable": ("저장소에 쓸 수 없음",),
    "store_replaced": ("저장소 손상",),
    "config_refused": ("새 설정에 오류가 있음",),
    "daemon_ended": ("비정상 종료됨 ({result})", "비정상 종료됨"),
    "login_ends": ("{channel} 로그인이 {day}에 끝남", "로그인이 곧 끝남"),
}
"""제목에 쓸 짧은 말. 자세한 원인은 그 아래에 적습니다."""

CAUSES: dict[str, tuple[str, ...]] = {
    "summary": (
        "멈춰 있던 시간 모두 {lost_s}: {gpu_hours} GPU시간 낭비",
        "멈춰 있던 시간 모두 {lost_s}",
        "멈춘 작업 없음",
    ),
    "exception": ("{type}: {message}", "{type}", "처리되지 않은 예외"),
    "keyboard_interrupt": (
        "키보드로 중단 (Ctrl-C), 에폭 {epoch}/{epochs}",
        "키보드로 중단 (Ctrl-C), 스텝 {step}/{steps}",
        "키보드로 중단 (Ctrl-C)",
    ),
    "preempted": ("스케줄러가 자원을 회수함",),
    "still_there": (
        "계획한 학습은 모두 끝났고, 프로세스가 GPU {gpus} 메모리를 잡은 채 남아 있음",
        "계획한 학습은 모두 끝났고, 프로세스는 아직 남아 있음",
    ),
    "retried": ("앞서 {times}번 실패한 뒤 완료", "앞서 실패한 뒤 완료"),
    "error_in_output": ("종료 코드는 0이지만 출력이 오류로 끝남",),
    "time_limit": ("시간 제한이 끝남",),
    "shutdown": ("서버가 종료되는 중",),
    "hangup": ("터미널 또는 SSH 연결이 닫힘",),
    "exit_code": ("종료 코드 {status}", "스스로 종료됨"),
    "exit_code.0": ("끝까지 실행되지 않고 종료 코드 0으로 종료됨 (os._exit 등)",),
    "signal": ("{signal} 시그널로 강제 종료됨 ({core})", "{signal} 시그널로 강제 종료됨", "시그널로 강제 종료됨"),
    "oom_kill": ("메모리 부족으로 커널이 강제 종료함 ({signal})", "메모리 부족으로 커널이 강제 종료함"),
    "terminated": ("{signal} 시그널로 종료 요청을 받음", "종료 요청 시그널을 받음"),
    "terminated.orderly": (
        "{signal} 시그널을 받고 정상적으로 정리 후 종료 (에폭 {epoch}/{epochs})",
        "{signal} 시그널을 받고 정상적으로 정리 후 종료 (스텝 {step}/{steps})",
        "{signal} 시그널을 받고 정상적으로 정리 후 종료",
        "정상적으로 정리 후 종료",
    ),
    "reported": ("작업이 실패를 알림: {reason}", "작업이 실패를 알림"),
    "reboot": ("실행 도중 서버가 꺼지거나 재부팅됨",),
    "crashed.unknown": ("프로세스가 사라졌고, 어떻게 끝났는지 알 수 없음",),
    "unknown.unreaped": ("프로세스가 종료되었으나, 어떻게 끝났는지는 아직 알 수 없음",),
    "stopped": (
        "워커 프로세스 {child} 일시 정지 상태 (SIGSTOP, Ctrl-Z 또는 디버거)",
        "프로세스가 일시 정지 상태 (SIGSTOP, Ctrl-Z 또는 디버거)",
    ),
    "stopped.terminal": ("백그라운드에서 터미널 입력을 기다리는 중",),
    "stopped.prompt": ("프로세스가 프롬프트나 디버거에서 입력을 기다리는 중",),
    "deadlock": (
        "프로세스가 CPU를 쓰지 않고 대기 중, 워커 프로세스 {child} 강제 종료됨 ({child_signal})",
        "프로세스가 CPU를 쓰지 않고 대기 중, 데드락으로 보임",
    ),
    "network_wait": ("프로세스가 네트워크나 다른 프로그램의 응답을 기다리는 중",),
    "polling": ("프로세스가 잠들었다 깨며 오지 않는 것을 반복해서 확인하는 중",),
    "peer_wait": ("프로세스가 같은 실행의 다른 프로세스를 기다리는 중",),
    "busy": (
        "워커 프로세스 {child}: CPU는 쓰고 있지만 프로세스의 하트비트가 없음",
        "프로세스가 CPU는 쓰고 있지만 하트비트가 없음",
    ),
    "busy.gpu": ("GPU는 작업 중이지만 프로세스의 하트비트가 없음",),
    "io_wait": (
        "워커 프로세스 {child}: 커널에서 디스크나 네트워크 파일 시스템을 기다리는 중",
        "프로세스가 커널에서 디스크나 네트워크 파일 시스템을 기다리는 중",
    ),
    "io_wait.moving": ("프로세스가 데이터를 계속 읽고 쓰지만 하트비트가 없음",),
    "exec": (
        "프로세스가 하트비트를 보내지 않는 다른 프로그램으로 바뀜: {program}",
        "프로세스가 하트비트를 보내지 않는 다른 프로그램으로 바뀜",
    ),
    "finished.exec": (
        "다른 프로그램으로 바뀐 뒤 종료 코드 0으로 종료됨: {program}",
        "다른 프로그램으로 바뀐 뒤 종료 코드 0으로 종료됨",
    ),
    "silent.unknown": ("프로세스는 살아 있지만 하트비트가 없는 이유를 알 수 없음",),
    "gpu_idle": (
        "GPU {gpus}: {idle_s}째 유휴 상태, 메모리 {memory_mib} 점유 중",
        "GPU {gpus}: {idle_s}째 유휴 상태",
        "GPU 유휴 상태",
    ),
    "gpu_lost": ("GPU {gpus} 인식 불가 (fallen off the bus)", "GPU 인식 불가 (fallen off the bus)"),
    "gpu_spin": ("GPU {gpus} 공회전, 사용률은 100%지만 실제 작업이 없음", "GPU 공회전: 실제 작업이 없음"),
    "gpu_error": ("GPU {gpus}: Xid {xid} 오류", "GPU {gpus}: 오류", "GPU 오류"),
    "gpu_error.hardware": ("GPU {gpus}: 하드웨어 고장 (Xid {xid})", "GPU {gpus}: 메모리 고장", "GPU 하드웨어 고장"),
    "gpu_error.noted": ("GPU {gpus}: 메모리 자체 복구 발생 (Xid {xid})", "GPU 메모리 자체 복구 발생"),
    "gpu_driver": (
        "NVIDIA 드라이버가 {waiting_s}째 응답하지 않아 GPU {gpus}의 상태를 알 수 없음",
        "NVIDIA 드라이버가 응답하지 않음",
    ),
    "step_frozen": (
        "하트비트는 오지만 스텝 {step}에서 {stood_s}째 진행 없음",
        "하트비트는 오지만 스텝이 진행되지 않음",
    ),
    "loss_nan": ("loss가 NaN",),
    "loss_inf": ("loss가 무한대",),
    "loss_exploded": ("loss가 평소보다 크게 폭증",),
    "unreachable": ("데이터그램이 끊김: 프로세스, 서버 또는 네트워크 장애",),
    "overdue": ("제한 시간 {limit_s} 초과", "예정된 시간을 초과함"),
    "past_estimate": ("초반 속도 기준 예상 소요 시간은 {estimate_s}", "초반 속도로 예상한 시간을 크게 초과함"),
    "run_set_aside": (
        "{runs} ({user}) 판정 보류: 감시 데몬 내부 오류",
        "{run} 판정 보류: 감시 데몬 내부 오류",
        "실행 하나의 판정 보류: 감시 데몬 내부 오류",
    ),
    "too_many_runs": (
        "{user} 사용자의 실행이 한도를 넘어 일부는 감시하지 못함",
        "발신자를 알 수 없는 실행이 한도를 넘어 일부는 감시하지 못함",
    ),
    "store_unwritable": ("저장소에 쓸 수 없음: {problem}", "저장소에 쓸 수 없음"),
    "store_replaced": ("저장소 손상: {file} 이름으로 보관하고 새 저장소를 시작함", "새 저장소를 시작함"),
    "config_refused": ("새 설정이 거부되어 이전 설정을 계속 사용함",),
    "channel_parked": ("{channel} 채널로 알림을 보낼 수 없음", "한 채널로 알림을 보낼 수 없음"),
    "daemon_ended": (
        "감시 데몬이 비정상 종료됨 ({result}, {status})",
        "감시 데몬이 비정상 종료됨",
    ),
    "login_ends": ("{channel} 채널의 로그인이 {day}에 끝남", "한 채널의 로그인이 곧 끝남"),
    "not_begun": ("예정 시각 이후 {within_s} 안에 시작된 실행이 없음", "예정 시각에 시작된 실행이 없음"),
    "stopped_early": (
        "계획보다 일찍 종료됨 (에폭 {epoch}/{epochs})",
        "계획보다 일찍 종료됨 (스텝 {step}/{steps})",
        "계획보다 일찍 종료됨",
    ),
    "unseen_status": (
        "정상적으로 종료 절차를 밟았으나 종료 코드를 확인하지 못함 (계획보다 일찍 종료됨: 에폭 {epoch}/{epochs})",
        "정상적으로 종료 절차를 밟았으나 종료 코드를 확인하지 못함 (계획보다 일찍 종료됨: 스텝 {step}/{steps})",
        "정상적으로 종료 절차를 밟았으나 종료 코드를 확인하지 못함",
    ),
    "too_fast": ("지나치게 빨리 끝남 (최소 {least_s} 예상)", "지나치게 빨리 끝남"),
    "finished.reported": (
        "{reason} (계획보다 일찍 종료됨: 에폭 {epoch}/{epochs})",
        "{reason} (계획보다 일찍 종료됨: 스텝 {step}/{steps})",
        "{reason}",
    ),
    "test": ("이 채널은 정상 동작합니다",),
    "unknown": ("원인을 알 수 없음",),
}

ADVICE: dict[str, tuple[str, ...]] = {
    "exception": ("트레이스백에서 직접 작성한 코드의 마지막 줄을 확인하세요.",),
    "exception.OutOfMemoryError": (
        "배치 크기를 줄이거나, `nvidia-smi`로 다른 프로세스가 GPU 메모리를 점유하고 있는지 확인하세요.",
    ),
    "exception.ModuleNotFoundError": ("실행 환경이 맞나요? 그 환경에서 `python -m pip list`로 확인하세요.",),
    "keyboard_interrupt": (),
    "still_there": (
        "입력을 기다리거나 서버로 동작 중일 수 있습니다. `kill {pid}`로 끝낼 수 있습니다.",
        "입력을 기다리거나 서버로 동작 중일 수 있습니다.",
    ),
    "error_in_output": ("셸에서 `set -o pipefail`을 쓰면 파이프 뒤에서도 종료 코드가 전달됩니다.",),
    "preempted": ("마지막 체크포인트부터 다시 시작하세요. 스케줄러가 자동으로 다시 시작할 수도 있습니다.",),
    "time_limit": ("제한 시간을 늘리거나, 마지막 체크포인트부터 이어서 실행하세요.",),
    "shutdown": ("서버가 다시 켜지면 다시 시작하세요. 재부팅 기록은 `last -x`로 볼 수 있습니다.",),
    "hangup": ("`nohup`, `tmux` 또는 `screen` 안에서 시작하면 연결이 끊겨도 계속 실행됩니다.",),
    "exit_code": ("작업 로그의 마지막 부분에서 종료 이유를 확인하세요.",),
    "signal": ("`python -X faulthandler`로 실행하면 시그널이 발생한 Python 코드 줄이 출력됩니다.",),
    "signal.SIGKILL": (
        "`kill -9`, 스케줄러, 또는 메모리가 부족한 커널이 보낼 수 있습니다. 커널의 기록은 `journalctl -k`에 있습니다.",
    ),
    "oom_kill": ("DataLoader 워커 수나 배치 크기를 줄이세요. 메모리 사용 내역은 `journalctl -k`에서 볼 수 있습니다.",),
    "terminated": ("누군가의 `kill`이나 스케줄러 때문일 수 있습니다. 어디에서 실행됐는지는 아래 로그를 보세요.",),
    "reboot": ("`journalctl -b -1 -e`로 서버가 꺼지기 직전의 기록을 확인하세요.",),
    "crashed.unknown": ("작업 로그의 마지막 부분을 확인하세요. 커널이 종료했다면 `journalctl -k`에 기록이 남습니다.",),
    "stopped": (
        "`kill -CONT {child_pid}`로 다시 진행시킬 수 있습니다.",
        "`kill -CONT {pid}`로 다시 진행시킬 수 있습니다.",
        "`kill -CONT`로 다시 진행시킬 수 있습니다.",
    ),
    "stopped.terminal": ("셸에서 `fg`로 되돌리세요. `< /dev/null`로 시작하면 기다리지 않고 바로 실패합니다.",),
    "stopped.prompt": ("해당 터미널에서 입력해 주세요. 코드에 남은 `breakpoint()`가 원인일 수 있습니다.",),
    "exec": ("이런 프로그램은 `epochwatch run`으로 시작하거나, 직접 하트비트를 보내게 하세요.",),
    "finished.exec": (),
    "deadlock": (
        "{at}에서 무엇을 기다리는지 확인하세요. 거기까지의 호출 스택은 위에 있습니다.",
        "`py-spy dump --pid {pid}`로 각 스레드가 무엇을 기다리는지 확인하세요.",
        "`py-spy dump`로 각 스레드가 무엇을 기다리는지 확인하세요.",
    ),
    "network_wait": (
        "{at}의 상대가 살아 있는지 확인하세요. 타임아웃을 두면 바로 알 수 있습니다.",
        "`ss -tnp | grep pid={pid}`로 누구와 통신하는지 확인하세요.",
        "통신 상대가 살아 있는지 확인하세요.",
    ),
    "polling": (
        "{at}에서 기다리는 것이 정말 오는지 확인하세요.",
        "`py-spy dump --pid {pid}`로 무엇을 기다리는지 확인하세요.",
        "`py-spy dump`로 무엇을 기다리는지 확인하세요.",
    ),
    "peer_wait": ("다른 랭크를 확인하세요. 그중 하나가 여기까지 오지 않고 있습니다.",),
    "busy": (
        "`py-spy dump --pid {child_pid}`로 무엇을 계산하는지 확인하고, 긴 구간은 `agent.phase(...)`로 알려 주세요.",
        "{at}에서 오래 걸리는 것이 정상이라면 `agent.phase(...)`로 알려 주세요.",
        "`py-spy dump --pid {pid}`로 무엇을 계산하는지 확인하고, 긴 구간은 `agent.phase(...)`로 알려 주세요.",
        "긴 구간은 `agent.phase(...)`로 알려 주세요.",
    ),
    "io_wait": (
        "`cat /proc/{pid}/stack`으로 어디서 기다리는지 보고, 디스크나 네트워크 파일 시스템을 점검하세요.",
        "디스크나 네트워크 파일 시스템을 점검하세요.",
    ),
    "silent.unknown": (
        "`py-spy dump --pid {pid}`로 각 스레드의 상태를 확인하세요.",
        "작업 로그의 마지막 부분을 확인하세요.",
    ),
    "gpu_idle": (
        "`py-spy dump --pid {pid}`로 무엇을 기다리는지 확인하세요. 데이터 로더인 경우가 많습니다.",
        "무엇을 기다리는지 확인하세요. 데이터 로더인 경우가 많습니다.",
    ),
    "gpu_lost": ("`dmesg | grep -i xid`에서 오류 번호를 확인하세요. 대개 서버를 재부팅해야 합니다.",),
    "gpu_spin": ("다른 랭크를 기다리는 중일 가능성이 큽니다. 가장 느린 랭크를 확인하세요.",),
    "gpu_error": ("`dmesg | grep -i xid`에서 오류 번호를 확인하세요.",),
    "gpu_error.program": (
        "대개 프로그램 자체의 오류입니다. `CUDA_LAUNCH_BLOCKING=1`로 실행하면 문제를 일으킨 호출을 알 수 있습니다.",
    ),
    "gpu_error.hardware": ("저장할 수 있는 것은 저장하고, 초기화와 점검이 끝날 때까지 이 GPU를 사용하지 마세요.",),
    "gpu_error.noted": ("학습은 계속될 수 있습니다. GPU가 비면 초기화하고, 자주 반복되면 점검을 맡기세요.",),
    "gpu_driver": (
        "`nvidia-smi`도 멈추나요? 그렇다면 대개 서버를 재부팅해야 합니다. `dmesg | grep -i nvrm`도 확인하세요.",
    ),
    "step_frozen": (
        "`py-spy dump --pid {pid}`로 무엇을 반복하는지 확인하고, 긴 평가 구간은 `agent.phase(...)`로 알려 주세요.",
        "긴 평가 구간은 `agent.phase(...)`로 알려 주세요.",
    ),
    "loss_nan": ("정상이던 마지막 체크포인트로 돌아가 학습률을 낮추고, 마지막 배치를 확인하세요.",),
    "loss_inf": ("정상이던 마지막 체크포인트로 돌아가 학습률을 낮추고, 마지막 배치를 확인하세요.",),
    "loss_exploded": ("정상이던 마지막 체크포인트로 돌아가 학습률을 낮추고, 마지막 배치를 확인하세요.",),
    "unreachable": ("서버가 켜져 있나요? `ping {host}`", "서버가 켜져 있나요?"),
    "overdue": ("계속 두거나, 설정에서 이 작업의 `max_runtime`을 늘리세요.",),
    "past_estimate": ("느려진 원인을 확인하세요: 같은 서버의 다른 작업, 데이터 로더, GPU 과열 등.",),
    "run_set_aside": ("학습에는 영향이 없습니다. 한 시간 안에 다시 판정합니다. 감시 데몬의 로그를 제보해 주세요.",),
    "too_many_runs": ("감시가 필요 없는 실행을 끝내세요. 자리가 나면 기다리던 실행을 바로 감시합니다.",),
    "store_unwritable": ("디스크 공간을 확보하거나 폴더 권한을 고치세요. 그동안 알림은 메모리에서 바로 전송됩니다.",),
    "store_replaced": ("디스크를 확인하세요(`dmesg`). 실행 중인 학습은 다시 찾았습니다. 이전 기록은 보관됐습니다.",),
    "channel_parked": (
        "`epochwatchd test-alert {channel}`로 원인을 확인하고 고친 뒤 `systemctl reload epochwatchd`를 실행하세요.",
    ),
    "daemon_ended": ("systemd가 다시 시작합니다. 원인은 `journalctl -u epochwatchd -n 50`에 있습니다.",),
    "login_ends": ("`epochwatchd login {channel}`로 다시 로그인하세요.", "`epochwatchd login`으로 다시 로그인하세요."),
    "config_refused": ("`epochwatchd check`가 알려 주는 줄을 고친 뒤 `systemctl reload epochwatchd`를 실행하세요.",),
    "not_begun": ("`crontab -l`, `systemctl list-timers` 또는 스케줄러 로그에서 실제로 실행됐는지 확인하세요.",),
    "unseen_status": ("작업 로그의 마지막 부분에서 정상적으로 끝났는지 확인하세요.",),
    "too_fast": ("데이터가 제대로 있었는지, 체크포인트가 이미 완료 상태였는지 작업 로그에서 확인하세요.",),
}

PROGRESS: tuple[tuple[str, ...], ...] = (
    ("에폭 {epoch_shown}/{epochs}", "에폭 {epoch_shown}"),
    ("스텝 {step}/{steps}", "스텝 {step}"),
    (
        "loss {loss} (최저 {best_loss}, {best_epoch}에폭)",
        "loss {loss} (최저 {best_loss}, {best_step}스텝)",
        "loss {loss} (최저 {best_loss})",
        "loss {loss}",
    ),
    ("{metrics}",),
    ("남은 시간 약 {eta_s}",),
)
CHECKPOINT: tuple[tuple[str, ...], ...] = (("{ckpt_age} 전",), ("{ckpt}",))
MEMORY: tuple[tuple[str, ...], ...] = (("최대 {peak_mib} / {limit_mib}", "최대 {peak_mib}"),)
PLACE: tuple[tuple[str, ...], ...] = (("{host}",), ("pid {pid}",), ("run {run}",), ("사용자 {user}",))
COMMAND: tuple[tuple[str, ...], ...] = (("{argv}",), ("폴더 {cwd}",), ("{tags}",))
ON_HOST = "[{host}] "
RANKED = "{job} (랭크 {rank})"
CORE_DUMPED = "코어 덤프 저장됨"
STANDS = "{sentence} (메인 스레드 위치: {at})"

LINES: dict[str, str] = {**KINDS, **lines_ko.LINES}

LABELS: dict[str, str] = {
    "when": "시각: {text}",
    "progress": "진행: {text}",
    "checkpoint": "체크포인트: {text}",
    "memory": "메모리: {text}",
    "place": "위치: {text}",
    "command": "명령: {text}",
    "cause": "원인: {text}",
    "evidence": "로그:",
    "evidence_cut": "로그 (마지막 {count}줄):",
    "advice": "조치: {text}",
    "ack": "확인: `epochwatch ack {id}`",
    "looping": "반복해서 죽음. 같은 일이 이어지면 30분에 한 번 알림.",
    "flapping": "반복됨: 30분 안에 {count}번째. 30분 동안 다시 나타나지 않으면 해소를 알림.",
    "unverified": "미확인: 보낸 사람을 알 수 없는 데이터그램에 근거함.",
    "unstored": "메모리에서 전송: 저장소에 쓸 수 없어, 재시작 후 같은 알림이 다시 올 수 있음.",
}

TOGETHER: dict[str, str] = {
    "count": "작업 {count}개",
    "count.of": "{job} {count}개",
    "alike": "{on_host}{runs} {kind}",
    "resolved": "{on_host}{runs} {kind} 해소",
    "alike.silent": "{on_host}{runs} 멈춰 있음",
    "alike.stalled": "{on_host}{runs} 학습 정체",
    "resolved.silent": "{on_host}{runs} 다시 진행 중",
    "mixed": "{on_host}알림 {count}건",
    "runs": "작업: {names}",
    "more": "외 {count}개",
    "user": "사용자: {user}",
    "epochs": "에폭 {span}",
}

DURATIONS: dict[str, str] = {"d": "{n}일", "h": "{n}시간", "m": "{n}분", "s": "{n}초"}
