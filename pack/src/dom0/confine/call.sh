#!/.build/sh
# Stands in for a program that only a real host has: asks the process that rehearses (call.rs) by way of file
# descriptors 8 and 7, which every process of a run inherits. One call at a time.
exec 9</.build/lock && /.build/flock 9 || exit 127
{
    printf '%s\n' "$(($# + 1))"
    printf '%s\0' "${0##*/}" "$@"
} >&8 || exit 127
read -r code output errors <&7 || exit 127
# All of a reply is taken before any of it is passed on: whoever reads it may stop early.
text=
problem=
[ "$output" -eq 0 ] || text=$(/.build/head -c "$output" <&7; echo .)
[ "$errors" -eq 0 ] || problem=$(/.build/head -c "$errors" <&7; echo .)
exec 9<&-
printf %s "${problem%.}" >&2
printf %s "${text%.}"
exit "$code"
