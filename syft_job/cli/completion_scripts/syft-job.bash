# Completion of syft-job for bash 4.4 and newer, printed by `syft-job completion bash`.
# For this shell only:  eval "$(syft-job completion bash)"
# For every new shell:  syft-job completion bash > ~/.local/share/bash-completion/completions/syft-job

_syft_job() {
    local reply
    COMPREPLY=()
    # The program gets the line and not COMP_WORDS, because bash splits addresses at the @.
    while IFS= read -r reply; do
        case $reply in
            :files) compopt -o default ;;
            :directories) compopt -o dirnames ;;
            *) COMPREPLY+=("$reply") ;;
        esac
    done < <(_SYFT_JOB_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
}

complete -F _syft_job syft-job
