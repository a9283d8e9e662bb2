//! Environments built by real tools from the real package index, with tiny packages.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
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
