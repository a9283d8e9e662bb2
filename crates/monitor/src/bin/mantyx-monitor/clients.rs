//! Everybody who listens to this monitor: the launcher, which is answered once, and whoever has connected.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use mantyx_monitor::{Message, Notified};
use rustix::fs::Mode;

use crate::client::{Asked, Client, Gone};
use crate::launcher::Launcher;
use crate::wait::{self, Ready, Source};

/// Everybody who listens to this monitor.
pub(crate) struct Clients {
    listener: UnixListener,
    launcher: Option<Launcher>,
    connected: Vec<Client>,
}

impl Clients {
    /// Opens the socket.
    pub(crate) fn listen(socket: &Path) -> io::Result<Self> {
        Ok(Self { listener: listen(socket)?, launcher: None, connected: Vec::new() })
    }

    /// Whoever started this monitor is told how the start went.
    pub(crate) fn expect(&mut self, launcher: Launcher) {
        self.launcher = Some(launcher);
    }

    /// All of them. Clients come from the highest down, so that one can be removed without moving those to come.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        let clients = self.connected.iter().enumerate().rev();
        clients.map(|(index, client)| (Ready::Client(index), client.as_fd())).chain([self.listener()])
    }

    fn listener(&self) -> Source<'_> {
        (Ready::Listener, self.listener.as_fd())
    }

    /// Lets one in.
    pub(crate) fn accept(&mut self) {
        if let Ok((stream, _)) = self.listener.accept()
            && let Ok(client) = Client::new(OwnedFd::from(stream))
        {
            self.connected.push(client);
        }
    }

    /// What a client has asked since the last time. One that has gone is forgotten.
    pub(crate) fn asked(&mut self, index: usize) -> Vec<Asked> {
        let asked = self.connected[index].asked();
        self.unless_gone(index, asked).unwrap_or_default()
    }

    /// Answers a client.
    pub(crate) fn answer(&mut self, index: usize, answers: &[Message]) {
        if let Some(client) = self.connected.get_mut(index) {
            let told = answers.iter().try_for_each(|answer| client.tell(answer));
            self.unless_gone(index, told);
        }
    }

    fn unless_gone<T>(&mut self, index: usize, result: Result<T, Gone>) -> Option<T> {
        if result.is_err() {
            self.connected.remove(index);
        }
        result.ok()
    }

    /// Tells everybody.
    pub(crate) fn tell_all(&mut self, message: &Message) {
        if let Some(launcher) = self.launcher.take() {
            launcher.answer(message);
        }
        self.connected.retain_mut(|client| client.tell(message).is_ok());
    }

    /// Tells what an app says of itself to those who understand it.
    pub(crate) fn tell_notified(&mut self, notified: Notified) {
        let message = Message::Notified(notified);
        self.connected.retain_mut(|client| !client.hears_notices() || client.tell(&message).is_ok());
    }

    /// Tells everybody, those who are just knocking included, and hangs up.
    pub(crate) fn tell_last(&mut self, message: &Message) {
        while !self.wait_for_knock(Duration::ZERO).is_empty() {
            self.accept();
        }
        self.tell_all(message);
        self.connected.clear();
    }

    /// Waits until somebody knocks.
    pub(crate) fn wait_for_knock(&self, most: Duration) -> Vec<Ready> {
        wait::at_most(Some(most), vec![self.listener()])
    }
}

/// Opens the socket, for the owner alone.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
