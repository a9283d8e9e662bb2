//! From the source of a small Flask app to an environment in which it runs: by Mantyx from the upload on, and by hand
//! with uv and with pip. They take turns, each with a cache of its own that has everything in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use mantyx_api_types::{AppCreated, OperationView};
use serde_json::json;

use super::archive;
use super::home::{Home, Network, succeeded, version};
use super::steps::Steps;
use crate::bench::figures::{Bar, Metric, OURS, Row};
use crate::bench::server::Server;
use crate::bench::statistics::{milliseconds, percentile};
use crate::http::Part;
use crate::{interrupt, terminal, workspace};

/// What the app is.
const APP: &str = include_str!("flask_app.py");
/// What it asks for.
const REQUIREMENTS: &str = "flask\n";
/// Where an environment is made by hand.
const ENVIRONMENT: &str = ".venv";

/// A way to do it by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    /// `uv venv && uv pip install`.
    Uv,
    /// The same, and the bytecode is compiled, as Mantyx and pip do it.
    UvCompiled,
    /// `python3 -m venv && pip install`.
    Pip,
}

impl Tool {
    const ALL: [Self; 3] = [Self::Uv, Self::UvCompiled, Self::Pip];

    const fn name(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::UvCompiled => "uv, compiled",
            Self::Pip => "pip",
        }
    }

    fn version(self, home: &Home) -> String {
        match self {
            Self::Uv | Self::UvCompiled => version(home.program("uv").arg("--version")),
            Self::Pip => version(home.program("python3").args(["-m", "pip", "--version"])),
        }
    }

    /// What is typed, one command after the other.
    fn commands(self, home: &Home, folder: &Path) -> Vec<Command> {
        let python = folder.join(ENVIRONMENT).join("bin/python");
        let lines: [(&Path, &[&str]); 2] = match self {
            Self::Uv => {
                let install = &["pip", "install", "--quiet", "-r", "requirements.txt"];
                [(Path::new("uv"), &["venv", "--quiet", ENVIRONMENT]), (Path::new("uv"), install)]
            }
            Self::UvCompiled => {
                let install = &["pip", "install", "--quiet", "--compile-bytecode", "-r", "requirements.txt"];
                [(Path::new("uv"), &["venv", "--quiet", ENVIRONMENT]), (Path::new("uv"), install)]
            }
            Self::Pip => {
                let install = &["-m", "pip", "install", "--quiet", "-r", "requirements.txt"];
                [(Path::new("python3"), &["-m", "venv", ENVIRONMENT]), (&python, install)]
            }
        };
        let command = |(program, arguments): (&Path, &[&str])| {
            let mut command = home.program(program);
            command.args(arguments).current_dir(folder);
            command.env("UV_CACHE_DIR", home.folder.join("cache/uv"));
            command.env("PIP_CACHE_DIR", home.folder.join("cache/pip"));
            command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
            command
        };
        lines.map(command).into()
    }

    /// Once, in a folder in which the source lies already.
    fn once(self, home: &Home) -> Result<Duration> {
        let folder = source(home)?;
        let begun = Instant::now();
        for mut command in self.commands(home, &folder) {
            workspace::output(&mut command)?;
        }
        let took = begun.elapsed();
        let mut python = home.program(folder.join(ENVIRONMENT).join("bin/python"));
        workspace::output(python.args(["-c", "import flask"])).context("What was installed does not run")?;
        fs::remove_dir_all(&folder)?;
        Ok(took)
    }
}

/// A folder with the source in it.
fn source(home: &Home) -> Result<PathBuf> {
    let folder = home.folder.join("by-hand");
    fs::create_dir(&folder)?;
    fs::write(folder.join("app.py"), APP)?;
    fs::write(folder.join("requirements.txt"), REQUIREMENTS)?;
    Ok(folder)
}

/// What was measured of one way.
struct Taken {
    name: &'static str,
    version: String,
    times: Vec<f64>,
}

/// The row, with each way and its version.
pub(super) struct Outcome {
    pub(super) row: Row,
    pub(super) versions: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
}

/// Measures so many rounds, after one that fills the caches.
pub(super) fn measure(home: &Home, rounds: usize) -> Result<Outcome> {
    let server = home.start(Network::AsItIs)?;
    let upload = archive::pack(&[("app.py", APP), ("requirements.txt", REQUIREMENTS)])?;
    let mut steps = Steps::default();
    let mut ours = Taken { name: OURS, version: home.own_version(), times: Vec::new() };
    let mut theirs = Tool::ALL
        .map(|tool| (tool, Taken { name: tool.name(), version: tool.version(home), times: Vec::new() }));
    for round in 0..=rounds {
        let begun = Instant::now();
        let (took, operation) = by_mantyx(&server, &format!("flask-{round}"), &upload)?;
        keep(&mut ours, round, took);
        if round > 0 {
            steps.add(&operation);
        }
        for (tool, taken) in &mut theirs {
            keep(taken, round, tool.once(home).with_context(|| format!("By hand with {}", tool.name()))?);
        }
        interrupt::check()?;
        terminal::done(if round == 0 { "The caches are filled" } else { "A round" }, begun);
    }
    server.end()?;
    let taken: Vec<Taken> = std::iter::once(ours).chain(theirs.map(|(_, taken)| taken)).collect();
    Ok(outcome(&taken, &steps))
}

fn keep(taken: &mut Taken, round: usize, took: Duration) {
    if round > 0 {
        taken.times.push(milliseconds(took));
    }
}

/// From the first byte of the upload until the operation has ended.
fn by_mantyx(server: &Server, name: &str, upload: &[u8]) -> Result<(Duration, OperationView)> {
    let client = server.client();
    let parts =
        [Part::Text("name", name), Part::Text("type", "perpetual"), Part::File(archive::NAME, upload)];
    let begun = Instant::now();
    let _: AppCreated = client.upload("/api/apps/upload/archive", &parts)?;
    let operation: OperationView = client.post(&format!("/api/apps/{name}/install?wait=60"), &json!({}))?;
    Ok((begun.elapsed(), succeeded(operation)?))
}

fn outcome(taken: &[Taken], steps: &Steps) -> Outcome {
    let metric = Metric::new(
        "installed",
        "from the upload to installed, Flask, p50",
        "ms",
        Bar::TimesPeer(Tool::Uv.name(), 1.3),
    );
    let figures = taken.iter().map(|way| (way.name.to_owned(), percentile(&way.times, 0.5))).collect();
    let spread = |way: &Taken| format!("{} {}", way.name, span(&way.times));
    let spreads: Vec<String> = taken.iter().map(spread).collect();
    Outcome {
        row: Row { metric, figures },
        versions: taken.iter().map(|way| (way.name.to_owned(), way.version.clone())).collect(),
        notes: vec![
            format!("from the upload to installed, fastest to slowest: {}", spreads.join(", ")),
            format!("an installation by its steps, ms: {steps}"),
        ],
    }
}

/// The smallest and the largest.
pub(super) fn span(times: &[f64]) -> String {
    let of = |share| percentile(times, share).unwrap_or_default();
    format!("{:.0} to {:.0} ms", of(0.0), of(1.0))
}
