#compdef syft-job
# Completion of syft-job for zsh, printed by `syft-job completion zsh`.
# For this shell only:  eval "$(syft-job completion zsh)"
# For every new shell:  syft-job completion zsh > ~/.zfunc/_syft_job
#                       and in ~/.zshrc, before compinit: fpath=(~/.zfunc $fpath)

_syft_job() {
    local line value
    local -a lines before values shown
    before=("${(@Q)words[2,CURRENT-1]}")
    (( CURRENT == 2 )) && before=()
    lines=("${(@f)$(_SYFT_JOB_COMPLETE=words $words[1] "${before[@]}" "${(Q)PREFIX}" 2>/dev/null)}")
    for line in $lines; do
        value=${line%%$'\t'*}
        case $value in
            :files) _files; return ;;
            :directories) _files -/; return ;;
        esac
        values+=("$value")
        if [[ $line == *$'\t'* ]]; then
            shown+=("$value  -- ${line#*$'\t'}")
        else
            shown+=("$value")
        fi
    done
    (( $#values )) && compadd -l -d shown -a values
}

if [[ $funcstack[1] == _syft_job ]]; then
    _syft_job "$@"
else
    compdef _syft_job syft-job
fi
