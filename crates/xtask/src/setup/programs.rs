//! Programs that tests use beside those of Mantyx: a browser as a person has it, and git as the other side of a clone.

use std::process::Command;

use crate::{terminal, workspace};

/// Each with the package of Debian that has it.
const PROGRAMS: [(&str, &str); 3] =
    [("chromium", "chromium"), ("chromedriver", "chromium-driver"), ("git", "git")];

/// Installs those that are missing where that is possible. Where it is not, their tests fail and say the same again.
pub(super) fn prepare() {
    let missing = PROGRAMS.iter().filter(|(program, _)| !is_there(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return;
    }
    if let Err(error) = super::install_packages(&packages) {
        let packages = packages.join(" ");
        terminal::note(&format!("Tests need more programs (Debian: `apt install {packages}`): {error}"));
    }
}

fn is_there(program: &str) -> bool {
    workspace::succeeds(Command::new(program).arg("--version"))
}
