//! The table for people and the JSON for programs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::figures::{Bar, FLOOR, OURS, Row, Verdict};

/// Everything that one run found out.
pub(super) struct Report {
    /// What was measured.
    pub(super) benchmark: &'static str,
    /// How: the number of services, rounds and so on, in words.
    pub(super) conditions: String,
    /// Each contender with its version, Mantyx first.
    pub(super) versions: Vec<(String, String)>,
    /// The figures.
    pub(super) rows: Vec<Row>,
    /// What else is worth knowing of a figure, and why a contender has none.
    pub(super) notes: Vec<String>,
}

impl Report {
    /// The table, with what is needed to understand it.
    pub(super) fn table(&self) -> String {
        let names = self.names();
        let mut lines = vec![self.heading(&names)];
        lines.extend(self.rows.iter().map(|row| cells(row, &names)));
        let versions: Vec<String> =
            self.versions.iter().map(|(name, number)| format!("{name} {number}")).collect();
        let mut words = vec![self.conditions.clone(), format!("{}; {}", machine(), versions.join(", "))];
        words.extend(self.notes.iter().cloned());
        format!("{}\n{}\n", aligned(&lines), words.join("\n"))
    }

    fn names(&self) -> Vec<String> {
        self.versions.iter().map(|(name, _)| name.clone()).chain([FLOOR.to_owned()]).collect()
    }

    fn heading(&self, names: &[String]) -> Vec<String> {
        let mut heading = vec![self.benchmark.to_owned()];
        heading.extend(names.iter().cloned());
        heading.extend(["to best peer", "to floor", "bar", ""].map(String::from));
        heading
    }

    /// Writes the JSON.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| format!("Could not make `{}`", folder.display()))?;
        let text = serde_json::to_string_pretty(&self.json())?;
        fs::write(path, text + "\n").with_context(|| format!("Could not write `{}`", path.display()))
    }

    fn json(&self) -> Value {
        let versions: Map<String, Value> =
            self.versions.iter().map(|(name, number)| (name.clone(), json!(number))).collect();
        json!({
            "benchmark": self.benchmark, "conditions": self.conditions, "machine": machine(), "versions": versions,
            "figures": self.rows.iter().map(row_json).collect::<Vec<_>>(), "notes": self.notes,
        })
    }
}

fn row_json(row: &Row) -> Value {
    let figures: Map<String, Value> =
        row.figures.iter().map(|(name, figure)| (name.clone(), json!(figure))).collect();
    let bar = (row.metric.bar != Bar::None).then(|| row.metric.bar.to_string());
    let met = match row.verdict() {
        Verdict::Met => Some(true),
        Verdict::NotMet => Some(false),
        Verdict::NoBar | Verdict::Unknown => None,
    };
    json!({
        "metric": row.metric.key, "title": row.metric.title, "unit": row.metric.unit, "figures": figures,
        "to_best_peer": row.to_best_peer(), "to_floor": row.to_floor(),
        "bar": bar, "limit": row.limit(), "met": met,
    })
}

fn cells(row: &Row, names: &[String]) -> Vec<String> {
    let mut cells = vec![format!("{}, {}", row.metric.title, row.metric.unit)];
    cells.extend(names.iter().map(
        |name| match row.figures.iter().find(|(contender, _)| contender == name) {
            Some((_, Some(figure))) => number(*figure),
            Some((_, None)) => "failed".to_owned(),
            None => "–".to_owned(),
        },
    ));
    let times = |ratio: Option<f64>| ratio.map_or("–".to_owned(), |ratio| format!("{} ×", number(ratio)));
    cells.extend([times(row.to_best_peer()), times(row.to_floor()), row.verdict().to_string()]);
    cells.push(if row.metric.bar == Bar::None { String::new() } else { row.metric.bar.to_string() });
    cells
}

/// Three digits that count, and no more: machines are noisy.
fn number(figure: f64) -> String {
    let digits = match figure.abs() {
        0.0 => 0,
        ..0.1 => 4,
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{figure:.digits$}")
}

/// Columns side by side: the first and the last two to the left, numbers to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let padded = |(column, cell): (usize, &String)| {
        let width = widths[column];
        let left = column == 0 || column + 2 >= columns;
        if left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    let line = |cells: &Vec<String>| {
        let cells: Vec<String> = cells.iter().enumerate().map(padded).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// What it ran on, since figures of another machine are not comparable.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} processors, Linux {}", kernel.trim())
}

/// The name of Mantyx with its version, then the others.
pub(super) fn versions<'a>(
    contenders: impl Iterator<Item = &'a dyn super::contenders::Contender>,
) -> Vec<(String, String)> {
    let mut versions: Vec<_> = contenders.map(|one| (one.name().to_owned(), one.version())).collect();
    versions.sort_by_key(|(name, _)| name != OURS);
    versions
}

#[cfg(test)]
mod tests {
    use super::super::figures::Metric;
    use super::*;

    fn report() -> Report {
        let metric = Metric::new("restart", "restart", "ms", Bar::AtMost(5.0));
        let figures =
            vec![(OURS.to_owned(), Some(4.0)), ("PM2".to_owned(), Some(2.0)), ("runit".to_owned(), None)];
        Report {
            benchmark: "supervision",
            conditions: "5 services".to_owned(),
            versions: [OURS, "PM2", "runit"].map(|name| (name.to_owned(), "1".to_owned())).to_vec(),
            rows: vec![Row { metric, figures }],
            notes: vec!["runit: it broke".to_owned()],
        }
    }

    #[test]
    fn the_table_has_a_column_for_each_contender() {
        let table = report().table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "supervision  Mantyx   PM2   runit  floor  to best peer  to floor  bar");
        assert_eq!(lines[1], "restart, ms    4.00  2.00  failed      –        2.00 ×         –  met  ≤ 5");
        assert!(table.ends_with("runit: it broke\n"));
    }

    #[test]
    fn the_json_has_what_the_table_has() {
        let json = report().json();
        let figure = &json["figures"][0];
        assert_eq!((&figure["figures"]["PM2"], &figure["figures"]["runit"]), (&json!(2.0), &Value::Null));
        assert_eq!((&figure["met"], &figure["to_best_peer"]), (&json!(true), &json!(2.0)));
        assert_eq!(json["versions"]["Mantyx"], "1");
    }

    #[test]
    fn numbers_have_the_digits_that_count() {
        let shown = [0.0, 0.001_23, 0.123_4, 1.234, 12.34, 1234.5].map(number);
        assert_eq!(shown, ["0", "0.0012", "0.123", "1.23", "12.3", "1234"]);
    }
}
