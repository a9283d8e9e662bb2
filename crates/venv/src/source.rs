//! What the source of a release declares: read once, so that planning needs no disk.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Launch, RelativePath, Result};

use crate::inline::Inline;
use crate::pylock::Pylock;
use crate::pyproject::Pyproject;
use crate::requirements::Requirements;

/// The most bytes of a file that declares dependencies. The largest lock files have a few megabytes.
pub(crate) const LARGEST: u64 = 64 * 1024 * 1024;
/// Metadata of a script stands at its head.
const HEAD: u64 = 256 * 1024;

/// Whether packages can be built from a folder, going by the files that build backends look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buildable {
    /// The source itself.
    pub(crate) root: bool,
    /// A folder in it.
    pub(crate) below: bool,
}

/// Everything about a source that decides about its environment.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) folder: PathBuf,
    pub(crate) launch: Launch,
    pub(crate) digest: String,
    pub(crate) pretend_version: Option<String>,
    pub(crate) has_uv_lock: bool,
    pub(crate) pylock: Option<Pylock>,
    pub(crate) has_requirements: bool,
    /// What these and the files that they include declare.
    pub(crate) requirements: Requirements,
    pub(crate) pyproject: Option<Pyproject>,
    /// What the `pyproject.toml` says to uv.
    pub(crate) uv: Option<toml::Table>,
    /// The metadata of the script that is started.
    pub(crate) inline: Option<(RelativePath, Inline)>,
    /// The metadata of the only script, however it is started.
    pub(crate) lone: Option<(RelativePath, Inline)>,
    pub(crate) buildable: Buildable,
    /// Whether the module that is started lies in `src/`, where Python does not find it by itself.
    pub(crate) module_in_src: bool,
}

impl Source {
    /// Reads what a source declares, for a way to start it. `digest` is that of the whole source.
    pub fn read(folder: &Path, launch: &Launch, digest: &str) -> Result<Self> {
        let text = |name: &str| read(&folder.join(name), LARGEST);
        let (pyproject, uv) = match text("pyproject.toml")? {
            Some(text) => (Pyproject::parse(&text)?, Pyproject::uv(&text)),
            None => (None, None),
        };
        Ok(Self {
            folder: folder.to_owned(),
            launch: launch.clone(),
            digest: digest.to_owned(),
            pretend_version: None,
            has_uv_lock: folder.join("uv.lock").is_file() && folder.join("pyproject.toml").is_file(),
            pylock: text("pylock.toml")?.map(|text| Pylock::parse(&text)).transpose()?,
            has_requirements: folder.join("requirements.txt").is_file(),
            requirements: Requirements::read(&mut |file| read(&folder.join(file), LARGEST).ok().flatten()),
            pyproject,
            uv,
            inline: started_script(launch).map_or(Ok(None), |script| inline_of(folder, script))?,
            lone: lone_script(folder).map_or(Ok(None), |script| inline_of(folder, &script))?,
            buildable: buildable(folder),
            module_in_src: matches!(launch, Launch::Module(module) if is_in_src(folder, module)),
        })
    }

    /// Passes on the version that `setuptools-scm` would have read from the repository.
    #[must_use]
    pub fn pretend_version(mut self, version: Option<String>) -> Self {
        self.pretend_version = version;
        self
    }

    /// Whether the way to start is something that only an installed project has.
    pub(crate) fn starts_project(&self) -> bool {
        let own =
            |program: &str| self.pyproject.iter().flat_map(Pyproject::scripts).any(|own| own == program);
        match &self.launch {
            Launch::Script(_) => false,
            Launch::Module(_) => self.module_in_src && self.buildable.root,
            Launch::Console(program) => own(program),
            Launch::Command(line) => line.split_whitespace().next().is_some_and(own),
        }
    }
}

fn started_script(launch: &Launch) -> Option<&RelativePath> {
    if let Launch::Script(script) = launch { Some(script) } else { None }
}

fn inline_of(folder: &Path, script: &RelativePath) -> Result<Option<(RelativePath, Inline)>> {
    let Some(text) = read(&folder.join(script), HEAD)? else { return Ok(None) };
    Ok(Inline::parse(&text, script.as_str())?.map(|inline| (script.clone(), inline)))
}

/// The only `.py` file at the top, if there is just one.
fn lone_script(folder: &Path) -> Option<RelativePath> {
    let names = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut scripts = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "py"));
    let first = scripts.next()?;
    if scripts.next().is_some() { None } else { RelativePath::parse(&first).ok() }
}

/// At most so much of a file; `None` when it is not there. What is not UTF-8 is replaced.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<String>> {
    let opened = fs::File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map(|_| bytes)
    });
    match opened {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::io(format!("read `{}`", path.display()), error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory
    )
}

fn is_in_src(folder: &Path, module: &str) -> bool {
    let top = module.split('.').next().unwrap_or(module);
    let src = folder.join("src");
    src.join(top).is_dir() || src.join(format!("{top}.py")).is_file()
}

fn buildable(folder: &Path) -> Buildable {
    Buildable { root: has_build_file(folder), below: below(folder) }
}

fn has_build_file(folder: &Path) -> bool {
    ["pyproject.toml", "setup.py"].iter().any(|name| folder.join(name).is_file())
}

fn below(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let is_real_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries
        .flatten()
        .filter(is_real_folder)
        .map(|entry| entry.path())
        .any(|p| has_build_file(&p) || below(&p))
}
