//! What the machine says of accounts, remembered for a moment.
//!
//! Where it has several sources to ask (nsswitch.conf(5)), one answer takes a hundred calls of the kernel or a server,
//! and every start of an app asks several times. An answer holds until the local tables change, and never for long,
//! because other sources do not say when they change.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::{Gid, Uid, User, getgrouplist};

/// How long an answer holds at most.
const LONGEST: Duration = Duration::from_secs(30);

/// Every answer so far.
static MEMORY: Mutex<Option<Memory>> = Mutex::new(None);

struct Memory {
    tables: Tables,
    since: Instant,
    users: HashMap<String, Option<User>>,
    names: HashMap<u32, Option<String>>,
    memberships: HashMap<String, Vec<u32>>,
}

impl Memory {
    fn of(tables: Tables) -> Self {
        let (users, names, memberships) = Default::default();
        Self { tables, since: Instant::now(), users, names, memberships }
    }
}

/// When the local tables were last changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tables([Option<SystemTime>; 2]);

impl Tables {
    fn look() -> Self {
        let changed = |table| fs::metadata(table).and_then(|file| file.modified()).ok();
        Self(["/etc/passwd", "/etc/group"].map(changed))
    }
}

/// A user by its name.
pub(crate) fn user(name: &str) -> nix::Result<Option<User>> {
    ask(|memory| &mut memory.users, name.to_owned(), || User::from_name(name))
}

/// The name of a user; none where the machine knows none.
pub(crate) fn name_of(uid: u32) -> Option<String> {
    let found = || Ok(User::from_uid(Uid::from_raw(uid))?.map(|user| user.name));
    ask(|memory| &mut memory.names, uid, found).ok().flatten()
}

/// The numbers of all groups that a user belongs to.
pub(crate) fn memberships(user: &User) -> nix::Result<Vec<u32>> {
    let found = || {
        let name = CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
        Ok(getgrouplist(&name, user.gid)?.into_iter().map(Gid::as_raw).collect())
    };
    ask(|memory| &mut memory.memberships, user.name.clone(), found)
}

/// The answer that is remembered, or a new one. Nobody else waits while the machine is asked.
fn ask<K: std::hash::Hash + Eq, V: Clone>(
    table: fn(&mut Memory) -> &mut HashMap<K, V>,
    key: K,
    find: impl FnOnce() -> nix::Result<V>,
) -> nix::Result<V> {
    let tables = Tables::look();
    if let Some(known) = with(tables, |memory| table(memory).get(&key).cloned()) {
        return Ok(known);
    }
    let found = find()?;
    with(tables, |memory| table(memory).insert(key, found.clone()));
    Ok(found)
}

/// What is remembered as of these tables.
fn with<T>(tables: Tables, work: impl FnOnce(&mut Memory) -> T) -> T {
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = memory.take().filter(|memory| memory.tables == tables && memory.since.elapsed() < LONGEST);
    work(memory.insert(fresh.unwrap_or_else(|| Memory::of(tables))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_the_tables_change() {
        let root = user("root").unwrap().unwrap();
        assert_eq!((root.uid.as_raw(), name_of(0).as_deref()), (0, Some("root")));
        assert_eq!(memberships(&root).unwrap(), memberships(&root).unwrap());
        let tables = Tables::look();
        assert!(with(tables, |memory| memory.users.contains_key("root")));
        assert_eq!(user("root").unwrap(), Some(root));
        assert_eq!(user("no-such-user").unwrap(), None);
        let other = Tables([Some(SystemTime::UNIX_EPOCH), None]);
        let empty = with(other, |memory| memory.users.is_empty() && memory.names.is_empty());
        assert!(empty);
    }
}
