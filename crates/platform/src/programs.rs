//! Programs by name.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The first program of that name on the daemon's own search path.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    find_on(&std::env::var_os("PATH")?, name)
}

/// The first program of that name on a search path. Empty parts, which mean the current folder, are passed over:
/// what is started must not depend on where the daemon was.
#[must_use]
pub fn find_on(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|program| is_program(program))
}

/// Whether it is a file that somebody may execute.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_and_nothing_else() {
        assert!(find("sh").is_some_and(|program| program.is_absolute()));
        assert_eq!(find("no-such-program-anywhere"), None);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), "").unwrap();
        assert_eq!(find_on(folder.path().as_os_str(), "data"), None);
    }
}
