"""The host's command `xe`, as far as the guides use it, over XAPI's own socket.

    xe CLASS-list [FIELD=VALUE…] [params=FIELD,…] [--minimal]
    xe CLASS-param-get|-set|-add|-remove|-clear uuid=UUID param-name=NAME [param-key=KEY] [NAME:KEY=VALUE]
    xe host-call-plugin host-uuid=UUID plugin=NAME fn=NAME [args:NAME=VALUE…]
    xe vm-data-source-list uuid=UUID

Written from the descriptions of these commands in XenServer's documentation (docs.xenserver.com, "Command-line interface").
A failure of XAPI is printed as xe prints it, with exit code 1.
"""

import http.client
import socket
import sys
import xmlrpc.client

SOCKET = "/var/lib/xcp/xapi"
CLASSES = {"vm": "VM", "vdi": "VDI", "sr": "SR", "host": "host", "pool": "pool", "template": "VM", "message": "message"}


class Failure(Exception):
    """What XAPI refuses."""


class UnixConnection(http.client.HTTPConnection):
    """A connection to XAPI's socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


class UnixTransport(xmlrpc.client.Transport):
    """Calls over it."""

    def make_connection(self, host):
        return UnixConnection("localhost")


class Xapi:
    """A session of root."""

    def __init__(self):
        self.server = xmlrpc.client.ServerProxy("http://localhost/", transport=UnixTransport(), allow_none=True)
        self.session = self.value(self.server.session.login_with_password("root", "", "1.0", "xe"))

    @staticmethod
    def value(reply):
        """What a call gives."""
        if reply["Status"] != "Success":
            raise Failure(reply["ErrorDescription"])
        return reply.get("Value", "")

    def call(self, method, *arguments):
        """One call."""
        function = self.server
        for part in method.split("."):
            function = getattr(function, part)
        return self.value(function(self.session, *arguments))


def shown(value):
    """A value as xe prints it."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {shown(item)}" for key, item in sorted(value.items()))
    if isinstance(value, list):
        return "; ".join(shown(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def listing(xapi, name, given):
    """CLASS-list"""
    kind = CLASSES[name]
    minimal = given.pop("--minimal", None) is not None
    params = given.pop("params", "uuid,name-label")
    wanted = {key.replace("-", "_"): value for key, value in given.items()}
    records = xapi.call(f"{kind}.get_all_records").values()
    if name in ("vm", "template"):
        is_template = name == "template"
        records = [one for one in records if one["is_a_template"] == is_template and not one["is_a_snapshot"]]
    found = [one for one in records if all(shown(one.get(key, "")) == value for key, value in wanted.items())]
    fields = [field.replace("-", "_") for field in params.split(",")]
    fields = [field for field in fields if field != "all"] or ["uuid", "name_label"]
    if minimal:
        print(",".join(shown(one[fields[0]]) for one in found))
        return
    for one in found:
        for field in fields:
            print(f"{field.replace('_', '-')} ( RO): {shown(one[field])}")
        print()


def parameter(xapi, name, action, given):
    """CLASS-param-get, -set, -add, -remove, -clear"""
    kind = CLASSES[name]
    reference = xapi.call(f"{kind}.get_by_uuid", given.pop("uuid"))
    field = given.pop("param-name", "").replace("-", "_")
    key = given.pop("param-key", None)
    if action == "get":
        value = xapi.call(f"{kind}.get_{field}", reference)
        if key is not None:
            if key not in value:
                raise Failure([f"Key {key} not found in map"])
            value = value[key]
        print(shown(value))
    elif action == "remove":
        xapi.call(f"{kind}.remove_from_{field}", reference, key)
    elif action == "add":
        for entry, value in given.items():
            xapi.call(f"{kind}.add_to_{field}", reference, entry, value)
    elif action == "set":
        for name_and_key, value in given.items():
            map_name, _, entry = name_and_key.partition(":")
            map_name = map_name.replace("-", "_")
            if entry:
                xapi.call(f"{kind}.remove_from_{map_name}", reference, entry)
                xapi.call(f"{kind}.add_to_{map_name}", reference, entry, value)
            else:
                xapi.call(f"{kind}.set_{map_name}", reference, value)
    else:
        xapi.call(f"{kind}.set_{field}", reference, {})


def call_plugin(xapi, given):
    """host-call-plugin"""
    host = xapi.call("host.get_by_uuid", given.pop("host-uuid"))
    plugin, function = given.pop("plugin"), given.pop("fn")
    arguments = {name.removeprefix("args:"): value for name, value in given.items()}
    print(xapi.call("host.call_plugin", host, plugin, function, arguments))


def data_sources(xapi, given):
    """vm-data-source-list"""
    for source in xapi.call("VM.get_data_sources", xapi.call("VM.get_by_uuid", given["uuid"])):
        for field in ("name_label", "name_description", "enabled", "standard", "min", "max", "units"):
            print(f"{field} ( RO): {shown(source[field])}")
        print()


def main(command, arguments):
    """One command."""
    given = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        given[name] = value
    xapi = Xapi()
    if command == "host-call-plugin":
        call_plugin(xapi, given)
    elif command == "vm-data-source-list":
        data_sources(xapi, given)
    elif command.endswith("-list"):
        listing(xapi, command.removesuffix("-list"), given)
    else:
        name, separator, action = command.partition("-param-")
        if not separator:
            raise Failure([f"Unknown command: {command}"])
        parameter(xapi, name, action, given)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except Failure as failure:
        print("Error code:", failure.args[0][0], file=sys.stderr)
        print("Error parameters:", ", ".join(failure.args[0][1:]), file=sys.stderr)
        sys.exit(1)
