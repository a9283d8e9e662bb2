//! A running Mantyx: the real daemon and the real monitor, in a temporary folder, on a port of its own.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::client::Client;
use crate::disk::{self, SmallDisk};
use crate::groups::remove_control_groups;
use crate::leftovers::end_all_that_mention;
use crate::places;
use crate::ports::Ports;
use crate::wait::{PATIENCE, insist, wait_until};

/// How many lines of the daemon's log a failed test shows.
const LOG_LINES_SHOWN: usize = 80;
/// How many lines at its end may be what a daemon says when it cannot be: the error, its cause, and a hint.
const LINES_OF_AN_ERROR: usize = 5;

/// What a daemon is started with.
#[derive(Default)]
pub struct Builder {
    variables: BTreeMap<String, String>,
    user: Option<u32>,
    disk: Option<u32>,
}

impl Builder {
    /// A setting by its key: `upload_limit`.
    pub fn setting(self, key: &str, value: &str) -> Self {
        let name = format!("MANTYX_{}", key.to_uppercase());
        self.variable(&name, value)
    }

    /// A variable of the daemon's environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The user that the daemon runs as, by number, with the group of the same number. Only root can have it so.
    pub fn user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// The root is a disk of its own that has so many megabytes.
    pub fn disk(mut self, megabytes: u32) -> Self {
        self.disk = Some(megabytes);
        self
    }

    /// Starts it and waits until it answers.
    pub async fn start(self) -> TestMantyx {
        let root = tempfile::Builder::new().prefix("mantyx-").tempdir().expect("a temporary folder");
        let disk = self.disk.map(|megabytes| SmallDisk::mount(root.path(), megabytes));
        open_to_all(root.path());
        share_cache(root.path(), self.user);
        let ports = Ports::take();
        let (mut programs, mut variables) = (Programs::built(), defaults(&ports));
        if let Some(user) = self.user {
            give(root.path(), user);
            programs = programs.within_reach(root.path());
        }
        variables.insert("MANTYX_MONITOR".to_owned(), programs.monitor.display().to_string());
        variables.insert("MANTYX_PAGE".to_owned(), programs.page.display().to_string());
        if disk::owner_of_the_namespace().is_some() {
            // There is no other user.
            variables.insert("MANTYX_APP_USER".to_owned(), "root".to_owned());
        }
        variables.extend(self.variables);
        let address = ports.daemon();
        let start = Start { program: programs.daemon, user: self.user, address, variables };
        let daemon = start.spawn(root.path());
        let client = Client::nobody(address);
        let mut mantyx = TestMantyx { _disk: disk, root, start, daemon, client, _ports: ports };
        mantyx.wait_until_it_answers().await;
        mantyx
    }
}

/// A daemon that ends, with everything that it started, when this value does.
pub struct TestMantyx {
    // Unmounted before its folder is removed.
    _disk: Option<SmallDisk>,
    root: TempDir,
    start: Start,
    daemon: Child,
    client: Client,
    // Given back when everything has ended that may use one.
    _ports: Ports,
}

/// How a daemon is started, each time.
struct Start {
    program: PathBuf,
    user: Option<u32>,
    address: SocketAddr,
    variables: BTreeMap<String, String>,
}

impl TestMantyx {
    /// With the defaults.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// With settings and variables.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Talks to it as the owner.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Where it answers: `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.start.address)
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The process of the daemon.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.daemon.id()
    }

    /// The owner's token, as it lies in its file.
    #[must_use]
    pub fn owner_token(&self) -> String {
        let file = self.root().join("config/owner-token");
        fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            .trim()
            .to_owned()
    }

    /// What the daemon has logged so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(log_file(self.root())).unwrap_or_default()
    }

    /// Ends the daemon as a power cut would. Apps and monitors go on.
    pub fn kill_9(&mut self) {
        self.daemon.kill().expect("the daemon was alive");
        self.daemon.wait().expect("the daemon is a child of the test");
    }

    /// Asks the daemon to end (SIGTERM) and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.daemon), Signal::TERM).expect("the daemon was alive");
        self.ended().await
    }

    /// Waits until the daemon has ended by itself, as by a fault that was ordered.
    pub async fn ended(&mut self) -> ExitStatus {
        let daemon = &mut self.daemon;
        wait_until("the daemon to end", PATIENCE, async || daemon.try_wait().expect("a child of the test"))
            .await
    }

    /// Has the daemons that are started from now on find a variable in their environment, or none of that name.
    pub fn set_variable(&mut self, name: &str, value: Option<&str>) {
        self.start.variables.remove(name);
        self.start.variables.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Starts the daemon once more, with the same folder, port and settings, and waits until it answers.
    pub async fn start_again(&mut self) {
        self.daemon = self.start.spawn(self.root.path());
        self.wait_until_it_answers().await;
    }

    /// Whoever held the port for a moment, such as a process that was just being started when the last daemon died,
    /// has it no longer when the daemon is started once more.
    async fn wait_until_it_answers(&mut self) {
        let nobody = Client::nobody(self.start.address);
        let (start, root, daemon) = (&self.start, self.root.path(), &mut self.daemon);
        insist("the daemon to answer", PATIENCE, async || {
            if let Some(status) = daemon.try_wait().expect("a child of the test") {
                assert!(start.found_its_port_taken(root), "the daemon ended at once: {status}");
                *daemon = start.spawn(root);
            }
            nobody.get::<serde_json::Value>("/health").await
        })
        .await;
        self.client = nobody.with_token(&self.owner_token());
    }
}

impl Drop for TestMantyx {
    fn drop(&mut self) {
        // Both fail only when the daemon has ended already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        end_all_that_mention(self.root.path());
        remove_control_groups(self.root.path());
        make_removable(self.root.path());
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("── the end of the daemon's log ──\n{}\n──", shown.join("\n"));
        }
    }
}

impl Start {
    fn spawn(&self, root: &Path) -> Child {
        let log = append(&log_file(root));
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--root").arg(root).args(["--bind", &self.address.to_string()]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MANTYX_"))
        {
            command.env_remove(name);
        }
        command.env("PATH", places::search_path()).envs(&self.variables);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        if let Some(user) = self.user {
            command.uid(user).gid(user).current_dir(root);
        }
        command.spawn().unwrap_or_else(|error| panic!("`mantyx` could not be started: {error}"))
    }

    /// Whether that is what the last daemon said at its end.
    fn found_its_port_taken(&self, root: &Path) -> bool {
        let log = fs::read_to_string(log_file(root)).unwrap_or_default();
        let taken = format!("Something else listens on `{}`", self.address);
        log.lines().rev().take(LINES_OF_AN_ERROR).any(|line| line.contains(&taken))
    }
}

/// Every point at which a daemon can be told to fail, as it lists them itself.
#[must_use]
pub fn fault_points() -> Vec<String> {
    let listed = Command::new(places::program("mantyx")).arg("fault-points").output();
    let listed = listed.expect("`mantyx` can be started");
    assert!(listed.status.success(), "the daemon lists no points: only a debug build has any");
    String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
}

/// The two programs that a daemon needs, and the page that it serves.
struct Programs {
    daemon: PathBuf,
    monitor: PathBuf,
    page: PathBuf,
}

impl Programs {
    fn built() -> Self {
        Self {
            daemon: places::program("mantyx"),
            monitor: places::program("mantyx-monitor"),
            page: places::target().join("page"),
        }
    }

    /// The same below the root, without a page: the checkout may lie where another user cannot go.
    fn within_reach(self, root: &Path) -> Self {
        let folder = root.join("programs");
        fs::create_dir(&folder).expect("a new folder is empty");
        open_to_all(&folder);
        let bring = |program: PathBuf| {
            let brought = folder.join(program.file_name().expect("a program has a name"));
            if fs::hard_link(&program, &brought).is_err() {
                copy(&program, &brought);
            }
            brought
        };
        let page = folder.join("page");
        fs::create_dir(&page).expect("a new folder is empty");
        open_to_all(&page);
        Self { daemon: bring(self.daemon), monitor: bring(self.monitor), page }
    }
}

/// By another process: had this one written the program, whatever it happens to be starting meanwhile would have it
/// open for writing as well, and it could not be run (`ETXTBSY`, execve(2)).
fn copy(program: &Path, to: &Path) {
    let copied = Command::new("cp").arg(program).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "no copy of `{}`", program.display());
}

fn defaults(ports: &Ports) -> BTreeMap<String, String> {
    let (first, last) = ports.pool();
    let own = |name: &str, value: String| (name.to_owned(), value);
    BTreeMap::from([
        own("MANTYX_PORT_POOL_FIRST", first.to_string()),
        own("MANTYX_PORT_POOL_LAST", last.to_string()),
    ])
}

/// The tests share the packages and the uv that their daemons get: each is fetched once for each user.
fn share_cache(root: &Path, user: Option<u32>) {
    let (shared, own) = (shared_cache(user.unwrap_or(geteuid().as_raw())), root.join("cache"));
    let make = |folder: &Path| {
        fs::create_dir_all(folder).expect("a folder for packages");
        if let Some(user) = user {
            give(folder, user);
        }
        open_to_all(folder);
    };
    make(&own);
    for name in ["packages", "tools"] {
        let place = shared.join(name);
        make(&place);
        symlink(place, own.join(name)).expect("a link to the shared cache");
    }
}

/// Not below the checkout: that may lie in a folder which the user that apps run as cannot enter. Everybody may write
/// to where it is instead, so its owner is looked at.
fn shared_cache(user: u32) -> PathBuf {
    let within = disk::owner_of_the_namespace().map(|owner| format!("-{owner}")).unwrap_or_default();
    let shared = std::env::temp_dir().join(format!("mantyx-test-cache-{user}{within}"));
    let made = fs::create_dir(&shared).is_ok();
    let look = || fs::symlink_metadata(&shared).expect("it was made, now or before");
    if made || look().uid() == geteuid().as_raw() {
        give(&shared, user);
        open_to_all(&shared);
    }
    let found = look();
    assert!(found.is_dir() && found.uid() == user, "`{}` belongs to somebody else", shared.display());
    shared
}

fn give(folder: &Path, user: u32) {
    if user != geteuid().as_raw() {
        chown(folder, Some(user), Some(user)).expect("only root can start a daemon as somebody else");
    }
}

/// Apps run as another user than the daemon when that is root: they must be able to enter.
fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("an own folder");
}

/// Releases are read-only, and so stay, for whoever is not root, unless their folders are opened.
fn make_removable(folder: &Path) {
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    if !is_folder || fs::set_permissions(folder, Permissions::from_mode(0o700)).is_err() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        make_removable(&entry.path());
    }
}

fn log_file(root: &Path) -> PathBuf {
    root.join("daemon.log")
}

fn append(path: &Path) -> File {
    // The link that logs a browser in stands in it.
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    file.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_that_is_held_for_a_moment_is_waited_for() {
        let mut mantyx = TestMantyx::start().await;
        mantyx.kill_9();
        let (address, log) = (mantyx.start.address, log_file(mantyx.root()));
        let holder = insist("the port", PATIENCE, async || TcpListener::bind(address)).await;
        let release = async {
            let refused = async || fs::read_to_string(&log).ok()?.contains("Something else").then_some(());
            wait_until("a daemon that cannot have its port", PATIENCE, refused).await;
            drop(holder);
        };
        tokio::join!(mantyx.start_again(), release);
        mantyx.client().get::<serde_json::Value>("/api/apps").await.unwrap();
    }
}
