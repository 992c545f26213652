# bash completion of epochwatchd; written by completions/generate.py
_epochwatchd() {
    local current=${COMP_WORDS[COMP_CWORD]} words='' at
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W 'setup serve check test-alert routes retry login messages status service last-resort demo --help --version' -- "$current"))
        return
    fi
    for ((at = 2; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at]} == -- && ${COMP_WORDS[1]} == @(-) ]]; then
            COMPREPLY=($(compgen -c -- "$current"))
            ! declare -F _command_offset >/dev/null || _command_offset $((at + 1))
            return
        fi
    done
    case ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]} in
        messages:--language) words='en ko' ;;
        messages:--style) words='full short' ;;
        setup:*) words='-h --help -c --config' ;;
        serve:*) words='-h --help -c --config -v --verbose' ;;
        check:*) words='-h --help -c --config --explain' ;;
        test-alert:*) words='-h --help -c --config --kind --render' ;;
        routes:*) words='test -h --help -c --config --kind --resolved --unverified --job --user --host --severity --cause --failure --at --tag' ;;
        retry:*) words='-h --help' ;;
        login:*) words='-h --help -c --config' ;;
        messages:*) words='-h --help --language --style' ;;
        status:*) words='-h --help -c --config --json --all' ;;
        service:*) words='install uninstall status -h --help --user --dry-run --purge' ;;
        last-resort:*) words='-h --help -c --config' ;;
        demo:*) words='-h --help' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _epochwatchd epochwatchd
