//! The only thing that writes: entries become files below one folder, or the whole source is refused.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mantyx_core::{Code, Error, Result};
use mantyx_platform::folders;

use crate::SOURCE;
use crate::entry::{EntryPath, refuse};
use crate::junk::Junk;
use crate::limits::{Limits, Meter};
use crate::links::{self, Links};
use crate::tree::{Kind, Tree, is_at_or_in};

/// The three kinds of files that a source may have.
pub(crate) enum Content<'a> {
    Folder,
    File { mode: Mode, bytes: &'a mut dyn Read },
    Symlink { target: &'a [u8] },
    Hardlink { target: &'a [u8] },
}

/// The one permission that a source decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    Executable,
}

impl Mode {
    /// Executable for anybody is executable for all.
    pub(crate) fn of(unix: u32) -> Self {
        if unix & 0o111 == 0 { Self::Plain } else { Self::Executable }
    }

    /// What chmod(2) takes for it.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
        }
    }
}

/// Whether a folder that everything is in is only there because somebody packed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    Remove,
    Keep,
}

/// A source that was written down.
pub(crate) struct Unpacked {
    pub(crate) folder: PathBuf,
    pub(crate) warnings: Vec<String>,
}

/// Takes entries in the order in which they come.
pub(crate) struct Unpacker<'a> {
    root: PathBuf,
    meter: Meter<'a>,
    tree: Tree,
    links: Vec<(String, String)>,
    junk: Junk,
}

impl<'a> Unpacker<'a> {
    /// Begins below an empty staging folder. `packed` counts what was read of a packed source.
    pub(crate) fn new(staging: &Path, limits: &'a Limits, packed: Option<Rc<Cell<u64>>>) -> Result<Self> {
        let root = staging.join(SOURCE);
        folders::create(&root, 0o755)?;
        let meter = Meter::new(limits, packed);
        Ok(Self { root, meter, tree: Tree::default(), links: Vec::new(), junk: Junk::default() })
    }

    /// Reads the name of the next entry. `None` is one that is not kept.
    pub(crate) fn name(&mut self, raw: &[u8]) -> Result<Option<EntryPath>> {
        let path = EntryPath::parse(raw)?.filter(|path| !self.junk.takes(path));
        self.meter.entries(1, &String::from_utf8_lossy(raw))?;
        Ok(path)
    }

    /// Puts an entry in its place.
    pub(crate) fn add(&mut self, path: &EntryPath, content: Content<'_>) -> Result<()> {
        let name = path.as_str();
        match content {
            Content::Folder => self.place(path, Kind::Folder),
            Content::File { mode, bytes } => {
                self.place(path, Kind::File)?;
                self.write(name, mode, bytes)
            }
            Content::Symlink { target } => {
                self.place(path, Kind::Link)?;
                self.links.push((name.to_owned(), links::target(name, target)?));
                Ok(())
            }
            Content::Hardlink { target } => {
                let target = self.linked(name, target)?;
                self.place(path, Kind::File)?;
                self.duplicate(name, &target)
            }
        }
    }

    /// Makes the folders for an entry, each of which counts: long paths are not a way around the limit.
    fn place(&mut self, path: &EntryPath, kind: Kind) -> Result<()> {
        let new = self.tree.add(path, kind)?;
        let implied = new.iter().filter(|folder| *folder != path.as_str()).count();
        self.meter.entries(implied as u64, path.as_str())?;
        new.iter().try_for_each(|folder| folders::create(&self.root.join(folder), 0o755))
    }

    fn write(&mut self, name: &str, mode: Mode, bytes: &mut dyn Read) -> Result<()> {
        let mut file = self.create(name, mode)?;
        self.meter.copy(name, bytes, &mut file).map(drop)
    }

    fn create(&self, name: &str, mode: Mode) -> Result<File> {
        let failed = |error| Error::io(format!("write `{name}`"), error);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(self.root.join(name)).map_err(failed)?;
        file.set_permissions(Permissions::from_mode(mode.bits())).map_err(failed)?;
        Ok(file)
    }

    /// The file that a hard link means: one that is there already, by its path from the root.
    fn linked(&self, name: &str, target: &[u8]) -> Result<String> {
        let shown = String::from_utf8_lossy(target);
        let wrong = |why: &str| {
            refuse(Code::EntryHardlink, name, &format!("is a hard link to `{shown}`, which {why}"))
        };
        let target = EntryPath::parse(target).ok().flatten().ok_or_else(|| wrong("leaves the archive"))?;
        match self.tree.kind(target.as_str()) {
            Some(Kind::File) => Ok(target.as_str().to_owned()),
            _ => Err(wrong("is not a file that comes before it")),
        }
    }

    /// A hard link becomes a file of its own, since one must not change when the other does. It counts like one.
    fn duplicate(&mut self, name: &str, target: &str) -> Result<()> {
        let failed = |error| Error::io(format!("read `{target}`"), error);
        let mut original = File::open(self.root.join(target)).map_err(failed)?;
        let mode = Mode::of(original.metadata().map_err(failed)?.permissions().mode());
        let mut file = self.create(name, mode)?;
        self.meter.copy_within(name, &mut original, &mut file)
    }

    /// Whether nothing was kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Remembers something of the source that does not come with it, to be said.
    pub(crate) fn leave_out(&mut self, what: &str) {
        self.junk.add(what);
    }

    /// Takes environments out, finds the root of the source, and makes the links, now that everything is there.
    pub(crate) fn finish(mut self, wrapping: Wrapping) -> Result<Unpacked> {
        self.drop_environments()?;
        let wrapper = match wrapping {
            Wrapping::Remove => {
                self.tree.wrapper().filter(|folder| !self.is_package(folder)).map(str::to_owned)
            }
            Wrapping::Keep => None,
        };
        let inside = |path: &str| match &wrapper {
            Some(wrapper) => path[wrapper.len() + 1..].to_owned(),
            None => path.to_owned(),
        };
        let mut links = Links::default();
        for (path, target) in &self.links {
            links.add(inside(path), target.clone());
        }
        let folder = wrapper.as_ref().map_or_else(|| self.root.clone(), |wrapper| self.root.join(wrapper));
        for (path, target) in links.checked()? {
            symlink(target, folder.join(path))
                .map_err(|error| Error::io(format!("make the symbolic link `{path}`"), error))?;
        }
        Ok(Unpacked { folder, warnings: self.junk.warning().into_iter().collect() })
    }

    /// A virtual environment is known by its `pyvenv.cfg` (PEP 405), whatever the folder is called.
    fn drop_environments(&mut self) -> Result<()> {
        let marks = self.tree.of_kind(Kind::File).filter_map(|path| path.strip_suffix("/pyvenv.cfg"));
        let environments: Vec<String> = marks.map(str::to_owned).collect();
        for folder in environments {
            folders::remove(&self.root.join(&folder))?;
            self.tree.remove(&folder);
            self.links.retain(|(path, _)| !is_at_or_in(path, &folder));
            self.junk.add(&folder);
        }
        Ok(())
    }

    /// A package that is run by its name keeps the folder that gives it the name.
    fn is_package(&self, folder: &str) -> bool {
        let has = |name: &str| self.tree.kind(&format!("{folder}/{name}")) == Some(Kind::File);
        has("__init__.py") && has("__main__.py") && !has("pyproject.toml") && !has("requirements.txt")
    }
}

/// Removes what a refused source has left. The caller removes the staging folder too; this keeps the promise
/// that nothing is left even when it does not.
pub(crate) fn discard(staging: &Path) {
    for entry in fs::read_dir(staging).into_iter().flatten().flatten() {
        if let Err(error) = folders::remove(&entry.path()) {
            tracing::warn!(%error, "staging is not empty after a refusal");
        }
    }
}
