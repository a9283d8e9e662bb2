"""A guestbook: a small web service as one would write it anywhere.

It listens where `PORT` says, keeps its entries below `APP_DATA_DIR`, and works without either.
"""

import logging
import os
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

from flask import Flask, redirect, render_template, request
from waitress import serve

DATABASE = Path(os.environ.get("APP_DATA_DIR", ".")) / "guestbook.db"
PORT = int(os.environ.get("PORT", "8000"))

app = Flask(__name__)
log = logging.getLogger("guestbook")


def database():
    """Opens the database, which begins to exist with the first visitor."""
    connection = sqlite3.connect(DATABASE)
    connection.execute("CREATE TABLE IF NOT EXISTS entries (name TEXT, words TEXT, at TEXT)")
    return connection


@app.get("/")
def entries():
    with database() as connection:
        rows = connection.execute("SELECT name, words, at FROM entries ORDER BY rowid DESC LIMIT 50").fetchall()
    return render_template("guestbook.html", entries=rows)


@app.post("/")
def sign():
    name = request.form.get("name", "").strip()[:60] or "Somebody"
    words = request.form.get("words", "").strip()[:500]
    if words:
        at = datetime.now(timezone.utc).strftime("%d %B %Y, %H:%M UTC")
        with database() as connection:
            connection.execute("INSERT INTO entries VALUES (?, ?, ?)", (name, words, at))
        log.info("%s signed the guestbook", name)
    return redirect("/")


@app.get("/health")
def health():
    with database() as connection:
        connection.execute("SELECT 1")
    return {"status": "ok"}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    log.info("The guestbook lies open on port %d", PORT)
    serve(app, host=os.environ.get("HOST", "127.0.0.1"), port=PORT)
