# Runs as the first process of new user, mount, network, PID, IPC and UTS namespaces, in the folder that holds a host's
# root and its stage (stage.rs), and leaves everything of the build machine behind before anything of a pack runs.
#
# $1 mount, $2 pivot_root (by their paths: a shell may have its own by these names), $3 file size limit in blocks of 512
# bytes, $4 limit of processes, $5 mounts to be made read-only, as path=options; then the command for the host's root.
# stdin is the mount table, stdout the socket to the parent, stderr the output.
set -e
exec 8>&1 7<&8 5>&2 6>/dev/null >&2
mount=$1 pivot_root=$2 files=$3 processes=$4 mounts=$5
shift 5

# No namespace within this one: in it the script would have every capability again. Where this file cannot be written,
# what is mounted read-only here stays locked so there: mount_namespaces(7).
{ echo 0 >/proc/sys/user/max_user_namespaces; } 2>&6 || :

# Folders of the build machine are mounted by fixed names first; links inside the host's root can only misplace what is
# mounted after it, into this namespace.
"$mount" -n -c -a -T /proc/self/fd/0
for locked in $mounts; do
    for build in /tmp/.build /tmp/root/.build; do
        "$mount" -n -c -o "remount,bind,ro,nosuid,nodev${locked#*=}" none "$build${locked%%=*}"
    done
done
exec <&-
cd /tmp
"$pivot_root" . old
# From here on every program is one of the build machine's, by way of the stage.
/.build/umount -l /old

ulimit -c 0
ulimit -f "$files"
ulimit -v 2097152
ulimit -u "$processes" 2>&6 || ulimit -p "$processes"
umask 022
# The capabilities that root needs over files that are its own. sys_chroot leads back to the stage at most.
exec /.build/setpriv --no-new-privs --inh-caps=-all \
    --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+sys_chroot \
    /.build/sh -c '
    unset OLDPWD
    echo 0 >&8
    exec 2>&6 6>&-
    /.build/chroot /root "$@" </root/dev/null >&5 2>&5 5>&-
    exit $?
' sh "$@"
