#!/bin/sh
# One attempt's supervisor. It claims the attempt or leaves, starts the command in a session of its own, keeps what the
# command prints up to a limit, ends it when its time is up or somebody says so, ends what it left behind, and writes the
# verdict last. It lives on when whoever started it is gone, and knows nothing of folders, markers or people.
#
#   supervise.sh CLAIM VERDICT STDOUT STDERR RESULTS WALL GRACE BLOCKS CONTAINED DISK COMMAND [ARGUMENT...]
#
#   CLAIM      created exclusively as the first act: "<pid> <start, in clock ticks after boot> <boot id>"
#   VERDICT    written last: one line of JSON, which counts once it ends. Its time is that of the end. CLAIM is opened for
#              writing after it, so that who watches the directory of claims hears of each end. A file `cancel` beside it
#              ends the command
#   STDOUT, STDERR   files for what is printed (the same one for both, if they are equal); "-" is the caller's
#   RESULTS    a directory that survives a power cut if the verdict does ("-": none), as what was printed does
#   WALL, GRACE      hundredths of a second: how long it may run ("-": for ever), and from SIGTERM to SIGKILL
#   BLOCKS     units of 512 bytes that are kept of each stream ("-": all)
#   CONTAINED  "yes" where no process outlives the first one (a process namespace, whose first process passes SIGTERM
#              on); then nobody looks for what was left behind. That first process finds the pipe 7, at its end once the
#              supervisor is gone, and writes a line to 8 before the command starts. Where that line is missing at the
#              end, the sandbox failed and nothing of the job ran: the verdict has "sandbox_failed": true
#   DISK       KiB that the folder of VERDICT may hold, all that lies in it counted as `du` does ("-": any amount). With
#              more the command is killed, and so it is if a folder of it cannot be looked into
#
# SIGTERM (or the file) cancels. It exits with 75 if the attempt was claimed before, with 74 if it could not claim it
# durably, with 69 if this shell or system cannot do it; in these cases nothing was started. The return code of a
# command that a signal ended is 128 + signal, as in every shell.
#
# It needs a POSIX shell whose here-documents are pipes (dash; bash from 5.1), /proc, coreutils, util-linux and grep.
# Each process costs about a millisecond, so that builtins do what they can.

set -u
umask 077 # whatever the caller's is: claim, verdict, logs and what the job makes are its owner's alone
claim=$1 verdict=$2 out=$3 err=$4 results=$5 wall=$6 grace=$7 blocks=$8 contained=$9 disk=${10}
shift 10
place=${verdict%/*}
path=$PATH
PATH=/usr/bin:/bin
job='' reason='' out_reader='' err_reader='' timer=''

# The start time of this process in clock ticks: the 22nd field of its stat, the 20th after the name in parentheses.
start_ticks() {
    read -r ticks </proc/self/stat
    set -- ${ticks##*) }
    ticks=${20}
}

# The time since boot in hundredths of a second; no clock that somebody can set.
look_at_clock() {
    read -r now rest </proc/uptime
    fraction=${now#*.}
    now=$((${now%.*} * 100 + 1$fraction - 100))
}

# seconds HUNDREDTHS: the same in seconds, for sleep.
seconds() {
    fraction=$(($1 % 100 + 100))
    seconds=$(($1 / 100)).${fraction#1}
}

# children PID: the processes that it started and that are still there.
children() {
    children=''
    { read -r children <"/proc/$1/task/$1/children"; } 2>/dev/null
}

# members SESSION [FILE...]: a line for each living process of a session, whatever group it has moved to.
members() {
    session=$1
    shift
    grep -lE -- "\) [^ZX] -?[0-9]+ -?[0-9]+ $session " ${*:-/proc/[0-9]*/stat} 2>/dev/null
}

# younger: sets `found` to the same of the job's session, looking only at processes that began after the job. A session is
# inherited and cannot be joined, so no other can be in it; and numbers are given out in turn, all around only in more
# than a second.
younger() {
    found=''
    read -r rest rest rest rest last </proc/loadavg
    set --
    for process in /proc/[0-9]*; do
        number=${process#/proc/}
        [ "$number" -gt "$job" ] || [ "$last" -lt "$job" ] || continue
        [ "$number" -le "$last" ] || [ "$last" -lt "$job" ] || continue
        [ "$number" = "$watcher" ] || set -- "$@" "$process/stat"
    done
    if [ "$#" -gt 16 ]; then
        found=$(members "$job" "$@")
        return
    fi
    for file in "$@"; do
        { read -r stat <"$file"; } 2>/dev/null || continue
        set -- ${stat##*) }
        case $1 in [!ZX]) [ "$4" != "$job" ] || found=$file ;; esac
    done
}

# look_for_rest: sets `found` to living processes of the job's session.
look_for_rest() {
    if [ "$took" -lt 100 ]; then younger; else found=$(members "$job"); fi
}

# tell SIGNAL: to all that the job has started and that can be found.
tell() {
    if [ "$contained" = yes ]; then
        # The wrapper itself dies of SIGTERM and takes all with it: that would be no time to tidy up. Its first process
        # passes the signal on inside.
        children "$job"
        kill -s "$1" ${children:-"$job"}
        [ "$1" = TERM ] || kill -s "$1" "$job"
    else
        kill -s "$1" -- "-$job" || kill -s "$1" "$job"
        for member in $(members "$job"); do
            member=${member#/proc/}
            kill -s "$1" "${member%/stat}"
        done
    fi 2>/dev/null
}

# keep FILE: write what comes in as it comes, up to the limit, and read on, so that the job goes on. Ends with 1 if not
# all was written. The kernel counts, and tee goes on without a file that is full: `head -c` holds lines back, and dd
# takes a short read for a whole block.
keep() {
    [ "$blocks" = - ] || ulimit -f "$blocks"
    trap '' XFSZ
    exec tee -- "$1" >/dev/null 2>&1
}

# say_cut FILE: one line at the end of a log that is not whole.
say_cut() {
    log_cut=true
    if [ "$blocks" != - ] && [ "$(stat -c %s -- "$1")" -ge $((blocks * 512)) ]; then
        printf '\n[syft-job] The log was cut here: it reached its limit of %s bytes.\n' $((blocks * 512)) >>"$1"
    else
        printf '\n[syft-job] The log was cut here: it could not be written.\n' >>"$1"
    fi
} 2>/dev/null

# leave_nobody SELF SESSION: end what is left of the supervisor's own session. A sandbox that is still being made may have
# a process there that waits for its maker for ever.
leave_nobody() {
    for member in $(members "$2"); do
        member=${member#/proc/}
        member=${member%/stat}
        case " $1 $out_reader $err_reader " in
        *" $member "*) ;; # what was printed is still written down
        *) kill -KILL "$member" 2>/dev/null ;;
        esac
    done
}

# measure: how much lies in the folder; with too much, SIGXFSZ to the supervisor. It is a process of its own, so that a
# tree that takes long to count delays no other limit, and it rests twenty times as long as it counted. What files take
# up counts, and what they appear to hold: a copy of a sparse file is not sparse.
measure() {
    hidden=''
    while [ -e "/proc/$$" ]; do
        look_at_clock
        since=$now
        # Files that vanish meanwhile are no matter; a folder that nobody can look into could hold anything.
        used=$(du -skx -- "$place" 2>/dev/null) ||
            hidden=$(find "$place" -xdev -type d ! '(' -readable -executable ')' -print -quit 2>/dev/null)
        used=${used%%[!0-9]*}
        apparent=$(du -skx --apparent-size -- "$place" 2>/dev/null)
        apparent=${apparent%%[!0-9]*}
        if [ "${used:-0}" -gt "$disk" ] || [ "${apparent:-0}" -gt "$disk" ] || [ -n "$hidden" ]; then
            kill -XFSZ "$$"
            return
        fi
        look_at_clock
        pause=$(((now - since) * 20))
        [ "$pause" -gt 100 ] || pause=100
        seconds "$pause"
        sleep "$seconds"
    done
}

# stop_measuring: it and what it waits for.
stop_measuring() {
    [ -n "$measuring" ] || return 0
    kill -STOP "$measuring"
    children "$measuring"
    kill -KILL "$measuring" $children
} 2>/dev/null

# watch: once a second, what no signal tells: the time, the file `cancel`, an end without an end of its output, and the
# death of the supervisor itself, which ends the job too.
watch() {
    over='' nap='' silent=0 measuring=''
    trap 'over=yes' TERM
    look_at_clock
    [ "$wall" = - ] || end=$((now + wall))
    while [ -z "$over" ]; do
        pause=100
        if [ "$wall" != - ]; then
            look_at_clock
            left=$((end - now))
            if [ "$left" -le 0 ]; then
                kill -USR1 "$$"
                wall=-
            elif [ "$left" -lt 100 ]; then
                pause=$left
            fi
        fi
        seconds "$pause"
        sleep "$seconds" &
        nap=$!
        wait "$nap"
        read -r stat </proc/self/stat
        set -- ${stat##*) }
        if [ "$2" != "$$" ]; then
            tell KILL
            leave_nobody "${stat%% *}" "$4"
            exit 0
        fi
        if [ -z "$measuring$over" ] && [ "$disk" != - ]; then # not before: a short job costs no process for it
            (measure) &
            measuring=$!
        fi
        [ ! -e "$place/cancel" ] || kill -TERM "$$"
        kill -0 "$job" 2>/dev/null || silent=$((silent + 1))
        if [ "$silent" -ge 3 ]; then # a process that left the session still holds the pipe
            kill -KILL $out_reader $err_reader 2>/dev/null
        fi
    done
    [ -z "$nap" ] || kill "$nap" 2>/dev/null
    stop_measuring
}

# alone_with_8 PID...: wait until these have closed what they were born with: whoever held 8 longer than the supervisor
# would let a sandbox begin that nobody ends any more. It is a matter of microseconds, mostly over already.
alone_with_8() {
    for process in "$@"; do
        while [ -e "/proc/$process/fd/8" ]; do :; done
    done
}

# count_down: after the grace, SIGUSR2 to the supervisor.
count_down() {
    over=''
    trap 'over=yes' TERM
    seconds "$grace"
    sleep "$seconds" &
    wait "$!"
    if [ "$over" ]; then kill "$!"; else kill -USR2 "$$"; fi 2>/dev/null
}

# stop REASON: ask the job to end; the first reason stands.
stop() {
    [ -z "$reason" ] || return 0
    reason=$1
    tell TERM
    (count_down) 8>&- &
    timer=$!
    alone_with_8 $timer
}

# sweep: end what is left of the job's session. Says "true" if something cannot be ended.
sweep() {
    left_behind=false
    [ "$contained" != yes ] || return 0
    kill -KILL -- "-$job" 2>/dev/null
    tries=0
    while
        look_for_rest
        [ -n "$found" ]
    do
        tell KILL
        tries=$((tries + 1))
        if [ "$tries" -gt 40 ]; then
            left_behind=true
            return 0
        fi
        sleep 0.05
    done
}

# collect READER FILE: wait until a stream is whole, or was given up.
collect() {
    [ -n "$1" ] || return 0
    wait "$1"
    case $? in
    0) ;;
    1) say_cut "$2" ;;
    *) left_behind=true ;;
    esac
}

# keep_results: what is there of results and logs survives a power cut. Where there is nothing, it costs nothing.
keep_results() {
    set --
    [ "$out" = - ] || [ ! -s "$out" ] || set -- "$out"
    [ "$err" = - ] || [ "$err" = "$out" ] || [ ! -s "$err" ] || set -- "$@" "$err"
    [ "$#" -eq 0 ] || sync -- "$@"
    [ "$results" = - ] && return
    [ ! -L "$results" ] || return # the job put a link there, which may lead anywhere
    for entry in "$results"/* "$results"/.[!.]* "$results"/..?*; do
        if [ -e "$entry" ] || [ -L "$entry" ]; then
            # Neither links nor what a reader could block on: the job laid all of it.
            find "$results" \( -type f -o -type d \) -exec sync -- {} +
            sync -- "${results%/*}"
            return
        fi
    done
} 2>/dev/null

# say_too_big: why the job was killed, at the end of what it said.
say_too_big() {
    [ "$err" = - ] || printf '\n[syft-job] It was ended: its folder held more than %s bytes, %s.\n' \
        $((disk * 1024)) 'or something that could not be counted' >>"$err"
} 2>/dev/null

# check_sandbox: sets sandbox_failed to true if the sandbox ended by itself without starting the command. All who could
# write to the pipe are gone.
check_sandbox() {
    sandbox_failed=false
    [ "$contained" = yes ] && [ "$reason" = end ] || return 0
    read -r is_set_up <&9 || sandbox_failed=true
    [ "$sandbox_failed" = false ] || [ "$err" = - ] ||
        printf '\n[syft-job] The sandbox could not be set up, so nothing of the job ran.\n' >>"$err"
} 2>/dev/null

# say_verdict: in one piece, and what has no end of line does not count, so that it needs no other name before.
say_verdict() {
    printf '{"returncode": %s, "timed_out": %s, "cancelled": %s, "too_big": %s, "sandbox_failed": %s, %s}\n' \
        "$code" "$timed_out" "$cancelled" "$too_big" "$sandbox_failed" \
        "\"log_cut\": $log_cut, \"left_behind\": $left_behind, \"seconds\": $took" >"$verdict"
}

# knock: whoever watches the claims hears that the verdict is there.
knock() {
    [ ! -e "$claim" ] || : >>"$claim"
} 2>/dev/null

# keep_verdict: the verdict survives a power cut, and the names on the way to it. Nobody need wait for it: who has read
# the verdict makes the copies durable that count from then on, and may have removed this.
keep_verdict() {
    sync -- "$verdict" "$place" "$place/.."
}

# --------------------------------------------------------------------------------------------------------------------

# Four pipes without a process or a file: the reading end of an empty here-document, opened once more for writing. On
# the third one the job is told to begin; who holds 8 is the supervisor alone, so that 7 is at its end once that is gone.
# On the fourth a sandbox says that it is set up; only its processes are ever able to write to it.
exec 3<<OUT 4<<ERR 7<<GO 9<<SET_UP
OUT
ERR
GO
SET_UP
[ -p /proc/self/fd/3 ] && [ -p /proc/self/fd/4 ] && [ -p /proc/self/fd/7 ] && [ -p /proc/self/fd/9 ] || exit 69
exec 5>/proc/self/fd/3 6>/proc/self/fd/4 8>/proc/self/fd/7
# Who is started below gets its ends in a subshell's own redirections: those of a function would be undone later, so the
# shell would keep a copy of each, and no reader would ever see an end.

early=''
trap 'early=yes' TERM INT HUP
start_ticks
read -r boot </proc/sys/kernel/random/boot_id
set -C
{ printf '%s %s %s\n' "$$" "$ticks" "$boot" && written=yes || written=''; } 2>/dev/null >"$claim" || exit 75
set +C
sync "$claim" "${claim%/*}" 3<&- 4<&- 5>&- 6>&- 7<&- 8>&- 9<&- &
claiming=$!

trap 'stop timed_out' USR1
trap 'tell KILL' USR2
trap 'stop too_big; tell KILL' XFSZ # no grace: it could write on

if [ "$out" != - ]; then
    (keep "$out") <&3 3<&- 4<&- 5>&- 6>&- 7<&- 8>&- 9<&- &
    out_reader=$!
else
    exec 5>&1
fi
if [ "$err" = "$out" ]; then
    exec 6>&5
elif [ "$err" != - ]; then
    (keep "$err") <&4 3<&- 4<&- 5>&- 6>&- 7<&- 8>&- 9<&- &
    err_reader=$!
else
    exec 6>&2
fi

while
    wait "$claiming" # a signal ends this early
    is_claimed=$?
    kill -0 "$claiming" 2>/dev/null
do :; done
if [ -z "$written" ] || [ "$is_claimed" -ne 0 ]; then # the readers end with their pipes
    rm -f "$claim"
    exit 74
fi

if [ "$early" ] || [ -e "$place/cancel" ]; then # cancelled before it began: what begins only says so
    early=yes
    set -- /bin/sh -c 'kill -TERM "$$"'
fi

# A shell starts what runs beside it with SIGINT and SIGQUIT ignored, nohup with SIGHUP; no shell can undo it, but env can
# (a sandbox's first process does the same). It must not see the command, of which it would take a path with "=" for a
# variable.
[ "$contained" = yes ] || set -- /usr/bin/env --default-signal=HUP,INT,QUIT /usr/bin/setsid -- "$@"
(
    read -r go <&7 || exit 1 # the supervisor is gone: without a watcher nothing begins
    PATH=$path
    unset PWD OLDPWD
    if [ "$contained" = yes ]; then exec 8>/proc/self/fd/9; else exec 7<&-; fi
    exec 9<&-
    exec "$@"
) </dev/null >&5 2>&6 3<&- 4<&- 5>&- 6>&- 8>&- &
job=$!
trap 'stop cancelled' TERM INT HUP
[ -z "$early" ] || stop cancelled
look_at_clock
began=$now
(watch) </dev/null >/dev/null 2>&1 3<&- 4<&- 5>&- 6>&- 7<&- 8>&- 9<&- &
watcher=$!
alone_with_8 $watcher $out_reader $err_reader
echo >&8
exec 3<&- 4<&- 5>&- 6>&- 7<&-

# `wait` returns early when a signal was handled; the job is then still there, at least as a zombie.
while
    wait "$job"
    code=$?
    kill -0 "$job" 2>/dev/null
do :; done
wait "$job" # a code that came in while a signal was handled is told only now; one that was told before is 127, "unknown"
again=$?
[ "$again" -eq 127 ] || code=$again
reason=${reason:-end}
trap '' TERM INT HUP USR1 USR2 XFSZ

look_at_clock
took=$((now - began))
log_cut=false
sweep
seconds "$took"
took=$seconds
collect "$out_reader" "$out"
collect "$err_reader" "$err"
check_sandbox
timed_out=false cancelled=false too_big=false
[ "$reason" != timed_out ] || timed_out=true
[ "$reason" != cancelled ] || cancelled=true
if [ "$reason" = too_big ]; then
    too_big=true
    say_too_big
fi

keep_results
until say_verdict 2>/dev/null; do
    [ -d "$place" ] || break # a full disk has room again some day; a folder that was removed does not come back
    sleep 1
done
knock
until keep_verdict 2>/dev/null; do
    [ -e "$verdict" ] || break
    sleep 1
done
kill "$watcher" $timer 2>/dev/null
wait "$watcher" $timer
exit 0
