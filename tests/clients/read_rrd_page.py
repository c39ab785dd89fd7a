#!/usr/bin/env python3
"""Reads a page of xcp-rrdd's plugin protocol, version 2, as its document describes it, and prints it as JSON.

Written from xen-api's doc/content/xcp-rrdd/design/plugin-protocol-v2.md alone. Nothing but the standard library is used.
Anything that the document does not allow ends it with a reason.

    read_rrd_page.py FILE
"""

import json
import struct
import sys
import zlib

HEADER = b"DATASOURCES"
MEMBERS = {"description", "owner", "value_type", "type", "default", "units", "min", "max"}


def fail(reason):
    sys.exit(f"{sys.argv[1]}: {reason}")


def one_pairs(pairs):
    """Objects of which no member comes twice; the list of data sources is read by itself."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member comes twice")
    return dict(pairs)


def data_sources(metadata):
    """Names may come twice there, with other owners: so as a list of pairs."""
    outer = json.loads(metadata, object_pairs_hook=lambda pairs: pairs)
    if [name for name, _ in outer] != ["datasources"]:
        fail(f"the metadata has the members {[name for name, _ in outer]}")
    return [(name, one_pairs(members)) for name, members in outer[0][1]]


def checked(name, members, owned):
    if set(members) - MEMBERS or "value_type" not in members:
        fail(f"{name} has the members {sorted(members)}")
    for member, value in members.items():
        if not isinstance(value, str):
            fail(f"{member} of {name} is not a text")
    owner = members.get("owner", "host")
    if owner != "host" and owner.split(" ")[0] not in ("vm", "sr"):
        fail(f"{name} belongs to {owner!r}")
    if members["value_type"] not in ("int64", "float"):
        fail(f"the value of {name} is of type {members['value_type']!r}")
    if members.get("type", "absolute") not in ("absolute", "derive", "gauge"):
        fail(f"{name} is of type {members['type']!r}")
    if members.get("default", "false") not in ("true", "false"):
        fail(f"{name} has the default {members['default']!r}")
    if float(members.get("min", "-inf")) > float(members.get("max", "inf")):
        fail(f"{name} can have no value")
    if (owner, name) in owned:
        fail(f"{owner} has {name} twice")
    owned.add((owner, name))


def main():
    with open(sys.argv[1], "rb") as file:
        page = file.read()
    if not page.startswith(HEADER):
        fail("the header is another")
    at = len(HEADER)
    data_checksum, metadata_checksum, count = struct.unpack_from(">III", page, at)
    at += 12
    data = page[at:at + 8 + 8 * count]
    if len(data) != 8 + 8 * count:
        fail(f"{count} values do not fit into the file")
    if zlib.crc32(data) != data_checksum:
        fail("the checksum of the values is wrong")
    (timestamp,) = struct.unpack_from(">d", data)
    at += len(data)
    (length,) = struct.unpack_from(">I", page, at)
    metadata = page[at + 4:at + 4 + length]
    if len(metadata) != length:
        fail(f"metadata of {length} bytes does not fit into the file")
    if zlib.crc32(metadata) != metadata_checksum:
        fail("the checksum of the metadata is wrong")
    sources = data_sources(metadata.decode("utf-8"))
    if len(sources) != count:
        fail(f"there are {len(sources)} data sources and {count} values")
    result, owned = [], set()
    for number, (name, members) in enumerate(sources):
        checked(name, members, owned)
        form = ">d" if members["value_type"] == "float" else ">q"
        (value,) = struct.unpack_from(form, data, 8 + 8 * number)
        # NaN is no JSON.
        value = value if value == value else None
        result.append({"name": name, "value": value, **members})
    print(json.dumps({"timestamp": timestamp, "size": len(page), "sources": result}))


main()
