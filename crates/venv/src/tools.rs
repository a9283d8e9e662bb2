//! The Pythons and the uv of this machine.
//!
//! A Python is found on the search path, in the usual folders, among those of pyenv, and among those that uv
//! fetched into Mantyx's own cache. Each is asked for its version and its real executable, so that shims, links
//! and virtual environments count as the one Python behind them.
//!
//! Tools are found for a user: those that this user cannot reach, as everything below the home of root, are no tools
//! for its environments. They are remembered, so that a refusal can say why what is plainly there was not taken.

use std::collections::HashSet;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use mantyx_core::{Code, Error, Identity, Result};
use mantyx_platform::process::{Command, Source};
use mantyx_platform::{environment, folders, identity, programs};
use pep440_rs::Version;
use tokio::task::JoinSet;

/// The oldest Python that is offered: older ones get no packages any more.
const OLDEST: [u64; 2] = [3, 8];
/// The newest minor version that is looked for by name.
const NEWEST_MINOR: u32 = 15;
/// The name of uv's program, and of its folder in the cache.
const UV: &str = "uv";
/// A Python that takes longer to say its version is no use.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// Fetching uv is one download of some 20 MB; copying it is quicker.
const FETCH_LIMIT: Duration = Duration::from_secs(300);
/// Prints the version and the executable behind a virtual environment.
const PROBE: &str = "import sys; print(sys.version.split()[0]); \
                     print(getattr(sys, '_base_executable', None) or sys.executable)";

/// A Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// Its version, such as `3.11.7`.
    pub version: String,
    /// Its executable.
    pub path: PathBuf,
}

impl Python {
    /// Its version as a value; distributors may add a `+` that the standard does not know.
    pub(crate) fn parsed(&self) -> Option<Version> {
        Version::from_str(self.version.trim_end_matches('+')).ok()
    }
}

/// The package tool uv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uv {
    /// Its version, such as `0.9.1`.
    pub version: String,
    /// Its executable.
    pub path: PathBuf,
}

/// A program that is there, but not for the user that builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfReach {
    /// Where it is.
    pub program: PathBuf,
    /// The folder that the user may not enter, or the program itself when it may not be executed.
    pub obstacle: PathBuf,
}

/// What environments can be built with on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// As whom environments are built, and the tools were asked; as the daemon itself when not given.
    pub user: Option<Identity>,
    /// The machine's own `python3` first, then the newest.
    pub pythons: Vec<Python>,
    /// uv, when it is there.
    pub uv: Option<Uv>,
    /// What that user cannot reach.
    pub out_of_reach: Vec<OutOfReach>,
}

/// Looks for the Pythons and the uv that a user can use. `cache` is Mantyx's own cache folder.
///
/// It starts each Python once, all at the same time: some 50 ms.
pub async fn discover(cache: &Path, user: Option<&Identity>) -> Tools {
    let mut probes = JoinSet::new();
    let (pythons, mut out_of_reach) = within_reach(candidates(cache), user);
    for (rank, path) in pythons.into_iter().enumerate() {
        let user = user.cloned();
        probes.spawn(async move { (rank, probe(&path, user.as_ref()).await) });
    }
    let (uvs, hidden) = within_reach(uv_candidates(cache), user);
    out_of_reach.extend(hidden);
    let uv = first_uv(uvs, user).await;
    let mut found: Vec<(usize, Python)> = Vec::new();
    while let Some(probed) = probes.join_next().await {
        if let Ok((rank, Some(python))) = probed {
            found.push((rank, python));
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    Tools { user: user.cloned(), pythons: in_order(found), uv, out_of_reach }
}

/// Parts what a user can reach from what it cannot.
fn within_reach(programs: Vec<PathBuf>, user: Option<&Identity>) -> (Vec<PathBuf>, Vec<OutOfReach>) {
    let (mut within, mut beyond) = (Vec::new(), Vec::new());
    for program in programs {
        match identity::obstacle(&program, user) {
            None => within.push(program),
            Some(obstacle) => beyond.push(OutOfReach { program, obstacle }),
        }
    }
    (within, beyond)
}

/// The one that ranks first stays first, the others follow by version; each executable once.
fn in_order(found: Vec<(usize, Python)>) -> Vec<Python> {
    let mut seen = HashSet::new();
    let mut pythons: Vec<Python> = found
        .into_iter()
        .map(|(_, python)| python)
        .filter(|python| seen.insert(std::fs::canonicalize(&python.path).ok()))
        .collect();
    if let Some((_default, others)) = pythons.split_first_mut() {
        others.sort_by_key(|python| std::cmp::Reverse(python.parsed()));
    }
    pythons
}

/// Everything that may be a Python, the likeliest default first, each real file once.
fn candidates(cache: &Path) -> Vec<PathBuf> {
    let names = || {
        std::iter::once("python3".to_owned())
            .chain((OLDEST[1]..=NEWEST_MINOR.into()).rev().map(|minor| format!("python3.{minor}")))
    };
    let usual = [Path::new("/usr/local/bin"), Path::new("/usr/bin")];
    let mut all: Vec<PathBuf> = programs::find("python3").into_iter().collect();
    all.extend(usual.iter().flat_map(|folder| names().map(|name| folder.join(name))));
    all.extend(names().filter_map(|name| programs::find(&name)).filter(|path| !is_shim(path)));
    all.extend(inside(&pyenv_versions()));
    all.extend(inside(&cache.join("pythons")));
    let mut seen = HashSet::new();
    all.retain(|path| {
        programs::is_program(path) && std::fs::canonicalize(path).is_ok_and(|real| seen.insert(real))
    });
    all
}

/// A shim of pyenv is a script that fails for every version but the chosen ones, which are found in its folder.
fn is_shim(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("shims"))
}

fn pyenv_versions() -> PathBuf {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    root.or_else(home).unwrap_or_default().join("versions")
}

/// `*/bin/python3` in a folder of installations.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path().join("bin/python3")).collect()
}

async fn probe(path: &Path, user: Option<&Identity>) -> Option<Python> {
    let lines = ask(Command::new(path).args(["-I", "-S", "-c", PROBE]), user).await?;
    let [version, executable] = lines.as_slice() else { return None };
    let python = Python { version: version.clone(), path: executable.into() };
    let supported = python.parsed().is_some_and(|parsed| parsed.release() >= OLDEST.as_slice());
    supported.then_some(python)
}

/// uv on the search path, or the one that was fetched.
fn uv_candidates(cache: &Path) -> Vec<PathBuf> {
    let places = programs::find(UV).into_iter().chain([fetched(cache)]);
    places.filter(|path| programs::is_program(path)).collect()
}

async fn first_uv(places: Vec<PathBuf>, user: Option<&Identity>) -> Option<Uv> {
    for path in places {
        if let Some(uv) = probe_uv(path, user).await {
            return Some(uv);
        }
    }
    None
}

async fn probe_uv(path: PathBuf, user: Option<&Identity>) -> Option<Uv> {
    let lines = ask(Command::new(&path).arg("--version"), user).await?;
    let version = lines.first()?.strip_prefix("uv ")?.split_whitespace().next()?;
    Some(Uv { version: version.to_owned(), path })
}

/// The output of a small program that ends well.
async fn ask(command: Command, user: Option<&Identity>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    // Tools look around where they are started, and the daemon's own folder may be closed to the user.
    let command = command.variables(environment::for_builds()).folder("/").identity(user);
    let exit = command
        .run(PROBE_LIMIT, pending(), |source, line| {
            if source == Source::Stdout {
                lines.push(line.to_owned());
            }
        })
        .await;
    exit.is_ok_and(mantyx_core::Exit::is_success).then_some(lines)
}

fn uv_folder(cache: &Path) -> PathBuf {
    cache.join("tools").join(UV)
}

fn fetched(cache: &Path) -> PathBuf {
    uv_folder(cache).join("bin/uv")
}

/// Gets uv into the cache, once, where every user can reach it: a copy of one that is out of reach, else from the
/// package index, as the configuration of pip on this machine says.
///
/// That is done by the daemon itself: nothing of an app is involved, and no app may change the tool of another.
pub async fn fetch_uv(cache: &Path, tools: &Tools) -> Result<Uv> {
    let user = tools.user.as_ref();
    if let Some(uv) = probe_uv(fetched(cache), user).await {
        return Ok(uv);
    }
    let folder = cache.join("tools");
    folders::create(&folder, 0o755)?;
    let staging = tempfile::Builder::new().prefix("uv-").tempdir_in(&folder);
    let staging =
        staging.map_err(|error| Error::io(format!("make a folder in `{}`", folder.display()), error))?;
    let target = staging.path().join(UV);
    let hidden = tools.out_of_reach.iter().find(|hidden| hidden.program.ends_with(UV));
    match (hidden, tools.pythons.first()) {
        (Some(hidden), _) => copy_into(&target, &hidden.program).await?,
        (None, Some(python)) => fetch_into(&target, staging.path(), python).await?,
        (None, None) => return Err(Error::new(Code::NoPython, "There is no Python to fetch uv with")),
    }
    folders::make_readable(&target)?;
    // Somebody else may have been quicker.
    if let Some(uv) = probe_uv(fetched(cache), user).await {
        return Ok(uv);
    }
    folders::remove(&uv_folder(cache))?;
    folders::rename(&target, &uv_folder(cache))?;
    probe_uv(fetched(cache), user).await.ok_or_else(|| {
        Error::new(Code::InstallFailed, "The uv that was fetched does not run on this machine")
            .hint("Install uv yourself, or go on with pip")
    })
}

/// uv is one file that needs no other.
///
/// Another process copies it. A child that the daemon starts meanwhile would inherit a file that the daemon itself is
/// writing, and until that child has become its own program the copy could not be executed (execve(2), ETXTBSY).
async fn copy_into(target: &Path, program: &Path) -> Result<()> {
    folders::create(&target.join("bin"), 0o755)?;
    let copy = programs::find("cp").unwrap_or_else(|| "/bin/cp".into());
    to_success(Command::new(copy).arg("--").arg(program).arg(target.join("bin").join(UV))).await
}

/// With the Python's own pip; where it has none, as on Debian, with that of an environment.
async fn fetch_into(target: &Path, staging: &Path, python: &Python) -> Result<()> {
    let has_pip = ask(Command::new(&python.path).args(["-m", "pip", "--version"]), None).await.is_some();
    let pip = if has_pip {
        python.path.clone()
    } else {
        let venv = staging.join("venv");
        fetching(Command::new(&python.path).args(["-m", "venv"]).arg(&venv)).await?;
        venv.join("bin/python")
    };
    let install = ["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--target"];
    fetching(Command::new(pip).args(install).arg(target).arg("uv")).await
}

async fn fetching(command: Command) -> Result<()> {
    to_success(command.variables(crate::variables::for_pip())).await
}

/// Runs a program that must succeed; otherwise its output says why.
async fn to_success(command: Command) -> Result<()> {
    let mut output = String::new();
    let exit = command
        .run(FETCH_LIMIT, pending(), |_, line| {
            output.push_str(line);
            output.push('\n');
        })
        .await?;
    if exit.is_success() { Ok(()) } else { Err(crate::failure::explain(&output)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(version: &str, path: &str) -> Python {
        Python { version: version.into(), path: path.into() }
    }

    #[test]
    fn the_default_stays_first_and_the_newest_follows() {
        let found = vec![
            (0, python("3.11.2", "/usr/bin/env")),
            (1, python("3.9.1", "/bin/sh")),
            (2, python("3.13.0", "/bin/ls")),
            (3, python("3.11.2", "/usr/bin/env")),
        ];
        let versions: Vec<String> = in_order(found).into_iter().map(|python| python.version).collect();
        assert_eq!(versions, ["3.11.2", "3.13.0", "3.9.1"]);
    }

    #[test]
    fn a_plus_of_the_distributor_is_no_obstacle() {
        assert!(python("3.11.7+", "/x").parsed().is_some());
    }

    #[tokio::test]
    async fn finds_the_python_of_this_machine() {
        let cache = tempfile::tempdir().unwrap();
        let tools = discover(cache.path(), None).await;
        let first = tools.pythons.first().expect("these tests need a Python");
        assert!(first.parsed().is_some_and(|version| version.release() >= OLDEST.as_slice()));
        let real: HashSet<_> =
            tools.pythons.iter().map(|python| std::fs::canonicalize(&python.path).unwrap()).collect();
        assert_eq!(real.len(), tools.pythons.len());
    }
    #[tokio::test]
    async fn what_a_user_cannot_reach_is_no_tool_for_it() {
        use std::os::unix::fs::PermissionsExt;
        let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
        let cache = tempfile::tempdir().unwrap();
        open(cache.path(), 0o755).unwrap();
        let hidden = cache.path().join("pythons/secret");
        folders::create(&hidden.join("bin"), 0o755).unwrap();
        let python = hidden.join("bin/python3");
        std::fs::write(&python, "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n").unwrap();
        open(&python, 0o755).unwrap();
        open(&hidden, 0o700).unwrap();
        if !identity::is_superuser() {
            assert!(discover(cache.path(), None).await.out_of_reach.is_empty());
            return;
        }
        let nobody = identity::resolve("nobody", &[]).unwrap();
        let tools = discover(cache.path(), Some(&nobody)).await;
        assert!(tools.out_of_reach.contains(&OutOfReach { program: python, obstacle: hidden }), "{tools:?}");
        assert!(tools.pythons.iter().all(|python| identity::obstacle(&python.path, Some(&nobody)).is_none()));
        let uv = fetch_uv(cache.path(), &hiding_uv(cache.path(), nobody)).await.unwrap();
        assert_eq!((uv.version.as_str(), uv.path), ("7.7.7", fetched(cache.path())));
    }

    /// Tools of a user whose uv, which is a small script, is in a closed folder.
    fn hiding_uv(cache: &Path, user: Identity) -> Tools {
        use std::os::unix::fs::PermissionsExt;
        let program = cache.join("pythons/secret/uv");
        std::fs::write(&program, "#!/bin/sh\necho uv 7.7.7\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let out_of_reach = vec![OutOfReach { program, obstacle: cache.join("pythons/secret") }];
        Tools { user: Some(user), out_of_reach, ..Tools::default() }
    }
}
