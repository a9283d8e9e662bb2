//! supervisord: one daemon in Python that reads every service's output itself.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::{Contender, Running, Service, daemon, end, until, version_in};
use crate::workspace;

/// Where its programs are.
pub(super) struct Supervisord {
    programs: PathBuf,
}

/// A daemon that is up.
struct Up {
    programs: PathBuf,
    folder: PathBuf,
    socket: PathBuf,
    daemon: Mutex<Child>,
    configuration: PathBuf,
    logs: PathBuf,
}

impl Supervisord {
    pub(super) const fn new(programs: PathBuf) -> Self {
        Self { programs }
    }
}

impl Contender for Supervisord {
    fn name(&self) -> &'static str {
        "supervisord"
    }

    fn version(&self) -> String {
        let said = workspace::output(Command::new(self.programs.join("supervisord")).arg("--version"));
        version_in(&said.unwrap_or_default())
    }

    fn launch(&self, folder: &Path, services: &[Service]) -> Result<Box<dyn Running>> {
        let (configuration, socket) = (folder.join("supervisord.conf"), folder.join("supervisord.sock"));
        let logs = folder.join("logs");
        for service in services {
            fs::create_dir_all(logs.join(&service.name))?;
        }
        fs::write(&configuration, described(folder, &socket, &logs, services))?;
        let daemon = Mutex::new(begin(&self.programs, &configuration, folder)?);
        until("supervisord to answer", || Ok(UnixStream::connect(&socket).is_ok()))?;
        let (programs, folder) = (self.programs.clone(), folder.to_owned());
        Ok(Box::new(Up { programs, folder, socket, daemon, configuration, logs }))
    }
}

fn begin(programs: &Path, configuration: &Path, folder: &Path) -> Result<Child> {
    let mut command = super::program(programs.join("supervisord"));
    daemon(command.arg("-n").arg("-c").arg(configuration), folder)
}

/// Whether it answers a request, whatever it says.
fn answers(socket: &Path) -> Result<bool> {
    let Ok(mut stream) = UnixStream::connect(socket) else { return Ok(false) };
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    Ok(stream.read(&mut [0; 64])? > 0)
}

/// The configuration. Each service's log is rotated at 16 MB, and enough old files are kept for every line. More files
/// are open for 200 services than the daemon expects by default.
fn described(folder: &Path, socket: &Path, logs: &Path, services: &[Service]) -> String {
    let (folder, socket) = (folder.display(), socket.display());
    let mut text = format!(
        "[supervisord]\nlogfile={folder}/supervisord.log\npidfile={folder}/supervisord.pid\nminfds=8192\n\
         [unix_http_server]\nfile={socket}\n[supervisorctl]\nserverurl=unix://{socket}\n\
         [rpcinterface:supervisor]\n\
         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
    );
    for service in services {
        // It splits a command as a shell would, without being one.
        let command = service.line().trim_start_matches("exec ").replace('%', "%%");
        let log = logs.join(&service.name).join("out.log");
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "[program:{}]\ncommand={command}\nautostart=false\nautorestart=true\nredirect_stderr=true\n\
             stdout_logfile={}\nstdout_logfile_maxbytes=16MB\nstdout_logfile_backups=100\n",
            service.name,
            log.display()
        );
    }
    text
}

impl Running for Up {
    fn start(&self, _services: &[Service]) -> Result<()> {
        let mut command = super::program(self.programs.join("supervisorctl"));
        workspace::output(command.arg("-c").arg(&self.configuration).args(["start", "all"])).map(drop)
    }

    /// The services go on without it, and it does not know them any more.
    fn crash_and_start(&self) -> Result<Option<Duration>> {
        let mut running = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        end(&mut running, Signal::KILL)?;
        fs::remove_file(&self.socket)?;
        let start = Instant::now();
        *running = begin(&self.programs, &self.configuration, &self.folder)?;
        while !answers(&self.socket)? {
            if start.elapsed() > super::PATIENCE {
                bail!("supervisord does not answer");
            }
            thread::sleep(super::AGAIN);
        }
        Ok(Some(start.elapsed()))
    }

    fn log_folder(&self, service: &Service) -> PathBuf {
        self.logs.join(&service.name)
    }

    /// SIGTERM makes it end its services first.
    fn shut_down(self: Box<Self>) -> Result<()> {
        let mut daemon = self.daemon.lock().unwrap_or_else(PoisonError::into_inner);
        end(&mut daemon, Signal::TERM).context("supervisord stays")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_section() {
        let words = vec!["/bin/service".to_owned(), "100%".to_owned()];
        let service = Service { name: "s001".into(), words };
        let text = described(Path::new("/x"), Path::new("/x/sock"), Path::new("/x/logs"), &[service]);
        assert!(text.contains("[program:s001]\ncommand='/bin/service' '100%%'\nautostart=false\n"), "{text}");
        assert!(text.contains("stdout_logfile=/x/logs/s001/out.log\n"), "{text}");
    }
}
