//! The socket on which an app says how it is (sd_notify(3)).
//!
//! It has an abstract name (unix(7)), which needs no folder that another user could enter and leaves nothing behind.
//! Everybody can read such names and send to them, so the kernel says who sent (`SO_PASSCRED`), and only processes of
//! the app are listened to: those that descend from this monitor.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mantyx_core::ExecutionId;
use mantyx_monitor::{Phase, process};
use rustix::cmsg_space;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, ReturnFlags,
    SocketAddrUnix, SocketFlags, SocketType, UCred, bind, recvmsg, socket_with,
};

use crate::notice::{self, Notice};

/// The longest datagram that systemd takes.
const LONGEST: usize = 4096;
/// As many as the kernel keeps for a socket by default. A flood is read bit by bit, between everything else.
const AT_ONCE: usize = 10;
/// No family goes deeper. It ends a walk through processes that change meanwhile.
const DEEPEST: usize = 256;

/// The socket on which an app says how it is.
pub(crate) struct NotifySocket {
    socket: OwnedFd,
    name: String,
    /// As whom the app runs.
    uid: u32,
}

impl NotifySocket {
    /// Opens the socket for the processes of one execution, which run as `uid`.
    pub(crate) fn open(execution: ExecutionId, uid: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        set_socket_passcred(&socket, true)?;
        let name = format!("mantyx/{execution}");
        bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
        Ok(Self { socket, name, uid })
    }

    /// What `NOTIFY_SOCKET` is for the app.
    pub(crate) fn variable(&self) -> String {
        format!("@{}", self.name)
    }

    /// What the app has said since the last time, or the beginning of it.
    pub(crate) fn receive(&self) -> Vec<Notice> {
        let mut heard = Vec::new();
        for _ in 0..AT_ONCE {
            let mut buffer = [0; LONGEST];
            match self.datagram(&mut buffer) {
                Ok(Some((length, sender))) => {
                    heard.extend(notice::parse(&buffer[..length]).filter(|notice| sender.may_say(notice)));
                }
                Ok(None) => {}
                Err(_) => break,
            }
        }
        heard
    }

    /// The length of the next datagram and whose it is; none for one that is too long or comes from a stranger.
    /// Descriptors that come along are closed with `ancillary`, which is all that `BARRIER=1` waits for.
    fn datagram(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, Sender)>> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(16), ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let RecvMsg { bytes, flags, .. } =
            recvmsg(&self.socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?;
        let mut credentials = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmCredentials(sent) = message {
                credentials = Some(sent);
            }
        }
        let is_whole = !flags.contains(ReturnFlags::TRUNC);
        let sender = credentials.filter(|_| is_whole).and_then(|sent| self.sender(&sent));
        Ok(sender.map(|sender| (bytes, sender)))
    }

    /// Who sent it, unless that is a stranger.
    fn sender(&self, sent: &UCred) -> Option<Sender> {
        let pid = sent.pid.as_raw_pid().unsigned_abs();
        match process::stat(pid) {
            Ok(stat) => descends_from_here(stat.parent).then_some(Sender::Family),
            Err(_) => (sent.uid.as_raw() == self.uid).then_some(Sender::Gone),
        }
    }
}

/// Who has said something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// A process of the app.
    Family,
    /// One that has gone and ran as the app's user.
    ///
    /// A helper such as systemd-notify(1) may have gone before it is heard, and nobody can say any more whose it was.
    /// Other apps may run as the same user. So it may say how the app is, which harms nobody, but not what would end
    /// the app, or keep one alive that hangs.
    Gone,
}

impl Sender {
    const fn may_say(self, notice: &Notice) -> bool {
        match self {
            Self::Family => true,
            Self::Gone => matches!(notice, Notice::Phase(Phase::Ready) | Notice::Status(_)),
        }
    }
}

fn descends_from_here(parent: u32) -> bool {
    let above = |pid: &u32| process::stat(*pid).ok().map(|stat| stat.parent).filter(|parent| *parent > 1);
    std::iter::successors(Some(parent), above).take(DEEPEST).any(|pid| pid == std::process::id())
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::process::Command;

    fn open(uid: u32) -> (NotifySocket, SocketAddr) {
        let socket = NotifySocket::open(ExecutionId::generate(), uid).unwrap();
        let address = SocketAddr::from_abstract_name(&socket.name).unwrap();
        (socket, address)
    }

    const SAY: &str = "import os, socket, sys\n\
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
        s.connect(sys.argv[1].replace('@', chr(0), 1)); s.send(b'READY=1')\n";

    #[test]
    fn a_stranger_is_not_heard() {
        // This process is its own monitor here, and nobody descends from himself.
        let (socket, address) = open(0);
        let stranger = UnixDatagram::unbound().unwrap();
        stranger.send_to_addr(b"READY=1", &address).unwrap();
        assert_eq!(socket.receive(), []);
    }

    #[test]
    fn a_child_is_heard_and_one_that_has_gone_when_it_was_of_the_same_user() {
        let me = rustix::process::geteuid().as_raw();
        for (uid, heard) in [(me, vec![Notice::Phase(Phase::Ready)]), (me + 1, vec![])] {
            let (socket, _) = open(uid);
            let mut child = Command::new("python3");
            assert!(child.args(["-c", SAY, &socket.variable()]).status().unwrap().success());
            assert_eq!(socket.receive(), heard);
        }
    }

    #[test]
    fn one_that_has_gone_decides_nothing() {
        let (socket, _) = open(rustix::process::geteuid().as_raw());
        let all = "WATCHDOG=trigger\\nWATCHDOG=1\\nWATCHDOG_USEC=1\\nSTOPPING=1\\nSTATUS=busy";
        let say = SAY.replace("READY=1", all);
        let mut child = Command::new("python3");
        assert!(child.args(["-c", &say, &socket.variable()]).status().unwrap().success());
        assert_eq!(socket.receive(), [Notice::Status(Some("busy".into()))]);
    }

    #[test]
    fn one_that_is_too_long_is_not_heard_in_part() {
        let (socket, _) = open(rustix::process::geteuid().as_raw());
        let say = SAY.replace("b'READY=1'", "b'READY=1\\n' + b'X' * 5000");
        let mut child = Command::new("python3");
        assert!(child.args(["-c", &say, &socket.variable()]).status().unwrap().success());
        assert_eq!(socket.receive(), []);
    }
}
