#!/bin/sh
# Part of a supplemental pack for XenServer up to 7.0 and XCP 1.x. POSIX shell; needs rpm, rpm2cpio, cpio, md5sum, sed, tr.

LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
unset CDPATH IFS
set -f
umask 022
root=${SUPPACK_ROOT:-}
batch=
work=
staging=

say() {
    printf '%s\n' "$*"
}

warn() {
    printf '%s\n' "$*" >&2
}

# Message, exit code.
fatal() {
    warn "FATAL: $1"
    exit "${2:-1}"
}

tidy() {
    [ -z "$work" ] || rm -rf "$work"
    [ -z "$staging" ] || rm -rf "$staging"
}

begin() {
    trap tidy EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    work=$(mktemp -d "${TMPDIR:-/tmp}/suppack.XXXXXX") || fatal "cannot make a folder in ${TMPDIR:-/tmp}"
    # A root without an end slash; none for the host itself.
    root=${root%/}
    repos=$root/etc/xensource/installed-repos
}

# Where a program is. By its name alone busybox would take its own, which knows too little.
program() {
    folders=$PATH:
    while [ -n "$folders" ]; do
        if [ -x "${folders%%:*}/$1" ]; then
            printf '%s' "${folders%%:*}/$1"
            return
        fi
        folders=${folders#*:}
    done
    fatal "$1 is not on this host" 1
}
rpm=$(program rpm) || exit 1
rpm2cpio=$(program rpm2cpio) || exit 1
cpio=$(program cpio) || exit 1

with_rpm() {
    if [ -n "$root" ]; then
        "$rpm" --root "$root" "$@"
    else
        "$rpm" "$@"
    fi
}

# Asks until the answer begins with y or n. The end of the input is a no.
ask() {
    while :; do
        printf '%s (Y/N) ' "$1"
        IFS= read -r answer || {
            say
            return 1
        }
        case $answer in
            [yY]*) return 0 ;;
            [nN]*) return 1 ;;
        esac
    done
}

# The tags of a file of metadata, one a line, each with the text that follows it. No control characters are left.
tags() {
    [ -f "$1" ] && [ -r "$1" ] && [ "$(wc -c < "$1")" -le 4194304 ] || return 1
    tr '\n\r\t' '   ' < "$1" | tr -d '\000-\037\177' | sed 's/</\
</g'
}

# The value of an attribute of a tag.
attribute() {
    key=" $2=\""
    case $1 in
        *"$key"*)
            rest=${1#*"$key"}
            printf '%s' "${rest%%\"*}"
            ;;
    esac
}

# What can be part of a pack's identity, and a label: no slash, no leading dot or dash.
is_word() {
    case $1 in
        '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._+-]*) return 1 ;;
    esac
}

# Numbers that a shell can compare, with dots between them.
digit='[0-9]'
three=$digit$digit$digit
nineteen=$three$three$three$three$three$three$digit
is_version() {
    case $1 in
        '' | .* | *. | *..* | *[!0-9.]* | *$nineteen*) return 1 ;;
    esac
}

# Prints lt, eq or gt: part by part as numbers; if one ends first, the longer is the greater.
compare() {
    left=$1. right=$2.
    while [ -n "$left" ] && [ -n "$right" ]; do
        l=${left%%.*} r=${right%%.*}
        left=${left#*.} right=${right#*.}
        if [ "$l" -lt "$r" ]; then say lt && return; fi
        if [ "$l" -gt "$r" ]; then say gt && return; fi
    done
    if [ -n "$left" ]; then
        say gt
    elif [ -n "$right" ]; then
        say lt
    else
        say eq
    fi
}

# Whether an order is what a test wants.
is_met() {
    case $1:$2 in
        eq:eq | ne:lt | ne:gt | lt:lt | gt:gt | le:lt | le:eq | ge:gt | ge:eq) return 0 ;;
    esac
    return 1
}

# A value of the host's inventory.
inventory() {
    [ -r "$root/etc/xensource-inventory" ] || return 0
    value=$(sed -n "s/^$1=//p" "$root/etc/xensource-inventory" | sed -n '$p')
    value=${value#\'}
    printf '%s' "${value%\'}"
}

# Whether a package of this name is installed, in any version.
is_installed() {
    with_rpm -q --quiet "$1" > /dev/null 2>&1
}

# What follows from a change of the packs of this host: dom0's memory, and what XAPI says of it.
tell_host() {
    memory=$root/opt/xensource/libexec/set-dom0-memory-target-from-packs
    if [ -x "$memory" ]; then
        "$memory" || warn "Warning: $memory failed; dom0 keeps its memory."
    fi
    host=$(inventory INSTALLATION_UUID)
    xe=$root/opt/xensource/bin/xe
    if [ ! -x "$xe" ] || [ -z "$host" ] || [ ! -e "$root/var/run/xapi_init_complete.cookie" ]; then
        say "XAPI is not running: the host shows the change after its next start."
    elif ! "$xe" host-refresh-pack-info "host-uuid=$host"; then
        warn "Warning: XAPI does not show the change yet. Run: xe host-refresh-pack-info host-uuid=$host"
    fi
}
