"""Copies the one app of a scratch database until there are enough apps, executions and events.

    fill.py DATABASE APPS EXECUTIONS

Rows are copied as they are but for their ids, so that this knows as little of the schema as it can. Executions
belong to the apps in turn; there are as many events as executions.
"""
import os
import sqlite3
import sys
import time
import uuid

PATH, APPS, EXECUTIONS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def row_of(table, order="rowid"):
    found = database.execute(f"SELECT * FROM {table} ORDER BY {order} LIMIT 1")
    return dict(zip((column[0] for column in found.description), found.fetchone()))


def insert(table, rows):
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    names = ", ".join(f'"{name}"' for name in first)
    marks = ", ".join("?" * len(first))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
    database.execute(statement, tuple(first.values()))
    database.executemany(statement, (tuple(row.values()) for row in rows))


def count(table):
    return database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def fresh(number=0):
    """A UUID of version 7 (RFC 9562), in the order of the numbers."""
    milliseconds = BEGUN + number // 4096
    bits = (milliseconds << 80) | (7 << 76) | ((number % 4096) << 64) | (2 << 62)
    return str(uuid.UUID(int=bits | int.from_bytes(os.urandom(7), "big")))


def copy_apps():
    app, instance = row_of("apps"), row_of("instances")
    environment, release = row_of("environments"), row_of("releases")
    revision = row_of("config_revisions")
    for number in range(count("apps"), APPS):
        ids = {kind: fresh() for kind in ("app", "environment", "release", "instance", "revision")}
        owner = {"app_id": ids["app"]}
        insert("apps", [app | {"id": ids["app"], "name": f"copy{number:03}"}])
        insert("environments", [environment | owner | {"id": ids["environment"]}])
        insert("releases", [release | owner | {"id": ids["release"], "environment_id": ids["environment"]}])
        insert("instances", [instance | owner | {
            "id": ids["instance"], "release_id": ids["release"], "revision_id": ids["revision"]}])
        insert("config_revisions", [revision | {"id": ids["revision"], "instance_id": ids["instance"]}])


def copy_executions():
    execution = row_of("executions", "id")
    owners = database.execute(
        "SELECT apps.id, apps.name, instances.id FROM apps JOIN instances ON instances.app_id = apps.id").fetchall()
    for number in range(count("executions"), EXECUTIONS):
        app, name, instance = owners[number % len(owners)]
        yield execution | {
            "id": fresh(number), "app_id": app, "app_name": name, "instance_id": instance,
            "schedule_id": None, "due_at": None}


def copy_events():
    event = row_of("events")
    first = count("events") + 1
    for sequence in range(first, EXECUTIONS + 1):
        yield event | {"sequence": sequence}


database = sqlite3.connect(PATH)
database.execute("PRAGMA foreign_keys = OFF")
# Before everything that happens from now on.
BEGUN = int(time.time() * 1000) - 10_000
copy_apps()
insert("executions", copy_executions())
insert("events", copy_events())
database.commit()
