//! The files of a commit, one by one.

use git2::{ObjectType, Oid, Repository, Tree, TreeEntry};
use mantyx_core::{Code, Error, RelativePath, Result};

use super::fetch::Session;
use super::modules::{Fetcher, Modules};
use crate::entry::{EntryPath, refuse};
use crate::unpack::{Content, Mode, Unpacker};

/// The mode of a symbolic link in a tree.
const SYMLINK: i32 = 0o120_000;

/// Hands the files of a commit, or of one folder of it, to the unpacker; those of submodules too where there is
/// somebody to fetch them.
pub(super) fn unpack(
    session: &Session<'_>,
    commit: Oid,
    subdir: Option<&RelativePath>,
    fetcher: Option<&Fetcher>,
    unpacker: &mut Unpacker<'_>,
) -> Result<()> {
    let top = top_of(session.repository, commit)?;
    let walk = Walk {
        session,
        modules: Modules::of(session.repository, &top),
        fetcher,
        before: subdir.map(|subdir| format!("{subdir}/")).unwrap_or_default(),
        from: 0,
    };
    match subdir {
        None => walk.tree(&top, &mut Vec::new(), unpacker),
        Some(subdir) => walk.tree(&inner(session.repository, &top, subdir)?, &mut Vec::new(), unpacker),
    }
}

fn top_of(repository: &Repository, commit: Oid) -> Result<Tree<'_>> {
    repository.find_commit(commit).and_then(|commit| commit.tree()).map_err(unreadable)
}

fn inner<'a>(repository: &'a Repository, tree: &Tree<'_>, subdir: &RelativePath) -> Result<Tree<'a>> {
    let found = tree.get_path(subdir.as_ref()).and_then(|entry| repository.find_tree(entry.id()));
    found.map_err(|error| {
        Error::new(Code::GitSubdir, format!("There is no folder `{subdir}` in this commit"))
            .hint("Write it as it is in the repository, capitals too")
            .because(error)
    })
}

/// A walk through one repository.
struct Walk<'a> {
    session: &'a Session<'a>,
    modules: Modules,
    fetcher: Option<&'a Fetcher>,
    /// The folder of the repository that the app begins at, with a `/` behind it.
    before: String,
    /// Where the repository begins in the paths of the app: the length of what is before.
    from: usize,
}

impl Walk<'_> {
    /// The path is as long as the unpacker allows at most, and so is the depth.
    fn tree(&self, tree: &Tree<'_>, path: &mut Vec<u8>, unpacker: &mut Unpacker<'_>) -> Result<()> {
        for entry in tree {
            self.session.stop.check()?;
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(entry.name_bytes());
            self.entry(&entry, path, unpacker)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(&self, entry: &TreeEntry<'_>, path: &mut Vec<u8>, unpacker: &mut Unpacker<'_>) -> Result<()> {
        let Some(name) = unpacker.name(path)? else { return Ok(()) };
        match entry.kind() {
            Some(ObjectType::Tree) => {
                unpacker.add(&name, Content::Folder)?;
                let tree = self.session.repository.find_tree(entry.id()).map_err(unreadable)?;
                self.tree(&tree, path, unpacker)
            }
            Some(ObjectType::Blob) => {
                self.check_size(entry.id(), name.as_str())?;
                let blob = self.session.repository.find_blob(entry.id()).map_err(unreadable)?;
                let mut bytes = blob.content();
                unpacker.add(
                    &name,
                    match entry.filemode() {
                        SYMLINK => Content::Symlink { target: bytes },
                        mode => Content::File { mode: mode_of(mode), bytes: &mut bytes },
                    },
                )
            }
            Some(ObjectType::Commit) => self.submodule(entry.id(), &name, path, unpacker),
            _ => Err(refuse(Code::EntrySpecial, name.as_str(), "is nothing that git has in a folder")),
        }
    }

    /// Another repository that takes the place of a folder.
    fn submodule(
        &self,
        commit: Oid,
        name: &EntryPath,
        path: &mut Vec<u8>,
        unpacker: &mut Unpacker<'_>,
    ) -> Result<()> {
        let inside = format!("{}{}", self.before, String::from_utf8_lossy(&path[self.from..]));
        let Some((fetcher, url)) = self.fetcher.zip(self.modules.url(&inside)) else {
            unpacker.leave_out(&format!("{} (a submodule)", name.as_str()));
            return Ok(());
        };
        unpacker.add(name, Content::Folder)?;
        fetcher.fetch(self.session, (name.as_str(), url), commit, |session| {
            let top = top_of(session.repository, commit)?;
            let modules = Modules::of(session.repository, &top);
            let (before, from) = (String::new(), path.len() + 1);
            Walk { session, modules, fetcher: self.fetcher, before, from }.tree(&top, path, unpacker)
        })
    }

    /// A blob is in memory as a whole, so its size is looked at first.
    fn check_size(&self, id: Oid, name: &str) -> Result<()> {
        let (size, _) =
            self.session.repository.odb().and_then(|odb| odb.read_header(id)).map_err(unreadable)?;
        if size as u64 <= self.session.limits.file_bytes {
            return Ok(());
        }
        Err(refuse(
            Code::EntryTooLarge,
            name,
            &format!("has more than {} bytes", self.session.limits.file_bytes),
        ))
    }
}

fn mode_of(mode: i32) -> Mode {
    Mode::of(u32::try_from(mode).unwrap_or(0))
}

fn unreadable(error: git2::Error) -> Error {
    Error::new(Code::GitRemote, format!("The repository is damaged: {}", error.message())).because(error)
}
