//! A Python that this machine does not have, fetched by uv when that is allowed.

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use mantyx_core::{Code, Error, Result};
use mantyx_platform::folders;
use mantyx_platform::process::Command;

use crate::plan::demands;
use crate::requires::{Demand, choose};
use crate::source::Source;
use crate::tools::{Tools, Uv, discover};
use crate::variables;

/// One download of some 30 MB.
const FETCH_LIMIT: Duration = Duration::from_secs(300);

/// Whether a Python may be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PythonDownloads {
    /// Those that are found must do.
    Never,
    /// uv may fetch one into the cache when none fits.
    Allowed,
}

/// The tools with a Python that satisfies a source and these demands: the given ones when they have one, otherwise
/// those with a Python that was fetched. `cache` is Mantyx's own cache folder.
///
/// Like uv itself, a Python is fetched by the daemon: nothing of an app is involved, and all users share it.
///
/// # Errors
/// `no_python`, with what was found, and why fetching failed.
pub async fn with_python(
    source: &Source,
    requires: &[String],
    tools: Tools,
    cache: &Path,
    downloads: PythonDownloads,
) -> Result<Tools> {
    let demands = demands(source, requires)?;
    let Err(none) = choose(&tools, &demands).map(drop) else { return Ok(tools) };
    let (PythonDownloads::Allowed, Some(uv)) = (downloads, &tools.uv) else { return Err(none) };
    if let Err(error) = fetch(uv, &demands, cache).await {
        let detail = format!("{}; and none could be fetched: {}", none.detail(), error.detail());
        let hint = none.hint_text().unwrap_or_default().to_owned();
        return Err(Error::new(Code::NoPython, detail).hint(hint).because(error));
    }
    let found = discover(cache, tools.user.as_ref()).await;
    let uv = found.uv.clone().or(tools.uv);
    let tools = Tools { uv, ..found };
    choose(&tools, &demands).map(drop)?;
    Ok(tools)
}

async fn fetch(uv: &Uv, demands: &[Demand], cache: &Path) -> Result<()> {
    let folder = cache.join("pythons");
    folders::create(&folder, 0o755)?;
    let command = Command::new(&uv.path).args(["python", "install"]).arg(request(demands));
    let command = command.folder("/").variables(variables::for_uv(uv, cache)).variables([
        ("UV_PYTHON_INSTALL_DIR", folder.as_os_str()),
        ("UV_PYTHON_DOWNLOADS", "automatic".as_ref()),
        // No link in the home of whoever runs the daemon.
        ("UV_PYTHON_INSTALL_BIN", "0".as_ref()),
    ]);
    let mut output = String::new();
    let exit = command.run(FETCH_LIMIT, pending(), |_, line| output.extend([line, "\n"])).await?;
    if exit.is_success() {
        folders::make_readable(&folder)
    } else {
        Err(crate::failure::explain_fetch(&output))
    }
}

/// What uv is asked for. It knows no "or": the last alternative is the newest as people write them.
fn request(demands: &[Demand]) -> String {
    let each = demands.iter().filter_map(|demand| demand.alternatives().last()).map(ToString::to_string);
    let all: Vec<String> = each.filter(|text| !text.is_empty()).collect();
    if all.is_empty() { "3".to_owned() } else { all.join(",").replace(' ', "") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Python;
    use mantyx_core::Launch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn uv_is_asked_for_all_demands_at_once() {
        let demands = |texts: &[&str]| -> Vec<Demand> {
            texts.iter().map(|text| Demand::parse(text, "Somebody").unwrap()).collect()
        };
        assert_eq!(request(&demands(&[">=3.12", "!=3.13.1,<3.14"])), ">=3.12,!=3.13.1,<3.14");
        assert_eq!(request(&demands(&[">=2.7,<3 || >=3.6,<4", "3.11"])), ">=3.6,<4,==3.11.*");
        assert_eq!(request(&[]), "3");
    }

    /// A uv that is a small script.
    fn uv(folder: &Path, script: &str) -> Uv {
        let path = folder.join("uv");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Uv { version: "0.13.8".into(), path }
    }

    async fn asked(script: &str, downloads: PythonDownloads) -> Result<Tools> {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let source = Source::read(folder.path(), &Launch::parse("main.py").unwrap(), "digest").unwrap();
        let old = Python { version: "3.9.1".into(), path: "/opt/3.9/bin/python3".into() };
        let tools = Tools { pythons: vec![old], uv: Some(uv(folder.path(), script)), ..Tools::default() };
        with_python(&source, &["==3.99.*".into()], tools, &cache, downloads).await
    }

    /// Makes a Python that says it is 3.99.4.
    const FETCHES: &str = "[ \"$*\" = 'python install ==3.99.*' ] && [ $UV_PYTHON_DOWNLOADS = automatic ] || exit 1\n\
        bin=$UV_PYTHON_INSTALL_DIR/cpython-3.99.4-linux/bin; mkdir -p $bin\n\
        printf '#!/bin/sh\\necho 3.99.4; echo %s\\n' $bin/python3 > $bin/python3; chmod 700 $bin/python3";

    #[tokio::test]
    async fn a_python_that_was_fetched_is_found() {
        let tools = asked(FETCHES, PythonDownloads::Allowed).await.unwrap();
        assert!(tools.pythons.iter().any(|python| python.version == "3.99.4"), "{tools:?}");
        assert!(tools.uv.is_some());
    }

    #[tokio::test]
    async fn a_refusal_names_what_was_found_and_why_none_came() {
        let offline = "echo 'error: Failed to install cpython-3.99.4' >&2\n\
                       echo '  cause: Failed to download `https://x/y.tar.gz`' >&2\n\
                       echo '  cause: client error (Connect)' >&2; exit 1";
        let error = asked(offline, PythonDownloads::Allowed).await.unwrap_err();
        assert_eq!(error.code(), Code::NoPython);
        for part in
            ["`==3.99.*`", "3.9.1", "none could be fetched", "https://x/y.tar.gz", "cannot be reached"]
        {
            assert!(error.detail().contains(part), "{error}");
        }
        let error = asked(FETCHES, PythonDownloads::Never).await.unwrap_err();
        assert!(!error.detail().contains("fetched"), "{error}");
    }
}
