
usage() {
    cat << 'END'
Usage: uninstall [-b] [--root FOLDER] ORIGINATOR:NAME

Removes a supplemental pack of the format of XenServer up to 7.0 from a host, with its packages.

  -b, --batch     do not ask
  --root FOLDER   remove it from this root instead of the running host [SUPPACK_ROOT]

Exit codes: 0 removed, 1 failed or required by another pack, 2 not to be removed. After 1 and 2 the host is as it was.
END
}

id=
while [ $# -gt 0 ]; do
    case $1 in
        -b | --batch) batch=1 ;;
        --root)
            [ $# -gt 1 ] || fatal "--root needs a folder"
            root=$2
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        -*) fatal "unknown option: $1" ;;
        *)
            [ -z "$id" ] || fatal "give one pack"
            id=$1
            ;;
    esac
    shift
done
if [ -z "$id" ]; then
    usage >&2
    exit 1
fi
{ is_word "${id%%:*}" && is_word "${id#*:}" && [ "$id" != "${id#*:}" ]; } || fatal "a pack is named ORIGINATOR:NAME"
begin
[ -d "$repos/$id" ] || fatal "the pack $id is not installed"
tags "$repos/$id/XS-REPOSITORY" > "$work/repository" || fatal "cannot read $repos/$id/XS-REPOSITORY"
tags "$repos/$id/XS-PACKAGES" > "$work/packages" || fatal "cannot read $repos/$id/XS-PACKAGES"
description=$(sed -n 's/^<description>//p' "$work/repository" | sed 1q)

# Whether another pack needs it; and the labels of other packs, whose packages stay.
required=
: > "$work/others"
set +f
for folder in "$repos"/*; do
    set -f
    other=${folder##*/}
    [ "$other" != "$id" ] && tags "$folder/XS-REPOSITORY" > "$work/other" || continue
    while IFS= read -r tag <&3; do
        case $tag in '<requires '*) ;; *) continue ;; esac
        if [ "$(attribute "$tag" originator):$(attribute "$tag" name)" = "$id" ]; then
            warn "Error: $id is required by $other"
            required=1
        fi
    done 3< "$work/other"
    tags "$folder/XS-PACKAGES" > "$work/other" || continue
    while IFS= read -r tag <&3; do
        case $tag in '<package '*) say "$(attribute "$tag" label)" >> "$work/others" ;; esac
    done 3< "$work/other"
done
set -f
[ -z "$required" ] || exit 1

say "Uninstalling '$description'..."
say
[ -n "$batch" ] || ask "Do you want to continue?" || exit 2

set --
while IFS= read -r tag <&3; do
    case $tag in '<package '*) ;; *) continue ;; esac
    case $(attribute "$tag" type) in rpm | driver-rpm) ;; *) continue ;; esac
    label=$(attribute "$tag" label)
    kernel=$(attribute "$tag" kernel)
    is_word "$label" || continue
    shared=
    while IFS= read -r other <&4; do
        [ "$other" != "$label" ] || shared=1
    done 4< "$work/others"
    if [ -n "$shared" ]; then
        say "$label stays: another pack has it too."
        continue
    fi
    # The label of a driver is a part of its package's name.
    for package in "$label" "$label-$kernel-modules" "$label-modules-$kernel"; do
        if is_word "$package" && is_installed "$package"; then
            set -- "$@" "$package"
            break
        fi
    done
done 3< "$work/packages"
if [ $# -gt 0 ]; then
    with_rpm -e "$@" || fatal "packages failed to uninstall"
fi

# First out of XAPI's sight, then away.
staging=$root/etc/xensource/.removing-$$
mv "$repos/$id" "$staging" || fatal "the packages are removed, but $repos/$id cannot be"
tell_host
say "Pack removal successful."
