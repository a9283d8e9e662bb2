//! The files of a commit, one by one.

use git2::{ObjectType, Oid, Repository, Tree, TreeEntry};
use mantyx_core::{Code, Error, RelativePath, Result};

use super::stop::Stop;
use crate::entry::refuse;
use crate::limits::Limits;
use crate::unpack::{Content, Mode, Unpacker};

/// The mode of a symbolic link in a tree.
const SYMLINK: i32 = 0o120_000;

/// Hands the files of a commit, or of one folder of it, to the unpacker.
pub(super) fn unpack(
    repository: &Repository,
    commit: Oid,
    subdir: Option<&RelativePath>,
    limits: &Limits,
    stop: &Stop,
    unpacker: &mut Unpacker<'_>,
) -> Result<()> {
    let tree = repository.find_commit(commit).and_then(|commit| commit.tree()).map_err(unreadable)?;
    let tree = match subdir {
        None => tree,
        Some(subdir) => inner(repository, &tree, subdir)?,
    };
    Walk { repository, limits, stop }.tree(&tree, &mut Vec::new(), unpacker)
}

fn inner<'a>(repository: &'a Repository, tree: &Tree<'_>, subdir: &RelativePath) -> Result<Tree<'a>> {
    let found = tree.get_path(subdir.as_ref()).and_then(|entry| repository.find_tree(entry.id()));
    found.map_err(|error| {
        Error::new(Code::GitSubdir, format!("There is no folder `{subdir}` in this commit"))
            .hint("Write it as it is in the repository, capitals too")
            .because(error)
    })
}

struct Walk<'a> {
    repository: &'a Repository,
    limits: &'a Limits,
    stop: &'a Stop,
}

impl Walk<'_> {
    /// The path is as long as the unpacker allows at most, and so is the depth.
    fn tree(&self, tree: &Tree<'_>, path: &mut Vec<u8>, unpacker: &mut Unpacker<'_>) -> Result<()> {
        for entry in tree {
            self.stop.check()?;
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
                let tree = self.repository.find_tree(entry.id()).map_err(unreadable)?;
                self.tree(&tree, path, unpacker)
            }
            Some(ObjectType::Blob) => {
                self.check_size(entry.id(), name.as_str())?;
                let blob = self.repository.find_blob(entry.id()).map_err(unreadable)?;
                let mut bytes = blob.content();
                unpacker.add(
                    &name,
                    match entry.filemode() {
                        SYMLINK => Content::Symlink { target: bytes },
                        mode => Content::File { mode: mode_of(mode), bytes: &mut bytes },
                    },
                )
            }
            Some(ObjectType::Commit) => {
                unpacker.leave_out(&format!("{} (a submodule)", name.as_str()));
                Ok(())
            }
            _ => Err(refuse(Code::EntrySpecial, name.as_str(), "is nothing that git has in a folder")),
        }
    }

    /// A blob is in memory as a whole, so its size is looked at first.
    fn check_size(&self, id: Oid, name: &str) -> Result<()> {
        let (size, _) = self.repository.odb().and_then(|odb| odb.read_header(id)).map_err(unreadable)?;
        if size as u64 <= self.limits.file_bytes {
            return Ok(());
        }
        Err(refuse(Code::EntryTooLarge, name, &format!("has more than {} bytes", self.limits.file_bytes)))
    }
}

fn mode_of(mode: i32) -> Mode {
    Mode::of(u32::try_from(mode).unwrap_or(0))
}

fn unreadable(error: git2::Error) -> Error {
    Error::new(Code::GitRemote, format!("The repository is damaged: {}", error.message())).because(error)
}
