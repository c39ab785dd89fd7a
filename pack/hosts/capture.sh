#!/bin/sh
# Captures this host for rehearsals of packs: what is installed, by whom files are owned, which updates are applied.
# Usage, as root on the host: sh capture.sh >host.tar.gz, or: sh capture.sh host.tar.gz
#
# It changes nothing on the host but a folder below $TMPDIR (or /tmp) while it runs, and reads no file but the ones named
# here: no passwords, keys, addresses or names of hosts. What the entries mean stands in pack/src/dom0/capture.rs.
# For dash and bash 4.2, with rpm 4.11 and later. CAPTURE_ROOT: the root folder of another host than the running one.
set -eu
export LC_ALL=C TZ=UTC

fail() {
    echo "capture.sh: $1. $2." >&2
    exit 1
}

# What the inventory says of the release, and nothing that tells one host from another.
release_facts() {
    # No value of these keys has more than printable characters.
    sed -n -e '/^PRODUCT_[A-Z_]*=/p' -e '/^PLATFORM_[A-Z_]*=/p' -e '/^COMPANY_[A-Z_]*=/p' -e '/^BRAND_[A-Z_]*=/p' \
        -e '/^BUILD_NUMBER=/p' -e '/^XEN_VERSION=/p' -e '/^KERNEL_VERSION=/p' "$root/etc/xensource-inventory" |
        tr -cd '\n -~'
}

# A value of that, without its quotes.
release_fact() {
    sed -n "s/^$1=//p" inventory | tr -d "'" | head -n 1
}

# Every installed package but the keys, which rpm keeps as packages.
packages() {
    for list in 'provides PROVIDENAME PROVIDEFLAGS PROVIDEVERSION' 'requires REQUIRENAME REQUIREFLAGS REQUIREVERSION' \
        'conflicts CONFLICTNAME CONFLICTFLAGS CONFLICTVERSION' 'obsoletes OBSOLETENAME OBSOLETEFLAGS OBSOLETEVERSION'; do
        # shellcheck disable=SC2086 # split on purpose
        set -- $list
        dependencies="${dependencies-}%|$2?{[$1\\t%{$2}\\t%{$3:depflags}\\t%{$4}\\n]}|"
    done
    package='package\t%{NAME}\t%|EPOCH?{%{EPOCH}}|\t%{VERSION}\t%{RELEASE}\t%{ARCH}\n'
    file='file\t%{FILEMODES:octal}\t%{FILEUSERNAME}\t%{FILEGROUPNAME}\t%{LONGFILESIZES}\t%{FILEDIGESTS}'
    file="$file"'\t%{FILEFLAGS:fflags}\t%{FILENAMES}\t%{FILELINKTOS}\n'
    # Without the condition rpm prints (none) for an empty list.
    rpm ${root:+--root "$root"} -qa --queryformat "$package$dependencies%|BASENAMES?{[$file]}|" </dev/null >all ||
        fail 'rpm cannot list the packages' 'Run it as root, and see what rpm says above'
    awk -F '\t' '$1 == "package" { keep = $2 != "gpg-pubkey" } keep' all
    rm all
}

# What yum's database says of groups: PACKAGE, tab, GROUP.
groups() {
    for mark in "$root"/var/lib/yum/yumdb/*/*/group_member; do
        [ -f "$mark" ] || continue
        package=${mark%/group_member}
        package=${package##*/}
        # The name of the folder begins with a checksum.
        printf '%s\t%s\n' "${package#*-}" "$(head -n 1 "$mark" | tr -cd ' -~')"
    done
}

applied() {
    for stamp in "$root"/var/update/applied/*; do
        [ -f "$stamp" ] || continue
        name=${stamp##*/}
        # As XAPI does, only names that are uuids.
        case $name in
        ????????-????-????-????-????????????) ;;
        *) continue ;;
        esac
        case $name in
        *[!0-9a-fA-F-]*) continue ;;
        esac
        cat "$stamp" >"applied/$name"
    done
}

presets() {
    for folder in etc run usr/lib; do
        for preset in "$root/$folder"/systemd/system-preset/*.preset; do
            name=${preset##*/}
            # The first folder that has a name wins; a link to /dev/null leaves nothing of it.
            { [ -e "$preset" ] || [ -L "$preset" ]; } && [ ! -e "presets/$name" ] || continue
            if [ -f "$preset" ]; then cat "$preset"; fi >"presets/$name"
        done
    done
}

capture() {
    version=$(release_fact PRODUCT_VERSION)
    [ -n "$version" ] || fail 'the inventory has no PRODUCT_VERSION' "Look at $root/etc/xensource-inventory"
    if [ -x "$root/usr/bin/dnf" ]; then
        manager=dnf groups=compat
    elif [ -x "$root/usr/bin/yum" ]; then
        manager=yum groups=objects
        # XAPI writes yum's configuration for a pack (xen-api, ocaml/xapi/xapi_pool_update.ml, CA-370575).
        [ -f "$root/opt/xensource/bin/xapi" ] ||
            fail "there is no $root/opt/xensource/bin/xapi" 'Run this on a host with XAPI'
        if grep -q group_command=compat "$root/opt/xensource/bin/xapi"; then groups=compat; fi
    else
        fail 'there is neither yum nor dnf in /usr/bin' 'Run this on a XenServer, Citrix Hypervisor or XCP-ng host'
    fi
    echo 'format: 1'
    echo "name: $(printf %s "$version" | tr -c 'A-Za-z0-9._-' _)"
    echo "product: $(release_fact PRODUCT_BRAND) $version"
    echo "origin: captured on a host at $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    echo 'packages: all'
    echo 'presets: all'
    echo "package-manager: $manager"
    echo "groups: $groups"
    df -P -k "$root/" | awk 'NR == 2 { printf "free-bytes: %.0f\n", $4 * 1024 }'
}

# A function, so that a script that arrives over a connection runs only if all of it arrived.
main() {
    root=${CAPTURE_ROOT-}
    output=${1-}
    here=$PWD
    umask 077
    [ -n "$output" ] || [ ! -t 1 ] || fail 'the capture is no text for a terminal' 'Add >FILE, or the name of a file'
    for program in rpm tar gzip awk; do
        command -v "$program" >/dev/null || fail "$program is missing" 'Run this on a host'
    done
    [ -f "$root/etc/xensource-inventory" ] ||
        fail "there is no $root/etc/xensource-inventory" 'Run this on a XenServer, Citrix Hypervisor or XCP-ng host'
    work=$(mktemp -d "${TMPDIR:-/tmp}/capture.XXXXXX") || fail 'no temporary folder can be made' 'Set TMPDIR to a folder'
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -p "$work/host/applied" "$work/host/presets"
    cd "$work/host"
    release_facts >inventory
    capture >capture
    packages >packages
    [ -s packages ] || fail "rpm knows no package" "Look at its database, $root/var/lib/rpm"
    groups >groups
    applied
    presets
    tar --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$work/tar" capture inventory packages groups \
        applied presets || fail 'tar failed' 'See above'
    if [ -n "$output" ]; then
        cd "$here"
        if ! gzip -n -c "$work/tar" >"$output.partial" || ! mv "$output.partial" "$output"; then
            rm -f "$output.partial"
            fail "$output cannot be written" 'Give another file'
        fi
    else
        gzip -n -c "$work/tar" || fail 'the capture cannot be written' 'See above'
    fi
}

main "$@"
