# Completion of syft-job for fish, printed by `syft-job completion fish`.
# For this shell only:  syft-job completion fish | source
# For every new shell:  syft-job completion fish > ~/.config/fish/completions/syft-job.fish

function __syft_job_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    # The word at the cursor is as it was typed: without the backslashes it is what the program compares.
    set -l plain (string replace -ra '^[\'"]|\\\\(.)' '$1' -- "$current")
    set -l replies (env _SYFT_JOB_COMPLETE=words $before[1] $before[2..-1] "$plain" 2>/dev/null)
    if contains -- :files $replies
        __fish_complete_path "$current"
    else if contains -- :directories $replies
        __fish_complete_directories "$current"
    else if set -q replies[1]
        string join \n -- $replies
    end
end

complete -c syft-job -f -a '(__syft_job_complete)'
