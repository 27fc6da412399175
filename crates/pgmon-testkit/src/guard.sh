# Ends what runs in a directory and removes it, when standard input closes: when the test
# drops its server, and just as well when the test was killed. $1 is the directory.
dir=$1
trap '' INT TERM HUP
cat >/dev/null

# All processes that work in the directory. A server and its children never leave their data directory.
pids() { find /proc/[0-9]*/cwd -maxdepth 0 -lname "$dir*" -printf '%h\n' 2>/dev/null | cut -c7-; }
signal() { sig=$1; shift; [ $# -eq 0 ] || kill -s "$sig" "$@" 2>/dev/null; }

# QUIT lets a server give back its System V shared memory, of which the system has only so many segments.
signal CONT $(pids)
for file in "$dir"/*/postmaster.pid; do
  read -r pid <"$file" 2>/dev/null || continue
  for running in $(pids); do
    [ "$running" != "$pid" ] || signal QUIT "$pid"
  done
done
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  ls "$dir"/*/postmaster.pid >/dev/null 2>&1 || break
  [ -n "$(pids)" ] || break
  sleep 0.1
done
for _ in 1 2 3 4 5; do
  left=$(pids)
  [ -n "$left" ] || break
  signal KILL $left
  sleep 0.02
done
# A server that was killed could not; the seventh line holds the key and the id of its segment.
for file in "$dir"/*/postmaster.pid; do
  [ -f "$file" ] || continue
  segment=$(sed -n '7s/^ *[0-9]* *\([0-9][0-9]*\) *$/\1/p' "$file")
  [ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
done
rm -rf "$dir"
