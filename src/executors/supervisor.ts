/**
 * The supervising shell of one script. It lives on when the daemon ends, and notes how the script
 * ended. Builtins only, for it must cost next to nothing.
 *
 * It is the leader of a session of its own, and is started before it is known for what: to start a
 * shell takes longer than all that it does. Descriptor 3 is a socket to the spawner, which sends the
 * payload's directory, then variables of the script's environment as `NAME=VALUE`, then nothing,
 * each ended by a NUL. A shell that is not told all of it is not needed, and ends. It answers with
 * the process group of the script.
 *
 * The exit record gets its place on the disk at the start, so that a script that fills the disk can
 * still be seen to end. Where there is no room for it, the script is not started. Until the end it
 * has the script's process id.
 *
 * Job control is on only while the script is started, which gives it a process group of its own:
 * with it, `wait` would return when the script is stopped, and `wait -f` of bash 5.2 sometimes
 * spins for ever.
 */
export const supervisor = `
trap : PIPE
exec 2>/dev/null
read -r stat <"/proc/$$/stat"
set -- \${stat##*) }
started=\${20}
read -r boot </proc/sys/kernel/random/boot_id
IFS= read -r -d '' directory <&3 || exit 0
while :; do
  IFS= read -r -d '' pair <&3 || exit 0
  [[ $pair ]] || break
  export "$pair"
done
set -C
echo "$$ $started $boot" >"$directory/start" || exit 75
printf '%80s' >"$directory/exit" || exit 74
set +C
cd -P "$directory/work" && exec >>"$directory/stdout.log" 4>>"$directory/stderr.log" || exit 74
unset OLDPWD
set -m
bash run.sh 2>&4 3>&- 4>&- &
set +m
echo "$!" >&3
exec 3>&- 4>&-
echo "script $!" 1<>"$directory/exit"
wait "$!"
code=$?
{ times; echo "exit $code"; } 1<>"$directory/exit"
exit 0
`

/** Exit code of a supervising shell that could not write its records: the script was not started. */
export const noRecords = 74

/** Exit code of a supervising shell that found that another one had started the script. */
export const alreadyStarted = 75

/** What a supervising shell has to be told. */
export function taskText(directory: string, environment: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(environment).map(([name, value]) => `${name}=${value}\0`)
  return `${directory}\0${pairs.join('')}\0`
}
