//! Where the hierarchies of control groups are mounted and where this process is in them, read from what the kernel
//! says in `/proc/self/mountinfo` and `/proc/self/cgroup` (proc(5), cgroups(7)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) version: Version,
    /// Where it begins, as far as it can be seen from here.
    pub(crate) mount: PathBuf,
    /// The folder of the group that this process is in.
    pub(crate) own: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// With the controllers that it was mounted with.
    One(Vec<String>),
    /// Which controllers there are is said by its files.
    Two,
}

/// One line of mountinfo, as far as it matters.
struct Mount<'a> {
    root: PathBuf,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl Hierarchy {
    /// All that are mounted, each once.
    pub(crate) fn all(mountinfo: &str, membership: &str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for hierarchy in mountinfo.lines().filter_map(mount).filter_map(|mount| Self::of(&mount, membership))
        {
            if !found.iter().any(|known| known.version == hierarchy.version) {
                found.push(hierarchy);
            }
        }
        found
    }

    fn of(mount: &Mount<'_>, membership: &str) -> Option<Self> {
        let (version, path) = match mount.kind {
            "cgroup2" => (Version::Two, member(membership, str::is_empty)?),
            "cgroup" => {
                let (names, path) = member_of_mount(membership, mount.options)?;
                (Version::One(names.split(',').map(str::to_owned).collect()), path)
            }
            _ => return None,
        };
        // In a container the mount may begin further down than the path does.
        let below = Path::new(path).strip_prefix(&mount.root).unwrap_or(Path::new(""));
        let below = below.strip_prefix("/").unwrap_or(below);
        Some(Self { version, own: mount.point.join(below), mount: mount.point.clone() })
    }

    /// Whether this controller belongs to this hierarchy of version 1.
    pub(crate) fn has(&self, controller: &str) -> bool {
        matches!(&self.version, Version::One(names) if names.iter().any(|name| name == controller))
    }
}

/// The path of this process in the hierarchy with these controllers.
fn member(membership: &str, is_it: impl Fn(&str) -> bool) -> Option<&str> {
    entries(membership).find(|(names, _)| is_it(names)).map(|(_, path)| path)
}

fn member_of_mount<'a>(membership: &'a str, options: &str) -> Option<(&'a str, &'a str)> {
    let has = |name: &str| options.split(',').any(|option| option == name);
    entries(membership).find(|(names, _)| !names.is_empty() && names.split(',').all(has))
}

/// Lines of the form `5:cpu,cpuacct:/path`; a path may hold colons.
fn entries(membership: &str) -> impl Iterator<Item = (&str, &str)> {
    membership.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'))
}

/// Lines of the form `36 31 0:33 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids`.
fn mount(line: &str) -> Option<Mount<'_>> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let mut right = right.split(' ');
    let kind = right.next()?;
    Some(Mount { root: unescape(left.next()?), point: unescape(left.next()?), kind, options: right.nth(1)? })
}

/// Blanks and backslashes in paths are written as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\').and_then(octal);
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(found: &[Hierarchy], controller: &str) -> Hierarchy {
        found.iter().find(|hierarchy| hierarchy.has(controller)).cloned().unwrap()
    }

    #[test]
    fn both_versions_side_by_side() {
        let mountinfo = "\
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 31 0:39 / /home rw,relatime - ext4 /dev/sda rw";
        let membership = "4:memory:/jobs/a:b\n3:cpu,cpuacct:/\n1:name=systemd:/x\n0::/y/z\n";
        let found = Hierarchy::all(mountinfo, membership);
        assert_eq!(found.len(), 4);
        assert_eq!(named(&found, "memory").own, Path::new("/sys/fs/cgroup/memory/jobs/a:b"));
        assert_eq!(named(&found, "cpu").own, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        let unified = found.iter().find(|hierarchy| hierarchy.version == Version::Two).unwrap();
        assert_eq!(unified.own, Path::new("/sys/fs/cgroup/unified/y/z"));
        assert_eq!(unified.mount, Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_container_sees_a_part_of_the_hierarchy() {
        let mountinfo = "5 1 0:3 /docker/c0 /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids";
        let inside = Hierarchy::all(mountinfo, "4:pids:/docker/c0/app\n");
        assert_eq!(inside[0].own, Path::new("/sys/fs/cgroup/pids/app"));
        let elsewhere = Hierarchy::all(mountinfo, "4:pids:/other\n");
        assert_eq!(elsewhere[0].own, Path::new("/sys/fs/cgroup/pids"));
    }

    #[test]
    fn paths_may_hold_blanks() {
        let found = Hierarchy::all("5 1 0:3 / /tmp/a\\040b\\134 rw - cgroup2 none rw", "0::/\n");
        assert_eq!(found[0].own, Path::new("/tmp/a b\\"));
    }

    #[test]
    fn nonsense_is_nothing() {
        assert!(Hierarchy::all("", "").is_empty());
        assert!(Hierarchy::all("a - b\n - cgroup2\n1 2 3 / /x rw - cgroup2 c rw", "0:\n:\n").is_empty());
    }
}
