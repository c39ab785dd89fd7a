#!/bin/sh
# Removes a supplemental pack from this host: its packages, its stamp, and what XAPI knows of it. Needs no network.
#
#   /var/update/UUID/remove [--force]     as the pack ships it
#   sh remove [--force] UUID              for a pack that ships none
#
# --force  removes kernel modules too, which the running kernel may use
# --check  says what would be removed, and changes nothing
#
# Exit codes: 0 nothing of the pack is left; 1 nothing was changed; 2 the packages are gone, but XAPI could not be told;
# 3 some packages could not be removed. What remains to be done is said.
set -u
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin:/opt/xensource/bin
newline='
'
applied=/var/update/applied

warn() { printf 'remove: %s\n' "$*" >&2; }
die() {
    warn "$*"
    exit 1
}

force='' check='' uuid=''
for word; do
    case $word in
        --force) force=yes ;;
        --check) check=yes ;;
        -*) die "unknown option '$word'; it takes --force, --check and the uuid of a pack" ;;
        *) uuid=$word ;;
    esac
done
case $0 in
    /var/update/?*/remove) [ -n "$uuid" ] || { uuid=${0%/remove} && uuid=${uuid##*/}; } ;;
esac
case $uuid in
    *[!0-9a-f-]*) die "'$uuid' is not the uuid of a pack, which has lower-case letters" ;;
    ????????-????-????-????-????????????) ;;
    *) die "of which pack? Run it by its full name, /var/update/UUID/remove, or give the uuid" ;;
esac
[ "$(id -u)" -eq 0 ] || die 'must run as root'

# By its path: busybox would take its own, which knows no database.
rpm_program=/usr/bin/rpm
[ -x "$rpm_program" ] || rpm_program=/bin/rpm
rpm() { "$rpm_program" "$@"; }

installed() { rpm -q "$1" >/dev/null 2>&1; }

# The stamps that update-LABEL owns: usually the one of this pack.
stamps() {
    for file in $(rpm -ql "update-$label"); do
        case $file in "$applied"/?*) echo "${file##*/}" ;; esac
    done
}

# The label, from the package that owns a file of the pack, or from the stamp itself.
label=''
for file in "$applied/$uuid" "/var/update/$uuid/remove" "/var/update/$uuid/precheck"; do
    [ -z "$label" ] && [ -e "$file" ] || continue
    owner=$(rpm -qf --queryformat '%{NAME}\n' "$file" 2>/dev/null) || continue
    case $owner in
        update-?*) label=${owner#update-} ;;
        control-?*) label=${owner#control-} ;;
    esac
done
if [ -z "$label" ] && [ -e "$applied/$uuid" ]; then
    stamp=$(cat "$applied/$uuid")
    case $stamp in
        *name-label=\"?*\"*) label=${stamp#*name-label=\"} && label=${label%%\"*} ;;
    esac
    case $label in
        *[!A-Za-z0-9_-]*) label='' ;;
    esac
    # Packages of that name may be those of another version of the pack, which has its own stamp.
    [ -z "$label" ] || ! installed "update-$label" || [ -z "$(stamps)" ] || label=''
fi

# What update-LABEL requires in a version is what the pack brought. Product packages stay, whoever brought them.
payload='' modules='' kept='' uuids=$uuid
if [ -n "$label" ] && installed "update-$label"; then
    for other in $(stamps); do
        [ "$other" = "$uuid" ] || uuids="$uuids $other"
    done
    product=$(rpm -q --whatprovides product-version --queryformat '%{VENDOR}\n' 2>/dev/null) || product=''
    product=${product%%"$newline"*}
    requires=$(rpm -q --queryformat '[%{REQUIRENAME} %{REQUIREVERSION}\n]' "update-$label")
    set -f
    IFS=$newline
    for line in $requires; do
        name=${line%% *}
        case " $payload " in *" $name "*) continue ;; esac
        case $name in rpmlib\(* | config\(* | /* | "control-$label") continue ;; esac
        [ -n "${line#* }" ] && installed "$name" || continue
        vendor=$(rpm -q --queryformat '%{VENDOR}\n' "$name")
        vendor=${vendor%%"$newline"*}
        if [ -n "$product" ] && [ "$product" != '(none)' ] && [ "$vendor" = "$product" ]; then
            kept="$kept$name stays: it is a package of $product, as the product's own are$newline"
            continue
        fi
        payload="${payload:+$payload }$name"
        case "$newline$(rpm -ql "$name")" in
            *"$newline"/lib/modules/* | *"$newline"/usr/lib/modules/* | *"$newline"/boot/*) modules="$modules $name" ;;
        esac
    done
    unset IFS
    set +f
fi
packages=$payload
if [ -n "$label" ]; then
    for name in "update-$label" "control-$label"; do
        installed "$name" && packages="${packages:+$packages }$name"
    done
fi
if [ -n "$modules" ] && [ -z "$force" ]; then
    die "kernel modules are in$modules: the running kernel may need them, and the host may not start without them." \
        'If you know that it does not, run it again with --force'
fi

# Takes away what others need, of rpm's lines "CAPABILITY is needed by (installed) PACKAGE"; fails if that is nothing.
spare() {
    spared=''
    set -f
    IFS=$newline
    for line in $1; do
        case $line in *' is needed by '*) ;; *) continue ;; esac
        needer=${line##* }
        line=${line#"${line%%[! 	]*}"}
        providers=$(rpm -q --whatprovides "${line%% *}" --queryformat '%{NAME}\n' 2>/dev/null) || continue
        for name in $providers; do
            case $name in "update-$label" | "control-$label") continue ;; esac
            case " $packages " in *" $name "*) ;; *) continue ;; esac
            left=" $packages "
            left="${left%% "$name" *} ${left#* "$name" }"
            packages=${left# } && packages=${packages% }
            kept="$kept$name stays: $needer needs it$newline"
            spared=yes
        done
    done
    unset IFS
    set +f
    [ -n "$spared" ]
}

failed=''
if [ -n "$packages" ]; then
    while :; do
        # shellcheck disable=SC2086 # lists of words by construction
        if said=$(rpm -e ${check:+--test} --allmatches $packages 2>&1); then
            break
        elif ! spare "$said"; then
            failed=yes
            break
        fi
    done
    [ -z "$said" ] || printf '%s\n' "$said" >&2
fi
[ -z "$kept" ] || printf '%s' "$kept"
if [ -n "$check" ]; then
    [ -z "$failed" ] || die "rpm would refuse; see above"
    [ -z "$packages" ] || echo "Would remove $packages"
    [ -n "$packages" ] || echo "No package of $uuid is installed."
    exit 0
fi
if [ -n "$failed" ]; then
    remaining='' gone=''
    for name in $packages; do
        if installed "$name"; then remaining="$remaining $name"; else gone="$gone $name"; fi
    done
    [ -n "$gone" ] || die 'rpm refused; see above. Nothing was removed.'
    warn "removed$gone, but not$remaining: see above, then rpm -e$remaining"
    [ -z "$label" ] || ! installed "update-$label" || exit 3
elif [ -n "$packages" ]; then
    echo "Removed $packages"
else
    echo "No package of $uuid is installed."
fi

# The stamps that the pack wrote for the updates that it rolled up: no package owns them.
for file in "$applied"/*; do
    [ -f "$file" ] || continue
    case $(cat "$file") in
        *"<rolled-up-by"*"$uuid"*) uuids="$uuids ${file##*/}" && rm -f "$file" ;;
    esac
done
rm -f "$applied/$uuid"
if [ -z "$failed" ]; then
    rm -f "/var/update/$uuid/precheck" "/var/update/$uuid/remove"
    rmdir "/var/update/$uuid" 2>/dev/null || :
fi

# XAPI may hang, for example while its coordinator is away.
ask() { if command -v timeout >/dev/null 2>&1; then timeout 120 xe "$@"; else xe "$@"; fi; }

# Makes XAPI read the stamps again, so that this host no longer counts as having the update.
host=''
resync() {
    [ -r /etc/xensource-inventory ] || return 1
    host=$(. /etc/xensource-inventory && printf %s "$INSTALLATION_UUID") && [ -n "$host" ] || return 1
    said=$(ask update-resync-host host-uuid="$host" 2>&1) && return 0
    printf '%s\n' "$said" >&2
    case $said in *[Uu]'nknown command'*) ;; *) return 1 ;; esac
    # Only a restart makes it read them, where xe has no command for that.
    echo 'Restarting the toolstack, so that it forgets the update; VMs keep running'
    rm -f /var/run/xapi_init_complete.cookie
    xe-toolstack-restart && xapi-wait-init-complete 300
}

# Drops the record of an update, if no other host has it.
forget() {
    known=$(ask update-list uuid="$1" params=uuid --minimal) || return 1
    [ -n "$known" ] || return 0
    hosts=$(ask update-list uuid="$1" params=hosts --minimal) || return 1
    case $hosts in *"$host"*) return 1 ;; esac
    if [ -z "$hosts" ]; then
        ask update-destroy uuid="$1"
        return
    fi
    names=''
    IFS=' ,;'
    for other in $hosts; do
        name=$(ask host-list uuid="$other" params=name-label --minimal) || name=''
        names="$names${names:+, }${name:-$other}"
    done
    unset IFS
    echo "Still on other hosts of the pool: $names. Remove it there too."
}

told=''
if resync; then
    told=yes
    for one in $uuids; do
        forget "$one" || told=''
    done
fi
if [ -z "$told" ]; then
    warn 'XAPI could not be told. When it runs again:'
    printf '  xe update-resync-host host-uuid=%s\n' "${host:-UUID-OF-THIS-HOST}" >&2
    for one in $uuids; do
        printf '  xe update-destroy uuid=%s\n' "$one" >&2
    done
    [ -n "$failed" ] || exit 2
fi
[ -z "$failed" ] || exit 3
[ -z "$modules" ] || echo 'Restart the host, so that no module of the pack is left in its kernel.'
if [ -z "$kept" ]; then echo 'Nothing of the pack is left.'; else echo 'Removed, but for what stays.'; fi
