//! Precompressed siblings: `page.js.br` and `page.js.gz` beside `page.js`, made once, at the highest setting.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{terminal, workspace};

/// What is worth compressing, by its extension.
const COMPRESSIBLE: [&str; 5] = ["wasm", "js", "css", "svg", "html"];

/// How large one file is in each form, in bytes.
pub(super) struct Sizes {
    name: String,
    plain: u64,
    gzip: u64,
    brotli: u64,
}

/// Writes the siblings of every file below a folder.
pub(super) fn compress_folder(folder: &Path) -> Result<Vec<Sizes>> {
    let mut sizes = Vec::new();
    for path in workspace::files_below(folder)? {
        if path.extension().and_then(|e| e.to_str()).is_some_and(|e| COMPRESSIBLE.contains(&e)) {
            let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            sizes.push(compress(&path, name)?);
        }
    }
    Ok(sizes)
}

fn compress(path: &Path, name: String) -> Result<Sizes> {
    let plain = fs::read(path)?;
    let (brotli, gzip) = (brotli(&plain)?, gzip(&plain)?);
    fs::write(format!("{}.br", path.display()), &brotli)?;
    fs::write(format!("{}.gz", path.display()), &gzip)?;
    let [plain, gzip, brotli] = [plain.len() as u64, gzip.len() as u64, brotli.len() as u64];
    Ok(Sizes { name, plain, gzip, brotli })
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

/// One row a file, and what a browser loads in all.
pub(super) fn print(sizes: &[Sizes]) {
    let row = |name: &str, [plain, gzip, brotli]: [u64; 3]| {
        let [plain, gzip, brotli] = [plain, gzip, brotli].map(terminal::size);
        terminal::note(&format!("{name:<28} {plain:>11} {gzip:>11} gzip {brotli:>11} brotli"));
    };
    let sum = |part: fn(&Sizes) -> u64| sizes.iter().map(part).sum();
    for file in sizes {
        row(&file.name, [file.plain, file.gzip, file.brotli]);
    }
    row("in all", [sum(|s| s.plain), sum(|s| s.gzip), sum(|s| s.brotli)]);
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
        let sizes = compress_folder(folder.path()).unwrap();
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
