"""Our own lines of evidence in Korean, by their English. Text that the world wrote is not among them."""

LINES: dict[str, str] = {
    # how a process ended, and what it ran in
    "exit status {status}": "종료 코드 {status}",
    "exit status {status} = 128 + {number}, {name}": "종료 코드 {status} = 128 + {number}, {name}",
    "exit status {status} = 256 - {number}: a child was killed by signal {number} {name}": (
        "종료 코드 {status} = 256 - {number}: 자식 프로세스가 시그널 {number} {name}(으)로 종료됨"
    ),
    "killed by signal {number} {name}": "시그널 {number} {name}(으)로 종료됨",
    "killed by signal {number} {name} (core dumped)": "시그널 {number} {name}(으)로 종료됨 (코어 덤프)",
    "it handled {signal}, and left in order": "{signal}을(를) 처리하고 정상적으로 종료함",
    "it took {took_s:,.1f} s": "{took_s:,.1f}초 걸림",
    "its last word: {note}": "마지막 메시지: {note}",
    "its exit status was not seen": "종료 코드를 보지 못함",
    "it had become another program: {program}": "다른 프로그램이 되어 있었음: {program}",
    "it ended between {since} and {until}, while nobody watched": (
        "{since}에서 {until} 사이, 감시하지 않는 동안 종료됨"
    ),
    "the machine has been started anew since the last beat": "마지막 하트비트 뒤에 서버가 다시 시작됨",
    "the process is gone; how it ended could not be learned": "프로세스가 사라짐. 어떻게 끝났는지 알 수 없음",
    "the process is dead, and its parent, process {parent}, has not asked yet how it ended": (
        "프로세스는 죽었고, 부모 프로세스 {parent}이(가) 아직 종료 상태를 확인하지 않음"
    ),
    "the machine is about to go down: {sign} is there": "서버가 곧 종료됨: {sign} 있음",
    "kernel log: {remark}": "커널 로그: {remark}",
    "it ran in Slurm's job {id}: `sacct -j {id}` tells of a time limit, preemption or scancel": (
        "Slurm 작업 {id}에서 실행: `sacct -j {id}`로 시간 제한, 선점, scancel을 확인하세요"
    ),
    "it ran in Kubernetes' pod {id}: `kubectl get events` tells of an eviction": (
        "Kubernetes 파드 {id}에서 실행: `kubectl get events`로 축출을 확인하세요"
    ),
    "it ran in Docker's container {id}: `docker inspect {id}`": "Docker 컨테이너 {id}에서 실행: `docker inspect {id}`",
    "it ran in Podman's container {id}: `podman inspect {id}`": "Podman 컨테이너 {id}에서 실행: `podman inspect {id}`",
    "it ran in login session {id}, with which systemd may end it": (
        "로그인 세션 {id}에서 실행: 세션이 끝나면 systemd가 종료할 수 있음"
    ),
    "it ran in systemd's unit {id}: `systemctl status {id}`": "systemd 유닛 {id}에서 실행: `systemctl status {id}`",
    # the processes of a run
    "{count} of the processes that it started are still there; this ends them: kill {pids}": (
        "시작한 프로세스 중 {count}개가 남아 있음. 끝내려면: kill {pids}"
    ),
    "process {pid}, a rank that sends no beats, fell; then the launcher ended this one": (
        "하트비트를 보내지 않는 랭크인 프로세스 {pid}이(가) 죽은 뒤 런처가 이 프로세스를 종료함"
    ),
    "{count} processes of the run live on: {pids}": "이 실행의 프로세스 {count}개가 살아 있음: {pids}",
    "the other processes of the run: {looks}": "이 실행의 다른 프로세스: {looks}",
    "{count} {look}": "{look} {count}개",
    "{count} {look} (rank {ranks})": "{look} {count}개 (랭크 {ranks})",
    "{look} at step {step}": "스텝 {step}에서 {look}",
    "the launcher says: rank {rank} fell first, pid {pid}": "런처가 말하길: 랭크 {rank}이(가) 먼저 죽음, pid {pid}",
    "{look}, in {at}": "{look}, 위치: {at}",
    "{kind} ({code})": "{kind} ({code})",
    "the command around it left with 0: {argv}": "감싼 명령은 0으로 끝남: {argv}",
    "process {pid} {kind} before ({code})": "프로세스 {pid}이(가) 먼저 {kind} ({code})",
    # memory
    "the kernel counted 1 out-of-memory kill in {group} as the process died": (
        "프로세스가 죽을 때 커널이 {group}에서 메모리 부족 강제 종료를 1번 기록함"
    ),
    "the kernel counted {kills} out-of-memory kills in {group} as the process died": (
        "프로세스가 죽을 때 커널이 {group}에서 메모리 부족 강제 종료를 {kills}번 기록함"
    ),
    "it was last seen holding {mib:.0f} MiB": "마지막으로 본 메모리 {mib:.0f} MiB",
    "it was last seen holding {mib:.0f} MiB, {ago_s:.0f} s before its end": (
        "종료 {ago_s:.0f}초 전 메모리 {mib:.0f} MiB"
    ),
    "it was last seen holding {mib:.0f} MiB (at most {peak_mib:.0f} MiB)": (
        "마지막으로 본 메모리 {mib:.0f} MiB (최대 {peak_mib:.0f} MiB)"
    ),
    "it was last seen holding {mib:.0f} MiB, {ago_s:.0f} s before its end (at most {peak_mib:.0f} MiB)": (
        "종료 {ago_s:.0f}초 전 메모리 {mib:.0f} MiB (최대 {peak_mib:.0f} MiB)"
    ),
    "{group} has held up to {mib:.0f} MiB": "{group}의 최대 메모리 {mib:.0f} MiB",
    "{group} may use {mib:.0f} MiB": "{group}의 메모리 한도 {mib:.0f} MiB",
    "the machine had {mib:.0f} MiB available": "서버에 남은 메모리 {mib:.0f} MiB",
    # a silence
    "it stands still for {silent_s:,.0f} s": "{silent_s:,.0f}초째 멈춰 있습니다",
    "no output for {silent_s:,.0f} s; the longest gap before was {longest_s:,.1f} s": (
        "{silent_s:,.0f}초 동안 출력 없음. 이전 최장 간격은 {longest_s:,.1f}초"
    ),
    "no beat for {silent_s:,.0f} s; the longest gap before was {longest_s:,.1f} s": (
        "{silent_s:,.0f}초 동안 하트비트 없음. 이전의 가장 긴 간격은 {longest_s:,.1f}초"
    ),
    "in phase {phase!r}": "{phase!r} 단계에서",
    "nothing heard for {quiet_s:.0f} s": "{quiet_s:.0f}초 동안 아무 소식 없음",
    "process state {state}": "프로세스 상태 {state}",
    "process state {state}, waiting in {wchan}": "프로세스 상태 {state}, {wchan}에서 대기 중",
    "it was killed (SIGKILL), and ends when the kernel lets go of it": ("SIGKILL을 받았지만, 커널에서 나와야 종료됨"),
    "worker process {pid}: {at}": "워커 프로세스 {pid}: {at}",
    "{count} worker processes: {at}": "워커 프로세스 {count}개: {at}",
    "worker process {pid} ({name}) {fate}": "워커 프로세스 {pid} ({name}): {fate}",
    "process below it: {pid} ({name}) {fate}": "하위 프로세스 {pid} ({name}): {fate}",
    "uses the CPU": "CPU 사용 중",
    "is stopped": "멈춤(stopped)",
    "is stopped by a debugger": "디버거가 멈춤",
    "waits in the kernel (state D)": "커널에서 대기 중 (상태 D)",
    "has ended, and was not reaped": "끝났지만 회수되지 않음",
    "was killed by {signal}": "{signal}(으)로 종료됨",
    "ended with status {status}": "종료 코드 {status}(으)로 끝남",
    "main thread: {at}": "메인 스레드: {at}",
    "another thread: {at}": "다른 스레드: {at}",
    "{count} other threads: {at}": "다른 스레드 {count}개: {at}",
    # progress and loss
    "step {step} for {stood_s:,.0f} s, and beats came; {before}": (
        "스텝 {step}에서 {stood_s:,.0f}초, 하트비트는 계속 옴. {before}"
    ),
    "the longest before was {longest_s:,.0f} s": "이전의 가장 긴 것은 {longest_s:,.0f}초",
    "never {pause_s:.0f} s before": "이전에는 {pause_s:.0f}초를 넘은 적 없음",
    "loss and metrics did not change for {calm_s:,.0f} s": "loss와 지표가 {calm_s:,.0f}초 동안 바뀌지 않음",
    "loss = {loss}": "loss = {loss}",
    "loss = {loss:.4g}; usual is {mean:.4g} ± {deviation:.2g}": "loss = {loss:.4g}, 평소 {mean:.4g} ± {deviation:.2g}",
    "by the pace of the first fifth {all_h:,.1f} h in all; so far {so_far_h:,.1f} h": (
        "처음 5분의 1의 속도로는 모두 {all_h:,.1f}시간, 지금까지 {so_far_h:,.1f}시간"
    ),
    "{done:,.4g} of {planned:,.10g} done; at the pace so far about {left_h:,.1f} h to go": (
        "{planned:,.10g} 중 {done:,.4g} 완료, 지금 속도로 약 {left_h:,.1f}시간 남음"
    ),
    'expected at "{crontab}"; {last}': '예정 시각 "{crontab}", {last}',
    "no such run is known yet": "알려진 실행이 아직 없음",
    "the last one began {hours:,.1f} h before": "마지막 실행은 {hours:,.1f}시간 전에 시작함",
    # GPUs
    "GPU {gpu} {name}: {figures}": "GPU {gpu} {name}: {figures}",
    "GPU {gpu}: {meaning}": "GPU {gpu}: {meaning}",
    "before that: {line}": "그 전: {line}",
    "lost": "인식 불가",
    "{pct:.0f} % used": "사용률 {pct:.0f}%",
    "{mib:.0f} MiB held": "메모리 {mib:.0f} MiB",
    "{power_w:.0f} W": "{power_w:.0f} W",
    "{power_w:.0f} W (usually {usual_w:.0f} W)": "{power_w:.0f} W (평소 {usual_w:.0f} W)",
    "{why} ({celsius} °C)": "{why} ({celsius} °C)",
    "slowed down: too hot": "온도가 높아 느려짐",
    "slowed down: the power supply asks for it": "전원 공급 때문에 느려짐",
    "slowed down by the hardware": "하드웨어가 속도를 낮춤",
    "bad memory rows that could not be replaced": "교체하지 못한 불량 메모리 행 있음",
    "bad memory rows that a reset will replace": "리셋하면 교체될 불량 메모리 행 있음",
    "a bad memory row could not be replaced": "불량 메모리 행을 교체하지 못함",
    "1 more memory error that ECC could not correct": "ECC가 고치지 못한 메모리 오류 1개 추가",
    "{count} more memory errors that ECC could not correct": "ECC가 고치지 못한 메모리 오류 {count}개 추가",
    "Xid {number}: {meaning}": "Xid {number}: {meaning}",
    "see the Xid catalogue of NVIDIA": "NVIDIA의 Xid 목록을 확인하세요",
    "the GPU stopped processing: a kernel ran for too long": "GPU 처리 중단: 커널이 너무 오래 실행됨",
    "invalid commands were sent to the GPU": "GPU에 잘못된 명령이 전달됨",
    "graphics engine exception: a kernel left its array, or an illegal instruction": (
        "그래픽 엔진 예외: 커널이 배열 범위를 벗어났거나 잘못된 명령"
    ),
    "memory page fault: a kernel touched memory that is not its own": (
        "메모리 페이지 폴트: 커널이 자기 것이 아닌 메모리에 접근"
    ),
    "invalid or corrupted commands were sent to the GPU": "GPU에 잘못되거나 손상된 명령이 전달됨",
    "the driver's firmware failed": "드라이버 펌웨어 오류",
    "the GPU stopped processing for the program, after an error of its own": (
        "프로그램 자신의 오류 뒤에 GPU가 처리를 중단함"
    ),
    "the program's channels were cleaned up, after an earlier error or a kill": (
        "앞선 오류나 강제 종료 뒤에 프로그램의 채널이 정리됨"
    ),
    "the GPU stopped processing: it did not answer in time": "GPU 처리 중단: 제때 응답하지 않음",
    "double-bit ECC error: memory that cannot be corrected": "이중 비트 ECC 오류: 고칠 수 없는 메모리",
    "the GPU's internal controller stopped at a breakpoint": "GPU 내부 컨트롤러가 중단점에서 멈춤",
    "the GPU's internal controller halted": "GPU 내부 컨트롤러가 멈춤",
    "a bad memory row or page was recorded, to be replaced at the next reset": (
        "불량 메모리 행이나 페이지가 기록됨. 다음 리셋 때 교체됨"
    ),
    "a bad memory row or page could not be recorded for replacement": (
        "불량 메모리 행이나 페이지를 교체 목록에 기록하지 못함"
    ),
    "the video decoder had an exception": "비디오 디코더 예외",
    "graphics engine class error: a wrong command": "그래픽 엔진 클래스 오류: 잘못된 명령",
    "NVLink error: the link to another GPU or switch": "NVLink 오류: 다른 GPU나 스위치와의 연결",
    "the GPU has fallen off the bus": "GPU 인식 불가 (fallen off the bus)",
    "a high rate of single-bit ECC errors, which were corrected": "단일 비트 ECC 오류가 많음 (고쳐짐)",
    "contained memory error: the program that met it is ended, others go on": (
        "격리된 메모리 오류: 그 프로그램만 종료되고 다른 프로그램은 계속됨"
    ),
    "uncontained memory error: every program on the GPU is affected": (
        "격리되지 않은 메모리 오류: GPU의 모든 프로그램이 영향을 받음"
    ),
    "context switch time-out: a kernel did not give way": "컨텍스트 전환 시간 초과: 커널이 자리를 내주지 않음",
    "security fault: the GPU has to be reset": "보안 오류: GPU를 리셋해야 함",
    "the GPU's system processor (GSP) did not answer in time": "GPU 시스템 프로세서(GSP)가 제때 응답하지 않음",
    "the GPU's system processor (GSP) failed": "GPU 시스템 프로세서(GSP) 오류",
    "NVLink could not be set up": "NVLink를 설정하지 못함",
    "NVLink privilege error: a kernel touched another GPU's memory that is not its own": (
        "NVLink 권한 오류: 커널이 다른 GPU의 자기 것이 아닌 메모리에 접근"
    ),
    "memory error that could not be corrected, found in the GPU's own memory": "GPU 메모리에서 고칠 수 없는 오류 발견",
    "the GPU could not be initialised": "GPU를 초기화하지 못함",
    # the watchdog itself
    "and {count} more: see the watchdog's log": "그 밖에 {count}개: 데몬의 로그를 확인하세요",
    # check: what was understood
    "configuration: {sources}": "설정: {sources}",
    "built-in defaults": "기본값",
    "heartbeat files: {places}": "하트비트 파일: {places}",
    "the default places": "기본 위치",
    "datagrams: {udp}": "데이터그램: {udp}",
    "off": "끔",
    "{address}, sealed with a key": "{address}, 키로 봉인",
    "{address}, without a key": "{address}, 키 없음",
    "datagrams of known senders: {socket}": "보낸 사람을 아는 데이터그램: {socket}",
    "in the runtime folder": "런타임 폴더",
    "every job: {policy}": "모든 작업: {policy}",
    "jobs {match}: {policy}": "작업 {match}: {policy}",
    "silent learned from the rhythm": "침묵 기준은 리듬에서 학습",
    "silent after {time}": "{time} 뒤 침묵",
    "first beat within {time}": "첫 하트비트 {time} 안에",
    "GPU stalled after {time}": "GPU {time} 쉬면 정체",
    "runtime any": "실행 시간 제한 없음",
    "runtime {time}": "실행 시간 {time}까지",
    "at least {time}": "최소 {time}",
    'expected at "{crontab}"': '예정 "{crontab}"',
    "missing after {time}": "{time} 뒤 시작 안 됨",
    "channel {name}: {options}": "채널 {name}: {options}",
    "template of its own": "자체 template",
    "user {user}: {channels}": "사용자 {user}: {channels}",
    "people has no effect: no route leads to {owner}": "people은 쓰이지 않습니다. {owner}로 가는 route가 없습니다",
    "{owner} reaches nobody: people says no user's channels": "{owner}로 갈 곳이 없습니다. people에 사용자가 없습니다",
    # routes test
    "muted by {who} until {time}, {why}; epochwatch unmute {id}": (
        "{time}까지 알리지 않음 ({who}: {why}). 해제: epochwatch unmute {id}"
    ),
    "route {at} does not match": "route {at}: 맞지 않음",
    "route {at} is passed over: {why}": "route {at}: 건너뜀. {why}",
    "route {at} is not asked any more": "route {at}: 앞의 route가 정해서 묻지 않음",
    "route {at} says that nobody is told": "route {at}: 아무에게도 안 보내도록 정함",
    "route {at}: {channel} hears it at {time}: until then it is quiet": (
        "route {at}: {channel}에는 {time}에 알림 (조용한 시간)"
    ),
    "route {at}: {why}": "route {at}: {why}",
    "route {at}: {channel}{often}": "route {at}: {channel}{often}",
    "nobody is told": "아무에게도 안 보냄",
    "who sent the beats is not known, so no user's own channels are taken": (
        "하트비트를 누가 보냈는지 확인할 수 없어 사용자 개인 채널로 보내지 않습니다"
    ),
    "people says no channels of user {user}": "people에 사용자 {user}의 채널이 없습니다",
    ", which is told already": ", 이미 보냄",
    ", once": ", 한 번",
    ", and again every {time} while it lasts": ", 이어지는 동안 {time}마다 다시",
    "must be a mapping of tags to patterns": "태그와 패턴의 목록이어야 합니다",
    "write tag: {team: vision}": "tag: {team: vision}처럼 쓰십시오",
    "there is no such cause": "그런 원인은 없습니다",
    "route {at}: not acknowledged within {time}: {to} too": "route {at}: {time} 안에 확인이 없으면 {to}에도",
    "more of the same within {time}: one message": "{time} 안의 같은 일은 한 알림으로",
    "quiet: {window}": "조용한 시간: {window}",
    "{begin} to {end}, {zone}{days}; told all the same: {passes}": "{begin}~{end}, {zone}{days}. 그래도 알림: {passes}",
    "this machine's time": "이 서버의 시각",
    "nothing": "없음",
    "commands: {socket}": "명령 소켓: {socket}",
    "channel {name}: group_interval has no effect: machines get each message": (
        "채널 {name}: group_interval은 쓰이지 않습니다. 기계에는 알림이 하나씩 갑니다"
    ),
    "{job} ({user}): {cause}{often}": "{job} ({user}): {cause}{often}",
    "and {count} more that failed": "그 밖에 실패 {count}건",
    "{job} ({user}): stuck for {hours:.1f} h with {gpus} GPUs": "{job} ({user}): {hours:.1f}시간 멈춤, GPU {gpus}개",
    "{job} ({user}): stuck for {hours:.1f} h": "{job} ({user}): {hours:.1f}시간 멈춤",
    "grouped within {time}": "{time} 안은 한 알림으로",
    'a summary at "{crontab}"': '요약 시각 "{crontab}"',
    "there is no such time zone": "없는 시간대입니다",
    "write it as Asia/Seoul; `timedatectl list-timezones`": "Asia/Seoul처럼 쓰세요. 목록: `timedatectl list-timezones`",
    "not a time of the day": "하루의 시각이 아닙니다",
    'write it as "22:30"': '"22:30"처럼 쓰세요',
    "not a day of the week": "요일이 아닙니다",
    "begins when it ends": "시작과 끝이 같습니다",
    'a whole day is from "00:00" until "24:00"': '하루 종일은 from "00:00" until "24:00"입니다',
    "route {at}: {match} to {to}{then}": "route {at}: {match} → {to}{then}",
    "everything": "모두",
    "nobody": "아무에게도 안 보냄",
    "{every}{later}": "{every}{later}",
    ", repeated every {time}": ", {time}마다 반복",
    ", then the next routes": ", 다음 route로 계속",
    "store: {where}, kept {kept}": "저장소: {where}, 보관 {kept}",
    "in the state folder": "상태 폴더",
    "language: {language}": "언어: {language}",
    "next due: {match} at {time}": "다음 예정: {match}, {time}",
    # check --explain
    "job {job}:": "작업 {job}:",
    "  {key}: {value}  ({origin})": "  {key}: {value}  ({origin})",
    "auto": "auto",
    "none": "없음",
    "{place}, jobs that match {match}": "{place}, {match}에 맞는 작업",
    "{place}, defaults": "{place}, defaults",
    "built in": "기본값",
    # check: what cannot work
    "note: {note}": "참고: {note}",
    "channel {name}: {note}": "채널 {name}: {note}",
    "channel {name}: template: {fault}": "채널 {name}: template: {fault}",
    "there is no channel: nobody will be told anything": "채널이 없어 아무에게도 알리지 않습니다",
    "the routes after route {at} are never reached: it takes everything": (
        "route {at} 뒤의 route는 쓰이지 않습니다. route {at}이(가) 모두 받습니다"
    ),
    "the rule for jobs {pattern} is never reached: an earlier one for {earlier} takes them": (
        "작업 {pattern}의 규칙은 쓰이지 않습니다. 앞의 {earlier} 규칙이 모두 받습니다"
    ),
    "route {at} tells what is critical only to {channels}, which rings no phone": (
        "route {at}은(는) 심각한 일을 {channels}에만 알리는데, 휴대폰이 울리지 않습니다"
    ),
    "a memo to yourself rings no phone": "나에게 보내기는 휴대폰이 울리지 않습니다",
    "at most {most} friends get a message": "친구는 {most}명까지만 받습니다",
    "{program} is not there, or may not be executed": "{program}이(가) 없거나 실행할 수 없습니다",
    "{program} is looked for in the daemon's PATH: a whole path is safer": (
        "{program}을(를) 데몬의 PATH에서 찾습니다. 전체 경로가 안전합니다"
    ),
    "works only for a daemon that you start in your own desktop session, not for the service": (
        "데스크톱 세션에서 직접 띄운 데몬에서만 됩니다. 서비스에서는 안 됩니다"
    ),
    "{program} is missing: sudo apt install libnotify-bin": "{program}이(가) 없습니다: sudo apt install libnotify-bin",
    "no player is installed: sudo apt install alsa-utils": "재생 프로그램이 없습니다: sudo apt install alsa-utils",
    "{file} is not there": "{file}이(가) 없습니다",
    "Microsoft's mail takes no password any more (personal accounts since 2024): use another mailbox": (
        "Microsoft 메일은 이제 비밀번호로 보낼 수 없습니다(개인 계정은 2024년부터). 다른 메일을 쓰세요"
    ),
    # status
    "JOB": "작업",
    "RUN": "실행",
    "VERDICT": "판정",
    "CAUSE": "원인",
    "EPOCH": "에폭",
    "STEP": "스텝",
    "LOSS": "LOSS",
    "ETA": "남은 시간",
    "FOR": "경과",
    "USER": "사용자",
    "PID": "PID",
    "(the watchdog)": "(데몬)",
    "{verdict} ({code}?)": "{verdict} ({code}?)",
    "watchdog, {code}:": "데몬, {code}:",
    "and {count} more that ended in the last day; `epochwatchd status --all` shows every run": (
        "그 밖에 하루 안에 끝난 실행 {count}개. `epochwatchd status --all`로 모두 봅니다"
    ),
    "no daemon is running; this is what the last one knew": "실행 중인 데몬이 없습니다. 마지막 데몬이 알던 내용입니다",
    "{place} is not readable by you; {who}": "{place}을(를) 읽을 수 없습니다. {who}",
    "no watchdog has run here yet; `epochwatchd serve` starts one": (
        "아직 데몬이 실행된 적이 없습니다. `epochwatchd serve`로 시작합니다"
    ),
    "join the group {group} (sudo usermod -aG {group} {user}) and log in again": (
        "그룹 {group}에 들어간 뒤(sudo usermod -aG {group} {user}) 다시 로그인하세요"
    ),
    "ask its owner, {owner}": "소유자 {owner}에게 문의하세요",
    "ask who runs the watchdog": "데몬의 관리자에게 문의하세요",
    "channel {channel}: 1 dead letter (the last: {about}): {error}": (
        "채널 {channel}: 보내지 못한 메시지 1개 (마지막: {about}): {error}"
    ),
    "channel {channel}: {count} dead letters (the last: {about}): {error}": (
        "채널 {channel}: 보내지 못한 메시지 {count}개 (마지막: {about}): {error}"
    ),
    "channel {channel}: 1 message waits (the last: {about}): {error}": (
        "채널 {channel}: 기다리는 메시지 1개 (마지막: {about}): {error}"
    ),
    "channel {channel}: {count} messages wait (the last: {about}): {error}": (
        "채널 {channel}: 기다리는 메시지 {count}개 (마지막: {about}): {error}"
    ),
    "the watchdog": "데몬",
    "no word": "이유 없음",
    "{who} {kind}, {when}": "{who} {kind}, {when}",
    # mistakes in a configuration, and what to write instead
    "is missing": "빠졌습니다",
    "unknown key": "모르는 키입니다",
    "given twice": "두 번 적혔습니다",
    "first on line {line}": "처음은 {line}번째 줄",
    "did you mean {word}?": "혹시 {word}?",
    "known: {words}": "가능: {words}",
    "{guess}; {known}": "{guess}; {known}",
    "unknown kind of channel": "모르는 채널 종류입니다",
    "there is no such channel": "그런 채널이 없습니다",
    "not a name for a channel": "채널 이름으로 쓸 수 없습니다",
    "take letters, digits, - and _": "글자, 숫자, -, _를 쓰세요",
    "needs the package {name}, which is not installed": "{name} 패키지가 필요한데 설치되지 않았습니다",
    "python -m pip install {name}": "python -m pip install {name}",
    "given besides {name}": "{name}과(와) 함께 적혔습니다",
    "leave out {name} or {name}_file": "{name}이나 {name}_file 하나만 쓰세요",
    "or give {name}_file": "또는 {name}_file을 쓰세요",
    "must be {expected}": "{expected} 중 하나여야 합니다",
    "must be true or false": "true나 false여야 합니다",
    "must be a mapping": "NAME: VALUE 형태여야 합니다",
    "write NAME: VALUE lines below it": "아래에 NAME: VALUE 줄을 쓰세요",
    "write NAME: VALUE": "NAME: VALUE로 쓰세요",
    "write NAME: {kind: KIND}": "NAME: {kind: KIND}로 쓰세요",
    "write NAME: {kind: KIND} lines below it": "아래에 NAME: {kind: KIND} 줄을 쓰세요",
    "must not be empty": "비워 둘 수 없습니다",
    "must be a text": "문자열이어야 합니다",
    "put it in quotes": "따옴표로 감싸세요",
    "must be a list": "목록이어야 합니다",
    "write [ONE, TWO]": "[하나, 둘]처럼 쓰세요",
    "a key must be a text": "키는 문자열이어야 합니다",
    "too many or too deep values": "값이 너무 많거나 너무 깊습니다",
    "aliases (*name) count each time": "별칭(*name)은 쓸 때마다 셉니다",
    "nested too deep": "너무 깊이 중첩됐습니다",
    "half of a surrogate pair": "서로게이트 쌍의 반쪽입니다",
    "not UTF-8": "UTF-8이 아닙니다",
    "save the file as UTF-8": "파일을 UTF-8로 저장하세요",
    "a control character (U+{code:04X})": "제어 문자 (U+{code:04X})",
    "does not fit its !tag": "!tag에 맞지 않습니다",
    "leave out the tag, or put a text that begins with ! in quotes": (
        "태그를 빼거나, !로 시작하는 문자열은 따옴표로 감싸세요"
    ),
    "indent with spaces, not tabs": "탭 대신 공백으로 들여 쓰세요",
    "put a text with ${NAME} in quotes where it stands inside { }": "{ } 안의 ${NAME}은 따옴표로 감싸세요",
    "put a text that begins with * in quotes": "*로 시작하는 문자열은 따옴표로 감싸세요",
    "leave out the second ---": "두 번째 ---를 빼세요",
    "has no unit": "단위가 없습니다",
    "not a duration": "시간 길이가 아닙니다",
    "must be longer than nothing and at most 36500d": "0보다 길고 36500d 이하여야 합니다",
    "write it as 90s, 10m, 1h30m or 2d": "90s, 10m, 1h30m, 2d처럼 쓰세요",
    "{hint}, or auto": "{hint}, 또는 auto",
    "{hint}, or off": "{hint}, 또는 off",
    "not an address with a port": "포트가 있는 주소가 아닙니다",
    "not a port": "포트가 아닙니다",
    "ports end at {most}": "포트는 {most}까지입니다",
    "not an IPv6 address": "IPv6 주소가 아닙니다",
    "write it as 127.0.0.1:8765 or [::1]:8765": "127.0.0.1:8765나 [::1]:8765처럼 쓰세요",
    "others can reach this address": "다른 서버에서 이 주소에 닿을 수 있습니다",
    "give a key_file, or listen on 127.0.0.1": "key_file을 주거나 127.0.0.1을 쓰세요",
    "the path is too long": "경로가 너무 깁니다",
    "the kernel takes {most} bytes; or off": "커널은 {most}바이트까지 받습니다. 또는 off",
    "nothing is expected that could start": "시작을 기다릴 것이 없습니다",
    'give the time as well: expected: "30 2 * * *"': '시각도 적으세요: expected: "30 2 * * *"',
    "not a cron expression": "cron 식이 아닙니다",
    'write five fields: minute, hour, day, month, weekday; "30 2 * * *" is every night at half past two': (
        '분, 시, 일, 월, 요일의 다섯 칸을 쓰세요. "30 2 * * *"는 매일 새벽 2시 30분입니다'
    ),
    "the day never comes in these months": "그 달에는 그런 날이 없습니다",
    "the {field} is none that cron knows": "{field}이(가) cron 형식이 아닙니다",
    "write *, 5, 1-5, */15, 0-30/10 or a list: 1,3": "*, 5, 1-5, */15, 0-30/10 또는 1,3 같은 목록을 쓰세요",
    "the {field} has no value": "{field}에 값이 없습니다",
    "the {field} is neither a number nor a name": "{field}이(가) 숫자도 이름도 아닙니다",
    "the {field} is not within {low}-{high}": "{field}이(가) {low}-{high} 밖입니다",
    "minute": "분",
    "hour": "시",
    "day": "일",
    "month": "월",
    "weekday": "요일",
    "takes the name of a file": "파일 이름을 받습니다",
    "leave out _file to give the value itself": "값을 직접 쓰려면 _file을 빼세요",
    "the file cannot be read: {why}": "파일을 읽을 수 없습니다: {why}",
    "a relative name is looked for in $CREDENTIALS_DIRECTORY, then beside the configuration": (
        "상대 이름은 $CREDENTIALS_DIRECTORY, 그다음 설정 파일 옆에서 찾습니다"
    ),
    "not the name of a file": "파일 이름이 아닙니다",
    "the file is longer than {limit} bytes": "파일이 {limit}바이트보다 깁니다",
    "the file is empty": "파일이 비어 있습니다",
    "the file is not UTF-8 text": "파일이 UTF-8 텍스트가 아닙니다",
    "${ begins no name of a variable": "${ 뒤에 변수 이름이 없습니다",
    "write $${ for the text ${": "글자 ${를 쓰려면 $${로 쓰세요",
    "the environment variable is not set": "환경 변수가 없습니다",
    "the environment variable {name} is not set": "환경 변수 {name}이(가) 없습니다",
    "must be a URL that begins with https:// or http://": "https://나 http://로 시작하는 URL이어야 합니다",
    "is no address that Apprise knows: https://appriseit.com/services": (
        "Apprise가 아는 주소가 아닙니다: https://appriseit.com/services"
    ),
    "from is missing": "from이 빠졌습니다",
    "is missing: give the server, or a preset": "빠졌습니다. 서버나 preset을 쓰세요",
    "must be ASCII: smtplib can log in with no other": "ASCII여야 합니다. 다른 글자로는 로그인할 수 없습니다",
    "must be an e-mail address": "메일 주소여야 합니다",
    "user and password go together": "user와 password는 함께 써야 합니다",
    "would send the password unencrypted: set tls to starttls or tls": (
        "비밀번호가 암호화되지 않고 전송됩니다. tls를 starttls나 tls로 하세요"
    ),
    "give the url of a webhook, or the token of a bot": "웹훅의 url이나 봇의 token 중 하나를 쓰세요",
    "token and channel go together": "token과 channel은 함께 써야 합니다",
    "must be the name of a header": "헤더 이름이어야 합니다",
    "must be the value of a header: one line of ASCII without spaces around it": (
        "헤더 값이어야 합니다. 앞뒤 공백 없는 ASCII 한 줄"
    ),
}
