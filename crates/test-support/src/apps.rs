//! Sample apps: what people really bring, as small as it can be.

use std::io::{Cursor, Write as _};
use std::path::Path;

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A web service with a dependency from PyPI. It listens on `PORT`, greets on `/`, answers `/health`, and ends with
/// exit code 7 when somebody posts to `/crash`.
pub const FLASK_APP: &str = r#"
import os
from pathlib import Path

from flask import Flask

app = Flask(__name__)
visits = Path(os.environ["APP_DATA_DIR"]) / "visits"


@app.get("/")
def greet():
    count = int(visits.read_text()) + 1 if visits.exists() else 1
    visits.write_text(str(count))
    return f"<h1>Hello from {os.environ['APP_NAME']}</h1><p>Visit {count}</p>"


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/crash")
def crash():
    os._exit(7)


if __name__ == "__main__":
    print("serving on", os.environ["PORT"], flush=True)
    app.run(port=int(os.environ["PORT"]))
"#;

/// A script that writes a numbered line ten times a second until it is stopped.
#[must_use]
pub const fn ticker_script() -> &'static str {
    // A line in one write: `print` makes several, and a line that takes long is written in pieces.
    "import itertools, sys, time\n\nfor number in itertools.count(1):\n    sys.stdout.write(f'tick {number}\\n')\n    sys.stdout.flush()\n    time.sleep(0.1)\n"
}

/// A script that says hello and ends well.
#[must_use]
pub const fn hello_script() -> &'static str {
    "print('hello')\n"
}

/// A script that ends at once with this exit code.
#[must_use]
pub fn failing_script(code: u8) -> String {
    format!("import sys\n\nprint('about to fail', file=sys.stderr)\nsys.exit({code})\n")
}

/// A script that names its dependency itself (PEP 723) and uses it.
#[must_use]
pub const fn inline_metadata_script() -> &'static str {
    "# /// script\n# dependencies = [\"tomli-w\"]\n# ///\nimport tomli_w\n\nprint(tomli_w.dumps({'answer': 42}))\n"
}

/// A script that sleeps until it is stopped: the cheapest service.
#[must_use]
pub const fn sleeper_script() -> &'static str {
    "import time\n\nprint('asleep', flush=True)\nwhile True:\n    time.sleep(3600)\n"
}

/// [`FLASK_APP`] as a zip archive, in a folder of its own as people pack it.
#[must_use]
pub fn flask_zip() -> Vec<u8> {
    zip(&[("shop/app.py", FLASK_APP), ("shop/requirements.txt", "flask>=3,<4\n")])
}

/// Files as a zip archive.
#[must_use]
pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        archive.start_file(*path, SimpleFileOptions::default()).expect("a path that zip takes");
        archive.write_all(text.as_bytes()).expect("memory takes everything");
    }
    archive.finish().expect("memory takes everything").into_inner()
}

/// Files as a gzipped tar archive.
#[must_use]
pub fn tar_gz(files: &[(&str, &str)]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes()).expect("a path that tar takes");
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory takes everything")
}

/// A git repository in a temporary folder, to be cloned by [`GitRepository::url`].
pub struct GitRepository {
    folder: TempDir,
    repository: Repository,
}

impl GitRepository {
    /// A repository whose branch `main` has one commit with these files.
    #[must_use]
    pub fn create(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main");
        let repository = Repository::init_opts(folder.path(), &options).expect("a new repository");
        let repository = Self { folder, repository };
        repository.commit("First", files);
        repository
    }

    /// Writes files and commits everything; answers the commit's name.
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        self.try_commit(message).expect("a commit")
    }

    /// Has the branch go back to a commit, as after a push by force; answers the commit's name.
    pub fn go_back(&self, commit: &str) -> String {
        let commit = self.repository.revparse_single(commit).expect("a commit");
        self.repository.reset(&commit, git2::ResetType::Hard, None).expect("another head");
        commit.id().to_string()
    }

    /// Names the newest commit by a tag.
    pub fn tag(&self, name: &str) {
        let head =
            self.repository.head().and_then(|head| head.peel(git2::ObjectType::Commit)).expect("a commit");
        self.repository.tag_lightweight(name, &head, false).expect("a new tag");
    }

    /// Its address: `file:///tmp/…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn try_commit(&self, message: &str) -> Result<String, git2::Error> {
        let mut index = self.repository.index()?;
        index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
        index.write()?;
        let tree = self.repository.find_tree(index.write_tree()?)?;
        let parent = self.repository.head().and_then(|head| head.peel_to_commit()).ok();
        let parents: Vec<_> = parent.iter().collect();
        let who = Signature::now("Test", "test@mantyx.invalid")?;
        Ok(self.repository.commit(Some("HEAD"), &who, &who, message, &tree, &parents)?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn archives_hold_what_was_put_in() {
        let mut archive = zip::ZipArchive::new(Cursor::new(flask_zip())).unwrap();
        let mut text = String::new();
        archive.by_name("shop/app.py").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, FLASK_APP);

        let packed = tar_gz(&[("a/main.py", "print(1)")]);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*packed));
        let paths: Vec<_> =
            archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(paths, [Path::new("a/main.py")]);
    }

    #[test]
    fn a_repository_can_be_cloned_and_grows() {
        let origin = GitRepository::create(&[("main.py", "print(1)")]);
        origin.tag("v1");
        let second = origin.commit("Second", &[("src/more.py", "print(2)")]);
        let folder = tempfile::tempdir().unwrap();
        let clone = Repository::clone(&origin.url(), folder.path().join("clone")).unwrap();
        assert_eq!(clone.head().unwrap().target().unwrap().to_string(), second);
        assert!(clone.revparse_single("v1").is_ok() && folder.path().join("clone/src/more.py").is_file());
    }
}
