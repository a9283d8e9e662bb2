//! An app's own files as a table.

use chrono::{DateTime, Utc};
use mantyx_api_types::{DataEntry, DataKind};

use super::bytes;
use crate::output::{relative, table};

pub(crate) fn data(entries: &[DataEntry], now: DateTime<Utc>) -> String {
    let rows = entries.iter().map(|entry| {
        let size = if entry.kind == DataKind::File { bytes(entry.bytes) } else { String::new() };
        [entry.name.clone(), kind(entry.kind).to_owned(), size, relative(entry.modified_at, now)]
    });
    table(["NAME", "KIND", "SIZE", "WRITTEN"], rows.collect(), "There is nothing here")
}

const fn kind(kind: DataKind) -> &'static str {
    match kind {
        DataKind::Folder => "folder",
        DataKind::File => "file",
        DataKind::Link => "link",
        DataKind::Special => "special",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_file_has_a_size() {
        let entry = |name: &str, kind: &str, bytes: u64| {
            let view = json!({"name": name, "path": name, "kind": kind, "bytes": bytes, "modified_at": "2026-01-01T00:00:00Z"});
            serde_json::from_value::<DataEntry>(view).unwrap()
        };
        let expected = "\
NAME   KIND    SIZE  WRITTEN
logs   folder        1 min 30 s ago
a.txt  file    5 B   1 min 30 s ago";
        let now = "2026-01-01T00:01:30Z".parse().unwrap();
        assert_eq!(data(&[entry("logs", "folder", 0), entry("a.txt", "file", 5)], now), expected);
    }
}
