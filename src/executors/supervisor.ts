/**
 * The supervising shell of one script. It lives on when the daemon ends, and notes how the script
 * ended. Builtins only, for it must cost next to nothing.
 *
 * Called with the payload's directory as $1, in the work directory, as leader of its own session.
 * Descriptor 3 is a socket to the daemon: it gets the process group of the script.
 *
 * The exit record gets its place on the disk at the start, so that a script that fills the disk can
 * still be seen to end. Where there is no room for it, the script is not started.
 *
 * Job control is on only while the script is started, which gives it a process group of its own:
 * with it, `wait` would return when the script is stopped, and `wait -f` of bash 5.2 sometimes
 * spins for ever.
 */
export const supervisor = `
trap : PIPE
set -m
exec 4>&2 2>/dev/null
directory=$1
read -r stat <"/proc/$$/stat"
set -- \${stat##*) }
started=\${20}
read -r boot </proc/sys/kernel/random/boot_id
set -C
echo "$$ $started $boot" >"$directory/start" || exit 75
printf '%80s' >"$directory/exit" || exit 74
bash run.sh 2>&4 3>&- 4>&- &
set +m
echo "$!" >&3
exec 3>&- 4>&-
wait "$!"
code=$?
{ times; echo "exit $code"; } 1<>"$directory/exit"
exit 0
`

/** Exit code of a supervising shell that could not write its records: the script was not started. */
export const noRecords = 74

/** Exit code of a supervising shell that found that another one had started the script. */
export const alreadyStarted = 75
