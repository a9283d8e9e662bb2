//! Each kind of source built by uv and by pip: the results are the same.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use mantyx_venv::{Built, Network, Pin};
use support::{Release, machine, tree};

/// Builds with both tools. Everything that comes out is the same.
async fn both(release: &Release, launch: &str) -> Built {
    let machine = machine().await;
    let [pip, uv] = [&machine.with_pip, &machine.with_uv].map(|tools| release.build(launch, tools));
    let pip = pip.await.unwrap();
    see_that_all_is_compiled(release, &pip);
    let uv = uv.await.unwrap();
    see_that_all_is_compiled(release, &uv);
    assert!(
        pip.builder.starts_with("pip ") && uv.builder.starts_with("uv "),
        "{} {}",
        pip.builder,
        uv.builder
    );
    assert_eq!((&pip.lock, &pip.lock_digest), (&uv.lock, &uv.lock_digest));
    assert_eq!((&pip.packages, &pip.python_version), (&uv.packages, &uv.python_version));
    uv
}

/// The same, and each once more without a network.
async fn both_twice(release: &Release, launch: &str) -> Built {
    let uv = both(release, launch).await;
    let machine = machine().await;
    for tools in [&machine.with_pip, &machine.with_uv] {
        let again = release.rebuild(&uv, Network::Offline, tools).await.unwrap();
        assert_eq!(
            (&again.lock_digest, &again.packages),
            (&uv.lock_digest, &uv.packages),
            "{}",
            release.said()
        );
    }
    uv
}

/// A module that is not compiled would be at each start of the app.
fn see_that_all_is_compiled(release: &Release, built: &Built) {
    let tag = built.python_version.split('.').take(2).collect::<String>();
    let files = tree(&release.environment());
    let is_module = |path: &&std::path::PathBuf| {
        let text = path.to_string_lossy();
        text.contains("site-packages") && text.ends_with(".py") && !text.contains("site-packages/pip/")
    };
    for module in files.keys().filter(is_module) {
        let name = module.file_stem().unwrap().to_string_lossy();
        let cached = module.with_file_name(format!("__pycache__/{name}.cpython-{tag}.pyc"));
        // What uv puts there to make the environment work is loaded by every Python anyway.
        assert!(files.contains_key(&cached) || name == "_virtualenv", "{} is not compiled", module.display());
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
    let output = Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn setup(name: &str) -> String {
    format!("from setuptools import setup\nsetup(name='{name}', version='1', py_modules=['{name}'])\n")
}

/// A repository with a package, and its commit.
fn repository(folder: &Path) -> String {
    fs::write(folder.join("setup.py"), setup("gitlib")).unwrap();
    fs::write(folder.join("gitlib.py"), "X = 5\n").unwrap();
    git(folder, &["init", "--quiet"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "-m", "x"]);
    git(folder, &["rev-parse", "HEAD"])
}

/// Writes a wheel (PEP 427) of one empty module.
fn wheel(folder: &Path, name: &str) {
    let script = "import sys, zipfile\nfolder, name = sys.argv[1:]\n\
                  info = f'{name}-1.dist-info'\n\
                  with zipfile.ZipFile(f'{folder}/{name}-1-py3-none-any.whl', 'w') as z:\n  \
                  z.writestr(f'{name}.py', '')\n  \
                  z.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n')\n  \
                  z.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n  \
                  z.writestr(f'{info}/RECORD', f'{name}.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n')\n";
    fs::create_dir_all(folder).unwrap();
    let output = Command::new("python3").args(["-c", script]).arg(folder).arg(name).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const ARCHIVE: &str = "https://files.pythonhosted.org/packages/cb/b1/\
                       3846dd7f199d53cb17f49cba7e651e9ce294d8497c8c150530ed11865bb8/iniconfig-2.3.0-py3-none-any.whl";
const ARCHIVE_HASH: &str = "f631c04d2c48c52b84d0d0549c99ff3859c98df65b3101406327ecc7d53fbf12";

#[tokio::test]
async fn requirements_of_every_form() {
    let repo = tempfile::tempdir().unwrap();
    let commit = repository(repo.path());
    let repo = repo.path().display();
    let requirements = format!(
        "-c limits.txt\n-r more/base.txt\nsetuptools==65.5.0\n./more/wheels/tiny-1-py3-none-any.whl\n\
         mantyxlinked==1\n-e ./lib[extra]\n{ARCHIVE}#sha256={ARCHIVE_HASH}\n"
    );
    let lib = "from setuptools import setup\nsetup(name='lib', version='2', py_modules=['lib'], \
               extras_require={'extra': ['colorama']})\n";
    let base = format!("--find-links wheels\nsix\ngit+file://{repo}@{commit}#egg=gitlib\n");
    let release = Release::new(&[
        ("requirements.txt", &requirements),
        ("limits.txt", "six==1.16.0\ncolorama==0.4.6\n"),
        ("more/base.txt", &base),
        ("lib/setup.py", lib),
        ("lib/lib.py", "X = 7\n"),
    ]);
    for name in ["tiny", "mantyxlinked"] {
        wheel(&release.source().join("more/wheels"), name);
    }
    let built = both_twice(&release, "main.py").await;
    let wanted = format!(
        "colorama==0.4.6\ngitlib @ git+file://{repo}@{commit}\niniconfig @ {ARCHIVE}\nlib @ ./lib\n\
         mantyxlinked==1\nsetuptools==65.5.0\nsix==1.16.0\ntiny @ ./more/wheels/tiny-1-py3-none-any.whl\n"
    );
    assert_eq!(built.lock, wanted);
    let declared = release.read("main.py").declared().unwrap().unwrap();
    let lock = mantyx_venv::Lock::parse(&built.lock).unwrap();
    let is_direct = |package: &&mantyx_venv::Locked| declared.iter().any(|one| one.is(package));
    let direct: Vec<&str> = lock.packages().iter().filter(is_direct).map(|one| one.name.as_str()).collect();
    assert_eq!(direct, ["gitlib", "iniconfig", "lib", "mantyxlinked", "setuptools", "six", "tiny"]);
    assert!(lock.packages().iter().any(|one| matches!(&one.pin, Pin::Elsewhere(at) if at == "./lib")));
}

#[tokio::test]
async fn requirements_with_hashes() {
    let six = "six==1.17.0 \\\n  --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 \\\n  \
               --hash=sha256:ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81\n";
    let release = Release::new(&[("requirements.txt", six)]);
    assert_eq!(both_twice(&release, "main.py").await.lock, "six==1.17.0\n");
}

#[tokio::test]
async fn a_standard_project() {
    let project = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n[project]\n\
                   name = 'weather'\nversion = '3'\nrequires-python = '>=3.9'\ndependencies = ['six==1.17.0']\n\
                   [project.scripts]\nweather = 'weather:main'\n[tool.setuptools]\npy-modules = ['weather']\n";
    let module = "def main():\n    import six\n    print('sunny', six.__version__)\n";
    let release = Release::new(&[("pyproject.toml", project), ("weather.py", module)]);
    assert_eq!(both_twice(&release, "weather").await.lock, "six==1.17.0\nweather @ .\n");
    assert_eq!(release.run("weather", &[]), "sunny 1.17.0");
}

#[tokio::test]
async fn a_poetry_project() {
    let text = "[tool.poetry]\nname = 'a'\n[tool.poetry.dependencies]\npython = '^3.9'\nsix = '~1.16'\n\
                lib = { path = 'libs/lib', develop = true }\n";
    let release = Release::new(&[
        ("pyproject.toml", text),
        ("libs/lib/setup.py", &setup("lib")),
        ("libs/lib/lib.py", ""),
    ]);
    assert_eq!(both(&release, "main.py").await.lock, "lib @ ./libs/lib\nsix==1.16.0\n");
}

#[tokio::test]
async fn a_script_with_metadata() {
    let script = "# /// script\n# dependencies = ['iniconfig==2.0.0']\n# ///\nimport iniconfig\n";
    let release = Release::new(&[("main.py", script)]);
    assert_eq!(both(&release, "main.py").await.lock, "iniconfig==2.0.0\n");
}

#[tokio::test]
async fn a_standard_lock() {
    let export = ["export", "--format", "pylock.toml", "--no-emit-project", "-o", "pylock.toml"];
    let release = Release::new(&[("pylock.toml", &support::locked(&export, "pylock.toml").await)]);
    assert_eq!(both_twice(&release, "main.py").await.lock, "six==1.16.0\n");
}

#[tokio::test]
async fn nothing_at_all() {
    let built = both(&Release::new(&[("main.py", "")]), "main.py").await;
    assert!(built.lock.is_empty() && built.packages.is_empty(), "{built:?}");
}

#[tokio::test]
async fn identical_locks_share_their_files() {
    let uv = &machine().await.with_uv;
    let (one, other) =
        (Release::new(&[("requirements.txt", "six==1.17.0")]), Release::new(&[("requirements.txt", "six")]));
    let built = one.build("main.py", uv).await.unwrap();
    other.rebuild(&built, Network::Offline, uv).await.unwrap();
    let file = |release: &Release| {
        let files = tree(&release.environment()).into_keys();
        fs::metadata(files.into_iter().find(|path| path.ends_with("six.py")).unwrap()).unwrap()
    };
    // The temporary folder may be on another disk than the cache: then nothing can be shared.
    let (one, other) = (file(&one), file(&other));
    let cache = fs::metadata(&machine().await.cache).unwrap().dev();
    assert!(one.ino() == other.ino() || one.dev() != cache, "{} {}", one.ino(), other.ino());
}
