//! What an upload is, by its first bytes.

use std::io::{BufReader, Read, Seek};

use flate2::bufread::MultiGzDecoder;
use mantyx_core::{Code, Error, Result};

use crate::limits::unreadable;

/// The formats that are unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Zip,
    Tar,
    TarGz,
}

/// A header of a tar archive, in bytes (POSIX pax).
const BLOCK: usize = 512;

const ACCEPTED: &str = "Pack it as `.zip`, `.tar` or `.tar.gz`";

impl Format {
    /// Reads no more than the beginning.
    pub(super) fn of(file: &mut (impl Read + Seek), name: &str) -> Result<Self> {
        let head = read_head(file).map_err(|error| Error::io(format!("read `{name}`"), error))?;
        match head.as_slice() {
            [] => Err(Error::new(Code::ArchiveEmpty, format!("`{name}` has no bytes"))),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Self::Zip),
            [0x1f, 0x8b, ..] => {
                file.rewind().map_err(|error| Error::io(format!("read `{name}`"), error))?;
                let inner = read_head(&mut MultiGzDecoder::new(BufReader::new(file)));
                let inner = inner.map_err(|error| unreadable(name, error))?;
                if is_tar(&inner) { Ok(Self::TarGz) } else { Err(not_an_archive(name, &inner)) }
            }
            head if is_tar(head) => Ok(Self::Tar),
            head => Err(not_an_archive(name, head)),
        }
    }
}

fn read_head(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(BLOCK);
    from.take(BLOCK as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The checksum of a header is the sum of its bytes with its own eight read as blanks. An archive without
/// entries is nothing but zeros.
fn is_tar(head: &[u8]) -> bool {
    if head.len() < BLOCK {
        return false;
    }
    if head.iter().all(|byte| *byte == 0) {
        return true;
    }
    let field = &head[148..156];
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let blanks: u32 = 8 * u32::from(b' ');
    let sum = sum - field.iter().map(|byte| u32::from(*byte)).sum::<u32>() + blanks;
    let text: String = field.iter().map(|byte| char::from(*byte)).take_while(char::is_ascii).collect();
    u32::from_str_radix(text.trim_matches([' ', '\0']), 8) == Ok(sum)
}

fn not_an_archive(name: &str, head: &[u8]) -> Error {
    match other_format(head) {
        Some((Code::ArchiveCompression, format)) => {
            Error::new(Code::ArchiveCompression, format!("`{name}` is compressed with {format}"))
        }
        Some((code, format)) => Error::new(code, format!("`{name}` is {format}")),
        None => Error::new(Code::NotAnArchive, format!("`{name}` is neither a zip nor a tar archive")),
    }
    .hint(ACCEPTED)
}

/// Formats that people have and that are worth a name of their own.
fn other_format(head: &[u8]) -> Option<(Code, &'static str)> {
    const KNOWN: [(&[u8], Code, &str); 7] = [
        (b"BZh", Code::ArchiveCompression, "bzip2"),
        (b"\xfd7zXZ\0", Code::ArchiveCompression, "xz"),
        (b"\x28\xb5\x2f\xfd", Code::ArchiveCompression, "zstd"),
        (b"\x04\x22\x4d\x18", Code::ArchiveCompression, "lz4"),
        (b"\x1f\x9d", Code::ArchiveCompression, "compress"),
        (b"7z\xbc\xaf\x27\x1c", Code::UnsupportedType, "a 7z archive"),
        (b"Rar!\x1a\x07", Code::UnsupportedType, "a RAR archive"),
    ];
    KNOWN.iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, code, format)| (*code, *format))
}
