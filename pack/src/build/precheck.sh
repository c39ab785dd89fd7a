#!/bin/sh
# XAPI runs this on the host before it applies the pack; it must print a word and exit 0.
#
# On 8.2 yum upgrades a group's package only if its database says that the group brought it. Packs that the host
# installer or plain rpm put in lack that mark: yum would do nothing and XAPI would report success (CA-370575).
# So give the installed package its mark. Hosts with dnf have no such database.
yumdb=/var/lib/yum/yumdb

if [ -d /var/lib/yum ]; then
    # This script belongs to control-LABEL; the package that the group brings is update-LABEL.
    control=$(rpm -qf --queryformat '%{NAME}\n' "$0" 2>/dev/null) || control=
    id=$(rpm -q --queryformat '%{SHA1HEADER}-%{NAME}-%{VERSION}-%{RELEASE}-%{ARCH}\n' "update-${control#control-}" 2>/dev/null) || id=
    if [ -n "$id" ] && [ ! -e "$yumdb/u/$id/group_member" ]; then
        mkdir -p "$yumdb/u/$id" && printf update >"$yumdb/u/$id/group_member"
    fi
fi
echo ready
exit 0
