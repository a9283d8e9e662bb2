//! Environments built by real tools from the real package index, with tiny packages.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mantyx_core::{Code, Launch, Result};
use mantyx_logs::{LogWriter, Record, records};
use mantyx_platform::{folders, identity};
use mantyx_venv::{
    BuildLimits, Built, CancellationToken, Plan, Source, Tools, build, discover, fetch_uv, plan,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Whole builds with pip, from the network, on a busy machine.
const LONG: Duration = Duration::from_secs(300);

/// One cache and one uv for all tests, kept beside the build's output so that a second run is quick.
struct Machine {
    cache: PathBuf,
    with_uv: Tools,
    with_pip: Tools,
}

async fn machine() -> &'static Machine {
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
struct Release {
    folder: TempDir,
}

impl Release {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text) in files {
            let path = folder.path().join("source").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { folder }
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn environment(&self) -> PathBuf {
        self.folder.path().join("env")
    }

    fn plan(&self, launch: &str, tools: &Tools) -> Plan {
        let source = Source::read(&self.source(), &Launch::parse(launch).unwrap(), "digest").unwrap();
        plan(&source, &[], tools).unwrap()
    }

    async fn build(&self, launch: &str, tools: &Tools) -> Result<Built> {
        self.build_within(LONG, &self.plan(launch, tools), &CancellationToken::new()).await
    }

    async fn build_within(&self, time: Duration, plan: &Plan, cancel: &CancellationToken) -> Result<Built> {
        let before = tree(&self.source());
        let mut log = LogWriter::open(self.log()).unwrap();
        let (cache, shared) = (&machine().await.cache, everybodys_cache());
        let cache = if plan.user.is_some() { &shared } else { cache };
        let built = build(plan, &self.environment(), cache, &mut log, BuildLimits { time }, cancel).await;
        log.close().unwrap();
        assert_eq!(tree(&self.source()), before, "a build must not touch the source");
        assert_eq!(built.is_ok(), self.environment().exists(), "a failed build must leave nothing");
        built
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("0.log")
    }

    fn said(&self) -> String {
        let records = records(self.log(), 0).unwrap();
        let texts = records.map(|record: std::io::Result<Record>| record.unwrap().text);
        texts.map(|text| String::from_utf8(text).unwrap() + "\n").collect()
    }

    /// The output of a program of the environment.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let path = self.environment().join("bin").join(program);
        let output = std::process::Command::new(path).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// A cache where any user can get to: the checkout may lie in a folder that is closed to others.
fn everybodys_cache() -> PathBuf {
    let cache = std::env::temp_dir().join(format!("mantyx-venv-cache-{}", identity::own().uid));
    folders::create(&cache, 0o755).unwrap();
    assert_eq!(fs::symlink_metadata(&cache).unwrap().uid(), identity::own().uid, "a stranger's cache");
    cache
}

/// Every file of a tree and its content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
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

#[tokio::test]
async fn both_tools_install_the_same_requirements() {
    let machine = machine().await;
    let release = Release::new(&[
        ("requirements.txt", "six==1.17.0\n-r more.txt\n"),
        ("more.txt", "iniconfig==2.0.0\n"),
    ]);
    let pip = release.build("main.py", &machine.with_pip).await.unwrap();
    let uv = release.build("main.py", &machine.with_uv).await.unwrap();
    assert_eq!(uv.lock, "iniconfig==2.0.0\nsix==1.17.0\n");
    assert_eq!((&pip.lock, &pip.packages, &pip.lock_digest), (&uv.lock, &uv.packages, &uv.lock_digest));
    assert!(
        pip.builder.starts_with("pip ") && uv.builder.starts_with("uv "),
        "{} {}",
        pip.builder,
        uv.builder
    );
    assert_eq!(release.run("python", &["-c", "import six, iniconfig; print(six.__version__)"]), "1.17.0");
    let compiled =
        tree(&release.environment()).into_keys().any(|path| path.to_string_lossy().contains("six.cpython"));
    assert!(compiled, "bytecode is compiled at build time");
    assert!(release.said().contains("==> Install what `requirements.txt` asks for"), "{}", release.said());
    assert!(release.said().contains("six==1.17.0"), "{}", release.said());
}

#[tokio::test]
async fn a_script_brings_its_own_requirements() {
    let script = "# /// script\n# dependencies = ['iniconfig==2.0.0']\n# ///\nimport iniconfig\n";
    let release = Release::new(&[("job.py", script)]);
    let built = release.build("job.py", &machine().await.with_uv).await.unwrap();
    assert_eq!(built.packages, [("iniconfig".to_owned(), "2.0.0".to_owned())]);
}

const PROJECT: &str = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n\
                       [project]\nname = 'weather'\ndynamic = ['version']\ndependencies = ['six==1.17.0']\n\
                       [project.scripts]\nweather = 'weather:main'\n[tool.setuptools]\npackages = ['weather']\n\
                       package-dir = {weather = 'src/weather'}\n[tool.setuptools.dynamic]\nversion = {attr = 'weather.V'}\n";

#[tokio::test]
async fn a_project_is_installed_with_its_programs() {
    let main = "V = '3.1'\ndef main():\n    import six\n    print('sunny', six.__version__)\n";
    let release = Release::new(&[("pyproject.toml", PROJECT), ("src/weather/__init__.py", main)]);
    for tools in [&machine().await.with_uv, &machine().await.with_pip] {
        let built = release.build("weather", tools).await.unwrap();
        assert_eq!(built.lock, "six==1.17.0\nweather @ .\n");
        assert!(built.packages.contains(&("weather".into(), "3.1".into())), "{:?}", built.packages);
        assert_eq!(release.run("weather", &[]), "sunny 1.17.0");
    }
}

#[tokio::test]
async fn an_editable_requirement_does_not_hang_on_where_it_was_built() {
    let setup = "from setuptools import setup\nsetup(name='lib', version='1', py_modules=['lib'])\n";
    let files = [("requirements.txt", "-e ./lib\n"), ("lib/setup.py", setup), ("lib/lib.py", "X = 7\n")];
    let release = Release::new(&files);
    let built = release.build("main.py", &machine().await.with_uv).await.unwrap();
    assert_eq!(built.lock, "lib @ ./lib\n");
    assert_eq!(release.run("python", &["-c", "import lib; print(lib.X)"]), "7");
}

/// An older version than the newest, so that it must come from the lock.
const LOCKED: &str =
    "[project]\nname = 'app'\nversion = '1'\nrequires-python = '>=3.8'\ndependencies = ['six==1.16.0']\n";

/// What uv writes for [`LOCKED`], from whatever index this machine has.
async fn locked(arguments: &[&str], file: &str) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("pyproject.toml"), LOCKED).unwrap();
    let uv = machine().await.with_uv.uv.clone().unwrap();
    let mut command = std::process::Command::new(uv.path);
    command.args(arguments).current_dir(folder.path()).env("UV_SYSTEM_CERTS", "1").env("UV_NATIVE_TLS", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(folder.path().join(file)).unwrap()
}

#[tokio::test]
async fn a_uv_lock_is_followed_to_the_letter() {
    let lock = locked(&["lock"], "uv.lock").await;
    let release = Release::new(&[("pyproject.toml", LOCKED), ("uv.lock", &lock)]);
    let built = release.build("main.py", &machine().await.with_uv).await.unwrap();
    assert_eq!(built.lock, "six==1.16.0\n");
}

#[tokio::test]
async fn both_tools_read_the_standard_lock() {
    let export = ["export", "--format", "pylock.toml", "--no-emit-project", "-o", "pylock.toml"];
    let lock = locked(&export, "pylock.toml").await;
    let release = Release::new(&[("pylock.toml", &lock)]);
    for tools in [&machine().await.with_uv, &machine().await.with_pip] {
        let built = release.build("main.py", tools).await.unwrap();
        assert_eq!(built.lock, "six==1.16.0\n");
    }
}

#[tokio::test]
async fn a_requirement_that_does_not_exist_is_named() {
    let release = Release::new(&[("requirements.txt", "six\nthis-package-is-not-there-mantyx\n")]);
    let error = release.build("main.py", &machine().await.with_uv).await.unwrap_err();
    assert_eq!(error.code(), Code::InstallFailed);
    assert!(error.detail().contains("`this-package-is-not-there-mantyx`"), "{error}");
    assert!(error.hint_text().is_some());
}

/// A package whose build never ends.
fn endless() -> Release {
    let setup = "import time\ntime.sleep(600)\n";
    Release::new(&[("requirements.txt", "./slow\n"), ("slow/setup.py", setup)])
}

#[tokio::test]
async fn cancelling_in_the_middle_leaves_nothing() {
    let release = endless();
    let plan = release.plan("main.py", &machine().await.with_pip);
    let cancel = CancellationToken::new();
    let environment = release.environment();
    let canceller = {
        let (cancel, installer) = (cancel.clone(), environment.join("bin/pip"));
        tokio::spawn(async move {
            let deadline = Instant::now() + LONG;
            while !installer.exists() && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cancel.cancel();
        })
    };
    let error = release.build_within(LONG, &plan, &cancel).await.unwrap_err();
    canceller.await.unwrap();
    assert_eq!(error.code(), Code::Cancelled);
}

#[tokio::test]
async fn a_build_that_takes_too_long_is_ended() {
    let release = endless();
    let plan = release.plan("main.py", &machine().await.with_uv);
    let time = Duration::from_secs(3);
    let error = release.build_within(time, &plan, &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.code(), Code::TimedOut);
    assert!(error.detail().contains("3 s"), "{error}");
}

#[tokio::test]
async fn what_a_killed_build_left_is_replaced() {
    let release = Release::new(&[("main.py", "")]);
    fs::create_dir_all(release.environment().join("half")).unwrap();
    let built = release.build("main.py", &machine().await.with_uv).await.unwrap();
    assert!(built.packages.is_empty(), "{:?}", built.packages);
    assert!(!release.environment().join("half").exists());
}

/// A package that is named after the user that builds it, and says what that user could read.
const TELLTALE: &str = "import os\nfrom setuptools import setup\n\
                        home = os.listdir(os.path.expanduser('~'))\n\
                        setup(name='telltale', version=str(os.getuid()), py_modules=['telltale'])\n";

#[tokio::test]
async fn another_user_builds_for_itself() {
    if !identity::is_superuser() {
        return only_the_superuser_builds_for_others().await;
    }
    let nobody = identity::resolve("nobody", &[]).unwrap();
    let mut tools = discover(&everybodys_cache(), Some(&nobody)).await;
    let uv = fetch_uv(&everybodys_cache(), &tools).await.unwrap();
    let files = [
        ("requirements.txt", "six==1.17.0\n./telltale\n"),
        ("telltale/pyproject.toml", "[build-system]\nrequires = ['setuptools']\n"),
        ("telltale/setup.py", TELLTALE),
        ("telltale/telltale.py", ""),
    ];
    let release = Release::new(&files);
    for uv in [None, Some(uv)] {
        tools.uv = uv;
        let built = release.build("main.py", &tools).await.unwrap();
        let built_as = built.packages.contains(&("telltale".into(), nobody.uid.to_string()));
        assert!(built_as, "{}", release.said());
        assert_eq!(release.run("python", &["-c", "import six; print(six.__version__)"]), "1.17.0");
        for path in tree(&release.environment()).into_keys() {
            let found = fs::symlink_metadata(&path).unwrap();
            let readable = found.is_symlink() || found.mode() & 0o444 == 0o444;
            assert!(found.uid() == nobody.uid && readable, "{}: {:o}", path.display(), found.mode());
        }
    }
    let linked = |path: &PathBuf| path.ends_with("six.py") && fs::metadata(path).unwrap().nlink() > 1;
    assert!(tree(&release.environment()).keys().any(linked), "its cache is its own, so uv can link from it");
    let own = everybodys_cache().join("packages").join(nobody.uid.to_string());
    assert_eq!(fs::metadata(own).unwrap().mode() & 0o777, 0o700);
}

async fn only_the_superuser_builds_for_others() {
    let release = Release::new(&[("main.py", "")]);
    let mut plan = release.plan("main.py", &machine().await.with_uv);
    plan.user = Some(identity::resolve("root", &[]).unwrap());
    let error = release.build_within(LONG, &plan, &CancellationToken::new()).await.unwrap_err();
    assert!(error.detail().contains("`root`"), "{error}");
}
