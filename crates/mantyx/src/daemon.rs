//! The life of the daemon: listen, come up, serve, go down.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use mantyx_api::{Document, Server, login_link};
use mantyx_core::{Code, Error, Result};
use mantyx_operations::Mantyx;
use mantyx_settings::Settings;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::memory;

/// Runs until a signal ends it. Apps stay alive, unless the settings say otherwise.
pub(crate) async fn run(settings: Settings) -> Result<()> {
    let mut signals = Signals::listen()?;
    // First of all, so that a second daemon fails before it touches anything; who calls early waits in the queue.
    let listener = listen(settings.bind)?;
    let address = listener.local_addr().map_err(|e| Error::io("read the address of the daemon", e))?;
    let document = tokio::task::spawn_blocking(Document::write);
    let mantyx = Mantyx::open(settings).await?;
    let document = document.await.map_err(|error| Error::internal("write the OpenAPI document", error))??;
    let server = Server::with(mantyx.clone(), document)?;
    let link = login_link(&base(mantyx.settings(), address), &mantyx.login_code()?);
    tracing::info!(%address, root = %mantyx.settings().root.display(), "Mantyx is up");
    announce(&link);
    let [executions, operations] = mantyx.watch_work();
    tokio::spawn(memory::give_back_when_calm([executions, operations, server.watch_ends()]));
    let outcome = server.serve(listener, signals.any()).await;
    tracing::info!("Mantyx goes down");
    mantyx.shutdown().await;
    outcome.map_err(|e| Error::io("serve", e))
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Error::new(Code::PortTaken, format!("Something else listens on `{address}`"))
                .hint("End it, or choose another address with `--bind`")
        }
        _ => Error::new(Code::Invalid, format!("Could not listen on `{address}`"))
            .hint("Choose an address of this machine with `--bind`")
            .because(error),
    })
}

/// Where a browser finds the daemon: on this machine, unless the settings say better.
fn base(settings: &Settings, address: SocketAddr) -> String {
    match &settings.public_url {
        Some(url) => url.clone(),
        None if address.ip().is_unspecified() => format!("http://localhost:{}", address.port()),
        None => format!("http://{address}"),
    }
}

/// Prints the link that logs a browser in. It is for the person at the terminal, not for the log.
fn announce(link: &str) {
    let mut out = std::io::stdout().lock();
    // The daemon is up even when nobody reads this.
    let _ = writeln!(out, "Log in once, within 15 minutes: {link}").and_then(|()| out.flush());
}

/// What asks the daemon to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|error| Error::io("listen for signals", error));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn base_of(public_url: &str, address: &str) -> String {
        let flags = BTreeMap::from([("public_url".to_owned(), public_url.to_owned())]);
        let flags = if public_url.is_empty() { BTreeMap::new() } else { flags };
        let settings = Settings::load(Some("/nowhere".into()), flags, std::iter::empty()).unwrap();
        base(&settings, address.parse().unwrap())
    }

    #[test]
    fn the_link_leads_to_where_the_daemon_is() {
        assert_eq!(base_of("", "127.0.0.1:8420"), "http://127.0.0.1:8420");
        assert_eq!(base_of("", "0.0.0.0:80"), "http://localhost:80");
        assert_eq!(base_of("", "[::]:80"), "http://localhost:80");
        assert_eq!(base_of("https://box.lan", "0.0.0.0:80"), "https://box.lan");
    }

    #[test]
    fn a_taken_port_is_said_with_the_way_out() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = listen(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.code(), Code::PortTaken);
        assert!(error.hint_text().unwrap().contains("--bind"));
    }
}
