//! The checks themselves, in the order in which they run.

use std::ffi::OsString;
use std::process::Command;
use std::time::Instant;

use super::Part;
use super::draws::{Draws, SEED_VARIABLE};
use super::tally::{Runner, Tally};
use super::watch::run_tests;
use crate::setup::{WasmCompiler, wasm_compiler};
use crate::{page, terminal, workspace};

/// What the tests run under.
pub(super) struct Conditions {
    /// The search path, with the tools that were fetched.
    pub(super) search_path: OsString,
    /// The cases of the property tests.
    pub(super) draws: Draws,
}

impl Conditions {
    fn apply(&self, tests: &mut Command) {
        let seed = std::env::var(SEED_VARIABLE).ok();
        tests.env("PATH", &self.search_path).envs(self.draws.variables(seed.as_deref()));
        // Fixtures that would build a program find it here, and nothing is compiled in the middle of a test. Its name
        // is none of Mantyx's own, since the daemons under test refuse those that they do not know.
        tests.env("TEST_PROGRAMS", workspace::target().join("debug"));
    }
}

/// One check.
pub(super) struct Step {
    title: &'static str,
    action: Action,
}

enum Action {
    /// A command that is well when it succeeds.
    Succeed(Command),
    /// A command whose tests are counted.
    Tests(Runner, Command),
    /// Builds the page.
    Page,
}

/// The steps of the parts, in order, each once.
pub(super) fn of(parts: &[Part], conditions: &Conditions) -> Vec<Step> {
    let mut parts = parts.to_vec();
    if parts.contains(&Part::Browser) {
        // The browser tests use the page as it is now.
        parts.push(Part::Page);
    }
    parts.sort_unstable();
    parts.dedup();
    let mut steps: Vec<Step> =
        parts.iter().filter(|part| **part < Part::Unit).flat_map(|p| checks(*p)).collect();
    let tests: Vec<Part> = parts.into_iter().filter(|part| *part >= Part::Unit).collect();
    if !tests.is_empty() {
        steps.push(programs());
        steps.extend(test_runs(&tests, conditions));
    }
    steps
}

fn checks(part: Part) -> Vec<Step> {
    match part {
        Part::Format => vec![succeed("Format", cargo(&["fmt", "--all", "--check"]))],
        Part::Lint => lints(),
        _ => vec![Step { title: "Page", action: Action::Page }],
    }
}

fn lints() -> Vec<Step> {
    let mut clippy = cargo(&["clippy", "--all-targets"]);
    clippy.args(workspace::SELECTION).args(["--", "-D", "warnings"]);
    let mut steps = vec![succeed("Lints", clippy)];
    if matches!(wasm_compiler(), Ok(WasmCompiler::Toolchain)) {
        let mut clippy = cargo(&["clippy", "--package", "mantyx-page", "--target", WasmCompiler::TARGET]);
        clippy.args(["--", "-D", "warnings"]);
        steps.push(succeed("Lints of the page", clippy));
    } else {
        terminal::note("Debian's compiler for the web has no clippy: the page is built, not linted");
    }
    if workspace::succeeds(workspace::cargo().args(["deny", "--version"])) {
        steps.push(succeed("Licences", cargo(&["deny", "check", "licenses", "bans", "sources"])));
    }
    steps
}

/// The programs that the stories start. Built with the tests, since without them the dependencies have fewer features,
/// and nearly everything would be compiled twice.
fn programs() -> Step {
    let mut build = cargo(&["build", "--bins", "--tests"]);
    build.args(workspace::SELECTION);
    succeed("Programs and tests", build)
}

fn test_runs(parts: &[Part], conditions: &Conditions) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut push = |title, runner, mut command: Command| {
        conditions.apply(&mut command);
        steps.push(Step { title, action: Action::Tests(runner, command) });
    };
    if workspace::succeeds(workspace::cargo().args(["nextest", "--version"])) {
        push("Tests", Runner::Nextest, nextest(parts));
    } else {
        push("Tests", Runner::CargoTest, cargo_test(parts));
    }
    if parts.contains(&Part::Unit) {
        let mut command = cargo(&["test", "--doc", "--no-fail-fast"]);
        command.args(workspace::SELECTION);
        push("Examples in the documentation", Runner::CargoTest, command);
    }
    steps
}

fn nextest(parts: &[Part]) -> Command {
    let filter = |part: &Part| match part {
        Part::Integration => "(kind(test) - binary(/^browser/))",
        Part::Browser => "binary(/^browser/)",
        _ => "(all() - kind(test))",
    };
    let filters: Vec<&str> = parts.iter().map(filter).collect();
    let mut command = cargo(&["nextest", "run", "--no-fail-fast", "--filterset", &filters.join(" + ")]);
    command.args(workspace::SELECTION);
    command
}

fn cargo_test(parts: &[Part]) -> Command {
    let mut command = cargo(&["test", "--no-fail-fast"]);
    command.args(workspace::SELECTION);
    for part in parts {
        // Test files of the browser are named for it, and no other begins with its letter.
        match part {
            Part::Integration => command.args(["--test", "[!b]*"]),
            Part::Browser => command.args(["--test", "browser*"]),
            _ => command.args(["--lib", "--bins"]),
        };
    }
    command
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(arguments);
    cargo
}

fn succeed(title: &'static str, command: Command) -> Step {
    Step { title, action: Action::Succeed(command) }
}

impl Step {
    /// Runs it, says how it went and how long it took.
    pub(super) fn run(self) -> Tally {
        let start = Instant::now();
        terminal::step(self.title);
        let outcome = match self.action {
            Action::Succeed(mut command) => workspace::run(&mut command).map(|()| Tally::PASSED),
            Action::Page => page::build().map(|()| Tally::PASSED),
            Action::Tests(runner, command) => run_tests(runner, command),
        };
        match outcome {
            Ok(tally) if tally.failed == 0 => {
                terminal::done(&format!("{}: {tally}", self.title), start);
                tally
            }
            Ok(tally) => {
                terminal::failed(&format!("{}: {tally}", self.title), start);
                tally
            }
            Err(error) => {
                terminal::failed(&format!("{}: {error:#}", self.title), start);
                Tally::FAILED
            }
        }
    }
}
