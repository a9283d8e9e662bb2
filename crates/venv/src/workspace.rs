//! Where package tools work: the source itself, or a copy that they may write to; and the cache of who builds.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use mantyx_core::{Error, Identity, Result};
use mantyx_platform::scratch::Scratch;
use mantyx_platform::{folders, identity, ownership};

use crate::commands;
use crate::plan::{Plan, WorkPlace};
use crate::requirements::option;
use crate::wheels::{self, Wheels};

/// The name of the file that holds what a plan worked out.
const GENERATED: &str = "mantyx-requirements.txt";
/// What pip writes to its log when an index does not answer as it should.
const PASSED_OVER: &str = "Could not fetch URL ";

/// A folder for one build, gone with this value.
pub(crate) struct Workspace {
    /// Where the tools are started.
    pub(crate) folder: PathBuf,
    /// The requirements that the plan worked out, where the tools are not given the app's own file.
    pub(crate) generated: Option<PathBuf>,
    /// The home of a builder that is another user than the daemon's.
    pub(crate) home: PathBuf,
    /// The packages that tools of this user have fetched.
    pub(crate) packages: PathBuf,
    /// The wheels among them that pip can install without a network.
    pub(crate) wheels: Wheels,
    staging: Scratch,
}

impl Workspace {
    /// Makes it below the cache.
    pub(crate) fn prepare(plan: &Plan, cache: &Path) -> Result<Self> {
        let parent = cache.join("staging");
        folders::create(&parent, 0o755)?;
        let staging = Scratch::make(&parent, "build-")?;
        let folder = match plan.work_place {
            WorkPlace::Source => plan.source.clone(),
            WorkPlace::Copy => {
                let copy = staging.path().join("source");
                copy_source(&plan.source, &copy)?;
                copy
            }
        };
        // Relative paths in it count from where it lies.
        let place = if plan.work_place == WorkPlace::Copy { &folder } else { staging.path() };
        let packages = packages(plan.user.as_ref(), cache)?;
        let mut wheels = Wheels::new(&packages, plan);
        let lines = match plan.requirements_of_lock().filter(|_| wheels::are_needed(plan)) {
            Some(pinned) => Some(wheels.requirements(&pinned.lock, plan)?),
            None => commands::generated(plan, &folder),
        };
        let generated = lines.map(|lines| write_lines(&place.join(GENERATED), &lines)).transpose()?;
        let home = staging.path().join("home");
        folders::create(&home, 0o700)?;
        if let Some(user) = &plan.user {
            ownership::give(staging.path(), user)?;
        }
        Ok(Self { folder, generated, home, packages, wheels, staging })
    }

    /// What pip does not say to everybody, such as why an index was passed over.
    pub(crate) fn pip_log(&self) -> PathBuf {
        self.home.join("pip.log")
    }

    /// Writes a requirements file, as the user that reads it: by now, what is in here is that user's.
    pub(crate) fn write_requirements(&self, lines: &[String], user: Option<&Identity>) -> Result<PathBuf> {
        identity::as_user(user, || write_lines(&self.home.join(GENERATED), lines))
    }

    /// Why pip passed over an index: it says so in its log alone.
    pub(crate) fn unsaid(&self, user: Option<&Identity>) -> String {
        let read = || Ok(fs::read(self.pip_log()).unwrap_or_default());
        let log = identity::as_user(user, read).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        log.lines()
            .filter_map(|line| Some(&line[line.find(PASSED_OVER)?..]))
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    /// A name that no other build has, which all processes of this one carry.
    pub(crate) fn mark(&self) -> String {
        self.staging.path().display().to_string()
    }
}

/// The cache of packages of who builds, which nobody else can read or write.
pub(crate) fn packages(user: Option<&Identity>, cache: &Path) -> Result<PathBuf> {
    let uid = user.map_or_else(|| identity::own().uid, |user| user.uid);
    let all = cache.join("packages");
    let own = all.join(uid.to_string());
    folders::create(&all, 0o755)?;
    folders::create(&own, 0o700)?;
    if let Some(user) = user {
        ownership::give(&own, user)?;
    }
    Ok(own)
}

fn write_lines(path: &Path, lines: &[String]) -> Result<PathBuf> {
    fs::write(path, lines.join("\n") + "\n")
        .map_err(|error| Error::io(format!("write `{}`", path.display()), error))?;
    Ok(path.to_owned())
}

fn copy_source(from: &Path, to: &Path) -> Result<()> {
    copy(from, to)
        .and_then(|()| fs::canonicalize(to))
        .and_then(|to| make_regular(&to, Path::new("requirements.txt"), &mut HashSet::new()))
        .map_err(|error| Error::io(format!("copy `{}` to build in", from.display()), error))
}

/// Copies a tree. A release is read-only; its copy is not.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
            let mode = fs::metadata(&target)?.permissions().mode();
            fs::set_permissions(&target, fs::Permissions::from_mode(mode | 0o200))?;
        }
    }
    Ok(())
}

/// Takes `-e` from the requirements of a copy, and from those that they include. An editable package is a link
/// to where it was built, and that place is gone in a moment.
fn make_regular(root: &Path, file: &Path, seen: &mut HashSet<PathBuf>) -> io::Result<()> {
    let Ok(path) = fs::canonicalize(root.join(file)) else { return Ok(()) };
    if !path.starts_with(root) || !seen.insert(path.clone()) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    let regular: Vec<&str> = text.lines().map(without_editable).collect();
    if regular.iter().zip(text.lines()).any(|(new, old)| *new != old) {
        fs::write(&path, regular.join("\n") + "\n")?;
    }
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    for included in regular.iter().filter_map(|line| included(line)) {
        make_regular(root, &folder.join(included), seen)?;
    }
    Ok(())
}

fn without_editable(line: &str) -> &str {
    option(line, "-e", "--editable").unwrap_or(line)
}

pub(crate) fn included(line: &str) -> Option<&str> {
    option(line, "-r", "--requirement").or_else(|| option(line, "-c", "--constraint"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_can_be_written_and_keeps_links_and_bits() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        let source = root.join("source");
        fs::create_dir_all(source.join("reqs")).unwrap();
        fs::write(source.join("run.sh"), "x").unwrap();
        fs::write(source.join("requirements.txt"), "-e .\n-r reqs/more.txt\nsix\n").unwrap();
        fs::write(source.join("reqs/more.txt"), "--editable=./lib\n-r ../requirements.txt\n").unwrap();
        symlink("run.sh", source.join("link")).unwrap();
        fs::set_permissions(source.join("run.sh"), fs::Permissions::from_mode(0o555)).unwrap();
        let target = root.join("copy");
        copy_source(&source, &target).unwrap();
        let mode = fs::metadata(target.join("run.sh")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read_link(target.join("link")).unwrap(), Path::new("run.sh"));
        assert_eq!(
            fs::read_to_string(target.join("requirements.txt")).unwrap(),
            ".\n-r reqs/more.txt\nsix\n"
        );
        let included = fs::read_to_string(target.join("reqs/more.txt")).unwrap();
        assert_eq!(included, "./lib\n-r ../requirements.txt\n");
        assert!(fs::read_to_string(source.join("requirements.txt")).unwrap().starts_with("-e ."));
    }

    #[test]
    fn included_files_are_found() {
        assert_eq!(without_editable("--editable=git+https://x"), "git+https://x");
        assert_eq!(included("-c limits.txt"), Some("limits.txt"));
        assert_eq!(included("requests"), None);
    }
}
