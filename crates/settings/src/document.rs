//! Edits of the file of the settings. People write it, with comments and in an order of their own, so that only the
//! value that changes is exchanged in the text; every other byte stays.

use std::ops::Range;

use toml::Value;
use toml::de::{DeTable, Error};

/// The text in which a key has this value: where it stands already, else in a line at the end.
pub(crate) fn set(text: &str, key: &str, value: &Value) -> Result<String, Error> {
    if let Some(entry) = Entry::find(text, key)? {
        let mut edited = text.to_owned();
        edited.replace_range(entry.value, &value.to_string());
        return Ok(edited);
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    Ok(format!("{text}{gap}{key} = {value}{end}"))
}

/// The text without a key. A comment behind its value becomes a line of its own.
pub(crate) fn unset(text: &str, key: &str) -> Result<String, Error> {
    let mut edited = text.to_owned();
    if let Some(entry) = Entry::find(text, key)? {
        edited.replace_range(entry.line(text), "");
    }
    Ok(edited)
}

/// Where a key and its value stand, in bytes.
struct Entry {
    key: Range<usize>,
    value: Range<usize>,
}

impl Entry {
    fn find(text: &str, key: &str) -> Result<Option<Self>, Error> {
        let document = DeTable::parse(text)?;
        let entry = document.get_ref().iter().find(|(name, _)| name.get_ref() == key);
        Ok(entry.map(|(name, value)| Self { key: name.span(), value: value.span() }))
    }

    /// From the start of its line to the end of it, or to a comment.
    fn line(&self, text: &str) -> Range<usize> {
        let start = text[..self.key.start].trim_end_matches([' ', '\t']).len();
        let behind = &text[self.value.end..];
        let rest = behind.trim_start_matches([' ', '\t', '\r']);
        let rest = rest.strip_prefix('\n').unwrap_or(rest);
        start..text.len() - rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Ours.\n\n# Disks are small here.\nlog_retention = '2 days' # not more\n\"bind\" = \"[::]:1\"\n# The end.";

    fn text(value: &str) -> Value {
        Value::String(value.to_owned())
    }

    #[test]
    fn a_value_is_exchanged_where_it_stands() {
        let edited = set(FILE, "log_retention", &text("3 days")).unwrap();
        assert_eq!(edited, FILE.replace("'2 days'", "\"3 days\""));
        assert_eq!(set(FILE, "bind", &text("x")).unwrap(), FILE.replace("[::]:1", "x"));
        let lines = "a = [\n  'x', # one\n]\r\nb = '''\n1'''\r\n";
        assert_eq!(set(lines, "a", &Value::Integer(1)).unwrap(), "a = 1\r\nb = '''\n1'''\r\n");
        assert_eq!(set(lines, "b", &Value::Integer(1)).unwrap(), "a = [\n  'x', # one\n]\r\nb = 1\r\n");
    }

    #[test]
    fn what_is_new_comes_at_the_end() {
        assert_eq!(set("", "a", &Value::Integer(1)).unwrap(), "a = 1\n");
        assert_eq!(set(FILE, "a", &Value::Integer(1)).unwrap(), format!("{FILE}\na = 1\n"));
        assert_eq!(set("# x\r\n", "a", &text("\"")).unwrap(), "# x\r\na = '\"'\r\n");
    }

    #[test]
    fn what_is_taken_out_leaves_the_comments() {
        let expected = FILE.replace("log_retention = '2 days' ", "");
        assert_eq!(unset(FILE, "log_retention").unwrap(), expected);
        assert_eq!(unset(FILE, "bind").unwrap(), FILE.replace("\"bind\" = \"[::]:1\"\n", ""));
        assert_eq!(unset(FILE, "page").unwrap(), FILE);
        assert_eq!(unset("  a = 1\t\r\nb = 2\r\n", "a").unwrap(), "b = 2\r\n");
        assert_eq!(unset("b = 2\na = 1", "a").unwrap(), "b = 2\n");
    }

    #[test]
    fn what_is_no_toml_is_left_alone() {
        assert!(set("a = ", "a", &Value::Integer(1)).is_err() && unset("= 1", "a").is_err());
    }
}
