//! Every file of a source, once, in order.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Result};
use sha2::{Digest, Sha256};

/// The longest file that is read as text, in bytes; locks of large projects have a few megabytes.
const LONGEST_TEXT: u64 = 16 * 1024 * 1024;

/// What was counted and hashed.
#[derive(Debug)]
pub(super) struct Survey {
    root: PathBuf,
    paths: Vec<String>,
    bytes: u64,
    digest: String,
}

impl Survey {
    /// Reads a whole source. The digest is the same for the same names, contents and permissions, whatever the
    /// order and the dates of the files.
    pub(super) fn of(root: &Path) -> Result<Self> {
        let failed = |error| Error::io(format!("read the source in `{}`", root.display()), error);
        let mut paths = Vec::new();
        collect(root, &mut String::new(), &mut paths).map_err(failed)?;
        paths.sort_unstable();
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        for path in &paths {
            bytes += add(&mut hash, root, path).map_err(failed)?;
        }
        Ok(Self { root: root.to_owned(), paths, bytes, digest: hex::encode(hash.finalize()) })
    }

    pub(super) fn files(&self) -> u64 {
        self.paths.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Every file and link, by its path.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.binary_search_by(|there| there.as_str().cmp(path)).is_ok()
    }

    /// A file as text; `None` when it is not there, too long, or no text.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        let file = File::open(self.has(path).then(|| self.root.join(path))?).ok()?;
        let length = file.take(LONGEST_TEXT + 1).read_to_string(&mut text).ok()?;
        (length as u64 <= LONGEST_TEXT).then(|| text.trim_start_matches('\u{feff}').to_owned())
    }
}

/// Paths of everything that is not a folder. Names that are not UTF-8 never get into a source.
fn collect(folder: &Path, prefix: &mut String, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let length = prefix.len();
        prefix.push_str(&entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            prefix.push('/');
            collect(&entry.path(), prefix, paths)?;
        } else {
            paths.push(prefix.clone());
        }
        prefix.truncate(length);
    }
    Ok(())
}

/// Each part is preceded by its length or ended by a NUL, so that no two trees make the same bytes.
fn add(hash: &mut Sha256, root: &Path, path: &str) -> io::Result<u64> {
    let place = root.join(path);
    let metadata = fs::symlink_metadata(&place)?;
    hash.update(path.as_bytes());
    hash.update([0]);
    if metadata.is_symlink() {
        let target = fs::read_link(&place)?;
        hash.update(b"l");
        hash.update((target.as_os_str().len() as u64).to_le_bytes());
        hash.update(target.as_os_str().as_bytes());
        return Ok(0);
    }
    let executable = metadata.permissions().mode() & 0o111 != 0;
    hash.update(if executable { b"x" } else { b"-" });
    hash.update(metadata.len().to_le_bytes());
    let mut file = File::open(&place)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(metadata.len()),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(files: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let place = folder.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, content).unwrap();
        }
        Survey::of(folder.path()).unwrap().digest
    }

    #[test]
    fn the_digest_is_of_names_and_contents_only() {
        let one = digest(&[("a.py", "1"), ("b/c.py", "2")]);
        assert_eq!(one, digest(&[("b/c.py", "2"), ("a.py", "1")]));
        assert_ne!(one, digest(&[("a.py", "12"), ("b/c.py", "")]));
        assert_ne!(one, digest(&[("a.py", "1"), ("b/d.py", "2")]));
        assert_eq!(one.len(), 64);
    }

    #[test]
    fn the_digest_knows_permissions_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("run.sh");
        fs::write(&place, "x").unwrap();
        let plain = Survey::of(folder.path()).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        let executable = Survey::of(folder.path()).unwrap();
        assert_ne!(plain.digest, executable.digest);
        assert_eq!((plain.files(), plain.bytes()), (1, 1));
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink("x", &place).unwrap();
        assert_ne!(Survey::of(folder.path()).unwrap().digest, plain.digest);
    }
}
