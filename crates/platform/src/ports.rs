//! Who listens where on this machine (proc(5), `/proc/net/tcp`), and whether it answers.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// Accepting on this machine takes microseconds. What needs this long has its queue full.
const PATIENCE: Duration = Duration::from_secs(1);

/// From where a port can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// From nowhere: nothing listens.
    NotAtAll,
    /// From this machine.
    LoopbackOnly,
    /// From other machines too, over one of its addresses at least.
    Everywhere,
}

/// Whether somebody has a port of this machine already, on whichever of its addresses: an app may take either kind.
#[must_use]
pub fn in_use(port: u16) -> bool {
    is_taken(Ipv4Addr::UNSPECIFIED, port) || is_taken(Ipv6Addr::UNSPECIFIED, port)
}

/// A machine without this kind of address has nobody on it.
fn is_taken(address: impl Into<IpAddr>, port: u16) -> bool {
    TcpListener::bind(SocketAddr::new(address.into(), port)).is_err_and(|error| !is_absent(&error))
}

/// Whether a machine has no such address, or none of its kind.
fn is_absent(error: &io::Error) -> bool {
    // No such family at all (EAFNOSUPPORT) is one that std has no kind for.
    let family = rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::AFNOSUPPORT);
    family || matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
}

/// From where a port can be reached. It asks the kernel's tables, not the program that listens.
#[must_use]
pub fn listens(port: u16) -> Listening {
    let mut found = listeners(port).peekable();
    if found.peek().is_none() {
        return Listening::NotAtAll;
    }
    let all_on_loopback = found.all(|listener| listener.address.to_canonical().is_loopback());
    if all_on_loopback { Listening::LoopbackOnly } else { Listening::Everywhere }
}

/// The program and the process that listen on a port, as far as this user may see that.
///
/// It looks at every open file of every process, which takes long on a busy machine: for threads that may wait.
#[must_use]
pub fn holder(port: u16) -> Option<(String, u32)> {
    let link = format!("socket:[{}]", listeners(port).next()?.inode);
    let processes = fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find_map(|pid: u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let held = files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str()));
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        held.then(|| (name.trim().to_owned(), pid))
    })
}

/// Whether a connection to a port of this machine can be made. It says so within a second.
pub async fn answers(port: u16) -> bool {
    matches!(timeout(PATIENCE, connect_own(port)).await, Ok(Ok(_)))
}

/// Connects to a port of this machine, on whichever of its addresses somebody listens; it does not limit the time that
/// this takes.
///
/// # Errors
/// What the first loopback address said.
pub async fn connect_own(port: u16) -> io::Result<TcpStream> {
    let error = match connect(&loopback(port)).await {
        Err(error) => error,
        connected => return connected,
    };
    let bound = |listener: &Listener| !listener.address.is_unspecified() && !listener.address.is_loopback();
    let others: Vec<SocketAddr> =
        listeners(port).filter(bound).map(|listener| (listener.address, port).into()).collect();
    connect(&others).await.map_err(|_| error)
}

/// Where an app is reached from its own machine, in the order in which to try.
#[must_use]
pub fn loopback(port: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

/// Connects to the first address that accepts; it does not limit the time that this takes.
///
/// # Errors
/// What the first address said: a machine without IPv6 has nothing to say about the app.
pub async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut first = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) if is_other_end(&stream) => return Ok(stream),
            Ok(_) => _ = first.get_or_insert_with(|| ErrorKind::ConnectionRefused.into()),
            Err(error) => _ = first.get_or_insert(error),
        }
    }
    Err(first.unwrap_or_else(|| ErrorKind::AddrNotAvailable.into()))
}

/// A client whose own port is by chance the one that it asks for is connected to itself (RFC 9293, 3.5): nobody
/// listens there.
fn is_other_end(stream: &TcpStream) -> bool {
    !matches!((stream.local_addr(), stream.peer_addr()), (Ok(ours), Ok(theirs)) if ours == theirs)
}

/// A socket that waits for connections.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    address: IpAddr,
    inode: u64,
}

/// All that listen on a port. The tables are read line by line: a busy machine has many thousands.
fn listeners(port: u16) -> impl Iterator<Item = Listener> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|table| File::open(table).ok());
    let lines = tables.flat_map(|table| BufReader::new(table).lines().map_while(Result::ok));
    lines.filter_map(move |line| listening(&line, port))
}

/// The socket of a line, when it listens (state `0A`) on this port.
fn listening(line: &str, port: u16) -> Option<Listener> {
    let mut fields = line.split_whitespace();
    let (address, local) = fields.nth(1)?.rsplit_once(':')?;
    let listens = fields.nth(1)? == "0A" && u16::from_str_radix(local, 16).ok()? == port;
    if !listens {
        return None;
    }
    Some(Listener { address: parse(address)?, inode: fields.nth(5)?.parse().ok()? })
}

/// An address as the kernel prints it: words of four bytes, each as a number of this machine's byte order.
fn parse(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            Some(IpAddr::from(<[u8; 16]>::try_from(words.as_flattened()).ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    /// Listens there, unless this machine has no such address: not every one has IPv6.
    fn listen(address: impl Into<SocketAddr>) -> Option<(TcpListener, u16)> {
        let listener = match TcpListener::bind(address.into()) {
            Err(error) if is_absent(&error) => return None,
            listener => listener.unwrap(),
        };
        let port = listener.local_addr().unwrap().port();
        Some((listener, port))
    }

    fn listen_on_ipv4() -> (TcpListener, u16) {
        listen((Ipv4Addr::LOCALHOST, 0)).unwrap()
    }

    /// Has a port on IPv4 and does not listen there. Others may look whether it is free.
    fn reserve() -> (OwnedFd, u16) {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap().port();
        (socket, port)
    }

    /// Listens on IPv6 at the port that something has on IPv4. Somebody else may have some of them.
    fn beside<T>(mut other: impl FnMut() -> (T, u16)) -> Option<(T, TcpListener, u16)> {
        for _ in 0..100 {
            let (there, port) = other();
            match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
                Ok(listener) => return Some((there, listener, port)),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(error) => {
                    assert!(is_absent(&error), "{error}");
                    return None;
                }
            }
        }
        panic!("somebody has a hundred ports");
    }

    #[tokio::test]
    async fn a_listener_is_found_with_its_process() {
        let (listener, port) = listen_on_ipv4();
        assert!(in_use(port) && answers(port).await);
        assert_eq!(holder(port).map(|(_, pid)| pid), Some(std::process::id()));
        drop(listener);
        // A child that another test starts holds it until it has become its program.
        let deadline = Instant::now() + Duration::from_secs(60);
        while in_use(port) {
            assert!(Instant::now() < deadline, "port {port} is not given back");
            tokio::task::yield_now().await;
        }
        assert!(!answers(port).await);
        assert_eq!((listens(port), holder(port)), (Listening::NotAtAll, None));
    }

    #[test]
    fn from_where_it_is_reached_is_told_apart() {
        for (address, reached) in [
            ("127.0.0.1:0", Listening::LoopbackOnly),
            ("127.8.8.8:0", Listening::LoopbackOnly),
            ("[::1]:0", Listening::LoopbackOnly),
            ("[::ffff:127.0.0.1]:0", Listening::LoopbackOnly),
            ("0.0.0.0:0", Listening::Everywhere),
            ("[::]:0", Listening::Everywhere),
        ] {
            let Some((_listener, port)) = listen(address.parse::<SocketAddr>().unwrap()) else { continue };
            assert_eq!(listens(port), reached, "{address}");
        }
    }

    #[test]
    fn one_open_listener_is_enough_to_be_reached() {
        let Some((_inner, both, port)) = beside(listen_on_ipv4) else { return };
        assert_eq!(listens(port), Listening::LoopbackOnly);
        drop(both);
        let open = socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
        sockopt::set_ipv6_v6only(&open, true).unwrap();
        bind(&open, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).unwrap();
        rustix::net::listen(&open, 8).unwrap();
        assert_eq!(listens(port), Listening::Everywhere);
    }

    #[tokio::test]
    async fn one_that_listens_on_ipv6_alone_answers() {
        let Some((_reserved, _listener, port)) = beside(reserve) else { return };
        assert!(in_use(port) && answers(port).await);
        assert!(connect(&loopback(port)).await.unwrap().peer_addr().unwrap().is_ipv6());
    }

    #[tokio::test]
    async fn one_whose_queue_is_full_does_not_hold_the_caller() {
        let (socket, port) = reserve();
        rustix::net::listen(&socket, 0).unwrap();
        let first = connect(&loopback(port)).await.unwrap();
        assert!(!answers(port).await);
        assert_eq!(listens(port), Listening::LoopbackOnly);
        drop(first);
    }

    #[test]
    fn nonsense_in_the_tables_is_no_listener() {
        let line = |address: &str| format!(" 0: {address}:1F90 00000000:0000 0A 0:0 00:0 00 0 0 4711 1");
        assert_eq!(listening(&line("zz"), 8080), None);
        assert_eq!(listening(&line("éééé"), 8080), None);
        assert_eq!(listening(" sl local_address rem_address st", 8080), None);
        let found = Listener { address: Ipv4Addr::UNSPECIFIED.into(), inode: 4711 };
        assert_eq!(listening(&line("00000000"), 8080), Some(found));
        assert_eq!(listening(&line("00000000"), 8081), None);
    }
}
