# Makes a root as a cloud image of Debian 12 has it, in the folder $1: called in a mount namespace of its own. What the VM
# installs when it starts is there as packages, so that no start needs a network.
set -eu
root=$1
debootstrap --variant=minbase bookworm "$root" http://deb.debian.org/debian

# Nothing is started here, nothing is looked up here, and what can be made again need not reach the disk at once.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/locale/* "$root"/usr/share/man/*
cat >"$root/etc/dpkg/dpkg.cfg.d/lab" <<END
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
END
cat >"$root/etc/apt/apt.conf.d/lab" <<END
APT::Install-Recommends "false";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
apt() { chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@"; }
apt install cloud-init fuseiso iproute2 openssh-server sudo systemd
apt clean
apt install --download-only docker.io xenstore-utils

# There is no service manager: what is enabled is enabled, and nothing is started.
cat >"$root/usr/local/bin/systemctl" <<'END'
#!/bin/sh
for word; do
  shift
  case $word in --now | --no-block) ;; *) set -- "$@" "$word" ;; esac
done
exec /bin/systemctl "$@"
END
chmod 0755 "$root/usr/local/bin/systemctl"

# The kernel here need not know ISO 9660: mount(8) asks this program for it.
printf '#!/bin/sh\nexec fuseiso "$1" "$2"\n' >"$root/sbin/mount.iso9660"
chmod 0755 "$root/sbin/mount.iso9660"

# As Debian's images have it.
echo LANG=C.UTF-8 >"$root/etc/default/locale"

# The root has no disk and no network of its own.
cat >"$root/etc/cloud/cloud.cfg.d/99_lab.cfg" <<END
datasource_list: [ConfigDrive]
network: {config: disabled}
growpart: {mode: "off"}
resize_rootfs: false
END
