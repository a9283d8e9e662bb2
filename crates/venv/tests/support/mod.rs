//! What all tests of whole builds need: one machine, and releases.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(missing_docs, unreachable_pub, reason = "for tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mantyx_core::{Launch, Result};
use mantyx_logs::{LogWriter, Record, records};
use mantyx_platform::{folders, identity};
use mantyx_venv::{
    BuildLimits, Built, CancellationToken, Lock, Network, Plan, Resolved, Source, Tools, build, discover,
    fetch_uv, plan, plan_locked,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Whole builds with pip, from the network, on a busy machine.
pub const LONG: Duration = Duration::from_secs(300);

/// One cache and one uv for all tests, kept beside the build's output so that a second run is quick.
pub struct Machine {
    /// Mantyx's own.
    pub cache: PathBuf,
    /// uv is there.
    pub with_uv: Tools,
    /// It is not.
    pub with_pip: Tools,
}

/// Made once.
pub async fn machine() -> &'static Machine {
    static MACHINE: OnceCell<Machine> = OnceCell::const_new();
    MACHINE
        .get_or_init(|| async {
            let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
            fs::create_dir_all(&cache).unwrap();
            let mut tools = discover(&cache, None).await;
            let uv = fetch_uv(&cache, &tools).await.unwrap();
            tools.uv = None;
            let with_uv = Tools { uv: Some(uv), ..tools.clone() };
            Machine { cache, with_uv, with_pip: tools }
        })
        .await
}

/// A source in a folder of its own, and a place for its environment.
pub struct Release {
    folder: TempDir,
}

impl Release {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text) in files {
            let path = folder.path().join("source").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { folder }
    }

    pub fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub fn environment(&self) -> PathBuf {
        self.folder.path().join("env")
    }

    pub fn read(&self, launch: &str) -> Source {
        let digest = format!("{:?}", tree(&self.source()));
        Source::read(&self.source(), &Launch::parse(launch).unwrap(), &digest).unwrap()
    }

    pub fn plan(&self, launch: &str, tools: &Tools) -> Plan {
        plan(&self.read(launch), &[], tools).unwrap()
    }

    pub async fn build(&self, launch: &str, tools: &Tools) -> Result<Built> {
        self.build_within(LONG, &self.plan(launch, tools), &CancellationToken::new()).await
    }

    /// The plan to build once more what was built.
    pub fn plan_again(&self, built: &Built, tools: &Tools) -> Plan {
        let source = self.read("main.py");
        let lock = Lock::parse(&built.lock).unwrap();
        let resolved = Resolved { lock, python_version: built.python_version.clone() };
        plan_locked(&source, &resolved, &[], tools).unwrap()
    }

    /// What was built, once more; the tool may be another.
    pub async fn rebuild(&self, built: &Built, network: Network, tools: &Tools) -> Result<Built> {
        let plan = self.plan_again(built, tools).network(network);
        self.build_within(LONG, &plan, &CancellationToken::new()).await
    }

    pub async fn build_within(
        &self,
        time: Duration,
        plan: &Plan,
        cancel: &CancellationToken,
    ) -> Result<Built> {
        let (cache, shared) = (&machine().await.cache, everybodys_cache());
        let cache = if plan.user.is_some() { &shared } else { cache };
        self.build_with(cache, time, plan, cancel).await
    }

    /// With a cache of its own.
    pub async fn build_with(
        &self,
        cache: &Path,
        time: Duration,
        plan: &Plan,
        cancel: &CancellationToken,
    ) -> Result<Built> {
        let before = tree(&self.source());
        let mut log = LogWriter::open(self.log()).unwrap();
        let built = build(plan, &self.environment(), cache, &mut log, BuildLimits { time }, cancel).await;
        log.close().unwrap();
        assert_eq!(tree(&self.source()), before, "a build must not touch the source");
        assert_eq!(built.is_ok(), self.environment().exists(), "a failed build must leave nothing");
        built
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("0.log")
    }

    pub fn said(&self) -> String {
        let records = records(self.log(), 0).unwrap();
        let texts = records.map(|record: std::io::Result<Record>| record.unwrap().text);
        texts.map(|text| String::from_utf8(text).unwrap() + "\n").collect()
    }

    /// The output of a program of the environment.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let path = self.environment().join("bin").join(program);
        let output = std::process::Command::new(path).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// A cache where any user can get to: the checkout may lie in a folder that is closed to others.
pub fn everybodys_cache() -> PathBuf {
    let cache = std::env::temp_dir().join(format!("mantyx-venv-cache-{}", identity::own().uid));
    folders::create(&cache, 0o755).unwrap();
    assert_eq!(fs::symlink_metadata(&cache).unwrap().uid(), identity::own().uid, "a stranger's cache");
    cache
}

/// Every file of a tree and its content.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// An older version than the newest, so that it must come from the lock.
pub const LOCKED: &str =
    "[project]\nname = 'app'\nversion = '1'\nrequires-python = '>=3.8'\ndependencies = ['six==1.16.0']\n";

/// What uv writes for [`LOCKED`], from whatever index this machine has.
pub async fn locked(arguments: &[&str], file: &str) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("pyproject.toml"), LOCKED).unwrap();
    let uv = machine().await.with_uv.uv.clone().unwrap();
    let mut command = std::process::Command::new(uv.path);
    command.args(arguments).current_dir(folder.path()).env("UV_SYSTEM_CERTS", "1").env("UV_NATIVE_TLS", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(folder.path().join(file)).unwrap()
}
