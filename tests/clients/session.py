"""A management script as operators write them, with PyPI's XenAPI, against a simulated XAPI.

    session.py URI VM_UUID SR_UUID

URI is http://HOST:PORT/ or, for a unix socket, http://PATH/ with every "/" of the path written as "_". Every line of
the output is a JSON value that the scenario in tests/real_clients.rs expects; an exception ends the script.
"""

import http.client
import json
import socket
import sys

import XenAPI.XenAPI as xenapi


def tell(step, found):
    """Prints one step's outcome for the scenario."""
    print(json.dumps({step: found}), flush=True)


def failure_of(call, *arguments):
    """The description of the failure that a call must end with."""
    try:
        call(*arguments)
    except xenapi.Failure as failure:
        return failure.details
    raise AssertionError("the call succeeded")


class UnixConnection(http.client.HTTPConnection):
    """A connection to XAPI's own socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def request(uri, method, target, body=None):
    """An HTTP request that is no call; gives the body of the reply."""
    place = uri[len("http://"):].rstrip("/")
    connection = UnixConnection(place.replace("_", "/")) if place.startswith("_") else http.client.HTTPConnection(place)
    connection.request(method, target, body)
    response = connection.getresponse()
    assert response.status == 200, response.status
    content = response.read()
    connection.close()
    return content


def disks(uri, session, sr_uuid):
    """A disk is made, filled, read, attached to nothing, and destroyed."""
    api = session.xenapi
    sr = api.SR.get_by_uuid(sr_uuid)
    pbds = [api.PBD.get_record(pbd) for pbd in api.SR.get_PBDs(sr)]
    tell("hosts of the SR", [pbd["host"] == api.session.get_this_host(session.handle) for pbd in pbds])
    vdi = api.VDI.create({
        "name_label": "lab disk", "name_description": "", "SR": sr, "virtual_size": str(3 << 20), "type": "user",
        "sharable": False, "read_only": False, "other_config": {"lab": "disk"}, "xenstore_data": {}, "sm_config": {},
    })
    tell("size", api.VDI.get_virtual_size(vdi))
    content = bytes(range(256)) * 5000
    task = api.task.create("lab import", "")
    request(uri, "PUT", f"/import_raw_vdi?session_id={session.handle}&vdi={vdi}&format=raw&task_id={task}", content)
    tell("import", [api.task.get_status(task), api.task.get_result(task) == f"<value>{vdi}</value>"])
    api.task.destroy(task)
    exported = request(uri, "GET", f"/export_raw_vdi?session_id={session.handle}&vdi={api.VDI.get_uuid(vdi)}&format=raw")
    tell("export", [len(exported), exported[:len(content)] == content, exported[len(content):].count(0)])
    api.VDI.destroy(vdi)
    tell("destroyed", failure_of(api.VDI.get_record, vdi)[0])


def plugins(api, host):
    """A plugin that is a program answers, fails, and is missing."""
    answer = api.host.call_plugin(host, "mirror", "say", {"a": "<&> \u00e9\n", "b": ""})
    tell("plugin", [answer[:len("True<methodCall>")], answer[answer.index("<struct>"):]])
    tell("plugin fails", failure_of(api.host.call_plugin, host, "mirror", "fail", {}))
    tell("plugin missing", failure_of(api.host.call_plugin, host, "missing", "say", {}))


def main(uri, vm_uuid, sr_uuid):
    transport = xenapi.UDSTransport() if uri.startswith("http://_") else None
    session = xenapi.Session(uri, transport=transport)
    session.login_with_password("root", "secret", "1.0", "lab-python")
    api = session.xenapi
    tell("api version", session.API_version)
    tell("methods", "VM.get_all_records" in session.system.listMethods())

    records = api.VM.get_all_records()
    vm = api.VM.get_by_uuid(vm_uuid)
    tell("record", {name: records[vm][name] for name in ("uuid", "name_label", "power_state", "is_a_template", "memory_target")})
    tell("record alone", api.VM.get_record(vm) == records[vm])
    tell("snapshot time", records[vm]["snapshot_time"].value)
    metrics = api.VM.get_guest_metrics(vm)
    tell("networks", api.VM_guest_metrics.get_networks(metrics))
    tell("by name", api.VM.get_by_name_label(records[vm]["name_label"]) == [vm])

    text = "<a> & \"b\" 'c' ]]> \u00e9 \U0001f433\n\ttab "
    api.VM.add_to_other_config(vm, "lab", text)
    tell("map", api.VM.get_other_config(vm) == {"lab": text})
    tell("duplicate key", failure_of(api.VM.add_to_other_config, vm, "lab", text)[:3])
    api.VM.remove_from_other_config(vm, "lab")
    api.VM.remove_from_other_config(vm, "lab")
    tell("map", api.VM.get_other_config(vm))
    api.VM.set_other_config(vm, {"a": "1", "b": ""})
    tell("map", api.VM.get_other_config(vm))

    secret = api.secret.create({"value": text, "other_config": {}})
    tell("secret", api.secret.get_value(secret) == text)
    api.secret.destroy(secret)
    message = api.message.create("LAB", "3", "VM", vm_uuid, "body")
    tell("message", api.message.get_record(message)["body"])

    disks(uri, session, sr_uuid)
    plugins(api, api.session.get_this_host(session.handle))

    tell("wrong handle", failure_of(api.VM.get_record, "OpaqueRef:gone"))
    tell("wrong uuid", failure_of(api.network.get_by_uuid, "gone"))
    tell("unknown method", failure_of(api.VM.dance, vm))
    tell("parameter count", failure_of(api.VM.get_record))

    # The scenario lets this call fail with SESSION_INVALID once: the library logs in again by itself.
    tell("after a lost session", api.host.get_by_uuid(api.host.get_uuid(api.session.get_this_host(session.handle))) != "")

    # `from` is a word of the language, so scripts use the old name.
    token = api.event_from(["vm"], "", 0.0)["token"]
    while True:
        batch = api.event_from(["vm", "VM_guest_metrics"], token, 30.0)
        token = batch["token"]
        for event in batch["events"]:
            label = event.get("snapshot", {}).get("name_label")
            tell("event", [event["class"], event["operation"], label])
        tell("count", batch["valid_ref_counts"]["vm"])
        if any(event["operation"] == "del" for event in batch["events"]):
            break
    api.session.logout()
    tell("logged out", session.handle)


main(*sys.argv[1:])
