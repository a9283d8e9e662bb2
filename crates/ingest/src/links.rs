//! Where symbolic links lead, worked out on paper before any of them exists.

use std::collections::{HashMap, VecDeque};

use mantyx_core::{Code, Error, Result};

use crate::entry::refuse;

/// As many links as Linux follows in one path (path_resolution(7)).
const MOST_HOPS: u32 = 40;

/// Symbolic links by their path, relative to the root of the source.
#[derive(Debug, Default)]
pub(crate) struct Links {
    targets: HashMap<String, String>,
}

impl Links {
    pub(crate) fn add(&mut self, path: String, target: String) {
        self.targets.insert(path, target);
    }

    /// Every link with its target, once all of them are known to stay inside.
    pub(crate) fn checked(&self) -> Result<impl Iterator<Item = (&str, &str)>> {
        for (path, target) in &self.targets {
            self.resolve(path).map_err(|why| leaves(path, target, why))?;
        }
        Ok(self.targets.iter().map(|(path, target)| (path.as_str(), target.as_str())))
    }

    /// Follows a link the way the system would: parts of a target that are links themselves are followed too.
    fn resolve(&self, path: &str) -> Result<(), &'static str> {
        let mut place: Vec<&str> = Vec::new();
        let mut ahead: VecDeque<&str> = path.split('/').collect();
        let mut hops = 0;
        while let Some(part) = ahead.pop_front() {
            match part {
                "" | "." => {}
                ".." => drop(place.pop().ok_or("leads out of the archive")?),
                name => place.push(name),
            }
            if let Some(target) = self.targets.get(&place.join("/")) {
                hops += 1;
                if hops > MOST_HOPS {
                    return Err("leads in a circle");
                }
                if target.starts_with('/') {
                    return Err("has an absolute target");
                }
                place.pop();
                for part in target.split('/').rev() {
                    ahead.push_front(part);
                }
            }
        }
        Ok(())
    }
}

fn leaves(path: &str, target: &str, why: &str) -> Error {
    refuse(Code::EntrySymlink, path, &format!("is a symbolic link to `{target}`, which {why}"))
        .hint("Link with a relative path to something inside the source, or pack the file itself")
}

/// Reads the target of a link. It need not exist, but it must be a name that can be shown and kept.
pub(crate) fn target(path: &str, raw: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(raw).ok().filter(|text| !text.is_empty() && text.len() <= 1024);
    text.filter(|text| !text.chars().any(|c| c.is_control() || c == '\\')).map(str::to_owned).ok_or_else(
        || refuse(Code::EntrySymlink, path, "is a symbolic link with a target that is not allowed"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(links: &[(&str, &str)]) -> Result<usize> {
        let mut all = Links::default();
        for (path, target) in links {
            all.add((*path).to_owned(), (*target).to_owned());
        }
        all.checked().map(Iterator::count)
    }

    #[test]
    fn links_that_stay_are_kept() {
        assert_eq!(check(&[("a/b", "../c"), ("c", "d/./e"), ("loop/x", "missing")]).unwrap(), 3);
        assert_eq!(check(&[("a/up", "../a/up2"), ("a/up2", "..//main.py")]).unwrap(), 2);
    }

    #[test]
    fn links_that_leave_are_refused() {
        let table: &[&[(&str, &str)]] = &[
            &[("a", "/etc/passwd")],
            &[("a", "..")],
            &[("a/b", "../../x")],
            &[("a/b", "x/../../../y")],
            // Each alone stays inside; together they do not.
            &[("deep/er/dir", "../.."), ("out", "deep/er/dir/../x")],
            &[("a", "b"), ("b", "a")],
            &[("a", "a/x")],
        ];
        for links in table {
            assert_eq!(check(links).unwrap_err().code(), Code::EntrySymlink, "{links:?}");
        }
    }
}
