"""A management script as operators write them, with PyPI's XenAPI, against a simulated XAPI.

    session.py URI VM_UUID

URI is http://HOST:PORT/ or, for a unix socket, http://PATH/ with every "/" of the path written as "_". Every line of
the output is a JSON value that the scenario in tests/real_clients.rs expects; an exception ends the script.
"""

import json
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


def main(uri, vm_uuid):
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
