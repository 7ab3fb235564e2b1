# The first process of a sandbox: it hands SIGTERM on to everybody in there, and when the command ends it ends, whereupon
# the kernel ends all others before anybody outside hears of it. Given to `sh -c`, with the command as its arguments.
# A shell starts what runs beside it with SIGINT and SIGQUIT ignored, nohup with SIGHUP; no shell can undo it, but env can.
# Yet env would take a path with "=" for a variable, so that setsid stands between them there.
# The kernel ends the sandbox when its supervisor ends, but not if that happened in the instant before it was told to. So
# it is asked once more here: the pipe 7 is at its end when the supervisor is gone, and has nothing to read while it lives.
if dd iflag=nonblock bs=1 count=1 <&7; then exit 69; fi >/dev/null 2>&1
# The supervisor hears on the pipe 8 that the sandbox is set up; the command finds neither pipe.
{
    echo >&8
    exec 7<&- 8>&-
} 2>/dev/null
trap 'kill -TERM -1' TERM
case $1 in *=*) set -- /usr/bin/setsid -- "$@" ;; esac
/usr/bin/env --default-signal=HUP,INT,QUIT "$@" &
while
    wait "$!"
    code=$?
    kill -0 "$!" 2>/dev/null
do :; done
wait "$!" # a code that came in while a signal was handled is told only now; one that was told before is 127, "unknown"
again=$?
[ "$again" -eq 127 ] || code=$again
exit "$code"
