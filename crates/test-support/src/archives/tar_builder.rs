//! Tar archives, header by header (POSIX ustar).

use tar::{EntryType, Header};

/// Writes a tar archive (POSIX ustar).
#[derive(Clone, Debug, Default)]
pub struct TarBuilder {
    bytes: Vec<u8>,
}

impl TarBuilder {
    /// Adds an honest file.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(name.as_bytes(), EntryType::Regular, 0o644, b"", content)
    }

    /// Adds a link, whose target is not looked at.
    #[must_use]
    pub fn link(self, name: &str, kind: EntryType, target: &str) -> Self {
        self.entry(name.as_bytes(), kind, 0o777, target.as_bytes(), b"")
    }

    /// Adds any entry. Names of more than a hundred bytes get an extension in front, as GNU tar does it.
    #[must_use]
    pub fn entry(mut self, name: &[u8], kind: EntryType, mode: u32, target: &[u8], content: &[u8]) -> Self {
        if name.len() > 100 {
            self = self.entry(b"././@LongLink", EntryType::GNULongName, 0o644, b"", &[name, b"\0"].concat());
        }
        let mut header = Header::new_ustar();
        copy(&mut header.as_old_mut().name, name);
        copy(&mut header.as_old_mut().linkname, target);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_cksum();
        self.bytes.extend(header.as_bytes());
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// The whole archive.
    #[must_use]
    pub fn build(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }
}

fn copy(field: &mut [u8], value: &[u8]) {
    let length = field.len().min(value.len());
    field[..length].copy_from_slice(&value[..length]);
}
