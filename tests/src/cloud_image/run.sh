# Runs the script $3 in the root $1, as a VM that has the config drive $2 and the address 10.0.0.7: with processes, mounts,
# network and host name of its own, and no devices but the drive and what every system has.
set -eu
export root="$1" drive script="$3"
drive=$(losetup --find --show --read-only "$2")
# Whoever has the device open keeps it; after the last it is free.
exec 9<"$drive"
losetup --detach "$drive"
exec unshare --mount --uts --ipc --net --pid --fork --kill-child --propagation private sh -euc '
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount -t tmpfs run "$root/run"
  mount -t tmpfs -o mode=755 dev "$root/dev"
  mkdir "$root/dev/shm" "$root/dev/pts"
  ln -s /proc/self/fd "$root/dev/fd"
  mknod -m 666 "$root/dev/null" c 1 3
  mknod -m 666 "$root/dev/zero" c 1 5
  mknod -m 666 "$root/dev/random" c 1 8
  mknod -m 666 "$root/dev/urandom" c 1 9
  mknod "$root/dev/fuse" c 10 229
  mknod "$root$drive" b "$((0x$(stat -c %t "$drive")))" "$((0x$(stat -c %T "$drive")))"
  ip link add eth0 type veth peer name other
  ip address add 10.0.0.7/24 dev eth0
  for device in lo eth0 other; do ip link set "$device" up; done
  test ! -e "$root/etc/hostname" || hostname -F "$root/etc/hostname"
  # The first process stays outside: by its root systemctl knows that there is no service manager.
  status=0
  chroot "$root" env -i LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin \
    sh -c "$script" || status=$?
  exit "$status"
'
