//! Zip archives, record by record (APPNOTE 4.3).

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// One entry of a zip archive, with everything that can be lied about.
#[derive(Clone, Debug)]
pub struct ZipEntry {
    /// The name, in whatever bytes.
    pub name: Vec<u8>,
    /// The content as it is stored.
    pub packed: Vec<u8>,
    /// How long it says to be once unpacked.
    pub size: u32,
    /// The checksum of the content.
    pub crc: u32,
    /// The Unix mode with its type; 0 for none.
    pub mode: u32,
    /// General purpose flags; 1 is encrypted, 8 a data descriptor behind the content.
    pub flags: u16,
    /// 0 stored, 8 deflate.
    pub method: u16,
    /// Share the bytes of the entry before instead of having some.
    pub shares: bool,
}

impl ZipEntry {
    /// An honest file.
    #[must_use]
    pub fn new(name: impl Into<Vec<u8>>, content: &[u8]) -> Self {
        let (packed, method) = if content.is_empty() { (Vec::new(), 0) } else { (deflate(content), 8) };
        Self {
            name: name.into(),
            packed,
            size: u32::try_from(content.len()).unwrap_or(u32::MAX),
            crc: crc(content),
            mode: 0o100_644,
            flags: 0x0800,
            method,
            shares: false,
        }
    }

    /// The same with another mode.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

/// Writes a zip archive (APPNOTE 4.3).
#[derive(Clone, Debug, Default)]
pub struct ZipBuilder {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
    last: u32,
}

impl ZipBuilder {
    /// Adds an honest file.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(&ZipEntry::new(name, content))
    }

    /// Adds any entry.
    #[must_use]
    pub fn entry(mut self, entry: &ZipEntry) -> Self {
        let streamed = entry.flags & 8 != 0;
        let sizes = [entry.crc, length(&entry.packed), entry.size];
        if !entry.shares {
            self.last = length(&self.bytes);
            self.bytes.extend(b"PK\x03\x04\x14\0");
            common(&mut self.bytes, entry, if streamed { [0; 3] } else { sizes });
            self.bytes.extend(&entry.name);
            self.bytes.extend(&entry.packed);
            if streamed {
                self.bytes.extend(b"PK\x07\x08");
                self.bytes.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
            }
        }
        self.directory.extend(b"PK\x01\x02\x1e\x03\x14\0");
        common(&mut self.directory, entry, sizes);
        self.directory.extend([0; 6]);
        self.directory.extend((entry.mode << 16).to_le_bytes());
        self.directory.extend(self.last.to_le_bytes());
        self.directory.extend(&entry.name);
        self.count += 1;
        self
    }

    /// The whole archive.
    #[must_use]
    pub fn build(self) -> Vec<u8> {
        let (start, size) = (length(&self.bytes), length(&self.directory));
        let mut bytes = self.bytes;
        bytes.extend(self.directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(start.to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }

    /// The whole archive with the records for more entries and bytes than the old ones have room for (zip64).
    #[must_use]
    pub fn build_zip64(self) -> Vec<u8> {
        let (start, size) = (u64::from(length(&self.bytes)), u64::from(length(&self.directory)));
        let count = u64::from(self.count);
        let mut bytes = self.bytes;
        bytes.extend(self.directory);
        let record = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44u64.to_le_bytes());
        bytes.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([count, count, size, start].iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(record.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend([0xff; 12]);
        bytes.extend([0; 2]);
        bytes
    }
}

/// What the two headers of an entry have in common, from the flags to the length of the extra field.
fn common(to: &mut Vec<u8>, entry: &ZipEntry, sizes: [u32; 3]) {
    to.extend(entry.flags.to_le_bytes());
    to.extend(entry.method.to_le_bytes());
    to.extend([0, 0, 0x21, 0]);
    to.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
    to.extend(u16::try_from(entry.name.len()).unwrap_or(u16::MAX).to_le_bytes());
    to.extend([0; 2]);
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
