//! Where the programs and the page are that a test uses, seen from the test's own program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The top of the checkout.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/test-support is two levels down")
}

/// A program that was built beside the running test: `target/debug/mantyx` for `target/debug/deps/story-…`.
pub(crate) fn program(name: &str) -> PathBuf {
    let program = profile_folder().join(name);
    assert!(
        program.is_file(),
        "`{}` is not built: run `cargo build -p mantyx -p mantyx-monitor`",
        program.display()
    );
    program
}

/// Where cargo puts everything.
pub(crate) fn target() -> PathBuf {
    profile_folder().parent().expect("a profile's folder is inside the target folder").to_path_buf()
}

/// The search path of the daemon, with the uv that `cargo xtask` fetched.
pub(crate) fn search_path() -> OsString {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(target().join("tools/uv/bin")).chain(std::env::split_paths(&old));
    std::env::join_paths(folders).expect("the folders came from a search path")
}

fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own program");
    let folder = test.ancestors().find(|folder| folder.join("deps").is_dir() && !folder.ends_with("deps"));
    folder.expect("a test lies in the folder of a profile").to_path_buf()
}
