//! PM2: a daemon in Node that its command starts and talks to, with a home of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Contender, Running, Service, version_in};
use crate::workspace;

/// Where its programs are.
pub(super) struct Pm2 {
    programs: PathBuf,
}

/// A daemon that is up.
struct Up {
    program: PathBuf,
    home: PathBuf,
    ecosystem: PathBuf,
}

impl Pm2 {
    pub(super) const fn new(programs: PathBuf) -> Self {
        Self { programs }
    }
}

impl Contender for Pm2 {
    fn name(&self) -> &'static str {
        "PM2"
    }

    /// Asking the program would start its daemon; the package says it too.
    fn version(&self) -> String {
        let package = self.programs.parent().map(|modules| modules.join("pm2/package.json"));
        let text = package.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        version_in(package["version"].as_str().unwrap_or_default())
    }

    fn launch(&self, folder: &Path, services: &[Service]) -> Result<Box<dyn Running>> {
        let (home, ecosystem) = (folder.join("pm2"), folder.join("ecosystem.json"));
        fs::create_dir_all(&home)?;
        fs::write(&ecosystem, serde_json::to_vec(&described(services, &home))?)?;
        let up = Up { program: self.programs.join("pm2"), home, ecosystem };
        workspace::output(up.command().arg("ping")).context("The daemon of PM2 does not come up")?;
        Ok(Box::new(up))
    }
}

/// The services as one file. They are restarted as often as it takes; everything else is PM2's default.
fn described(services: &[Service], home: &Path) -> serde_json::Value {
    let app = |service: &Service| {
        let (script, arguments) = service.words.split_first().map_or(("", &[][..]), |(a, b)| (a.as_str(), b));
        json!({
            "name": service.name, "script": script, "args": arguments, "interpreter": "none", "cwd": home,
            "exec_mode": "fork", "max_restarts": 1_000_000,
        })
    };
    json!({ "apps": services.iter().map(app).collect::<Vec<_>>() })
}

impl Up {
    fn command(&self) -> Command {
        let mut command = super::program(&self.program);
        command.env("PM2_HOME", &self.home).env("HOME", &self.home).current_dir(&self.home);
        command
    }
}

impl Running for Up {
    fn start(&self, _services: &[Service]) -> Result<()> {
        workspace::output(self.command().arg("start").arg(&self.ecosystem)).map(drop)
    }

    /// The services go on without it, and it does not know them any more. The command that starts it is told once it
    /// answers.
    fn crash_and_start(&self) -> Result<Option<Duration>> {
        let pid = fs::read_to_string(self.home.join("pm2.pid"))?.trim().parse()?;
        let daemon = Pid::from_raw(pid).context("PM2 has no process")?;
        kill_process(daemon, Signal::KILL)?;
        let start = Instant::now();
        workspace::output(self.command().arg("ping")).context("The daemon of PM2 does not come up")?;
        Ok(Some(start.elapsed()))
    }

    fn log_folder(&self, _service: &Service) -> PathBuf {
        self.home.join("logs")
    }

    fn shut_down(self: Box<Self>) -> Result<()> {
        workspace::output(self.command().arg("kill")).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_script_without_an_interpreter() {
        let service = Service { name: "s001".into(), words: vec!["/bin/service".into(), "a b".into()] };
        let described = described(&[service], Path::new("/home"));
        assert_eq!(described["apps"][0]["script"], "/bin/service");
        assert_eq!(described["apps"][0]["args"], json!(["a b"]));
    }
}
