//! Archives: what they are is decided by their content, never by their name.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use mantyx_core::{Code, Error, Origin, Result};

use crate::limits::{Counted, Limits};
use crate::unpack::{Unpacked, Unpacker, Wrapping, discard};
use crate::{Staged, inspect};

mod format;
mod tar;
mod zip;

use format::Format;

/// Unpacks an uploaded archive below an empty staging folder.
///
/// `file_name` is what the upload was called: it is shown, kept as the origin, and a name is made from it.
pub fn archive(upload: &Path, file_name: &str, staging: &Path, limits: &Limits) -> Result<Staged> {
    let staged = unpack(upload, file_name, staging, limits).and_then(|unpacked| {
        let found = inspect::inspect(&unpacked.folder, stem(file_name), unpacked.warnings)?;
        let origin = Origin::Archive { file: file_name.to_owned() };
        Ok(Staged { folder: unpacked.folder, found, origin, scm_version: None })
    });
    staged.inspect_err(|_| discard(staging))
}

fn unpack(upload: &Path, name: &str, staging: &Path, limits: &Limits) -> Result<Unpacked> {
    let failed = |error| Error::io(format!("read `{name}`"), error);
    let mut file = File::open(upload).map_err(failed)?;
    let format = Format::of(&mut file, name)?;
    file.rewind().map_err(failed)?;
    let packed = Counted::new(BufReader::new(file), u64::MAX);
    match format {
        Format::Zip => {
            let mut unpacker = Unpacker::new(staging, limits, Some(packed.count()))?;
            zip::unpack(packed, name, limits, &mut unpacker)?;
            finish(unpacker, name)
        }
        Format::Tar => tar_of(packed, name, limits, Unpacker::new(staging, limits, None)?),
        Format::TarGz => {
            let unpacker = Unpacker::new(staging, limits, Some(packed.count()))?;
            tar_of(MultiGzDecoder::new(packed), name, limits, unpacker)
        }
    }
}

fn tar_of(source: impl Read, name: &str, limits: &Limits, mut unpacker: Unpacker<'_>) -> Result<Unpacked> {
    tar::unpack(source, name, limits, &mut unpacker)?;
    finish(unpacker, name)
}

fn finish(unpacker: Unpacker<'_>, name: &str) -> Result<Unpacked> {
    if unpacker.is_empty() {
        return Err(Error::new(Code::ArchiveEmpty, format!("There is nothing in `{name}`"))
            .hint("Pack the folder of the app, with its source in it"));
    }
    unpacker.finish(Wrapping::Remove)
}

/// The name without what says that it is an archive.
fn stem(file_name: &str) -> &str {
    const ENDINGS: [&str; 5] = [".tar.gz", ".tgz", ".tar", ".zip", ".gz"];
    let base = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
    let lower = base.to_ascii_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(**ending)).map_or(0, |ending| ending.len());
    base.get(..base.len() - ending).unwrap_or(base)
}
