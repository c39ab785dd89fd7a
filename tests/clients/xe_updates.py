"""A toolstack that knows updates, and the host's command `xe` in front of it, in one program: for a simulated dom0.

    xe update-upload file-name=FILE [sr-uuid=UUID]
    xe update-precheck|update-apply uuid=UUID host=UUID
    xe update-pool-apply|update-pool-clean|update-destroy uuid=UUID
    xe update-list|host-list [FIELD=VALUE…] [params=FIELD,…] [--minimal]
    xe update-resync-host host-uuid=UUID
    xe host-refresh-pack-info host-uuid=UUID

Rules: xen-api, `ocaml/xapi/xapi_pool_update.ml`, `gpg.ml`, `scripts/extensions/pool_update.precheck` and `pool_update.apply`;
what is printed: `ocaml/xapi-cli-server/cli_util.ml` and `records.ml`, `ocaml/idl/datamodel_errors.ml`. Other hosts of the pool
take everything. The image is a folder instead of a mount, and the package manager is dnf, which reads the same files.

Faults, for tests: `/run/xapi/down` exists: nobody answers. `/run/xapi/faults` has lines `COMMAND before|after`: at the next
such command XAPI goes down, before or after it did it.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

STATE = pathlib.Path("/var/lib/xcp/updates.json")
IMAGES = pathlib.Path("/var/lib/xcp/images")
NOTES = pathlib.Path("/var/lib/xcp/dnf")
APPLIED = pathlib.Path("/var/update/applied")
DOWN = pathlib.Path("/run/xapi/down")
FAULTS = pathlib.Path("/run/xapi/faults")
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

ERRORS = {
    "INVALID_UPDATE": ("The uploaded update package is invalid.", ["info"]),
    "UPDATE_ALREADY_EXISTS": ("The uploaded update already exists", ["uuid"]),
    "UPDATE_ALREADY_APPLIED": ("This update has already been applied.", ["update"]),
    "UPDATE_ALREADY_APPLIED_IN_POOL": ("This update has already been applied to all hosts in the pool.", ["update"]),
    "UPDATE_POOL_APPLY_FAILED": ("The update cannot be applied for the following host(s).", ["hosts"]),
    "UPDATE_APPLY_FAILED": ("The update failed to apply. Please see attached output.", ["output"]),
    "UPDATE_IS_APPLIED": ("The specified update has been applied and cannot be destroyed.", []),
    "CANNOT_FIND_UPDATE": (
        "The requested update could not be found. Please upload the update again. This can occur when you run xe "
        "update-pool-clean before xe update-apply.",
        [],
    ),
    "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR": (
        "The update pre-check stage failed with an unknown error.",
        ["update", "info"],
    ),
    "UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING": (
        "The update pre-check stage failed: prerequisite update(s) are missing.",
        ["update", "prerequisite_update"],
    ),
    "UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT": (
        "The update pre-check stage failed: conflicting update(s) are present.",
        ["update", "conflict_update"],
    ),
    "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION": (
        "The update pre-check stage failed: the server is of an incorrect version.",
        ["update", "installed_version", "required_version "],
    ),
    "UPDATE_PRECHECK_FAILED_OUT_OF_SPACE": (
        "The update pre-check stage failed: the server does not have enough space.",
        ["update", "available_space", "required_space "],
    ),
    "UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED": (
        "The update pre-check stage failed: RPM package validation requires a GPG key that is not present on the host.",
        ["update"],
    ),
    "UUID_INVALID": ("The uuid you supplied was invalid.", ["type", "uuid"]),
}


class Failure(Exception):
    """What XAPI refuses: a code and its parameters."""


def run(*arguments):
    """Runs a program; its exit code and what it said."""
    done = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LANG": "C", "LC_ALL": "C"},
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


class Toolstack:
    """A pool's records of updates, kept in a file."""

    def __init__(self):
        self.state = json.loads(STATE.read_text())
        self.this = self.state["this"]
        self.updates = self.state["updates"]
        self.hosts = self.state["hosts"]

    def save(self):
        """Keeps the records."""
        STATE.write_text(json.dumps(self.state, indent=1))

    def update(self, uuid):
        """pool_update.get_by_uuid"""
        if uuid not in self.updates:
            raise Failure("UUID_INVALID", "pool_update", uuid)
        return self.updates[uuid]

    def having(self, uuid):
        """The hosts that have an update."""
        return [host for host, one in self.hosts.items() if uuid in one["updates"]]

    @staticmethod
    def parse(path):
        """What XAPI takes from an update document."""
        try:
            root = xml.etree.ElementTree.parse(path).getroot()
        except (OSError, xml.etree.ElementTree.ParseError) as error:
            raise Failure("INVALID_UPDATE", "missing update document (update.xml) in the package.") from error
        if root.tag != "update":
            raise Failure("INVALID_UPDATE", "missing <update> in update.xml")
        for name in ("uuid", "name-label", "version"):
            if name not in root.attrib:
                raise Failure("INVALID_UPDATE", f"missing <{name}> in update.xml")
        description = root.find("name-description")
        if description is None or not (description.text or "").strip():
            raise Failure("INVALID_UPDATE", "missing <name-description> in update.xml")
        guidance = root.get("after-apply-guidance", "")
        return {
            "uuid": root.get("uuid"),
            "label": root.get("name-label"),
            "version": root.get("version"),
            "description": description.text,
            "size": int(root.get("installation-size", "0")),
            "key": os.path.basename(root.get("key", "")),
            "control": root.get("control", ""),
            "guidance": [word for word in guidance.split(",") if word],
        }

    def upload(self, file):
        """update_upload and pool_update.introduce"""
        IMAGES.mkdir(parents=True, exist_ok=True)
        image = IMAGES / f"upload-{os.getpid()}"
        image.mkdir()
        try:
            if run("bsdtar", "-xf", file, "-C", str(image))[0] != 0:
                raise Failure("INVALID_UPDATE", "Please upload a valid package.")
            info = self.parse(image / "update.xml")
            for name in ("update.xml", "repodata/repomd.xml"):
                self.check_signature(image / name)
            uuid = info["uuid"]
            known = self.updates.get(uuid)
            if known and known["image"]:
                raise Failure("UPDATE_ALREADY_EXISTS", uuid)
            final = IMAGES / uuid
            shutil.rmtree(final, ignore_errors=True)
            image.rename(final)
            # What is known of an update is not refreshed.
            self.updates[uuid] = {**(known or info), "image": str(final)}
            return uuid
        finally:
            shutil.rmtree(image, ignore_errors=True)

    @staticmethod
    def check_signature(file):
        """gpg.ml"""
        home = "/opt/xensource/gpg"
        ring = next((ring for ring in ("pubring.kbx", "pubring.gpg") if os.path.exists(f"{home}/{ring}")), "pubring.gpg")
        code, said = run(
            *("gpg", "--homedir", home, "--no-default-keyring", "--keyring", f"{home}/{ring}", "--status-fd", "1"),
            *("--verify", f"{file}.asc", str(file)),
        )
        if code != 0 or any(f"[GNUPG:] {word}" not in said for word in ("GOODSIG", "VALIDSIG", "TRUST_ULTIMATE")):
            raise Failure("INVALID_UPDATE", "Invalid signature")

    def package_manager(self, update, *arguments):
        """dnf with the configuration that XAPI writes for an update."""
        folder = pathlib.Path(f"/tmp/{update['uuid']}")
        folder.mkdir(exist_ok=True)
        conf = folder / "yum.conf"
        signed = int(bool(update["key"]))
        conf.write_text(
            f"[main]\nkeepcache=0\nreposdir=/dev/null\ngpgcheck={signed}\nrepo_gpgcheck={signed}\ninstallonlypkgs=\n"
            f"cachedir={folder}/cache\nlogdir={folder}\npersistdir={NOTES}\n"
            f"[{update['label']}]\nname={update['label']}\nbaseurl=file://{update['image']}\n"
            f"gpgkey=file:///etc/pki/rpm-gpg/{update['key']}\n"
        )
        try:
            return run(
                *("dnf", "-y", "--noplugins", "--releasever=7", "--forcearch=x86_64", "-c", str(conf)),
                *arguments,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def precheck(self, uuid, host):
        """pool_update.precheck"""
        update = self.update(uuid)
        if not update["image"]:
            raise Failure("CANNOT_FIND_UPDATE")
        if host != self.this:
            return
        label = update["label"]
        stat = os.statvfs("/")
        free = stat.f_frsize * stat.f_bavail
        if free < update["size"]:
            raise Failure("UPDATE_PRECHECK_FAILED_OUT_OF_SPACE", label, str(free), str(update["size"]))
        if not update["control"]:
            return
        if update["key"] and not os.path.isfile(f"/etc/pki/rpm-gpg/{update['key']}"):
            raise Failure("UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED", label)
        # `install` of an older package is an upgrade for yum; dnf has a word of its own for that.
        verb = "upgrade" if run("rpm", "-q", update["control"])[0] == 0 else "install"
        code, said = self.package_manager(update, verb, update["control"])
        if code != 0:
            raise self.refusal(label, said)
        script = f"/var/update/{uuid}/precheck"
        if os.path.isfile(script):
            code, said = run(script)
            if code != 0:
                raise Failure("UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR", label, said.strip())

    @staticmethod
    def refusal(label, said):
        """The code for what the package manager said."""
        if "Error downloading packages" in said or "Failed to download packages" in said:
            return Failure("INVALID_UPDATE", label, "Missing package(s) in the update")
        missing = re.search(r"nothing provides ((\S+)(?: [<=>]+ \S+)?) needed by", said)
        if missing:
            capability, name = missing.group(1), missing.group(2)
            code, provided = run("rpm", "-q", "--whatprovides", name, "--provides")
            found = [line.strip() for line in provided.splitlines() if code == 0 and line.split()[0] == name]
            if found:
                return Failure("UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION", label, found[0], capability)
            return Failure("UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING", label, capability)
        conflict = re.search(r" conflicts with (\S+) provided by (\S+)", said)
        if conflict:
            return Failure("UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT", label, conflict.group(1))
        return Failure("UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR", label, said.strip())

    def apply(self, uuid, host):
        """pool_update.apply"""
        update = self.update(uuid)
        if uuid in self.hosts[host]["updates"]:
            raise Failure("UPDATE_ALREADY_APPLIED", f"{uuid} ({update['label']})")
        self.precheck(uuid, host)
        if host != self.this:
            self.hosts[host]["updates"].append(uuid)
            return
        installed = run("rpm", "-q", f"update-{update['label']}")[0] == 0
        if not installed:
            # dnf's notes of groups know nothing of what rpm took away.
            shutil.rmtree(NOTES, ignore_errors=True)
        code, said = self.package_manager(update, "upgrade" if installed else "install", "@update")
        if code != 0:
            raise Failure("UPDATE_APPLY_FAILED", said.strip())
        self.resync()

    def apply_in_pool(self, uuid):
        """pool_update.pool_apply"""
        lacking = [host for host in self.hosts if host not in self.having(uuid)]
        if not lacking:
            raise Failure("UPDATE_ALREADY_APPLIED_IN_POOL", uuid)
        failed = []
        for host in lacking:
            try:
                self.apply(uuid, host)
            except Failure:
                failed.append(host)
        if failed:
            raise Failure("UPDATE_POOL_APPLY_FAILED", ", ".join(failed))

    def resync(self):
        """pool_update.resync_host"""
        stamps = sorted(name for name in os.listdir(APPLIED) if UUID.match(name)) if APPLIED.is_dir() else []
        infos = [self.parse(APPLIED / name) for name in stamps]
        for info in infos:
            self.updates.setdefault(info["uuid"], {**info, "image": None})
        self.hosts[self.this]["updates"] = stamps

    def clean(self, uuid):
        """pool_update.pool_clean"""
        update = self.update(uuid)
        if update["image"]:
            shutil.rmtree(update["image"])
        update["image"] = None

    def destroy(self, uuid):
        """pool_update.destroy"""
        self.update(uuid)
        if self.having(uuid):
            raise Failure("UPDATE_IS_APPLIED")
        del self.updates[uuid]


def listing(records, given):
    """CLASS-list"""
    minimal = given.pop("--minimal", None) is not None
    fields = given.pop("params", "uuid,name-label").split(",")
    found = [one for one in records if all(one.get(key) == value for key, value in given.items())]
    if minimal:
        print(",".join(one[fields[0]] for one in found))
        return
    for one in found:
        for field in fields:
            kind = "SRO" if field in ("hosts", "after-apply-guidance") else " RO"
            print(f"{field:>22} ({kind}): {one[field]}")
        print("\n")


def perform(toolstack, command, given):
    """One command."""
    uuid = given.get("uuid", "")
    if command == "update-upload":
        print(toolstack.upload(given["file-name"]))
    elif command == "update-precheck":
        toolstack.precheck(uuid, given["host"])
        print("Ok.")
    elif command == "update-apply":
        toolstack.apply(uuid, given["host"])
    elif command == "update-pool-apply":
        toolstack.apply_in_pool(uuid)
    elif command == "update-pool-clean":
        toolstack.clean(uuid)
    elif command == "update-destroy":
        toolstack.destroy(uuid)
    elif command == "update-resync-host":
        toolstack.resync()
    elif command == "host-refresh-pack-info":
        pass
    elif command == "update-list":
        records = [
            {
                "uuid": one,
                "name-label": update["label"],
                "version": update["version"],
                "installation-size": str(update["size"]),
                "hosts": ", ".join(toolstack.having(one)),
                "after-apply-guidance": ", ".join(update["guidance"]),
            }
            for one, update in toolstack.updates.items()
        ]
        listing(records, given)
    elif command == "host-list":
        listing([{"uuid": one, "name-label": host["name"]} for one, host in toolstack.hosts.items()], given)
    else:
        print(f"Unknown command: {command}", file=sys.stderr)
        sys.exit(1)


def go_down(said):
    """Nobody answers from now on."""
    DOWN.parent.mkdir(parents=True, exist_ok=True)
    DOWN.touch()
    print(said, file=sys.stderr)
    sys.exit(1)


def main(command, arguments):
    """One call of xe."""
    if DOWN.exists():
        print("Error: Connection refused (calling connect )", file=sys.stderr)
        sys.exit(1)
    faults = FAULTS.read_text().split("\n") if FAULTS.exists() else []
    if f"{command} before" in faults:
        go_down("Lost connection to the server.")
    given = {name: value for name, _, value in (argument.partition("=") for argument in arguments)}
    toolstack = Toolstack()
    try:
        perform(toolstack, command, given)
    except Failure as failure:
        code, *parameters = failure.args
        said, names = ERRORS[code]
        print(said, file=sys.stderr)
        for index, value in enumerate(parameters):
            print(f"{names[index] if index < len(names) else '<extra>'}: {value}", file=sys.stderr)
        sys.exit(1)
    finally:
        # What was done is done, whatever comes of the rest.
        toolstack.save()
    if f"{command} after" in faults:
        go_down("Lost connection to the server.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
