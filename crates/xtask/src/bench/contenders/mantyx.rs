//! Mantyx itself: a daemon on a scratch root, and apps that are made through the documented calls.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Contender, Running, Service, daemon, end, until, version_in};
use crate::http::{Client, Part};
use crate::{page, workspace};

/// How many calls are under way at once, as from a page that opens a few connections.
const CALLS: usize = 4;

/// Where its programs are, and where it finds uv.
#[derive(Clone)]
pub(in crate::bench) struct Mantyx {
    programs: PathBuf,
    search_path: OsString,
}

/// A daemon that is up.
struct Up {
    mantyx: Mantyx,
    daemon: Mutex<Child>,
    client: Client,
    address: SocketAddr,
    folder: PathBuf,
    root: PathBuf,
    services: Vec<Service>,
}

impl Mantyx {
    /// The programs of this folder.
    pub(in crate::bench) const fn new(programs: PathBuf, search_path: OsString) -> Self {
        Self { programs, search_path }
    }

    fn command(&self, root: &Path, address: SocketAddr) -> Command {
        let mut command = super::program(self.programs.join("mantyx"));
        command.arg("serve").arg("--root").arg(root).args(["--bind", &address.to_string()]);
        command.env("PATH", &self.search_path).env("HOME", root);
        if page::folder().is_dir() {
            command.env("MANTYX_PAGE", page::folder());
        }
        command
    }
}

impl Contender for Mantyx {
    fn name(&self) -> &'static str {
        "Mantyx"
    }

    fn version(&self) -> String {
        let said = workspace::output(Command::new(self.programs.join("mantyx")).arg("--version"));
        version_in(&said.unwrap_or_default())
    }

    fn launch(&self, folder: &Path, services: &[Service]) -> Result<Box<dyn Running>> {
        let root = folder.join("root");
        fs::create_dir(&root)?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut daemon = daemon(&mut self.command(&root, address), folder)?;
        let client = answering(&mut daemon, &root, address).with_context(|| complaints(folder))?;
        let (mantyx, folder) = (self.clone(), folder.to_owned());
        let (daemon, services) = (Mutex::new(daemon), services.to_vec());
        let up = Up { mantyx, daemon, client, address, folder, root, services };
        each(&up.services, |service| up.create(service)).with_context(|| complaints(&up.folder))?;
        Ok(Box::new(up))
    }
}

fn answering(daemon: &mut Child, root: &Path, address: SocketAddr) -> Result<Client> {
    let token = root.join("config/owner-token");
    let mut client = None;
    until("the daemon to answer", || {
        if let Some(status) = daemon.try_wait()? {
            bail!("The daemon ended at once: {status}");
        }
        let Ok(token) = fs::read_to_string(&token) else { return Ok(false) };
        let candidate = Client::new(address, token.trim());
        let up = candidate.get::<Value>("/health").is_ok();
        client = up.then_some(candidate);
        Ok(up)
    })?;
    client.context("The daemon does not answer")
}

/// What the daemon complained of. The rest of its log is nobody's business: there is a link in it that logs in.
fn complaints(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("daemon.log")).unwrap_or_default();
    let complains = |line: &&str| [" ERROR ", " WARN ", "error:"].iter().any(|word| line.contains(word));
    let lines: Vec<&str> = text.lines().filter(complains).collect();
    format!("The daemon has {} complaints: {}", lines.len(), workspace::last_lines(&lines.join("\n"), 5))
}

/// Does something for each service, a few at a time.
fn each(services: &[Service], work: impl Fn(&Service) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(service) = services.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(service).with_context(|| format!("The app `{}`", service.name))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..CALLS).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| bail!("Broke off")));
        ended.collect()
    })
}

impl Up {
    /// Uploads an app and installs it. What lived for a second is restarted at once, and never too often: what is
    /// measured is how fast a restart is, not how long Mantyx waits on purpose.
    fn create(&self, service: &Service) -> Result<()> {
        let line = service.line();
        let fields = [
            ("name", service.name.as_str()),
            ("type", "perpetual"),
            ("entrypoint", &line),
            ("restart_policy", "always"),
            ("restart_delay", "0"),
            ("restart_limit", "10000"),
            ("restart_window", "1"),
        ];
        let mut parts: Vec<Part<'_>> = fields.iter().map(|(name, text)| Part::Text(name, text)).collect();
        parts.push(Part::File("service.py", b"# The entrypoint is a command line.\n"));
        // Answers are read as plain JSON, so that the programs of another version can be measured too.
        let _: Value = self.client.upload("/api/apps/upload/script", &parts)?;
        let install = self.call(service, "install?wait=60")?;
        if install["status"] != "succeeded" {
            bail!("The installation is {}: {}", install["status"], install["problem"]["detail"]);
        }
        Ok(())
    }

    /// The first answer of a daemon that has just been started. Who calls once it listens need not call again.
    fn first_answer(&self, path: &str) -> Result<Value> {
        let start = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if start.elapsed() > super::PATIENCE {
                bail!("The daemon does not listen: {}", complaints(&self.folder));
            }
            thread::sleep(super::AGAIN);
        }
        self.client.get(path)
    }

    fn call(&self, service: &Service, word: &str) -> Result<Value> {
        self.client.post(&format!("/api/apps/{}/{word}", service.name), &json!({}))
    }
}

impl Running for Up {
    /// Enabling starts an app.
    fn start(&self, services: &[Service]) -> Result<()> {
        each(services, |service| self.call(service, "enable").map(drop))
    }

    fn crash_and_start(&self) -> Result<Option<Duration>> {
        let mut running = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        end(&mut running, Signal::KILL)?;
        let mut command = self.mantyx.command(&self.root, self.address);
        let start = Instant::now();
        *running = daemon(&mut command, &self.folder)?;
        let apps = self.first_answer("/api/apps?limit=500")?;
        let took = start.elapsed();
        let states = apps["items"].as_array().into_iter().flatten().map(|app| &app["state"]);
        let adopted = states.filter(|state| *state == "running").count();
        if adopted < self.services.len() {
            bail!("Only {adopted} apps are running when it answers");
        }
        Ok(Some(took))
    }

    /// There is one app where logs are looked at, and its id is not worth a call.
    fn log_folder(&self, _service: &Service) -> PathBuf {
        self.root.join("logs")
    }

    /// Apps outlive the daemon by design: they are stopped first.
    fn shut_down(self: Box<Self>) -> Result<()> {
        let stopped = each(&self.services, |service| self.call(service, "stop").map(drop));
        let mut daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        end(&mut daemon, Signal::TERM).context("The daemon stays")?;
        stopped
    }
}
