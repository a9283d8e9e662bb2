//! Precompressed siblings: `page.js.br` and `page.js.gz` beside `page.js`, made once, at the highest setting.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::program::LATER;
use crate::{terminal, workspace};

/// What is worth compressing, by its extension.
const COMPRESSIBLE: [&str; 5] = ["wasm", "js", "css", "svg", "html"];

/// How large one file is in each form, in bytes.
pub(crate) struct Size {
    /// Its name in the folder.
    pub(crate) name: String,
    /// As it is.
    pub(crate) plain: u64,
    /// For a browser that knows gzip alone.
    pub(crate) gzip: u64,
    /// For every other.
    pub(crate) brotli: u64,
}

impl Size {
    /// Whether a browser loads it before it shows anything.
    pub(crate) fn is_first(&self) -> bool {
        !self.name.starts_with(LATER)
    }
}

/// Writes the siblings of every file below a folder.
pub(super) fn compress_folder(folder: &Path) -> Result<()> {
    for path in compressible(folder)? {
        let plain = fs::read(&path)?;
        fs::write(sibling(&path, "br"), brotli(&plain)?)?;
        fs::write(sibling(&path, "gz"), gzip(&plain)?)?;
    }
    Ok(())
}

/// How large each file of a finished folder is.
pub(super) fn sizes(folder: &Path) -> Result<Vec<Size>> {
    let size = |path: &Path| fs::metadata(path).map(|file| file.len());
    let sizes = compressible(folder)?.into_iter().map(|path| {
        let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
        let (gzip, brotli) = (size(&sibling(&path, "gz"))?, size(&sibling(&path, "br"))?);
        Ok(Size { name, plain: size(&path)?, gzip, brotli })
    });
    sizes.collect()
}

fn compressible(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = workspace::files_below(folder)?;
    files.retain(|path| path.extension().and_then(|e| e.to_str()).is_some_and(|e| COMPRESSIBLE.contains(&e)));
    Ok(files)
}

fn sibling(path: &Path, extension: &str) -> PathBuf {
    PathBuf::from(format!("{}.{extension}", path.display()))
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let parameters = BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &parameters)?;
    Ok(packed)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// One row a file, and what a browser loads before it shows anything.
pub(super) fn print(sizes: &[Size]) {
    let row = |name: &str, [plain, gzip, brotli]: [u64; 3]| {
        let [plain, gzip, brotli] = [plain, gzip, brotli].map(terminal::size);
        terminal::note(&format!("{name:<28} {plain:>11} {gzip:>11} gzip {brotli:>11} brotli"));
    };
    let sum = |part: fn(&Size) -> u64| sizes.iter().filter(|file| file.is_first()).map(part).sum();
    for file in sizes {
        row(&file.name, [file.plain, file.gzip, file.brotli]);
    }
    row("first load", [sum(|s| s.plain), sum(|s| s.gzip), sum(|s| s.brotli)]);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_siblings_unpack_to_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let text = "body { color: white }\n".repeat(100);
        fs::write(folder.path().join("a.css"), &text).unwrap();
        fs::write(folder.path().join("a.png"), "no text").unwrap();
        compress_folder(folder.path()).unwrap();
        let sizes = sizes(folder.path()).unwrap();
        assert_eq!(sizes.len(), 1);

        let mut plain = Vec::new();
        let packed = fs::read(folder.path().join("a.css.br")).unwrap();
        brotli::BrotliDecompress(&mut &*packed, &mut plain).unwrap();
        assert_eq!(plain, text.as_bytes());
        let mut plain = String::new();
        let packed = fs::File::open(folder.path().join("a.css.gz")).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, text);
        assert!(sizes[0].brotli < sizes[0].plain && sizes[0].gzip < sizes[0].plain);
    }
}
