
usage() {
    cat << 'END'
Usage: install [-b] [--root FOLDER]

Installs the supplemental pack that this script lies in.

  -b, --batch     ask nothing but whether licences are accepted
  --root FOLDER   install into this root instead of the running host [SUPPACK_ROOT]

Exit codes: 0 installed, 1 failed, 2 not for this host, 3 already installed and to stay as it is, 4 a licence was not
accepted. After 1 to 4 the host is as it was, unless a message says otherwise.
END
}

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
        *) fatal "unknown option: $1" ;;
    esac
    shift
done

# A question whose answer no ends with a code; a batch does not ask, it ends.
continue_or_exit() {
    if [ -n "$batch" ]; then exit "$1"; fi
    ask "Do you want to continue?" || exit "$1"
}

case $0 in
    */*) cd "${0%/*}" || fatal "cannot enter the folder of this script" ;;
esac
begin
tags XS-REPOSITORY > "$work/repository" || fatal "cannot read XS-REPOSITORY"
tags XS-PACKAGES > "$work/packages" || fatal "cannot read XS-PACKAGES"

# Who it is.
originator= name= product= description=
while IFS= read -r tag <&3; do
    case $tag in
        '<repository '*)
            originator=$(attribute "$tag" originator)
            name=$(attribute "$tag" name)
            product=$(attribute "$tag" product)
            ;;
        '<description>'*) description=${tag#*>} ;;
    esac
done 3< "$work/repository"
{ is_word "$originator" && is_word "$name" && is_word "$product"; } || fatal "XS-REPOSITORY does not name the pack"
id=$originator:$name

# Whether it is for this host.
brand=$(inventory PRODUCT_BRAND)
platform=$(inventory PLATFORM_NAME)
if [ "$product" != "$brand" ] && [ "$product" != "$platform" ]; then
    warn "Error: this pack is for $product; this host is ${brand:-unknown}${platform:+ ($platform)}"
    continue_or_exit 2
fi
[ -d "$repos" ] || fatal "this host has no $repos: it does not take packs of this format (XenServer 7.1 and later do not)" 2
[ -w "$repos" ] || fatal "$repos cannot be written: run this as root"
if [ -d "$repos/$id" ] && [ -z "$batch" ]; then
    warn "Warning: '$description' is already installed"
    ask "Do you want to continue?" || exit 3
fi

# Packs that it requires, and in which versions.
missing= unmet=
while IFS= read -r tag <&3; do
    case $tag in '<requires '*) ;; *) continue ;; esac
    need_originator=$(attribute "$tag" originator)
    need_name=$(attribute "$tag" name)
    need_test=$(attribute "$tag" test)
    need_version=$(attribute "$tag" version)
    need_build=$(attribute "$tag" build)
    { is_word "$need_originator" && is_word "$need_name"; } || fatal "XS-REPOSITORY requires a pack without a name"
    is_version "$need_version" || fatal "XS-REPOSITORY requires $need_originator:$need_name in no version"
    need=$need_originator:$need_name
    if ! tags "$repos/$need/XS-REPOSITORY" > "$work/needed"; then
        warn "FATAL: the pack $need is required, and is not installed"
        missing=1
        continue
    fi
    have=$(sed -n '/^<repository /p' "$work/needed" | sed 1q)
    have_version=$(attribute "$have" version)
    have_build=$(attribute "$have" build)
    order=none
    if is_version "$have_version"; then
        order=$(compare "$have_version" "$need_version")
        # A build counts if one is named, by its digits.
        have_digits=$(printf '%s' "$have_build" | tr -cd 0-9)
        need_digits=$(printf '%s' "$need_build" | tr -cd 0-9)
        if [ "$order" = eq ] && is_version "$need_digits"; then
            if is_version "$have_digits"; then
                order=$(compare "$have_digits" "$need_digits")
            else
                order=lt
            fi
        fi
    fi
    if ! is_met "$need_test" "$order"; then
        warn "Error: $need $need_test $need_version${need_build:+-$need_build} is required;" \
            "this host has $have_version${have_build:+-$have_build}"
        unmet=1
    fi
done 3< "$work/repository"
[ -z "$missing" ] || exit 1
[ -z "$unmet" ] || continue_or_exit 2

# Every package, before anything changes.
: > "$work/install"
: > "$work/upgrade"
: > "$work/files"
: > "$work/labels"
damaged=
while IFS= read -r tag <&3; do
    case $tag in '<package '*) ;; *) continue ;; esac
    file=${tag#*>}
    # The line goes on with what was the line's end.
    file=${file%% *}
    label=$(attribute "$tag" label)
    type=$(attribute "$tag" type)
    md5=$(attribute "$tag" md5)
    options=$(attribute "$tag" options)
    case $file in
        '' | .* | -* | *[!A-Za-z0-9._+~-]*) fatal "XS-PACKAGES names a file in a way that is not plain" ;;
    esac
    is_word "$label" || fatal "XS-PACKAGES gives $file no label"
    case $type in
        rpm | driver-rpm) ;;
        *) fatal "$file is a package of a kind that this script does not install" ;;
    esac
    if [ ! -f "$file" ] || [ ! -r "$file" ]; then
        warn "FATAL: $file is missing"
        damaged=1
        continue
    fi
    sum=$(md5sum < "$file") || sum=
    if [ "${sum%% *}" != "$md5" ]; then
        warn "FATAL: $file is damaged: its MD5 is not $md5"
        damaged=1
        continue
    fi
    package=$("$rpm" --nosignature -q --qf '%{NAME}' -p "./$file" 2> /dev/null) || package=
    version=$("$rpm" --nosignature -q --qf '%{EPOCH}:%{VERSION}-%{RELEASE}' -p "./$file" 2> /dev/null) || version=
    if ! is_word "$package" || [ -z "$version" ]; then
        warn "FATAL: $file is not an RPM package"
        damaged=1
        continue
    fi
    say "$file" >> "$work/files"
    say "$label" >> "$work/labels"
    with_rpm -q --qf '%{EPOCH}:%{VERSION}-%{RELEASE}\n' "$package" > "$work/installed" 2> /dev/null || : > "$work/installed"
    present=
    while IFS= read -r installed <&4; do
        [ "$installed" != "$version" ] || present=1
    done 4< "$work/installed"
    if [ -n "$present" ]; then
        say "$package is installed in this version already."
        continue
    fi
    case " $options " in
        *' -i '*) say "$file" >> "$work/install" ;;
        *) say "$file" >> "$work/upgrade" ;;
    esac
done 3< "$work/packages"
[ -z "$damaged" ] || exit 1
[ -s "$work/files" ] || fatal "XS-PACKAGES has no package"

say "Installing '$description'..."
say

# Licences. What would command a terminal is not printed.
c1=$(printf '\302[\200-\237]')
while IFS= read -r file <&3; do
    "$rpm2cpio" "./$file" 2> /dev/null | "$cpio" -i --to-stdout --quiet '*EULA' 2> /dev/null |
        head -c 1048576 | tr -d '\000-\010\013-\037\177' | sed "s/$c1//g" > "$work/eula"
    if [ -s "$work/eula" ]; then
        cat "$work/eula"
        say
        ask "Accept?" || exit 4
    fi
done 3< "$work/files"

# Packages of a list, in one step. Those with -i go in beside older ones, in a step of their own before.
transaction() {
    list=$2
    option=$1
    set --
    while IFS= read -r file <&3; do set -- "$@" "./$file"; done 3< "$list"
    [ $# -eq 0 ] || with_rpm "$option" -v "$@"
}
transaction -i "$work/install" || fatal "packages failed to install"
if ! transaction -U "$work/upgrade"; then
    if [ -s "$work/install" ]; then
        fatal "packages failed to install; before them, these were installed: $(tr '\n' ' ' < "$work/install")"
    fi
    fatal "packages failed to install"
fi

# The pack is installed; the host is told. Files appear whole: what XAPI lists may not be half-written.
staging=$root/etc/xensource/.installing-$$
mkdir "$staging" && cp XS-REPOSITORY XS-PACKAGES "$staging" && chmod 644 "$staging/XS-REPOSITORY" "$staging/XS-PACKAGES" ||
    fatal "the packages are installed, but their metadata cannot be written to $staging"
if [ -d "$repos/$id" ]; then
    mv -f "$staging/XS-PACKAGES" "$staging/XS-REPOSITORY" "$repos/$id"
else
    mv "$staging" "$repos/$id"
fi || fatal "the packages are installed, but their metadata cannot be written to $repos/$id"

# Packs whose packages were replaced are no more.
while IFS= read -r tag <&3; do
    case $tag in '<replaces '*) ;; *) continue ;; esac
    old_originator=$(attribute "$tag" originator)
    old_name=$(attribute "$tag" name)
    { is_word "$old_originator" && is_word "$old_name"; } || continue
    old=$repos/$old_originator:$old_name
    [ "$old" != "$repos/$id" ] && tags "$old/XS-PACKAGES" > "$work/old" || continue
    left=
    while IFS= read -r package <&4; do
        case $package in '<package '*) ;; *) continue ;; esac
        label=$(attribute "$package" label)
        while IFS= read -r ours <&5; do
            [ "$ours" != "$label" ] || label=
        done 5< "$work/labels"
        if is_word "$label" && is_installed "$label"; then left=1; fi
    done 4< "$work/old"
    if [ -z "$left" ]; then
        rm -rf "$old" && say "The pack $old_originator:$old_name was replaced."
    fi
done 3< "$work/repository"

tell_host
say "Pack installation successful."
