//! Which symbolic links stay in the tree that they are in.

/// Whether a link stays, wherever others lead: `depth` is how many folders of the tree it is in.
///
/// The way up comes first and ends in the tree; from there it only goes down. A link begins in a real folder, so that
/// each step up is what it looks like, and each link that is met on the way down stays by the same rule. So no link
/// has to be followed to know it. One that goes up again behind a name is taken for one that leaves, even if it
/// would not: the name may be a link itself.
pub(crate) fn stays(depth: usize, target: &[u8]) -> bool {
    if target.is_empty() || target.starts_with(b"/") {
        return false;
    }
    let mut parts = target.split(|byte| *byte == b'/').filter(|part| !matches!(part, [] | [b'.']));
    let up = parts.by_ref().take_while(|part| part == b"..").count();
    up <= depth && parts.all(|part| part != b"..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn up_first_then_down() {
        for (depth, target, expected) in [
            (0, "main.py", true),
            (0, "a/./b//c", true),
            (1, "../b", true),
            (2, ".././..", true),
            (0, "..", false),
            (1, "../../b", false),
            (0, "/etc", false),
            (0, "", false),
            (1, "a/../b", false),
            (1, "../a/..", false),
            (0, "..a/b..", true),
        ] {
            assert_eq!(stays(depth, target.as_bytes()), expected, "{target} at {depth}");
        }
    }

    /// A few parts of a path, and a last one.
    fn path(parts: &'static [&str], last: &'static [&str]) -> impl Strategy<Value = String> {
        let parts = prop::collection::vec(prop::sample::select(parts), 0..5);
        (parts, prop::sample::select(last)).prop_map(|(parts, last)| parts.concat() + last)
    }

    proptest! {
        /// Every way that the system follows ends in the tree or nowhere.
        #[test]
        fn what_stays_stays(
            links in prop::collection::vec(
                (
                    prop::sample::select(["", "a/", "b/", "a/a/", "a/b/", "b/b/"].as_slice()),
                    prop::sample::select(["l", "m"].as_slice()),
                    path(&["../", "../", "a/", "b/", "l/", "m/", "./"], &["a", "l", "m", ".."]),
                ),
                1..10,
            ),
        ) {
            let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            let root = place.path().canonicalize().unwrap().join("one/two/tree");
            for folder in ["a/a", "a/b", "b/a", "b/b"] {
                fs::create_dir_all(root.join(folder)).unwrap();
            }
            for (folder, name, target) in &links {
                if stays(folder.matches('/').count(), target.as_bytes()) {
                    // It may be there already, and so it stays.
                    let _ = symlink(target, root.join(folder).join(name));
                }
            }
            for (folder, name, _) in &links {
                if let Ok(end) = fs::canonicalize(root.join(folder).join(name)) {
                    prop_assert!(end.starts_with(&root), "{folder}{name} leads to {}", end.display());
                }
            }
        }
    }
}
