# bash completion of epochwatch; written by completions/generate.py
_epochwatch() {
    local current=${COMP_WORDS[COMP_CWORD]} words='' at
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W 'run beat attach status doctor ack mute mutes unmute --help --version' -- "$current"))
        return
    fi
    for ((at = 2; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at]} == -- && ${COMP_WORDS[1]} == @(run) ]]; then
            COMPREPLY=($(compgen -c -- "$current"))
            ! declare -F _command_offset >/dev/null || _command_offset $((at + 1))
            return
        fi
    done
    case ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]} in
        beat:--event) words='beat finished failed' ;;
        run:*) words='-h --help --job --epochs --steps --tag --auto' ;;
        beat:*) words='-h --help --job --epoch --epochs --step --loss --metric --phase --within --event --reason' ;;
        attach:*) words='-h --help --gpu --job' ;;
        status:*) words='-h --help --json' ;;
        doctor:*) words='-h --help' ;;
        ack:*) words='-h --help --for --note' ;;
        mute:*) words='-h --help --for --why --all' ;;
        mutes:*) words='-h --help --json' ;;
        unmute:*) words='-h --help' ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _epochwatch epochwatch
