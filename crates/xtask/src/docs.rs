//! The pages of `docs/` that are generated: what the code declares is written down once.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{terminal, workspace};

/// Runs the statements of its input in an empty database and prints every table as JSON. Python has SQLite on
/// board; a Rust one would have to be compiled before this tool can say its first word.
const READ_SCHEMA: &str = r#"
import json, sqlite3, sys
db = sqlite3.connect(":memory:")
db.executescript(sys.stdin.read())
rows = lambda text, *values: db.execute(text, values).fetchall()
tables = rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
print(json.dumps([{
    "name": table,
    "columns": [dict(zip(("name", "kind", "required", "key"), row)) for row in
                rows('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', table)],
    "references": {column: f"{other}.{key or 'id'}" for other, column, key in
                   rows('SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)', table)},
    "indexes": [{"name": name, "unique": unique, "columns": [column or "expression" for column, in rows(
                    "SELECT name FROM pragma_index_info(?)", name)],
                 "only": (rows("SELECT coalesce(max(sql), '') FROM sqlite_master WHERE name = ?", name)[0][0]
                          .partition(" WHERE ")[2])}
                for name, unique in rows('SELECT name, "unique" FROM pragma_index_list(?) ORDER BY name', table)],
} for table, in tables]))
"#;

#[derive(Deserialize)]
struct Table {
    name: String,
    columns: Vec<Column>,
    references: HashMap<String, String>,
    indexes: Vec<Index>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    kind: String,
    required: u8,
    key: u8,
}

#[derive(Deserialize)]
struct Index {
    name: String,
    unique: u8,
    columns: Vec<String>,
    /// The condition of an index over a part of the rows.
    only: String,
}

/// Writes every generated page.
pub(crate) fn write() -> Result<()> {
    for (file, text) in pages()? {
        fs::write(workspace::path(file), text).with_context(|| format!("Could not write `{file}`"))?;
        terminal::line(&format!("Wrote `{file}`"));
    }
    Ok(())
}

fn pages() -> Result<[(&'static str, String); 2]> {
    Ok([("docs/settings.md", mantyx_settings::reference()), ("docs/schema.md", schema()?)])
}

fn schema() -> Result<String> {
    let mut statements = String::new();
    for file in migrations()? {
        statements.push_str(&fs::read_to_string(&file)?);
    }
    let mut page = "# The database\n\n\
        Generated from `migrations/` by `cargo xtask docs`. Ids are UUIDs of version 7 as text, times are UTC, words \
        are those of the API, documents are JSON.\n"
        .to_owned();
    for table in read_tables(&statements)? {
        describe(&mut page, &table, &comment_above(&statements, &table.name))?;
    }
    Ok(page)
}

fn migrations() -> Result<Vec<PathBuf>> {
    let files = workspace::files_below(&workspace::path("migrations"))?;
    Ok(files.into_iter().filter(|file| file.ends_with("up.sql")).collect())
}

fn read_tables(statements: &str) -> Result<Vec<Table>> {
    let mut python = Command::new("python3");
    python.args(["-c", READ_SCHEMA]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().context("Could not start `python3`")?;
    // Dropped at the end of the statement, which ends Python's input.
    child.stdin.take().context("Python has no input")?.write_all(statements.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("The migrations do not run in Python's SQLite");
    }
    serde_json::from_slice(&output.stdout).context("Could not read the schema")
}

/// What stands above the statement that makes a table: the sentences for whoever reads the migration.
fn comment_above(statements: &str, table: &str) -> String {
    let Some((before, _)) = statements.split_once(&format!("CREATE TABLE {table} (")) else {
        return String::new();
    };
    let lines: Vec<&str> = before.lines().rev().map_while(|line| line.strip_prefix("-- ")).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" ")
}

fn describe(page: &mut String, table: &Table, comment: &str) -> Result<()> {
    writeln!(page, "\n## {}\n", table.name)?;
    if !comment.is_empty() {
        writeln!(page, "{comment}\n")?;
    }
    writeln!(page, "| column | type | |\n|---|---|---|")?;
    for column in &table.columns {
        writeln!(
            page,
            "| `{}` | {} | {} |",
            column.name,
            column.kind.to_lowercase(),
            remarks(table, column)
        )?;
    }
    let indexes: Vec<String> = table.indexes.iter().filter_map(index).collect();
    if !indexes.is_empty() {
        writeln!(page, "\n{}", indexes.join("\n"))?;
    }
    Ok(())
}

fn remarks(table: &Table, column: &Column) -> String {
    let reference = table.references.get(&column.name).map(|to| format!("→ `{to}`"));
    let key = (column.key > 0).then(|| "primary key".to_owned());
    let optional = (column.required == 0 && column.key == 0).then(|| "optional".to_owned());
    [key, optional, reference].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A line about an index, but for the one that every primary key has.
fn index(index: &Index) -> Option<String> {
    if index.name.starts_with("sqlite_autoindex") && index.unique == 1 && index.columns == ["id"] {
        return None;
    }
    let kind = if index.unique == 1 { "Unique" } else { "Index" };
    let columns: Vec<String> = index.columns.iter().map(|column| format!("`{column}`")).collect();
    let only = if index.only.is_empty() { String::new() } else { format!(", where `{}`", index.only) };
    Some(format!("- {kind} over {}{only}", columns.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_pages_are_up_to_date() {
        for (file, text) in pages().unwrap() {
            let kept = fs::read_to_string(workspace::path(file)).unwrap_or_default();
            assert!(kept == text, "`{file}` is not what the code says: run `cargo xtask docs`");
        }
    }

    #[test]
    fn a_table_is_described_by_what_stands_above_it() {
        let statements = "-- Not this.\n\n-- One thing.\n-- And more.\nCREATE TABLE a (id TEXT PRIMARY KEY NOT NULL, \
                          b TEXT REFERENCES c (id));";
        assert_eq!(comment_above(statements, "a"), "One thing. And more.");
        let tables = read_tables(statements).unwrap();
        let mut page = String::new();
        describe(&mut page, &tables[0], "").unwrap();
        assert_eq!(
            page,
            "\n## a\n\n| column | type | |\n|---|---|---|\n| `id` | text | primary key |\n\
             | `b` | text | optional, → `c.id` |\n"
        );
    }
}
