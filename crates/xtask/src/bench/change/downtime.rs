//! How long an app is down while it is updated and rolled back, as a client sees it that asks a thousand times a second,
//! beside a stop and start of the same program by hand.
//!
//! Mantyx stops what runs before it starts what is new, so the app's own stop and start are the floor. What the health
//! check looks at begins when the app is up again: it makes the operation longer and the gap no wider, which the app
//! without a check shows.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use mantyx_api_types::{AppCreated, OperationView, Page, ReleaseView};
use serde_json::{Value, json};

use super::archive;
use super::asker::{Asker, Gap};
use super::by_hand::ByHand;
use super::home::{Home, Network, succeeded};
use super::tally::{Floor, Tally};
use crate::bench::figures::Row;
use crate::bench::server::free_address;
use crate::http::{Client, Part};
use crate::{interrupt, terminal};

/// What the app is.
const APP: &str = include_str!("app.py");
/// How long the client asks before anything happens.
const LEAD: Duration = Duration::from_millis(200);
/// Two sets of packages that are small, and not the same.
const PACKAGES: [&str; 2] = ["itsdangerous==2.1.2", "itsdangerous==2.2.0"];
/// What is said of an environment that was there already, and of one that was not.
const REUSED: [&str; 2] = ["The same as before", "It is there"];
const BUILT: [&str; 1] = ["Built by"];

/// An app that is changed.
struct Subject {
    name: &'static str,
    address: SocketAddr,
}

/// What became of one change.
pub(super) struct Changed {
    /// What the client saw.
    pub(super) gap: Gap,
    /// From the request until the operation had ended.
    pub(super) took: Duration,
    /// How many requests a second the client made.
    pub(super) rate: Option<f64>,
    /// The operation.
    pub(super) operation: OperationView,
}

/// The rows, and what is worth knowing of them.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) rows: Vec<Row>,
    pub(super) notes: Vec<String>,
}

/// Measures so many rounds: updates first, then rollbacks by a daemon that cannot reach the network.
pub(super) fn measure(home: &Home, rounds: usize) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let server = home.start(Network::AsItIs)?;
    let watched = Subject { name: "watched", address: free_address()? };
    watched.deploy(&server.client(), &watched.looked_at())?;
    updates(&watched, &server.client(), rounds, &mut outcome)?;
    let alone = Subject { name: "alone", address: free_address()? };
    alone.deploy(&server.client(), &alone.not_looked_at())?;
    unwatched(&alone, &server.client(), rounds.div_ceil(3), &mut outcome)?;
    server.end()?;
    let server = home.start(Network::Closed)?;
    rollbacks(&watched, &server.client(), rounds, &mut outcome)?;
    server.end()?;
    Ok(outcome)
}

/// Other code, once with the packages as they are and once with others. The first round fills the caches.
fn updates(subject: &Subject, client: &Client, rounds: usize, outcome: &mut Outcome) -> Result<()> {
    let mut floor = Floor::default();
    let mut same = Tally::new("update", "an update");
    let mut other = Tally::new("update_packages", "an update with other packages");
    for round in 0..=rounds {
        let begun = Instant::now();
        let by_hand = subject.by_hand()?.restart(LEAD)?;
        let first = subject.update(client, 2 * round, &requirements(round))?.with(&REUSED)?;
        let second = subject.update(client, 2 * round + 1, &requirements(round + 1))?.with(&BUILT)?;
        if round > 0 {
            floor.add(&by_hand);
            same.add(&first);
            other.add(&second);
        }
        said("updates", round, begun);
    }
    outcome.tell(&same, &floor);
    outcome.tell(&other, &floor);
    Ok(())
}

/// Updates of an app that nothing looks at: it counts as well when it has been alive for some seconds.
fn unwatched(subject: &Subject, client: &Client, rounds: usize, outcome: &mut Outcome) -> Result<()> {
    let mut floor = Floor::default();
    let mut tally = Tally::new("update_unwatched", "an update, no health check");
    for round in 0..rounds {
        let begun = Instant::now();
        floor.add(&subject.by_hand()?.restart(LEAD)?);
        tally.add(&subject.update(client, round, &requirements(0))?.with(&REUSED)?);
        said("updates without a check", round + 1, begun);
    }
    outcome.tell(&tally, &floor);
    Ok(())
}

/// To and fro between two releases that have not the same packages, once with the environment that was kept, and once
/// with one that has to be built anew from the release's lock, because its folder was removed.
fn rollbacks(subject: &Subject, client: &Client, rounds: usize, outcome: &mut Outcome) -> Result<()> {
    let mut floor = Floor::default();
    let mut kept = Tally::new("rollback", "a rollback, offline");
    let mut gone = Tally::new("rollback_rebuilt", "a rollback, offline, environment gone");
    for round in 0..=rounds {
        let begun = Instant::now();
        let by_hand = subject.by_hand()?;
        let (active, other) = subject.releases(client)?;
        let by_hand = by_hand.restart(LEAD)?;
        let back = subject.roll_back(client, other)?.with(&REUSED)?;
        remove_others(&subject.by_hand()?.environment())?;
        let again = subject.roll_back(client, active)?.with(&BUILT)?;
        if round > 0 {
            floor.add(&by_hand);
            kept.add(&back);
            gone.add(&again);
        }
        said("rollbacks", round, begun);
    }
    outcome.tell(&kept, &floor);
    outcome.tell(&gone, &floor);
    Ok(())
}

fn said(what: &str, round: usize, begun: Instant) {
    let round = if round == 0 { "caches filled".to_owned() } else { format!("round {round}") };
    terminal::done(&format!("{what}, {round}"), begun);
}

/// Another comment makes another file: an environment that was built for an earlier round will not do.
fn requirements(round: usize) -> String {
    format!("# {round}\n{}\n", PACKAGES[round % PACKAGES.len()])
}

/// Removes all environments of an app but this one: any with the same packages would do.
fn remove_others(environment: &Path) -> Result<()> {
    let all = environment.parent().context("It is not known where the environments are")?;
    for entry in fs::read_dir(all).with_context(|| format!("Could not list `{}`", all.display()))? {
        let other = entry?.path();
        if other != environment {
            fs::remove_dir_all(&other).with_context(|| format!("Could not remove `{}`", other.display()))?;
        }
    }
    Ok(())
}

impl Subject {
    /// A check over HTTP each second.
    fn looked_at(&self) -> Value {
        let port = self.address.port();
        json!({ "web_port": port, "health": { "probe": { "kind": "http", "url": "/" }, "interval": 1 } })
    }

    /// No check and no port that Mantyx knows of.
    fn not_looked_at(&self) -> Value {
        json!({ "arguments": [self.address.port().to_string()] })
    }

    fn deploy(&self, client: &Client, configuration: &Value) -> Result<()> {
        let (configuration, upload) = (configuration.to_string(), packed(0, &requirements(0))?);
        let parts = [
            Part::Text("name", self.name),
            Part::Text("type", "perpetual"),
            Part::Text("entrypoint", "main.py"),
            Part::Text("configuration", &configuration),
            Part::File(archive::NAME, &upload),
        ];
        let _: AppCreated = client.upload("/api/apps/upload/archive", &parts)?;
        succeeded(client.post(&self.path("install?wait=60"), &json!({}))?)?;
        client.post::<Value>(&self.path("enable"), &json!({}))?;
        self.process().map(drop)
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/apps/{}/{rest}", self.name)
    }

    /// The process that answers, once one does.
    fn process(&self) -> Result<u32> {
        let asker = Asker::start(self.address);
        let process = asker.until(|_| true);
        asker.end()?;
        process
    }

    /// The same at another address, without Mantyx.
    fn by_hand(&self) -> Result<ByHand> {
        ByHand::like(self.process()?, free_address()?)
    }

    fn update(&self, client: &Client, code: usize, requirements: &str) -> Result<Changed> {
        let upload = packed(code, requirements)?;
        self.change(|| {
            client.upload(&self.path("update/archive?wait=60"), &[Part::File(archive::NAME, &upload)])
        })
    }

    fn roll_back(&self, client: &Client, release: u32) -> Result<Changed> {
        self.change(|| client.post(&self.path("rollback?wait=60"), &json!({ "release": release })))
    }

    /// The active release, and the newest of the others.
    fn releases(&self, client: &Client) -> Result<(u32, u32)> {
        let releases: Page<ReleaseView> = client.get(&self.path("releases"))?;
        let active = releases.items.iter().find(|release| release.active).context("No release is active")?;
        let others = releases.items.iter().filter(|release| !release.active);
        let other = others.map(|release| release.number).max().context("No other release is kept")?;
        Ok((active.number, other))
    }

    /// Lets the client ask while something is changed.
    fn change(&self, change: impl FnOnce() -> Result<OperationView>) -> Result<Changed> {
        let asker = Asker::start(self.address);
        let before = asker.until(|_| true)?;
        interrupt::sleep(LEAD)?;
        let begun = Instant::now();
        let operation = change().and_then(succeeded);
        let took = begun.elapsed();
        let process = operation.as_ref().map_or(Ok(before), |_| asker.until(|process| process != before));
        let heard = asker.end()?;
        let (operation, process) = (operation?, process?);
        let (gap, rate) = (heard.gap(before, process)?, heard.rate());
        Ok(Changed { gap, took, rate, operation })
    }
}

fn packed(code: usize, requirements: &str) -> Result<Vec<u8>> {
    archive::pack(&[("main.py", &format!("# {code}\n{APP}")), ("requirements.txt", requirements)])
}

impl Changed {
    /// What was measured has to be what was meant.
    fn with(self, wanted: &[&str]) -> Result<Self> {
        let build = self.operation.steps.iter().find(|step| step.name == "build");
        let said = build.and_then(|step| step.detail.as_deref()).unwrap_or_default();
        if wanted.iter().any(|start| said.starts_with(start)) {
            return Ok(self);
        }
        bail!("The environment should be `{}`, and of it is said: {said}", wanted.join("` or `"))
    }
}

impl Outcome {
    fn tell(&mut self, tally: &Tally, floor: &Floor) {
        self.rows.extend(tally.rows(floor));
        self.notes.extend(tally.notes(floor));
    }
}
