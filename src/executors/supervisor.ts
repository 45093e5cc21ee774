import type { Launch } from './isolation/isolation.ts'

/**
 * The supervising shell of one script. It lives on when the daemon ends, and notes how the script
 * ended. Builtins only, for it must cost next to nothing.
 *
 * It is the leader of a session of its own, and is started before it is known for what: to start a
 * shell takes longer than all that it does. Descriptor 3 is a socket to the spawner, which sends the
 * payload's directory, how the script is kept apart (the note and the directory of a `Launch`, and its
 * words, then nothing; or nothing at once), then variables of the script's environment as `NAME=VALUE`,
 * then nothing, then what bounds the script, as commands of builtins alone, each ended by a NUL. A shell
 * that is not told all of it is not needed, and ends. It answers with the process group of the script.
 * Whatever else the daemon was given when it was started is closed.
 *
 * The exit record gets its place on the disk at the start, so that a script that fills the disk can
 * still be seen to end. Where there is no room for it, the script is not started. Until the end it
 * has the script's process id. Where the script could not be bounded that stands at its end.
 *
 * Job control is on only while the script is started, which gives it a process group of its own:
 * with it, `wait` would return when the script is stopped, and `wait -f` of bash 5.2 sometimes
 * spins for ever.
 */
export const supervisor = `
trap : PIPE
exec 2>/dev/null
for inherited in "/proc/$$/fd/"*; do
  inherited=\${inherited##*/}
  ((inherited > 3)) && exec {inherited}>&-
done
read -r stat <"/proc/$$/stat"
set -- \${stat##*) }
started=\${20}
read -r boot </proc/sys/kernel/random/boot_id
IFS= read -r -d '' directory <&3 || exit 0
IFS= read -r -d '' note <&3 || exit 0
words=()
if [[ $note ]]; then
  IFS= read -r -d '' files <&3 || exit 0
  while :; do
    IFS= read -r -d '' word <&3 || exit 0
    [[ $word ]] || break
    words+=("$word")
  done
fi
while :; do
  IFS= read -r -d '' pair <&3 || exit 0
  [[ $pair ]] || break
  export "$pair"
done
IFS= read -r -d '' bounds <&3 || exit 0
set -C
echo "$$ $started $boot" >"$directory/start" || exit 75
printf '%160s' >"$directory/exit" || exit 74
set +C
if [[ $note ]]; then
  printf '%s\n%500s' "$note" '' >"$directory/sandbox" || exit 74
  [[ -z $files ]] || exec 5<>"$directory/sandbox" 8<"$files/view" 9<"$files/filter" || exit 74
  [[ -z $files ]] || IFS= read -r -u 5 note
fi
cd -P "$directory/work" && exec >>"$directory/stdout.log" 4>>"$directory/stderr.log" || exit 74
unset OLDPWD
set -m
{ eval "$bounds" || { echo unbounded >>"$directory/exit"; exit 126; }; exec "\${words[@]}" bash run.sh; } 2>&4 3>&- 4>&- &
set +m
echo "$!" >&3
exec 3>&- 4>&- 5>&- 8<&- 9<&-
echo "script $!" 1<>"$directory/exit"
wait "$!"
code=$?
while read -r name value; do [[ $name == write_bytes: ]] && written=$value; done <"/proc/$$/io"
{ echo "written $written"; times; echo "exit $code"; } 1<>"$directory/exit"
exit 0
`

/** Exit code of a supervising shell that could not write its records: the script was not started. */
export const noRecords = 74

/** Exit code of a supervising shell that found that another one had started the script. */
export const alreadyStarted = 75

/** What a supervising shell has to be told. */
export function taskText(
  directory: string,
  launch: Launch | undefined,
  environment: Readonly<Record<string, string>>,
  bounds: string,
): string {
  const apart = launch ? [launch.note, launch.filesDirectory, ...launch.words, ''] : ['']
  const pairs = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const words = [directory, ...apart, ...pairs, '', bounds]
  // What follows it would be taken for something else, in the end for commands.
  if (words.some((word) => word.includes('\0'))) throw new Error('a NUL in what a shell is told')
  return words.map((word) => `${word}\0`).join('')
}
