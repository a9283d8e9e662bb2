//! What is in a folder, a page at a time. However many entries there are, no more are remembered than are asked for.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use mantyx_core::{Code, Error};
use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::{Errno, Result as SystemResult};

use crate::reading::Facts;
use crate::tree;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Other entries.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A socket, a pipe or a device.
    Special,
}

/// An entry of a folder.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name, which may be any bytes.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
    /// What the system says about it.
    pub facts: Facts,
    /// Where it stands in the list.
    pub place: Place,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Listing {
    /// What is in it. What was removed while it was read is not, so it may be less than was asked for, although there is
    /// a rest.
    pub entries: Vec<Entry>,
    /// Behind which place the rest begins; none when this was the end.
    pub rest: Option<Place>,
}

/// Where an entry stands in the list: folders before everything else, then by the bytes of the name. As a text it is
/// for whoever goes on behind it, and says nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    rank: Rank,
    name: CString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Folder,
    Other,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.rank {
            Rank::Folder => "0",
            Rank::Other => "1",
        })?;
        self.name.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error::new(Code::Malformed, format!("`{text}` is no place in a folder")))
    }
}

fn parse(text: &str) -> Option<Place> {
    let (rank, name) = match text.split_at_checked(1)? {
        ("0", name) => (Rank::Folder, name),
        ("1", name) => (Rank::Other, name),
        _ => return None,
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some((digit(high)? << 4) | digit(low)?),
        _ => None,
    };
    let bytes = name.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    Some(Place { rank, name: CString::new(bytes).ok()? })
}

pub(super) fn list(folder: &OwnedFd, after: Option<&Place>, most: usize) -> SystemResult<Listing> {
    Places::gather(folder, after, most)?.look_at(folder)
}

/// The places of a part of a list, nothing of which was looked at.
struct Places {
    first: BTreeSet<Place>,
    rest: Option<Place>,
}

impl Places {
    /// Whether there is a rest is seen here, where every name is met: how much of this is still there later says nothing
    /// about it.
    fn gather(folder: &OwnedFd, after: Option<&Place>, most: usize) -> SystemResult<Self> {
        let (mut first, mut more) = (BTreeSet::new(), false);
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            let Some(rank) = unless_gone(tree::kind(folder, &entry).map(rank))? else { continue };
            let place = Place { rank, name: name.to_owned() };
            if after.is_none_or(|after| place > *after) {
                first.insert(place);
            }
            if first.len() > most {
                first.pop_last();
                more = true;
            }
        }
        let rest = first.last().filter(|_| more).cloned();
        Ok(Self { first, rest })
    }

    fn look_at(self, folder: &OwnedFd) -> SystemResult<Listing> {
        let looked_at = self.first.into_iter().map(|place| unless_gone(look(folder, place)));
        let entries = looked_at.filter_map(Result::transpose).collect::<SystemResult<_>>()?;
        Ok(Listing { entries, rest: self.rest })
    }
}

fn look(folder: &OwnedFd, place: Place) -> SystemResult<Entry> {
    let found = statat(folder, place.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => Kind::Folder,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Link,
        _ => Kind::Special,
    };
    Ok(Entry { name: name_of(&place.name), kind, facts: Facts::of(found), place })
}

fn name_of(name: &CStr) -> OsString {
    super::os_name(name)
}

fn rank(kind: FileType) -> Rank {
    if kind == FileType::Directory { Rank::Folder } else { Rank::Other }
}

/// The owner may be removing it at this moment.
fn unless_gone<T>(outcome: SystemResult<T>) -> SystemResult<Option<T>> {
    match outcome {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;
    use std::fs;

    #[test]
    fn what_goes_while_it_is_listed_does_not_end_the_list() {
        let place = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        let folder = tree::open_folder(CWD, &CString::new(place.path().to_str().unwrap()).unwrap()).unwrap();
        let places = Places::gather(&folder, None, 2).unwrap();
        fs::remove_file(place.path().join("b")).unwrap();
        let part = places.look_at(&folder).unwrap();
        assert_eq!(part.entries.iter().map(|entry| entry.name.to_str()).collect::<Vec<_>>(), [Some("a")]);
        let rest = list(&folder, part.rest.as_ref(), 2).unwrap();
        assert_eq!(rest.entries.iter().map(|entry| entry.name.to_str()).collect::<Vec<_>>(), [Some("c")]);
        assert_eq!(rest.rest, None);
        assert_eq!(list(&folder, None, 2).unwrap().rest, None, "as many as were asked for are all of it");
    }
}
