"""What lies under the root of a Mantyx: what its database says should be there, and what is.

Nothing of Mantyx itself is used, so that it does not vouch for itself. Prints JSON.
"""

import hashlib
import json
import os
import sqlite3
import sys

root = sys.argv[1]
database = sqlite3.connect(f"file:{root}/data/mantyx.db?mode=ro", uri=True, isolation_level=None)
database.row_factory = sqlite3.Row
database.execute("BEGIN")


def rows(query, *values):
    return [dict(row) for row in database.execute(query, values)]


def listed(folder):
    """The names in a folder as paths below the root; none when there is no such folder."""
    place = os.path.join(root, folder)
    return [f"{folder}/{name}" for name in os.listdir(place)] if os.path.isdir(place) else []


def digest(folder):
    """The digest of a source, as it is defined where a source is let in."""
    paths = []
    for place, folders, files in os.walk(os.path.join(root, folder)):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        paths += [os.path.relpath(os.path.join(place, name), os.path.join(root, folder)) for name in files + links]
    total = hashlib.sha256()
    for path in sorted(paths, key=str.encode):
        place = os.path.join(root, folder, path)
        total.update(path.encode() + b"\0")
        if os.path.islink(place):
            target = os.readlink(place).encode()
            total.update(b"l" + len(target).to_bytes(8, "little") + target)
            continue
        found = os.stat(place)
        total.update(b"x" if found.st_mode & 0o111 else b"-")
        total.update(found.st_size.to_bytes(8, "little"))
        total.update(open(place, "rb").read())
    return total.hexdigest()


def kept_files(folder):
    """What an app has written for itself."""
    texts = {}
    for place, _, files in os.walk(os.path.join(root, folder)):
        for name in files:
            path = os.path.join(place, name)
            texts[os.path.relpath(path, os.path.join(root, folder))] = open(path).read()
    return texts


def writable(folder):
    """What of a release could be written to by its owner."""
    found = []
    for place, folders, files in os.walk(os.path.join(root, folder)):
        paths = [place] + [os.path.join(place, name) for name in files]
        found += [path for path in paths if os.lstat(path).st_mode & 0o222]
    return found


apps, must, may, wrong = {}, set(), set(), []


def see(app):
    """One app: what people see of it, where its files should be, and what is wrong with those that are there."""
    ident, name, trashed = app["id"], app["name"], app["deleted_at"] is not None
    home, venvs, kept = (
        (f"trash/{ident}/app", f"trash/{ident}/venvs", f"trash/{ident}/backups")
        if trashed
        else (f"apps/{name}", f"venvs/{name}", f"backups/{name}")
    )
    must.update([home, *(f"{home}/{part}" for part in ["app", "releases", "metadata.json", "config.yaml"])])
    may.update([f"{home}/data", venvs, kept])
    if trashed:
        must.add(f"trash/{ident}")

    releases = rows("SELECT * FROM releases WHERE app_id = ?", ident)
    active = next(row for row in releases if row["id"] == app["release_id"])
    environments = {row["id"] for row in rows("SELECT id FROM environments WHERE app_id = ?", ident)}
    if environments != {row["environment_id"] for row in releases} - {None}:
        wrong.append(f"{name}: there are environments that no release has: {environments}")
    must.update(f"{home}/releases/{row['number']}" for row in releases)
    must.update(f"{venvs}/{environment}" for environment in environments)
    for row in releases:
        folder = f"{home}/releases/{row['number']}"
        if digest(folder) != json.loads(row["found"])["digest"]:
            wrong.append(f"{folder}: it is not what was let in")
        wrong.extend(f"{path}: it is not read-only" for path in writable(folder))

    links = {f"{home}/app": f"releases/{active['number']}"}
    if active["environment_id"] is not None:
        links[f"{venvs}/current"] = active["environment_id"]
        must.add(f"{venvs}/current")
        if not os.path.exists(os.path.join(root, venvs, active["environment_id"], "bin", "python")):
            wrong.append(f"{name}: the active environment has no Python")
    for link, target in links.items():
        place = os.path.join(root, link)
        if not os.path.islink(place) or os.readlink(place) != target:
            wrong.append(f"{link}: it does not lead to {target}")

    for row in rows("SELECT * FROM backups WHERE app_id = ?", ident):
        folder = f"{kept}/{row['folder']}"
        must.add(folder)
        parts = {"backup.json", "source"} | ({"data"} if row["data"] else set())
        if {os.path.basename(path) for path in listed(folder)} != parts:
            wrong.append(f"{folder}: it is not whole")

    # A scheduled app runs for a moment now and then, whatever is done to it.
    state = "enabled" if app["app_type"] == "scheduled" and app["state"] == "running" else app["state"]
    revision = rows("SELECT * FROM config_revisions WHERE id = ?", app["revision_id"])[0]
    schedules = rows("SELECT name, enabled, spec FROM schedules WHERE instance_id = ? ORDER BY name", app["instance"])
    apps[ident] = {
        "name": name,
        "state": state,
        "failed": app["reason"] if app["state"] == "failed" else None,
        "release": active["number"],
        "installed": active["environment_id"] is not None,
        "configuration": json.loads(revision["configuration"]),
        "schedules": schedules,
        "data": kept_files(f"{home}/data"),
    }


for row in rows(
    "SELECT apps.*, instances.id AS instance, state, reason, release_id, revision_id "
    "FROM apps JOIN instances ON instances.app_id = apps.id"
):
    see(row)

places = ["apps", "venvs", "backups", "trash", "cache/uploads", "cache/staging", "run/builds", "exports", "imports"]
found = {path for place in places for path in listed(place)}
found.update(path for app in listed("apps") for path in listed(app) + listed(f"{app}/releases"))
found.update(path for app in listed("venvs") + listed("backups") for path in listed(app))
for app in listed("trash"):
    found.update(path for part in listed(app) for path in [part, *listed(part)])
    found.update(listed(f"{app}/app/releases"))
    may.update(f"{app}/{part}" for part in ["venvs", "backups"])
found.update(path for path in listed("config") + listed("data") if os.path.basename(path).startswith("."))

for row in rows("SELECT id FROM operations WHERE kind = 'export' AND status = 'succeeded'"):
    may.update([f"exports/{row['id']}.tar.gz", f"exports/{row['id']}.json"])

known = {row["id"] for row in rows("SELECT id FROM executions WHERE status IN ('pending', 'running')")}
records = [path for path in listed("run") if os.path.basename(path).count("-") == 4]
# An end that could not be written down at once may be written down when nobody asks for it any more. Whoever tells the
# story sees that the next daemon removes it.
records = [path for path in records if not path.endswith(".exit.json")]
over = sorted(path for path in records if os.path.basename(path).split(".")[0] not in known)

operation = rows("SELECT * FROM operations ORDER BY id DESC LIMIT 1")
steps = rows(
    "SELECT name, status, detail FROM operation_steps WHERE operation_id = ? ORDER BY position",
    operation[0]["id"] if operation else "",
)
under_way = rows("SELECT kind, app_name FROM operations WHERE status = 'running'")
print(
    json.dumps(
        {
            "apps": apps,
            "missing": sorted(must - found),
            "debris": sorted(found - must - may),
            "wrong": wrong,
            "over": over,
            "operation": operation[0] if operation else None,
            "steps": steps,
            "under_way": under_way,
        }
    )
)
