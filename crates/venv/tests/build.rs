//! Environments built by real tools from the real package index, with tiny packages.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use mantyx_core::Code;
use mantyx_platform::identity;
use mantyx_venv::{CancellationToken, Network, discover, fetch_uv, outdated};
use support::{LONG, Release, everybodys_cache, locked, machine, tree};

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

/// What an import says of its bytecode, and where its code says that it is.
const IMPORT: &str = "import six, sys; print(six.__cached__, six.add_metaclass.__code__.co_filename)";

/// How many files the last build compiled, and how many of them it found compiled.
fn bytecode(said: &str) -> (u32, u32) {
    let line = said.lines().rfind(|line| line.starts_with("Bytecode of")).unwrap();
    let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[tokio::test]
async fn what_was_compiled_before_is_taken_and_right() {
    let machine = machine().await;
    let cache = tempfile::tempdir().unwrap();
    let release = Release::new(&[("requirements.txt", "six==1.17.0\niniconfig==2.0.0\n")]);
    for (tools, first) in [(&machine.with_uv, true), (&machine.with_pip, false)] {
        let plan = release.plan("main.py", tools);
        release.build_with(cache.path(), LONG, &plan, &CancellationToken::new()).await.unwrap();
        let said = release.said();
        let (files, taken) = bytecode(&said);
        assert_eq!(taken, if first { 0 } else { files }, "{said}");
        // `-v` says of each module whether its bytecode is that of its source.
        let python = release.environment().join("bin/python");
        let output = Command::new(python).args(["-v", "-c", IMPORT]).output().unwrap();
        let (told, places) =
            (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        let (bytecode, source) = places.trim().split_once(' ').unwrap();
        assert!(told.contains(&format!("{bytecode} matches {source}")), "{told}");
        assert!(source.starts_with(release.environment().to_str().unwrap()), "{source}");
    }
    // What a loss of power left of it is not taken.
    let packages = cache.path().join("packages").join(identity::own().uid.to_string());
    for kept in tree(&packages.join("bytecode")).into_keys() {
        fs::File::options().write(true).open(kept).unwrap().set_len(20).unwrap();
    }
    let plan = release.plan("main.py", &machine.with_uv);
    release.build_with(cache.path(), LONG, &plan, &CancellationToken::new()).await.unwrap();
    assert_eq!(bytecode(&release.said()).1, 0, "{}", release.said());
    assert_eq!(release.run("python", &["-c", "import six; print(six.__version__)"]), "1.17.0");
}

#[tokio::test]
async fn what_cannot_be_compiled_is_passed_over() {
    let machine = machine().await;
    let cache = tempfile::tempdir().unwrap();
    let setup = "from setuptools import setup\nsetup(name='odd', version='1', py_modules=['good', 'bad'])\n";
    let files = [
        ("requirements.txt", "./odd\n"),
        ("odd/setup.py", setup),
        ("odd/good.py", "X = 1\n"),
        ("odd/bad.py", "X =\n"),
    ];
    let release = Release::new(&files);
    // Nothing can be kept either.
    let packages = cache.path().join("packages").join(identity::own().uid.to_string());
    fs::create_dir_all(&packages).unwrap();
    fs::write(packages.join("bytecode"), "").unwrap();
    let plan = release.plan("main.py", &machine.with_uv);
    release.build_with(cache.path(), LONG, &plan, &CancellationToken::new()).await.unwrap();
    let is_compiled = |module: &str| {
        tree(&release.environment()).into_keys().any(|path| path.to_string_lossy().contains(module))
    };
    assert!(is_compiled("__pycache__/good.") && !is_compiled("__pycache__/bad."), "{}", release.said());
    assert_eq!(release.run("python", &["-c", "import good; print(good.X)"]), "1");
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

#[tokio::test]
async fn a_uv_lock_is_followed_to_the_letter() {
    let lock = locked(&["lock"], "uv.lock").await;
    let release = Release::new(&[("pyproject.toml", support::LOCKED), ("uv.lock", &lock)]);
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
        let again = release.rebuild(&built, Network::Offline, &tools).await.unwrap();
        assert_eq!(again, built, "its cache is its own, so it needs no network to build it again");
        let old = outdated(&release.environment(), &everybodys_cache(), &tools, LONG).await.unwrap();
        assert!(old.iter().all(|one| one.name != "pip" && one.name != "telltale"), "{old:?}");
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
