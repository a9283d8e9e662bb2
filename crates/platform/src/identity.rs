//! As whom apps run: names looked up once, and what that user may reach.
//!
//! Names are looked up by whatever the machine asks (nsswitch.conf(5)), which may be a server: [`resolve`], [`is_user`],
//! [`group`], [`own`] and [`owner`] are for threads that may wait.
//!
//! Only the superuser can become somebody else (setuid(2)). A daemon that is anybody else runs everything as itself,
//! and to it `None` is the one identity that there is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Identity, Result};
use nix::unistd::{Group, User};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::accounts;

/// Whether this process may become any user.
#[must_use]
pub fn is_superuser() -> bool {
    geteuid().is_root()
}

/// As whom this process runs.
#[must_use]
pub fn own() -> Identity {
    let uid = geteuid().as_raw();
    Identity {
        uid,
        gid: getegid().as_raw(),
        groups: getgroups().unwrap_or_default().into_iter().map(rustix::process::Gid::as_raw).collect(),
        name: name_of(uid),
    }
}

/// Whose a file or a folder is, with no rights but those of its user and its group. A link is asked for itself.
pub fn owner(path: &Path) -> Result<Identity> {
    let found = fs::symlink_metadata(path)
        .map_err(|error| Error::io(format!("see whose `{}` is", path.display()), error))?;
    Ok(of_owner(found.uid(), found.gid()))
}

/// A user that owns something, with no rights but those of that user and of the group of the same thing.
pub(crate) fn of_owner(uid: u32, gid: u32) -> Identity {
    Identity { uid, gid, groups: Vec::new(), name: name_of(uid) }
}

/// The name of a user, or its number where the machine knows none.
fn name_of(uid: u32) -> String {
    accounts::name_of(uid).unwrap_or_else(|| uid.to_string())
}

/// Whether the machine knows a user of this name.
pub fn is_user(name: &str) -> Result<bool> {
    find(name).map(|user| user.is_some())
}

/// A user with all groups that the machine says it belongs to, and these.
///
/// # Errors
/// `invalid` at `user` or `groups`, when the machine knows no such account.
pub fn resolve(user: &str, groups: &[String]) -> Result<Identity> {
    let found = find(user)?.ok_or_else(|| {
        Error::field("user", format!("There is no user `{user}` on this machine"))
            .hint(format!("Make it (`useradd --system {user}`), or name another"))
    })?;
    let mut numbers = memberships(&found)?;
    for name in groups {
        numbers.push(group(name)?);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Identity { uid: found.uid.as_raw(), gid: found.gid.as_raw(), groups: numbers, name: found.name })
}

/// The number of a group.
///
/// # Errors
/// `invalid` at `groups`, when the machine knows no such group.
pub fn group(name: &str) -> Result<u32> {
    let found = Group::from_name(name).map_err(|error| Error::io("look up a group", error.into()))?;
    found.map(|group| group.gid.as_raw()).ok_or_else(|| {
        Error::field("groups", format!("There is no group `{name}` on this machine"))
            .hint(format!("Make it (`groupadd --system {name}`), or leave it out"))
    })
}

fn find(name: &str) -> Result<Option<User>> {
    accounts::user(name).map_err(|error| Error::io(format!("look up the user `{name}`"), error.into()))
}

fn memberships(user: &User) -> Result<Vec<u32>> {
    let failed =
        |error: nix::Error| Error::io(format!("look up the groups of `{}`", user.name), error.into());
    accounts::memberships(user).map_err(failed)
}

/// Works on files as somebody else, whose rights the kernel itself then judges: modes, lists and all.
///
/// A thread of its own changes its effective user, which is what counts for files (credentials(7)), and ends. Its
/// real user stays, so that nobody else may signal it. Without an identity it is this process that works.
pub fn as_user<T: Send>(identity: Option<&Identity>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let Some(identity) = identity else { return work() };
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| become_for_files(identity).and_then(|()| work()));
        worker.join().unwrap_or_else(|_| Err(Error::internal("work on files", "the thread fell over")))
    })
}

fn become_for_files(identity: &Identity) -> Result<()> {
    use rustix::process::{Gid, Uid};
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    let (gid, uid) = (Gid::from_raw(identity.gid), Uid::from_raw(identity.uid));
    set_thread_groups(&groups)
        .and_then(|()| set_thread_res_gid(None, Some(gid), None))
        .and_then(|()| set_thread_res_uid(None, Some(uid), None))
        .map_err(|error| Error::io(format!("work on files as `{}`", identity.name), error.into()))
}

/// The first folder on the way to a place, the place itself included, that somebody may not enter, or the place
/// itself when it is a file that they may not execute. Links are followed.
#[must_use]
pub fn obstacle(place: &Path, identity: Option<&Identity>) -> Option<PathBuf> {
    obstacle_to_any(&[place], identity)
}

/// The same for several places, as one look.
#[must_use]
pub fn obstacle_to_any(places: &[&Path], identity: Option<&Identity>) -> Option<PathBuf> {
    let ways: Vec<PathBuf> = places.iter().flat_map(|place| way(place)).collect();
    let closed = |on_the_way: &PathBuf| {
        accessat(CWD, on_the_way, Access::EXEC_OK, AtFlags::EACCESS) == Err(Errno::ACCESS)
    };
    as_user(identity, || Ok(ways.into_iter().find(closed))).ok().flatten()
}

/// Everything on the way to a place, from the root on.
fn way(place: &Path) -> Vec<PathBuf> {
    let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    let mut way: Vec<PathBuf> = place.ancestors().map(Path::to_owned).collect();
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::Code;
    use std::os::unix::fs::PermissionsExt;

    fn nobody() -> Identity {
        resolve("nobody", &[]).unwrap()
    }

    fn closed_folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let inner = folder.path().join("closed/root");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(inner.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        (folder, inner)
    }

    #[test]
    fn accounts_are_looked_up() {
        let root = resolve("root", &["tty".to_owned()]).unwrap();
        assert_eq!((root.uid, root.gid, root.name.as_str()), (0, 0, "root"));
        assert!(root.groups.contains(&0) && root.groups.contains(&group("tty").unwrap()));
        assert!(is_user("nobody").unwrap() && !is_user("no-such-user").unwrap());
        assert_eq!(own().uid, geteuid().as_raw());
    }

    #[test]
    fn who_is_not_there_is_named_with_the_field() {
        for (field, error) in [
            ("user", resolve("no-such-user", &[]).unwrap_err()),
            ("groups", resolve("root", &["no-such-group".to_owned()]).unwrap_err()),
        ] {
            assert_eq!(error.code(), Code::Invalid);
            assert_eq!(error.field_errors()[0].field, field);
            assert!(error.field_errors()[0].detail.contains("`no-such-"), "{error}");
        }
    }

    #[test]
    fn a_file_has_an_owner_and_a_link_its_own() {
        let (folder, inner) = closed_folder();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/proc/1", &link).unwrap();
        for own_file in [&inner, &link] {
            let found = owner(own_file).unwrap();
            assert_eq!((found.uid, found.name, found.groups.len()), (own().uid, own().name, 0));
        }
        if is_superuser() {
            std::os::unix::fs::lchown(&link, Some(4_000_000), Some(7)).unwrap();
            let found = owner(&link).unwrap();
            assert_eq!((found.uid, found.gid, found.name.as_str()), (4_000_000, 7, "4000000"));
        }
        assert!(owner(&folder.path().join("gone")).is_err());
    }

    #[test]
    fn the_folder_in_the_way_is_found() {
        let (folder, inner) = closed_folder();
        assert_eq!(obstacle(&inner, None), None);
        assert_eq!(obstacle(Path::new("/usr/bin/env"), Some(&own())), None);
        if is_superuser() {
            assert_eq!(obstacle(&inner, Some(&nobody())).as_deref(), inner.parent());
            let program = folder.path().join("program");
            fs::write(&program, "").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
            assert_eq!(obstacle(&program, Some(&nobody())), Some(program));
        }
    }

    #[test]
    fn files_belong_to_whom_they_are_made_as() {
        let (folder, inner) = closed_folder();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let file = folder.path().join("file");
        let write = || fs::write(&file, "").map_err(|error| Error::io("write", error));
        if is_superuser() {
            as_user(Some(&nobody()), write).unwrap();
            assert_eq!(fs::metadata(&file).unwrap().uid(), nobody().uid);
            let refused = as_user(Some(&nobody()), || {
                fs::read_dir(&inner).map(drop).map_err(|error| Error::io("list", error))
            });
            assert!(refused.is_err());
            assert!(fs::read_dir(&inner).is_ok(), "only the thread was somebody else");
        } else {
            assert!(as_user(Some(&nobody()), || Ok(())).is_err() || own().uid == nobody().uid);
            as_user(None, write).unwrap();
            assert_eq!(fs::metadata(&file).unwrap().uid(), own().uid);
        }
    }
}
