//! The tree that a source makes, before any of it is trusted to a file system.

use std::collections::HashMap;

use mantyx_core::{Code, Result};

use crate::entry::{EntryPath, refuse};

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
    Link,
}

/// Every path so far, by its lower-case form, so that no two differ by case only. Two forms of one accented
/// letter stay two names, as they are on Linux.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: HashMap<String, Node>,
}

#[derive(Debug)]
struct Node {
    path: String,
    kind: Kind,
}

impl Tree {
    /// Puts an entry in its place, and says which folders have to be made for it, the outermost first.
    ///
    /// A folder may be named twice, since nothing depends on which of the two counts.
    pub(crate) fn add(&mut self, path: &EntryPath, kind: Kind) -> Result<Vec<String>> {
        let mut new = Vec::new();
        for ancestor in path.ancestors() {
            if self.put(path, ancestor, Kind::Folder)? {
                new.push(ancestor.to_owned());
            }
        }
        if self.put(path, path.as_str(), kind)? && kind == Kind::Folder {
            new.push(path.as_str().to_owned());
        }
        Ok(new)
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many paths there are, folders included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What is at a path, by its exact name.
    pub(crate) fn kind(&self, path: &str) -> Option<Kind> {
        self.nodes.get(&path.to_lowercase()).filter(|node| node.path == path).map(|node| node.kind)
    }

    /// Every path of a kind.
    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.nodes.values().filter(move |node| node.kind == kind).map(|node| node.path.as_str())
    }

    /// Takes a folder out, with all that is in it.
    pub(crate) fn remove(&mut self, folder: &str) {
        self.nodes.retain(|_, node| !is_at_or_in(&node.path, folder));
    }

    /// The one folder that everything is in, if there is one and nothing beside it.
    pub(crate) fn wrapper(&self) -> Option<&str> {
        let mut top = self.nodes.values().filter(|node| !node.path.contains('/'));
        match (top.next(), top.next()) {
            (Some(node), None) if node.kind == Kind::Folder => Some(&node.path),
            _ => None,
        }
    }

    /// Whether it is new there; an error when something else is.
    fn put(&mut self, entry: &EntryPath, path: &str, kind: Kind) -> Result<bool> {
        let key = path.to_lowercase();
        let Some(there) = self.nodes.get(&key) else {
            self.nodes.insert(key, Node { path: path.to_owned(), kind });
            return Ok(true);
        };
        let is_itself = entry.as_str() == path;
        match (there.kind, kind) {
            _ if there.path != path => {
                let why = format!("differs from `{}` by case only", there.path);
                Err(refuse(Code::EntryCaseCollision, entry.as_str(), &why)
                    .hint("Some machines cannot keep both: rename one"))
            }
            (Kind::Folder, Kind::Folder) => Ok(false),
            (Kind::Link, _) if !is_itself => {
                let why = format!("goes through the symbolic link `{path}`");
                Err(refuse(Code::EntrySymlink, entry.as_str(), &why))
            }
            _ if is_itself => Err(refuse(Code::EntryDuplicate, entry.as_str(), "is there twice")),
            _ => {
                let why = format!("is inside `{path}`, which is a file");
                Err(refuse(Code::EntryDuplicate, entry.as_str(), &why))
            }
        }
    }
}

/// Whether a path is a folder or something in it.
pub(crate) fn is_at_or_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(tree: &mut Tree, path: &str, kind: Kind) -> Result<Vec<String>> {
        tree.add(&EntryPath::parse(path.as_bytes()).unwrap().unwrap(), kind)
    }

    #[test]
    fn folders_are_made_once() {
        let mut tree = Tree::default();
        assert_eq!(add(&mut tree, "a/b/c.py", Kind::File).unwrap(), ["a", "a/b"]);
        assert_eq!(add(&mut tree, "a/b", Kind::Folder).unwrap(), [""; 0]);
        assert_eq!(add(&mut tree, "a/d", Kind::Folder).unwrap(), ["a/d"]);
        assert_eq!(tree.wrapper(), Some("a"));
        add(&mut tree, "top.py", Kind::File).unwrap();
        assert_eq!(tree.wrapper(), None);
    }

    #[test]
    fn nothing_is_twice() {
        let table = [
            ("a.py", Kind::File, "a.py", Kind::File, Code::EntryDuplicate),
            ("a", Kind::File, "a/b", Kind::File, Code::EntryDuplicate),
            ("a/b", Kind::File, "a", Kind::File, Code::EntryDuplicate),
            ("a/b", Kind::File, "a", Kind::Link, Code::EntryDuplicate),
            ("a", Kind::Link, "a/b", Kind::File, Code::EntrySymlink),
            ("A.py", Kind::File, "a.py", Kind::File, Code::EntryCaseCollision),
            ("Pkg/a.py", Kind::File, "pkg/b.py", Kind::File, Code::EntryCaseCollision),
            ("pkg", Kind::Folder, "PKG", Kind::File, Code::EntryCaseCollision),
        ];
        for (first, kind, second, other, code) in table {
            let mut tree = Tree::default();
            add(&mut tree, first, kind).unwrap();
            let error = add(&mut tree, second, other).unwrap_err();
            assert_eq!(error.code(), code, "{first} then {second}");
            assert_eq!(error.entry_name(), Some(second));
        }
    }
}
